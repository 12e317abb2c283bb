//! Files of a destination with any bytes changed: a reader never panics, never goes on for
//! ever, never asks for all memory; it gives an error or a result that is sound.
//!
//! The generator is seeded: a failure names the seed, which `PGDECK_FUZZ_SEED` begins with.
//! `PGDECK_FUZZ_SECONDS` makes it last longer.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the runner shows it with the test")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pgdeck_engine::api::{BackupKind, TimelineId};
use pgdeck_engine::backup::chain::Chain;
use pgdeck_engine::backup::content::ContentReader;
use pgdeck_engine::backup::filelist::{Content, FileList};
use pgdeck_engine::backup::layout::Label;
use pgdeck_engine::backup::pack::JournalLine;
use pgdeck_engine::backup::{adopt, catalog, document, protection, restore_points, tar};
use pgdeck_engine::pg::control_file;
use pgdeck_engine::pg::wal::{BackupHistory, Segment, SegmentName, SegmentSize, TimelineHistory};
use pgdeck_engine::sys::disk::Disk;
use pgdeck_engine::sys::faults::Plan;
use pgdeck_engine::sys::memory::Scratch;
use pgdeck_engine::wal::index::SegmentIndex;
use pgdeck_engine::wal::store::{self, StoredForm};
use pgdeck_tests::{Major, Repository};

/// Time for all of them together, unless `PGDECK_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 12;
/// No file here takes a reader as long.
const CASE_LIMIT: Duration = Duration::from_secs(20);

/// A seeded sequence (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Changes bytes as broken disks and hasty editors do.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let some = dice.below(64) + 1;
        let value = dice.next().to_le_bytes();
        match dice.below(9) {
            _ if bytes.is_empty() => bytes.extend(value),
            0 => bytes[at] ^= 1 << (value[0] % 8),
            1 => bytes[at] = value[0],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + some).min(bytes.len()))),
            4 => {
                let piece = bytes[at..(at + some).min(bytes.len())].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0xFF),
            6 => bytes.iter_mut().skip(at).take(some).for_each(|byte| *byte = 0),
            // Numbers in texts: another digit, a sign, many digits.
            7 => change_digit(bytes, at, &value),
            _ => bytes.extend(value),
        }
    }
}

fn change_digit(bytes: &mut Vec<u8>, at: usize, value: &[u8; 8]) {
    let Some(found) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset)
    else {
        return;
    };
    match value[0] % 4 {
        0 => bytes[found] = b'0' + value[1] % 10,
        1 => bytes[found] = b'-',
        2 => drop(bytes.splice(found..=found, *b"18446744073709551615")),
        _ => drop(bytes.splice(found..=found, *b"4294967295")),
    }
}

/// Runs rounds until the time is over; a panic or a long wait is told with its seed.
fn rounds(what: &str, share: u64, mut round: impl FnMut(&mut Dice)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds: u64 = number("PGDECK_FUZZ_SECONDS").unwrap_or(SECONDS);
    let first: u64 = number("PGDECK_FUZZ_SEED").unwrap_or(u64::from(std::process::id()) << 20);
    let until = Instant::now() + Duration::from_millis(seconds * 1000 / share);
    let mut seed = first.max(1);
    while Instant::now() < until {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| round(&mut Dice(seed))));
        assert!(outcome.is_ok(), "{what}: seed {seed} panics");
        assert!(began.elapsed() < CASE_LIMIT, "{what}: seed {seed} takes {:?}", began.elapsed());
        seed += 1;
    }
    println!("{what}: {} rounds from seed {first}", seed - first.max(1));
}

/// A full and an incremental backup, once for all tests of this file.
fn repository() -> (Repository, [Label; 2]) {
    let repository = Repository::start_small(Major::V17);
    let take = |kind| {
        let taken = repository.backup_inside(kind, &Plan::default()).unwrap();
        repository.instance.sql("postgres", "update rows set n = n + 1 where id < 100");
        repository.instance.sql("postgres", "select pg_create_restore_point('here')");
        taken.document.label
    };
    let labels = [take(BackupKind::Full), take(BackupKind::Incremental)];
    (repository, labels)
}

/// The content of a damaged file, put where the reader looks for it.
struct Place<'a> {
    destination: &'a Path,
    path: PathBuf,
    original: Vec<u8>,
}

impl<'a> Place<'a> {
    fn new(destination: &'a Path, path: PathBuf) -> Self {
        let original = fs::read(&path).unwrap();
        Self { destination, path, original }
    }

