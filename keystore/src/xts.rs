//! The page cipher: AES-XTS (IEEE 1619), the whole page as one data unit.
//!
//! The tweak says where the page belongs, so that equal pages look different and a page moved
//! elsewhere decrypts to noise. Pages are whole blocks: no ciphertext stealing.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes256};

/// Bytes of a cipher block.
pub const BLOCK_BYTES: usize = 16;
/// Blocks handed to the cipher at once, so that it can work on several in parallel.
const BATCH_BLOCKS: usize = 64;

type Block = Array<u8, <Aes256 as BlockSizeUser>::BlockSize>;

/// Why a key or a page is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XtsError {
    /// A key has 32 bytes (AES-128) or 64 (AES-256): two halves.
    #[error("a key has 32 or 64 bytes, this one has {bytes}")]
    KeyLength {
        /// How many it has.
        bytes: usize,
    },
    /// Both halves are equal, which gives away the tweak (FIPS 140-3 IG C.I).
    #[error("the two halves of the key are equal")]
    EqualHalves,
    /// Not a whole number of blocks, or none.
    #[error("a page has a whole number of blocks of 16 bytes, this one has {bytes} bytes")]
    PageLength {
        /// How many bytes it has.
        bytes: usize,
    },
}

/// Encrypts and decrypts pages with one key. Its round keys are wiped when it is dropped.
pub struct PageCipher(Keys);

// Both sizes are in place: a cipher is made once per tablespace, not moved about.
#[expect(clippy::large_enum_variant, reason = "made once per tablespace")]
enum Keys {
    Aes128 { data: Aes128, tweak: Aes128 },
    Aes256 { data: Aes256, tweak: Aes256 },
}

impl std::fmt::Debug for PageCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageCipher(hidden)")
    }
}

impl PageCipher {
    /// A cipher from a key of 32 bytes (AES-128) or 64 bytes (AES-256): the data key, then the
    /// tweak key.
    ///
    /// # Errors
    /// [`XtsError::KeyLength`], [`XtsError::EqualHalves`].
    pub fn new(key: &[u8]) -> Result<Self, XtsError> {
        let wrong = XtsError::KeyLength { bytes: key.len() };
        let (data, tweak) = key.split_at(key.len() / 2);
        if !matches!(key.len(), 32 | 64) {
            return Err(wrong);
        }
        if data == tweak {
            return Err(XtsError::EqualHalves);
        }
        let keys = if key.len() == 32 {
            Keys::Aes128 {
                data: Aes128::new_from_slice(data).map_err(|_| wrong)?,
                tweak: Aes128::new_from_slice(tweak).map_err(|_| wrong)?,
            }
        } else {
            Keys::Aes256 {
                data: Aes256::new_from_slice(data).map_err(|_| wrong)?,
                tweak: Aes256::new_from_slice(tweak).map_err(|_| wrong)?,
            }
        };
        Ok(Self(keys))
    }

    /// Encrypts a page in place. `position` is its tweak, little-endian.
    ///
    /// # Errors
    /// [`XtsError::PageLength`].
    pub fn encrypt(&self, page: &mut [u8], position: u128) -> Result<(), XtsError> {
        match &self.0 {
            Keys::Aes128 { data, tweak } => {
                run(page, position, tweak, |blocks| data.encrypt_blocks(blocks))
            }
            Keys::Aes256 { data, tweak } => {
                run(page, position, tweak, |blocks| data.encrypt_blocks(blocks))
            }
        }
    }

    /// Decrypts a page in place.
    ///
    /// # Errors
    /// [`XtsError::PageLength`].
    pub fn decrypt(&self, page: &mut [u8], position: u128) -> Result<(), XtsError> {
        match &self.0 {
            Keys::Aes128 { data, tweak } => {
                run(page, position, tweak, |blocks| data.decrypt_blocks(blocks))
            }
            Keys::Aes256 { data, tweak } => {
                run(page, position, tweak, |blocks| data.decrypt_blocks(blocks))
            }
        }
    }
}

