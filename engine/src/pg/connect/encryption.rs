//! Whether a connection is encrypted: the methods of an `sslmode`, and what follows when one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::tls::TlsConnect;

use crate::api::{Error, ErrorCode};
use crate::pg::conninfo::SslMode;

/// How one attempt treats encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    IfOffered,
    Required,
}

/// The methods to try in turn (`select_next_encryption_method()` in `fe-connect.c`).
pub(super) fn methods(mode: SslMode, is_socket: bool) -> &'static [Encryption] {
    match mode {
        // "sslmode is ignored for Unix domain socket communication."
        _ if is_socket => &[Encryption::Off],
        SslMode::Disable => &[Encryption::Off],
        SslMode::Allow => &[Encryption::Off, Encryption::Required],
        SslMode::Prefer => &[Encryption::IfOffered, Encryption::Off],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Required],
    }
}

/// Whether the other encryption method may get in where this one did not.
///
/// libpq goes on after every refusal. Here a wrong password or a missing database ends it:
/// only `pg_hba.conf` tells encrypted connections from others, and each wrong attempt would
/// stand twice in the server's log.
pub(super) fn may_try_next(method: Encryption, error: &Error, was_encrypted: bool) -> bool {
    match (method, error.code) {
        (Encryption::Required, _) => false,
        (Encryption::IfOffered, ErrorCode::TlsFailed) => true,
        (Encryption::IfOffered, ErrorCode::AuthenticationRefused) => was_encrypted,
        (Encryption::Off, ErrorCode::AuthenticationRefused) => true,
        _ => false,
    }
}

/// The error of the last method, with that of the one before.
pub(super) fn both(earlier: Option<Error>, last: Error) -> Error {
    match earlier {
        None => last,
        Some(earlier) if earlier.detail == last.detail => last,
        // Without encryption it was refused, and there is none: the refusal is the reason.
        Some(earlier) if last.code == ErrorCode::TlsFailed => earlier,
        Some(earlier) => {
            let detail = format!("{}; with encryption: {}", last.detail, earlier.detail);
            last.detail(detail)
        }
    }
}

/// A TLS connector that notes when it is used: the server has offered encryption.
pub(super) struct Noting<T> {
    pub(super) inner: T,
    pub(super) begun: Arc<AtomicBool>,
}

impl<S, T: TlsConnect<S>> TlsConnect<S> for Noting<T> {
    type Stream = T::Stream;
    type Error = T::Error;
    type Future = T::Future;

    fn connect(self, stream: S) -> Self::Future {
        self.begun.store(true, Ordering::Relaxed);
        self.inner.connect(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_methods_follow_the_mode() {
        use Encryption::{IfOffered, Off, Required};
        for (mode, expected) in [
            (SslMode::Disable, &[Off][..]),
            (SslMode::Allow, &[Off, Required]),
            (SslMode::Prefer, &[IfOffered, Off]),
            (SslMode::Require, &[Required]),
            (SslMode::VerifyCa, &[Required]),
            (SslMode::VerifyFull, &[Required]),
        ] {
            assert_eq!(methods(mode, false), expected, "{mode:?}");
            assert_eq!(methods(mode, true), [Off], "{mode:?}");
        }
    }

    #[test]
    fn only_what_the_method_may_change_is_tried_again() {
        let error = |code| Error::new(code, "");
        let tls = error(ErrorCode::TlsFailed);
        let refused = error(ErrorCode::AuthenticationRefused);
        let password = error(ErrorCode::PasswordWrong);
        assert!(may_try_next(Encryption::IfOffered, &tls, true));
        assert!(may_try_next(Encryption::IfOffered, &refused, true));
        assert!(!may_try_next(Encryption::IfOffered, &refused, false), "it was not encrypted");
        assert!(may_try_next(Encryption::Off, &refused, false));
        assert!(!may_try_next(Encryption::Required, &tls, true));
        for method in [Encryption::Off, Encryption::IfOffered, Encryption::Required] {
            assert!(!may_try_next(method, &password, true), "{method:?}");
        }
    }

    #[test]
    fn the_refusal_is_told_not_the_missing_encryption() {
        let refused = Error::new(ErrorCode::AuthenticationRefused, "refused").detail("no entry");
        let no_tls = Error::new(ErrorCode::TlsFailed, "no TLS").detail("not offered");
        assert_eq!(both(Some(refused.clone()), no_tls.clone()), refused);
        let last = both(Some(no_tls), refused);
        assert_eq!(last.detail, "no entry; with encryption: not offered");
    }
}
