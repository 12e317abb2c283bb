//! Why a handshake failed, in plain words.

use chrono::{DateTime, Utc};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertRevocationListError, CertificateError, Error};

use super::verify::{IssuerUnknown, NameMismatch};

/// What was seen and what to do about a failed handshake.
pub(in crate::pg) struct Explanation {
    pub(in crate::pg) detail: String,
    pub(in crate::pg) hint: Option<&'static str>,
}

const RENEW: &str = "Renew the server's certificate, or check this machine's clock.";
const TRUST: &str =
    "Name the certificate of the authority that signed the server's with sslrootcert.";
const NAME: &str = "Connect by a name the certificate is for, or have one made for this host; \
    sslmode=verify-ca does not compare names.";
const CLIENT_CERTIFICATE: &str =
    "Name a certificate and key that the server trusts with sslcert and sslkey.";

/// Puts a TLS error into words.
pub(in crate::pg) fn explain(error: &Error) -> Explanation {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidCertRevocationList(error) => {
            with("the certificate revocation list cannot be used", error_word(error), None)
        }
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::PeerIncompatible(why) => with(
            "the server and pgdeck have no TLS version or cipher in common",
            format!("{why:?}"),
            Some(
                "pgdeck speaks TLS 1.2 and 1.3; look at ssl_min_protocol_version and ssl_ciphers of the server.",
            ),
        ),
        Error::InvalidMessage(why) => with(
            "what listens there does not speak TLS",
            format!("{why:?}"),
            Some("Check host and port; sslnegotiation=direct needs a server of 17 or later."),
        ),
        Error::NoCertificatesPresented => plain("the server sent no certificate", None),
        other => plain(other.to_string(), None),
    }
}

fn plain(detail: impl Into<String>, hint: Option<&'static str>) -> Explanation {
    Explanation { detail: detail.into(), hint }
}

fn with(what: &str, why: impl std::fmt::Display, hint: Option<&'static str>) -> Explanation {
    plain(format!("{what} ({why})"), hint)
}

fn error_word(error: &CertRevocationListError) -> String {
    format!("{error:?}")
}

fn certificate(error: &CertificateError) -> Explanation {
    match error {
        CertificateError::Expired => plain("the server's certificate has expired", Some(RENEW)),
        CertificateError::ExpiredContext { not_after, time } => plain(
            format!(
                "the server's certificate expired on {}; it is now {}",
                date(*not_after),
                date(*time)
            ),
            Some(RENEW),
        ),
        CertificateError::NotValidYet => {
            plain("the server's certificate is not valid yet", Some(RENEW))
        }
        CertificateError::NotValidYetContext { not_before, time } => plain(
            format!(
                "the server's certificate is valid from {} on; it is now {}",
                date(*not_before),
                date(*time)
            ),
            Some(RENEW),
        ),
        CertificateError::UnknownIssuer => plain(
            "the server's certificate is signed by an authority that is not trusted",
            Some(TRUST),
        ),
        CertificateError::Revoked => plain(
            "the server's certificate has been revoked",
            Some("Install a new certificate on the server."),
        ),
        CertificateError::UnknownRevocationStatus => plain(
            "no revocation list covers the authority of the server's certificate",
            Some("Add that authority's list to the file of sslcrl, or remove the file."),
        ),
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => plain(
            "the certificate revocation list is out of date",
            Some("Replace the file of sslcrl by the authority's newest list."),
        ),
        CertificateError::BadSignature => plain(
            "the server's certificate has a wrong signature, or the server does not hold its key",
            None,
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => plain(
            "the server's certificate is not made for a server (extended key usage)",
            Some("Have a certificate with the purpose serverAuth made."),
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => plain(
            "the server's certificate uses a signature that is too weak or unknown, such as SHA-1 or RSA below 2048 bits",
            Some("Have a certificate with ECDSA P-256 or RSA 2048 and SHA-256 made."),
        ),
        CertificateError::Other(other) => {
            if other.0.is::<NameMismatch>() {
                plain(other.0.to_string(), Some(NAME))
            } else if other.0.is::<IssuerUnknown>() {
                plain(other.0.to_string(), Some(TRUST))
            } else if other.0.to_string() == "UnsupportedCertVersion" {
                plain(
                    "the server's certificate is of X.509 version 1, which is not accepted \
                     together with a revocation list",
                    Some("Leave sslcrl out, or have a version 3 certificate made."),
                )
            } else {
                plain(format!("the server's certificate is not acceptable: {}", other.0), None)
            }
        }
        other => plain(format!("the server's certificate is not acceptable: {other}"), None),
    }
}

fn alert_received(alert: AlertDescription) -> Explanation {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => plain(
            "the server wants a certificate of the client and there is none",
            Some(CLIENT_CERTIFICATE),
        ),
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => with(
            "the server does not accept the client's certificate",
            format!("{alert:?}"),
            Some(CLIENT_CERTIFICATE),
        ),
        Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => with(
            "the server and pgdeck have no TLS version or cipher in common",
            format!("{alert:?}"),
            Some(
                "pgdeck speaks TLS 1.2 and 1.3; look at ssl_min_protocol_version and ssl_ciphers of the server.",
            ),
        ),
        other => with("the server ended the handshake", format!("{other:?}"), None),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match DateTime::<Utc>::from_timestamp(seconds, 0) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => "a date no calendar has".to_owned(),
    }
}