/// The tweak loop: each block is masked before and after with the tweak of its place.
fn run<T>(
    page: &mut [u8],
    position: u128,
    tweak_key: &T,
    cipher: impl Fn(&mut [Block]),
) -> Result<(), XtsError>
where
    T: BlockCipherEncrypt<BlockSize = <Aes256 as BlockSizeUser>::BlockSize>,
{
    if page.is_empty() || !page.len().is_multiple_of(BLOCK_BYTES) {
        return Err(XtsError::PageLength { bytes: page.len() });
    }
    let mut first = Block::from(position.to_le_bytes());
    tweak_key.encrypt_block(&mut first);
    let mut tweak = u128::from_le_bytes(first.into());
    let mut blocks = [Block::default(); BATCH_BLOCKS];
    let mut masks = [0_u128; BATCH_BLOCKS];
    for batch in page.chunks_mut(BATCH_BLOCKS * BLOCK_BYTES) {
        let count = batch.len() / BLOCK_BYTES;
        for (index, bytes) in batch.chunks_exact(BLOCK_BYTES).enumerate() {
            masks[index] = tweak;
            blocks[index] = Block::from(masked(bytes, tweak));
            tweak = doubled(tweak);
        }
        cipher(&mut blocks[..count]);
        for (index, bytes) in batch.chunks_exact_mut(BLOCK_BYTES).enumerate() {
            bytes.copy_from_slice(&masked(&blocks[index], masks[index]));
        }
    }
    Ok(())
}

fn masked(bytes: &[u8], mask: u128) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block.copy_from_slice(bytes);
    (u128::from_le_bytes(block) ^ mask).to_le_bytes()
}

/// Multiplication by the primitive element of GF(2^128), without a branch on secret bits.
fn doubled(tweak: u128) -> u128 {
    let carry = tweak >> 127;
    (tweak << 1) ^ (carry * 0x87)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn check(key: &str, position: u128, plain: &[u8], cipher_begins: &str) {
        let cipher = PageCipher::new(&bytes(key)).unwrap();
        let mut page = plain.to_vec();
        cipher.encrypt(&mut page, position).unwrap();
        let expected = bytes(cipher_begins);
        assert_eq!(page[..expected.len()], expected);
        cipher.decrypt(&mut page, position).unwrap();
        assert_eq!(page, plain);
    }

    /// IEEE Std 1619-2007, annex B: vectors 2, 4 and 10. (Vector 1 has equal halves.)
    #[test]
    fn ieee_1619_vectors() {
        check(
            "11111111111111111111111111111111 22222222222222222222222222222222",
            0x33_3333_3333,
            &[0x44; 32],
            "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
        );
        let counting: Vec<u8> = (0..=255).cycle().take(512).collect();
        check(
            "27182818284590452353602874713526 31415926535897932384626433832795",
            0,
            &counting,
            "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c",
        );
        check(
            "2718281828459045235360287471352662497757247093699959574966967627
             3141592653589793238462643383279502884197169399375105820974944592",
            0xff,
            &counting,
            "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
        );
    }

    #[test]
    fn bad_keys_and_pages_are_refused() {
        let refused = |key: &[u8]| PageCipher::new(key).map(|_| ()).unwrap_err();
        assert_eq!(refused(&[1; 48]), XtsError::KeyLength { bytes: 48 });
        assert_eq!(refused(&[]), XtsError::KeyLength { bytes: 0 });
        assert_eq!(refused(&[1; 64]), XtsError::EqualHalves);
        let key: Vec<u8> = (0..64).collect();
        let cipher = PageCipher::new(&key).unwrap();
        for bytes in [0, 1, 17] {
            let error = cipher.encrypt(&mut vec![0; bytes], 0).unwrap_err();
            assert_eq!(error, XtsError::PageLength { bytes });
        }
    }

    #[test]
    fn the_position_matters() {
        let key: Vec<u8> = (0..64).collect();
        let cipher = PageCipher::new(&key).unwrap();
        let (mut one, mut other) = (vec![7; 8192], vec![7; 8192]);
        cipher.encrypt(&mut one, 1).unwrap();
        cipher.encrypt(&mut other, 2).unwrap();
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn what_was_encrypted_decrypts(
            key in prop::collection::vec(any::<u8>(), 64),
            blocks in 1_usize..600,
            position in any::<u128>(),
        ) {
            prop_assume!(key[..32] != key[32..]);
            let cipher = PageCipher::new(&key).unwrap();
            let plain: Vec<u8> = (0..blocks * BLOCK_BYTES).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let mut page = plain.clone();
            cipher.encrypt(&mut page, position).unwrap();
            prop_assert_ne!(&page, &plain);
            cipher.decrypt(&mut page, position).unwrap();
            prop_assert_eq!(page, plain);
        }
    }
}
