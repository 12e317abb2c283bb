//! From a passphrase to a key: Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::Passphrase;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

const KEY_BYTES: usize = 32;
/// Less would be too cheap to guess with.
const MEMORY_KIB_MIN: u32 = 64 << 10;
/// More than any keystore of ours asks for: a header may be hostile.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

/// How dear a guess is made. Stands in the keystore's header, so it may come from an enemy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why no key was derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KdfError {
    /// A parameter is outside of what this program accepts.
    #[error("{name} is {value}; accepted is {min} to {max}")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u32,
        /// The least accepted.
        min: u32,
        /// The most accepted.
        max: u32,
    },
    /// The library refused.
    #[error("the key could not be derived")]
    Failed,
}

impl Default for KdfParams {
    fn default() -> Self {
        Self { memory_kib: 256 << 10, passes: 3, lanes: 4 }
    }
}

impl KdfParams {
    /// Checks the parameters before any memory is taken.
    ///
    /// # Errors
    /// [`KdfError::OutOfRange`].
    pub fn check(&self) -> Result<(), KdfError> {
        for (name, value, min, max) in [
            ("memory in KiB", self.memory_kib, MEMORY_KIB_MIN, MEMORY_KIB_MAX),
            ("the number of passes", self.passes, 1, PASSES_MAX),
            ("the number of lanes", self.lanes, 1, LANES_MAX),
        ] {
            if !(min..=max).contains(&value) {
                return Err(KdfError::OutOfRange { name, value, min, max });
            }
        }
        Ok(())
    }

    /// Derives a key of 32 bytes. Takes about a second and `memory_kib` of memory.
    ///
    /// # Errors
    /// [`KdfError`].
    pub fn derive(
        &self,
        passphrase: &Passphrase,
        salt: &[u8; SALT_BYTES],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, KdfError> {
        self.check()?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES))
            .map_err(|_| KdfError::Failed)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), salt, key.as_mut_slice())
            .map_err(|_| KdfError::Failed)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_parameters_are_refused_before_they_cost_anything() {
        let usual = KdfParams::default();
        for params in [
            KdfParams { memory_kib: u32::MAX, ..usual },
            KdfParams { memory_kib: MEMORY_KIB_MIN - 1, ..usual },
            KdfParams { passes: 0, ..usual },
            KdfParams { passes: u32::MAX, ..usual },
            KdfParams { lanes: 0, ..usual },
            KdfParams { lanes: 17, ..usual },
        ] {
            assert!(matches!(params.check(), Err(KdfError::OutOfRange { .. })), "{params:?}");
        }
        assert_eq!(usual.check(), Ok(()));
    }

    /// Computed with the reference implementation (`argon2-cffi` over libargon2).
    #[test]
    fn agrees_with_the_reference_implementation() {
        let params = KdfParams { memory_kib: MEMORY_KIB_MIN, passes: 2, lanes: 2 };
        let passphrase = Passphrase::new(b"correct horse battery staple".to_vec()).unwrap();
        let key = params.derive(&passphrase, b"0123456789abcdef").unwrap();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "6d7405a618593d4e603a7f561194d2421821de6d2c7ca5ec50d4ace3839a274f");
    }

    #[test]
    fn salt_and_passphrase_both_matter() {
        let params = KdfParams { memory_kib: MEMORY_KIB_MIN, passes: 1, lanes: 1 };
        let derive = |passphrase: &[u8], salt| {
            let passphrase = Passphrase::new(passphrase.to_vec()).unwrap();
            params.derive(&passphrase, salt).unwrap()
        };
        let first = derive(b"passphrase", b"0123456789abcdef");
        assert_eq!(first, derive(b"passphrase", b"0123456789abcdef"));
        assert_ne!(first, derive(b"passphrase", b"0123456789abcdeg"));
        assert_ne!(first, derive(b"passphrasf", b"0123456789abcdef"));
    }
}
