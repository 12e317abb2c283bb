//! SHA-256 of a file, made by the thread that reads it or, when another has nothing left to
//! copy, by that one: the largest file must not keep one thread busy while others wait.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// With less than this left of a file, handing over is not worth it.
const SHARED_BYTES_MIN: u64 = 16 << 20;
/// Pieces between the two threads; each is a buffer that cannot be read into meanwhile.
const PIECES_MAX: usize = 2;

/// Bytes of a file: those of a buffer from a position on, so many of them.
pub(super) type Piece = (Arc<Vec<u8>>, usize, usize);

/// The digest of a file that is being read.
pub(super) enum FileDigest {
    /// Made here.
    Own(Sha256),
    /// Made by another thread.
    Given { pieces: SyncSender<Piece>, result: Receiver<[u8; 32]> },
}

impl FileDigest {
    /// Of a file of which nothing was read yet.
    pub(super) fn new() -> Self {
        Self::Own(Sha256::new())
    }

    /// Takes the next piece; `left` bytes come after it.
    pub(super) fn update(&mut self, piece: Piece, left: u64, helpers: &Helpers) {
        if let Self::Own(digest) = self
            && left >= SHARED_BYTES_MIN
            && let Some(given) = helpers.offer(digest)
        {
            *self = given;
        }
        match self {
            Self::Own(digest) => digest.update(bytes_of(&piece)),
            // A thread that is gone is noticed at the end: it gives no result.
            Self::Given { pieces, .. } => drop(pieces.send(piece)),
        }
    }

    /// What it is so far, when it is made here.
    pub(super) fn so_far(&self) -> Option<[u8; 32]> {
        match self {
            Self::Own(digest) => Some(digest.clone().finalize().into()),
            Self::Given { .. } => None,
        }
    }

    /// The digest.
    ///
    /// # Errors
    /// When the thread that made it panicked.
    pub(super) fn finish(self) -> io::Result<[u8; 32]> {
        match self {
            Self::Own(digest) => Ok(digest.finalize().into()),
            Self::Given { pieces, result } => {
                drop(pieces);
                result.recv().map_err(|_| io::Error::other("the thread that hashed it panicked"))
            }
        }
    }
}

fn bytes_of((buffer, start, length): &Piece) -> &[u8] {
    &buffer[*start..start + length]
}

/// A digest that was handed over.
struct Task {
    digest: Sha256,
    pieces: Receiver<Piece>,
    result: SyncSender<[u8; 32]>,
}

impl Task {
    fn run(mut self) {
        for piece in self.pieces {
            self.digest.update(bytes_of(&piece));
        }
        // Whoever asked for it may have failed.
        let _ = self.result.send(self.digest.finalize().into());
    }
}

/// Threads that have nothing left to copy, and what they are asked to do.
#[derive(Debug)]
pub(super) struct Helpers {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    /// Threads that copy.
    copying: u32,
    /// Threads that wait.
    waiting: usize,
    tasks: Vec<Task>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl Helpers {
    /// For so many threads, all of which copy.
    pub(super) fn new(threads: u32) -> Self {
        let inner = Inner { copying: threads, waiting: 0, tasks: Vec::new() };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Ends the copying of a thread, whether it worked or failed.
    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        inner.copying = inner.copying.saturating_sub(1);
        drop(inner);
        self.changed.notify_all();
    }

    /// Helps the others until none of them copies any more.
    pub(super) fn help(&self) {
        let mut inner = self.lock();
        loop {
            if let Some(task) = inner.tasks.pop() {
                drop(inner);
                task.run();
                inner = self.lock();
            } else if inner.copying == 0 {
                return;
            } else {
                inner.waiting += 1;
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
                inner.waiting -= 1;
            }
        }
    }

    /// Hands a digest over if somebody waits for work.
    fn offer(&self, digest: &Sha256) -> Option<FileDigest> {
        let mut inner = self.lock();
        if inner.waiting <= inner.tasks.len() {
            return None;
        }
        let (pieces, taken) = mpsc::sync_channel(PIECES_MAX);
        let (answer, result) = mpsc::sync_channel(1);
        inner.tasks.push(Task { digest: digest.clone(), pieces: taken, result: answer });
        drop(inner);
        self.changed.notify_one();
        Some(FileDigest::Given { pieces, result })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: u64 = SHARED_BYTES_MIN;

    fn piece(number: u8) -> Piece {
        (Arc::new(vec![number; 5000]), usize::from(number), 3000)
    }

    fn expected() -> [u8; 32] {
        let bytes: Vec<u8> = (0..50).flat_map(|n| bytes_of(&piece(n)).to_vec()).collect();
        Sha256::digest(&bytes).into()
    }

    #[test]
    fn one_thread_makes_it_alone() {
        let helpers = Helpers::new(2);
        let mut digest = FileDigest::new();
        (0..50).for_each(|n| digest.update(piece(n), LEFT, &helpers));
        assert_eq!(digest.so_far(), Some(expected()));
        assert_eq!(digest.finish().unwrap(), expected());
    }

    #[test]
    fn a_thread_that_waits_takes_it_over_in_the_middle() {
        let helpers = Helpers::new(2);
        std::thread::scope(|scope| {
            let mut digest = FileDigest::new();
            (0..20).for_each(|n| digest.update(piece(n), LEFT, &helpers));
            let helper = scope.spawn(|| {
                helpers.leave();
                helpers.help();
            });
            while helpers.lock().waiting == 0 {
                std::thread::yield_now();
            }
            // Too little is left; then enough.
            (20..25).for_each(|n| digest.update(piece(n), LEFT - 1, &helpers));
            assert!(digest.so_far().is_some());
            (25..50).for_each(|n| digest.update(piece(n), LEFT, &helpers));
            assert!(digest.so_far().is_none());
            assert_eq!(digest.finish().unwrap(), expected());
            helpers.leave();
            helper.join().unwrap();
        });
    }

    #[test]
    fn nobody_waits_for_a_thread_that_failed() {
        let helpers = Helpers::new(2);
        std::thread::scope(|scope| {
            let helper = scope.spawn(|| {
                helpers.leave();
                helpers.help();
            });
            let mut digest = FileDigest::new();
            while helpers.lock().waiting == 0 {
                std::thread::yield_now();
            }
            digest.update(piece(1), LEFT, &helpers);
            // Its thread gives up in the middle of the file.
            drop(digest);
            helpers.leave();
            helper.join().unwrap();
        });
    }
}