    fn put(&self, dice: &mut Dice) {
        let mut bytes = self.original.clone();
        let is_list = self.path.ends_with("files.tsv.zst");
        // What a checksum protects is damaged before the checksum is made, too.
        if is_list && dice.below(4) > 0 {
            let mut text = zstd::decode_all(bytes.as_slice()).unwrap();
            damage(&mut text, dice);
            bytes = zstd::encode_all(text.as_slice(), 1).unwrap();
        } else if self.path.ends_with("backup.json") && dice.below(4) > 0 {
            bytes = resummed(&bytes, dice);
        } else {
            damage(&mut bytes, dice);
        }
        fs::write(&self.path, bytes).unwrap();
    }

    /// Everything that reads a destination.
    fn read(&self, labels: &[Label; 2]) {
        let disk = Disk::real();
        if let Ok(entries) = catalog::read(&disk, self.destination) {
            let _: Vec<_> = entries.iter().map(catalog::info).collect();
            let _ = catalog::chain(&entries, &labels[1]);
        }
        let _ = restore_points::all(&disk, self.destination);
        let _ = protection::look(&disk, self.destination, &mut protection::PointsSeen::default());
        if let Ok(chain) = Chain::load(&disk, self.destination, &labels[1]) {
            read_contents(&disk, &chain);
        }
    }
}

/// A label with damage, and a checksum that fits.
fn resummed(label: &[u8], dice: &mut Dice) -> Vec<u8> {
    let document = document::parse_label(std::str::from_utf8(label).unwrap()).unwrap();
    let mut text = serde_json::to_vec_pretty(&document).unwrap();
    damage(&mut text, dice);
    match serde_json::from_slice(&text) {
        Ok(document) => document::label_text(&document).into_bytes(),
        Err(_) => text,
    }
}

fn read_contents(disk: &Disk, chain: &Chain) {
    let Some(head) = chain.head() else { return };
    for entry in head.list.entries.iter().filter(|one| one.content != Content::Directory) {
        let _ = chain.block_hashes(&entry.path, 8192);
        let Ok(mut reader) = ContentReader::open(disk, chain, &entry.path, 8192) else { continue };
        let mut content = Vec::new();
        while matches!(reader.next_block(&mut content), Ok(true)) {
            assert!(content.len() <= 64 << 20, "{} has no end", entry.path);
        }
    }
}

#[test]
fn readers_of_a_destination_survive_any_damage() {
    let (repository, labels) = repository();
    let destination = repository.destination();
    let mut places = Vec::new();
    for label in &labels {
        for entry in fs::read_dir(label.directory(destination)).unwrap().flatten() {
            places.push(Place::new(destination, entry.path()));
        }
    }
    for entry in fs::read_dir(destination).unwrap().flatten().filter(|one| one.path().is_file()) {
        places.push(Place::new(destination, entry.path()));
    }
    let archived = fs::read_dir(destination.join("archived_wal")).unwrap().flatten();
    let indexes = archived.filter(|one| one.path().extension().is_some_and(|end| end == "idx"));
    places.extend(indexes.map(|one| Place::new(destination, one.path())));
    places.sort_by(|a, b| a.path.cmp(&b.path));
    rounds("destination", 1, |dice| {
        let place = &places[dice.below(places.len())];
        place.put(dice);
        let outcome = catch_unwind(AssertUnwindSafe(|| place.read(&labels)));
        fs::write(&place.path, &place.original).unwrap();
        assert!(outcome.is_ok(), "{}", place.path.display());
    });
    let verified = repository.verify(&[]);
    assert_eq!(verified.code(), Some(0), "all is as it was: {}", verified.stdout);
}

