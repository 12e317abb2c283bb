//! The keystore of pgdeck: passphrases, key derivation, the page cipher.
//!
//! Reads and writes bytes. Knows no paths, no PostgreSQL and no async; it is used by the engine
//! and by the server module. The keystore file itself comes with encryption at rest.

#![forbid(unsafe_code)]

mod kdf;
mod passphrase;
mod xts;

pub use kdf::{KdfError, KdfParams, SALT_BYTES};
pub use passphrase::{PASSPHRASE_BYTES, Passphrase, PassphraseError};
pub use xts::{BLOCK_BYTES, PageCipher, XtsError};
