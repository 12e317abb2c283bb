//! What a power cut takes, and taking it.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::super::Loss;
use super::{Content, How, Ledger, Renamed, Thing, open_directory};

impl Ledger {
    /// Undoes what is not durable, or the part of it that the seed says.
    ///
    /// # Errors
    /// As reading, writing and making files: then nothing can be said about what is left.
    pub(in super::super) fn lose(&mut self, loss: Loss) -> io::Result<()> {
        let mut chance = Chance::new(loss);
        // Before the names: a file that comes back is read from what was removed.
        for content in std::mem::take(&mut self.contents).into_values() {
            lose_content(&content, &mut chance)?;
        }
        let names = std::mem::take(&mut self.names);
        let lost = lost(&names, &mut chance);
        for (change, _) in names.iter().zip(&lost).rev().filter(|(_, is_lost)| **is_lost) {
            self.undo(change).map_err(|error| {
                let name = change.spot.name.display();
                io::Error::new(error.kind(), format!("the power cut cannot undo {name}: {error}"))
            })?;
        }
        Ok(())
    }

    /// The same, and no change is made from then on.
    ///
    /// # Errors
    /// As [`Self::lose`].
    pub(in super::super) fn cut(&mut self, loss: Loss) -> io::Result<()> {
        self.is_off = true;
        self.lose(loss)
    }

    fn undo(&mut self, change: &Renamed) -> io::Result<()> {
        let path = self.path(&change.spot)?;
        match &change.how {
            How::New(Some(_)) => fs::remove_dir_all(&path),
            How::New(None) => fs::remove_file(&path),
            How::Removed(thing) => self.bring_back(thing, &path),
            How::Moved(from, replaced) => {
                fs::rename(&path, self.path(from)?)?;
                replaced.iter().try_for_each(|thing| self.bring_back(thing, &path))
            }
        }
    }

    fn bring_back(&mut self, thing: &Thing, path: &Path) -> io::Result<()> {
        match thing {
            Thing::Link(target) => std::os::unix::fs::symlink(target, path),
            Thing::File(file, data) => {
                let mut new = File::create_new(path)?;
                let mut old = file.try_clone()?;
                io::Seek::rewind(&mut old)?;
                io::copy(&mut old, &mut new)?;
                give(path, data)
            }
            Thing::Directory(id, data) => {
                fs::DirBuilder::new().mode(0o700).create(path)?;
                give(path, data)?;
                // What was in it comes back into the new one.
                self.directories.insert(*id, open_directory(path)?);
                Ok(())
            }
        }
    }
}

fn give(path: &Path, data: &Metadata) -> io::Result<()> {
    let new = fs::symlink_metadata(path)?;
    if (new.uid(), new.gid()) != (data.uid(), data.gid()) {
        chown(path, Some(data.uid()), Some(data.gid()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(data.mode() & 0o7777))
}

/// Which changes are lost: those that chance takes, and those that rest on them.
fn lost(changes: &[Renamed], chance: &mut Chance) -> Vec<bool> {
    let kept = chance.kept_of(changes.len());
    let (mut spots, mut made, mut inside) = (HashSet::new(), HashSet::new(), HashSet::new());
    let judge = |(number, change): (usize, &Renamed)| {
        let rests = change
            .spots()
            .any(|spot| spots.contains(spot) || made.contains(&spot.directory))
            // A directory that something comes back into was not removed.
            || matches!(&change.how, How::Removed(Thing::Directory(id, _)) if inside.contains(id));
        let is_lost = rests || kept.map_or_else(|| chance.takes(), |kept| number >= kept);
        if is_lost {
            spots.extend(change.spots().cloned());
            inside.extend(change.spots().map(|spot| spot.directory));
            if let How::New(Some(id)) = change.how {
                made.insert(id);
            }
        }
        is_lost
    };
    changes.iter().enumerate().map(judge).collect()
}

fn lose_content(content: &Content, chance: &mut Chance) -> io::Result<()> {
    let file = &content.file;
    let present = file.metadata()?.len();
    match chance.fate() {
        Fate::Lost => {
            file.set_len(content.size)?;
            put_back(file, &content.pieces)
        }
        Fate::Kept => Ok(()),
        // The new end was durable, what should stand before it was not.
        Fate::Zeros => {
            file.set_len(content.size)?;
            put_back(file, &content.pieces)?;
            file.set_len(present)
        }
        Fate::Half => {
            file.set_len(content.size.midpoint(present))?;
            let half = content.pieces.len() / 2;
            put_back(file, &content.pieces[half..])
        }
    }
}

fn put_back(file: &File, pieces: &[(u64, Vec<u8>)]) -> io::Result<()> {
    pieces.iter().rev().try_for_each(|(offset, piece)| file.write_all_at(piece, *offset))
}

/// What becomes of the content of a file.
enum Fate {
    Lost,
    Kept,
    Zeros,
    Half,
}

/// What decides; the same for the same seed.
struct Chance {
    loss: Loss,
    state: u64,
}

impl Chance {
    fn new(loss: Loss) -> Self {
        let state = match loss {
            Loss::Everything => 0,
            Loss::Part(seed) => seed,
        };
        Self { loss, state }
    }

    /// As from a journal, how many changes of names are kept, the oldest; `None` when each has
    /// a chance of its own.
    fn kept_of(&mut self, count: usize) -> Option<usize> {
        if self.loss == Loss::Everything {
            return Some(0);
        }
        if !self.next().is_multiple_of(3) {
            return None;
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.next() % count.saturating_add(1)).ok()
    }

    fn takes(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    fn fate(&mut self) -> Fate {
        match (self.loss, self.next() % 4) {
            (Loss::Everything, _) | (_, 0) => Fate::Lost,
            (_, 1) => Fate::Kept,
            (_, 2) => Fate::Zeros,
            _ => Fate::Half,
        }
    }

    /// The next of a sequence (Knuth's MMIX).
    fn next(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }
}
