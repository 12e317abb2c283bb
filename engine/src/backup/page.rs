//! Checksums of data pages.
//!
//! Owns the algorithm; knows no files. Source: `src/include/storage/checksum_impl.h` and
//! `PageIsVerifiedExtended()` in `src/backend/storage/page/bufpage.c`.

use pulp::Arch;

/// Partial checksums calculated side by side (`N_SUMS`).
const SUMS: usize = 32;
/// `FNV_PRIME`.
const PRIME: u32 = 16_777_619;
/// `checksumBaseOffsets`.
const BASE: [u32; SUMS] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];
/// Bytes of one row of the calculation.
const ROW: usize = SUMS * 4;
/// Where `pd_checksum` is in the page header (`PageHeaderData`).
const CHECKSUM_AT: usize = 8;
/// Where `pd_upper` is.
const UPPER_AT: usize = 14;

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Its checksum fits.
    Valid,
    /// All zero: made by an extension of the file and not yet used.
    Zero,
    /// Its checksum does not fit.
    Damaged,
}

/// Calculates checksums with what this processor can do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checker {
    arch: Arch,
}

impl Checker {
    /// Looks at a page. `block` counts from the beginning of the relation, over all segments.
    #[must_use]
    pub fn state(&self, page: &[u8], block: u32) -> PageState {
        let is_new = page.get(UPPER_AT..UPPER_AT + 2).is_none_or(|upper| upper == [0, 0]);
        if is_new {
            let is_zero = page.iter().all(|byte| *byte == 0);
            return if is_zero { PageState::Zero } else { PageState::Damaged };
        }
        let stored = u16::from_ne_bytes([page[CHECKSUM_AT], page[CHECKSUM_AT + 1]]);
        match self.checksum(page, block) == stored {
            true => PageState::Valid,
            false => PageState::Damaged,
        }
    }

    /// The checksum of a page (`pg_checksum_page()`).
    #[must_use]
    pub fn checksum(&self, page: &[u8], block: u32) -> u16 {
        let sum = self.arch.dispatch(|| block_sum(page)) ^ block;
        u16::try_from(sum % 65_535 + 1).unwrap_or(0)
    }
}

#[inline(always)]
fn step(sum: u32, value: u32) -> u32 {
    let mixed = sum ^ value;
    mixed.wrapping_mul(PRIME) ^ (mixed >> 17)
}

/// `pg_checksum_block()`, with the checksum field taken as zero.
#[inline(always)]
fn block_sum(page: &[u8]) -> u32 {
    let mut sums = BASE;
    let mut rows = page.chunks_exact(ROW);
    if let Some(first) = rows.next() {
        let mut row = [0_u8; ROW];
        row.copy_from_slice(first);
        row[CHECKSUM_AT] = 0;
        row[CHECKSUM_AT + 1] = 0;
        mix(&mut sums, &row);
    }
    for row in rows {
        mix(&mut sums, row);
    }
    for _ in 0..2 {
        for sum in &mut sums {
            *sum = step(*sum, 0);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

#[inline(always)]
fn mix(sums: &mut [u32; SUMS], row: &[u8]) {
    for (sum, word) in sums.iter_mut().zip(row.chunks_exact(4)) {
        let value = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        *sum = step(*sum, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(fill: impl Fn(usize) -> u8) -> Vec<u8> {
        (0..8192).map(fill).collect()
    }

    /// The straightforward form of the header file, one sum after the other.
    fn plain(page: &[u8], block: u32) -> u16 {
        let mut copy = page.to_vec();
        copy[8..10].fill(0);
        let mut result = 0_u32;
        for (lane, base) in BASE.iter().enumerate() {
            let mut sum = *base;
            for row in 0..copy.len() / ROW {
                let at = row * ROW + lane * 4;
                sum = step(sum, u32::from_ne_bytes(copy[at..at + 4].try_into().unwrap()));
            }
            result ^= step(step(sum, 0), 0);
        }
        u16::try_from((result ^ block) % 65_535 + 1).unwrap()
    }

    #[test]
    fn fast_and_plain_agree() {
        let checker = Checker::default();
        for seed in 0..20_usize {
            let page = page(|at| u8::try_from((at * 31 + seed * at / 7) % 251).unwrap());
            let block = u32::try_from(seed * 131_072 + 5).unwrap();
            assert_eq!(checker.checksum(&page, block), plain(&page, block));
        }
    }

    #[test]
    fn a_page_is_valid_zero_or_damaged() {
        let checker = Checker::default();
        assert_eq!(checker.state(&page(|_| 0), 7), PageState::Zero);
        let mut one = page(|at| u8::try_from(at % 255 + 1).unwrap());
        let sum = checker.checksum(&one, 7);
        one[8..10].copy_from_slice(&sum.to_ne_bytes());
        assert_eq!(checker.state(&one, 7), PageState::Valid);
        assert_eq!(checker.state(&one, 8), PageState::Damaged);
        one[5000] ^= 1;
        assert_eq!(checker.state(&one, 7), PageState::Damaged);
        let mut almost_zero = page(|_| 0);
        almost_zero[8000] = 1;
        assert_eq!(checker.state(&almost_zero, 7), PageState::Damaged);
    }
}
