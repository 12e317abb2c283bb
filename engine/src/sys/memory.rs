//! Memory for much at once: in large pages, where the system has them; and how much there is.
//!
//! Fresh memory in small pages costs as much as reading a file into it.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use memmap2::{Advice, MmapMut};
use sysinfo::{MemoryRefreshKind, System};

/// Bytes, fresh or used before.
#[derive(Debug)]
pub struct Memory {
    /// Always there until it is dropped.
    map: Option<MmapMut>,
    bytes: usize,
    /// Where it goes then.
    home: Option<Scratch>,
}

/// Memory that is used again: who needs much at once, one time after the other, touches fresh
/// memory only the first time. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Arc<Mutex<Vec<MmapMut>>>);

/// What a [`Scratch`] keeps at most: as much as is used at the same time.
const KEPT_MAX: usize = 2;

impl Scratch {
    /// This many bytes, with whatever stands in them.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn memory(&self, bytes: usize) -> io::Result<Memory> {
        let kept = self.0.lock().ok().and_then(|mut kept| {
            let at = kept.iter().position(|map| map.len() == bytes.max(1))?;
            Some(kept.swap_remove(at))
        });
        let mut memory = match kept {
            Some(map) => Memory { map: Some(map), bytes, home: None },
            None => Memory::zeroed(bytes)?,
        };
        memory.home = Some(self.clone());
        Ok(memory)
    }
}

impl Memory {
    /// This many, all of them zero.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn zeroed(bytes: usize) -> io::Result<Self> {
        // A map cannot be empty.
        let map = MmapMut::map_anon(bytes.max(1))?;
        // A wish: without large pages it is ordinary memory.
        let _ = map.advise(Advice::HugePage);
        Ok(Self { map: Some(map), bytes, home: None })
    }

    /// Forgets what is behind this length.
    pub fn truncate(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().map_or(&[], |map| &map[..self.bytes])
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().map_or(&mut [], |map| &mut map[..self.bytes])
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let (Some(map), Some(home)) = (self.map.take(), &self.home)
            && let Ok(mut kept) = home.0.lock()
            && kept.len() < KEPT_MAX
        {
            kept.push(map);
        }
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
    fn memory_comes_back_and_is_used_again() {
        let scratch = Scratch::default();
        let mut first = scratch.memory(1 << 20).unwrap();
        first.fill(7);
        first.truncate(10);
        drop(first);
        let other = scratch.clone().memory(2 << 20).unwrap();
        assert!(other.iter().all(|byte| *byte == 0), "of another length it is fresh");
        let again = scratch.memory(1 << 20).unwrap();
        assert_eq!((again.len(), again[0]), (1 << 20, 7));
        let many: Vec<_> = (0..4).map(|_| scratch.memory(1 << 20).unwrap()).collect();
        drop((other, again, many));
        assert_eq!(scratch.0.lock().unwrap().len(), KEPT_MAX);
    }

    #[test]
    fn what_is_available_can_be_mapped() {
        let available = available();
        assert!(available > 1 << 20, "{available}");
        assert!(can_be_mapped(1 << 20));
        assert!(!can_be_mapped(1 << 60), "more than processors address");
    }
}