/// What an interrupted backup left is read by the next one.
#[test]
fn taking_over_survives_any_damage() {
    let (repository, labels) = repository();
    let full = labels[0].directory(repository.destination());
    let pack = fs::read(full.join("pack-0001.tar.lz4")).unwrap();
    let list = zstd::decode_all(fs::read(full.join("files.tsv.zst")).unwrap().as_slice()).unwrap();
    let list = FileList::from_text(std::str::from_utf8(&list).unwrap()).unwrap();
    let mut stored: Vec<_> = list.entries.iter().filter(|entry| entry.place().is_some()).collect();
    stored.sort_by_key(|entry| entry.place().map(|place| place.offset));
    let mut journal = Vec::new();
    for entry in stored {
        let place = entry.place().unwrap();
        let range = usize::try_from(place.offset).unwrap()
            ..usize::try_from(place.offset + place.stored).unwrap();
        let mut line = String::new();
        entry.write(&mut line);
        let checked = format!("{}\t{:016x}", line.trim_end(), xxh3(&pack[range]));
        let sum = crc32c::crc32c(checked.as_bytes());
        journal.extend(format!("{checked}\t{sum:08x}\n").into_bytes());
    }
    let directory = repository.instance.make_directory("interrupted");
    rounds("taking over", 2, |dice| {
        let (mut pack, mut journal) = (pack.clone(), journal.clone());
        damage(if dice.below(2) == 0 { &mut pack } else { &mut journal }, dice);
        fs::write(directory.join("pack-0001.tar.lz4"), &pack).unwrap();
        fs::write(directory.join("pack-0001.journal"), &journal).unwrap();
        if let Ok(adopted) = adopt::adopt(&Disk::real(), &directory, 8192) {
            for record in &adopted.packs {
                let kept = fs::read(directory.join(&record.name)).unwrap();
                assert_eq!(record.xxh3, format!("{:016x}", xxh3(&kept)), "as the label will say");
            }
        }
    });
}

fn xxh3(bytes: &[u8]) -> u64 {
    pgdeck_engine::backup::blockmap::hash(bytes)
}

/// Readers that take bytes, over bytes of every kind of file.
#[test]
fn readers_of_bytes_survive_any_damage() {
    let (repository, labels) = repository();
    repository.instance.sql("postgres", "select pg_switch_wal()");
    let archive = repository.destination().join("archived_wal");
    let mut names: Vec<_> = fs::read_dir(&archive)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".zst"))
        .collect();
    names.sort();
    let name = SegmentName::parse(names[0].trim_end_matches(".zst")).unwrap();
    let stored = fs::read(archive.join(&names[0])).unwrap();
    let segment = store::decode(StoredForm::Zstd, stored.clone(), &Scratch::default()).unwrap();
    let full = labels[0].directory(repository.destination());
    let mut files: Vec<Vec<u8>> = ["backup.json", "backup_label", "pg_control", "backup_manifest"]
        .iter()
        .map(|name| fs::read(full.join(name)).unwrap())
        .collect();
    files.push(b"1\t0/3000158\tno recovery target specified\n2\t0/5000000\tx\n".to_vec());
    files.push(fs::read(archive.join(format!("{name}.idx"))).unwrap());
    files.push(stored);
    let version = SegmentSize::from_bytes(u32::try_from(segment.len()).unwrap()).unwrap();
    let timeline = TimelineId::from_u32(3).unwrap();
    // What was decoded before stands in the memory of what comes next.
    let scratch = Scratch::default();
    rounds("bytes", 2, |dice| {
        let mut wal = segment.to_vec();
        damage(&mut wal, dice);
        wal.resize(segment.len(), 0);
        if let Ok(opened) = Segment::open(&wal, name, version) {
            let (index, carry) = SegmentIndex::build(opened, None);
            assert_eq!(SegmentIndex::from_text(index.to_text().as_bytes()), Ok(index));
            drop(carry);
        }
        let mut file = files[dice.below(files.len())].clone();
        damage(&mut file, dice);
        let text = String::from_utf8_lossy(&file).into_owned();
        let _ = SegmentIndex::from_text(&file);
        let _ = document::parse_label(&text);
        let _ = control_file::decode(&file);
        let _ = TimelineHistory::parse(timeline, &text);
        let _ = BackupHistory::parse(&text);
        let _ = FileList::from_text(&text);
        let _ = JournalLine::read(&text);
        let _ = tar::read(&file);
        for form in StoredForm::ALL {
            let _ = store::decode(form, file.clone(), &scratch);
        }
    });
}

/// The program, over whole damaged destinations: `verify` says so and never says "sound" of a
/// damaged pack.
#[test]
fn verify_finds_damage_anywhere_in_a_pack() {
    let (repository, labels) = repository();
    let pack = labels[0].directory(repository.destination()).join("pack-0001.tar.lz4");
    let original = fs::read(&pack).unwrap();
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    for _ in 0..5 {
        let seed = dice.0;
        let mut bytes = original.clone();
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        fs::write(&pack, &bytes).unwrap();
        let verified = repository.verify(&[]);
        assert_eq!(verified.code(), Some(2), "byte {at}, seed {seed}: {}", verified.stdout);
    }
}
