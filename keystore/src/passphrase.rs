//! What a person types to open a keystore.

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

/// Bytes a passphrase may have.
pub const PASSPHRASE_BYTES: RangeInclusive<usize> = 8..=200;

/// A passphrase. Wiped from memory when it is dropped; never printed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// It is too short or too long.
    #[error("a passphrase has 8 to 200 bytes, this one has {bytes}")]
    Length {
        /// How many it has.
        bytes: usize,
    },
    /// It holds a zero byte, which no terminal sends and C would cut it at.
    #[error("a passphrase must not hold a zero byte")]
    ZeroByte,
}

impl Passphrase {
    /// A passphrase from what was typed. The bytes are taken over, not copied.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, PassphraseError> {
        // Wrapped first, so that a refused one is wiped, too.
        let bytes = Zeroizing::new(bytes);
        if !PASSPHRASE_BYTES.contains(&bytes.len()) {
            return Err(PassphraseError::Length { bytes: bytes.len() });
        }
        if bytes.contains(&0) {
            return Err(PassphraseError::ZeroByte);
        }
        Ok(Self(bytes))
    }

    /// The bytes, for key derivation.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_content_are_checked() {
        let check = |length: usize| Passphrase::new(vec![b'x'; length]).map(|_| ());
        assert_eq!(check(7), Err(PassphraseError::Length { bytes: 7 }));
        assert_eq!(check(201), Err(PassphraseError::Length { bytes: 201 }));
        assert_eq!(check(8), Ok(()));
        assert_eq!(check(200), Ok(()));
        let zero = Passphrase::new(b"12345678\0".to_vec()).map(|_| ());
        assert_eq!(zero, Err(PassphraseError::ZeroByte));
    }

    #[test]
    fn is_never_printed() {
        let secret = Passphrase::new(b"correct horse".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "Passphrase(hidden)");
        assert_eq!(secret.expose(), b"correct horse");
    }
}
