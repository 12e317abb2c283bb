//! Memory for much at once: in large pages, where the system has them; and how much there is.
//!
//! Fresh memory in small pages costs as much as reading a file into it.

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};
use sysinfo::{MemoryRefreshKind, System};

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

/// Bytes that programs may still take: of the machine, or of the control group this one is in,
/// when that may have less. 0 when the system does not say.
#[must_use]
pub fn available() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let limit = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    system.available_memory().min(limit)
}

/// Whether a process with the limits of this one is given so much address space at once. Without
/// overcommitting, or under `RLIMIT_AS`, less may be given than is available.
#[must_use]
pub fn can_be_mapped(bytes: u64) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| MmapMut::map_anon(bytes.max(1)).is_ok())
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

    #[test]
    fn what_is_available_can_be_mapped() {
        let available = available();
        assert!(available > 1 << 20, "{available}");
        assert!(can_be_mapped(1 << 20));
        assert!(!can_be_mapped(1 << 60), "more than processors address");
    }
}
