//! Memory for much at once: in large pages, where the system has them.
//!
//! Fresh memory in small pages costs as much as reading a file into it.

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// Bytes that begin as zeros.
#[derive(Debug)]
pub struct Memory {
    map: MmapMut,
    bytes: usize,
}

impl Memory {
    /// This many.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn zeroed(bytes: usize) -> io::Result<Self> {
        // A map cannot be empty.
        let map = MmapMut::map_anon(bytes.max(1))?;
        // A wish: without large pages it is ordinary memory.
        let _ = map.advise(Advice::HugePage);
        Ok(Self { map, bytes })
    }

    /// Forgets what is behind this length.
    pub fn truncate(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[..self.bytes]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map[..self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zeroed_and_has_its_length() {
        for bytes in [0, 1, 5 << 20] {
            let mut memory = Memory::zeroed(bytes).unwrap();
            assert_eq!(
                (memory.len(), memory.iter().max()),
                (bytes, [0].first().filter(|_| bytes > 0))
            );
            memory.fill(7);
            memory.truncate(1);
            assert_eq!(memory.len(), bytes.min(1));
        }
    }
}
