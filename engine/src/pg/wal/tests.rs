//! Segments made here, for what real servers seldom write; arbitrary bytes, for what they
//! never do. Real WAL is read in the workspace's tests.

use proptest::prelude::*;

use super::*;
use crate::pg::types::{Lsn, TimelineId};

const SIZE: u32 = 1 << 20;

fn size() -> SegmentSize {
    SegmentSize::from_bytes(SIZE).unwrap()
}

fn name(number: u64) -> SegmentName {
    SegmentName::new(TimelineId::from_u32(1).unwrap(), number, size()).unwrap()
}

/// Writes WAL as a server does: records over pages and segments.
struct Writer {
    wal: Vec<u8>,
    first: u64,
    previous: u64,
}

impl Writer {
    fn new(first: u64) -> Self {
        Self { wal: Vec::new(), first, previous: first * u64::from(SIZE) - 64 }
    }

    fn position(&self) -> u64 {
        self.first * u64::from(SIZE) + self.wal.len() as u64
    }

    /// Begins a page; `remaining` bytes of a record go on in it.
    fn page(&mut self, remaining: usize, flags: u16) {
        let position = self.position();
        let long = position.is_multiple_of(u64::from(SIZE));
        let info = flags | u16::from(remaining > 0) | if long { 2 } else { 0 };
        self.wal.extend(0xD116_u16.to_le_bytes());
        self.wal.extend(info.to_le_bytes());
        self.wal.extend(1_u32.to_le_bytes());
        self.wal.extend(position.to_le_bytes());
        self.wal.extend(u32::try_from(remaining).unwrap().to_le_bytes());
        self.wal.extend([0; 4]);
        if long {
            self.wal.extend(77_u64.to_le_bytes());
            self.wal.extend(SIZE.to_le_bytes());
            self.wal.extend(8192_u32.to_le_bytes());
        }
    }

    fn record(&mut self, manager: u8, info: u8, data: &[u8]) -> u64 {
        if self.wal.len().is_multiple_of(PAGE_BYTES) {
            self.page(0, 0);
        }
        let lsn = self.position();
        let mut body = vec![254];
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(data);
        let mut header = u32::try_from(24 + body.len()).unwrap().to_le_bytes().to_vec();
        header.extend(5_u32.to_le_bytes());
        header.extend(self.previous.to_le_bytes());
        header.extend([info, manager, 0, 0]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&body), &header);
        header.extend(crc.to_le_bytes());
        self.put(&[header, body].concat());
        self.previous = lsn;
        lsn
    }

    fn put(&mut self, mut bytes: &[u8]) {
        loop {
            let room = PAGE_BYTES - self.wal.len() % PAGE_BYTES;
            let count = bytes.len().min(room);
            self.wal.extend(&bytes[..count]);
            bytes = &bytes[count..];
            if bytes.is_empty() {
                break;
            }
            self.page(bytes.len(), 0);
        }
        self.wal.resize(self.wal.len().next_multiple_of(8), 0);
    }

    /// Fills up with small records, the last one ending exactly at a page's or segment's border.
    fn fill(&mut self, border: usize) {
        let room = |wal: &[u8]| border - wal.len() % border;
        while room(&self.wal) > 4000 {
            self.record(21, 0, &[b'f'; 100]);
        }
        self.record(21, 0, &vec![b'f'; room(&self.wal) - 29]);
        assert!(self.wal.len().is_multiple_of(border));
    }

    fn segments(&self) -> Vec<Vec<u8>> {
        let mut wal = self.wal.clone();
        wal.resize(wal.len().next_multiple_of(size().as_usize()), 0);
        wal.chunks(size().as_usize()).map(<[u8]>::to_vec).collect()
    }
}

/// Positions and sizes of every record, and where reading stops.
fn read(first: u64, segments: &[Vec<u8>]) -> (Vec<(u64, usize)>, Stop) {
    let mut found = Vec::new();
    let mut carry = None;
    let mut last = Stop::SegmentEnd;
    for (bytes, number) in segments.iter().zip(first..) {
        let segment = Segment::open(bytes, name(number), size()).unwrap();
        let mut scan = Scan::new(segment, carry.take()).unwrap();
        last = loop {
            match scan.next_record() {
                Step::Record(record) => {
                    found.push((record.lsn().unwrap().as_u64(), record.bytes_total()));
                }
                Step::Stop(stop) => break stop,
            }
        };
        carry = scan.into_carry();
    }
    (found, last)
}

#[test]
fn records_go_over_pages_and_segments() {
    let mut writer = Writer::new(3);
    let mut expect = Vec::new();
    for bytes in [10, 9000, 1, 3_000_000, 8119, 5, 70_000] {
        expect.push((writer.record(21, 0, &vec![b'x'; bytes]), bytes + 29));
    }
    let end = writer.position();
    let segments = writer.segments();
    assert_eq!(segments.len(), 3);
    assert_eq!(read(3, &segments), (expect, Stop::Unwritten(end)));
    // Begun in the middle, the rest of the long record is passed over.
    let (found, _) = read(5, &segments[2..]);
    assert_eq!(found.len(), 3);
}

#[test]
fn a_record_given_up_by_a_crash_is_left_out() {
    // At the border of two pages, and of two segments, where a server stops most often.
    for pages in [1, SIZE as usize / PAGE_BYTES - 1] {
        let mut writer = Writer::new(3);
        for _ in 0..pages {
            writer.fill(PAGE_BYTES);
        }
        let before = read(3, &writer.segments()).0.len();
        // It begins before a border of pages and is cut off there.
        let keep = writer.wal.len();
        writer.record(21, 0, &[b'x'; 100]);
        let previous = writer.previous;
        writer.record(21, 0, &vec![b'y'; 20_000]);
        writer.wal.truncate(keep + PAGE_BYTES);
        writer.previous = previous;
        writer.page(0, 8);
        let next = writer.record(0, 0xD0, &[1; 16]);
        let (found, stop) = read(3, &writer.segments());
        assert_eq!(found.len(), before + 2, "{stop:?}");
        assert_eq!(found.last().unwrap().0, next);
        assert!(matches!(stop, Stop::Unwritten(_)), "{stop:?}");
    }
}

#[test]
fn damage_is_told_from_the_end() {
    let mut writer = Writer::new(3);
    writer.record(21, 0, &[b'x'; 100]);
    let second = writer.record(21, 0, &vec![b'x'; 50_000]);
    writer.fill(size().as_usize());
    let whole = writer.segments().remove(0);
    assert_eq!(read(3, std::slice::from_ref(&whole)).1, Stop::SegmentEnd);

    let mut flipped = whole.clone();
    flipped[20_000] ^= 1;
    let (found, stop) = read(3, &[flipped]);
    assert_eq!(found.len(), 1);
    assert!(matches!(stop, Stop::Damaged { at, .. } if at == second), "{stop:?}");

    let mut last = whole.clone();
    let end = last.len();
    last[end - 20] ^= 1;
    assert!(matches!(read(3, &[last]).1, Stop::Damaged { .. }));

    // Recycled: the rest is of an earlier segment.
    let mut older = Writer::new(2);
    older.fill(size().as_usize());
    let mut recycled = older.segments().remove(0);
    recycled[..100_000].copy_from_slice(&whole[..100_000]);
    let stop = read(3, &[recycled]).1;
    assert!(matches!(stop, Stop::Unwritten(at) if at < 3 * u64::from(SIZE) + 106_496), "{stop:?}");
}

#[test]
fn an_encrypted_page_ends_the_reading_and_is_no_damage() {
    let mut writer = Writer::new(3);
    writer.fill(size().as_usize());
    let mut bytes = writer.segments().remove(0);
    for page in 2..SIZE as usize / PAGE_BYTES {
        bytes[page * PAGE_BYTES + 3] |= 0x80;
        bytes[page * PAGE_BYTES + 16..(page + 1) * PAGE_BYTES].fill(0xAB);
    }
    let stop = read(3, std::slice::from_ref(&bytes)).1;
    assert!(matches!(stop, Stop::Encrypted(_)), "{stop:?}");
    // The first page too: its layout cannot be read then, its cluster can.
    bytes[3] |= 0x80;
    bytes[32..PAGE_BYTES].fill(0xAB);
    let segment = Segment::open(&bytes, name(3), size()).unwrap();
    assert_eq!(segment.system_identifier().as_u64(), 77);
    assert_eq!(segment.written_pages(), Ok(SIZE as usize / PAGE_BYTES));
}

#[test]
fn names_follow_the_segment_size() {
    let one = TimelineId::from_u32(1).unwrap();
    let check = |bytes: u32, lsn: &str, expect: &str| {
        let size = SegmentSize::from_bytes(bytes).unwrap();
        let lsn: Lsn = lsn.parse().unwrap();
        let name = SegmentName::holding(one, lsn, size);
        assert_eq!(name.to_string(), expect);
        assert_eq!(SegmentName::parse(expect), Some(name));
        assert_eq!(name.number(size), Some(size.number_of(lsn)));
    };
    // From pg_walfile_name() of servers with these sizes.
    check(16 << 20, "16/B374D848", "0000000100000016000000B3");
    check(1 << 20, "16/B374D848", "000000010000001600000B37");
    check(1 << 30, "16/B374D848", "000000010000001600000002");
    check(64 << 20, "1/FFFFFFFF", "00000001000000010000003F");
    for bytes in [0, 1, 1 << 19, 3 << 20, (1 << 30) + 1, 1 << 31] {
        assert_eq!(SegmentSize::from_bytes(bytes), None);
    }
    let beyond = SegmentName::parse("000000010000001600000100").unwrap();
    assert_eq!(beyond.number(SegmentSize::DEFAULT), None);
}

#[test]
fn histories_are_read_and_refused() {
    let three = TimelineId::from_u32(3).unwrap();
    let text = "1\t0/5000100\tno recovery target specified\n\n# x\n2\t0/7000000\tbefore 'x y'\n";
    let history = TimelineHistory::parse(three, text).unwrap();
    let at = |lsn: &str| history.timeline_at(lsn.parse().unwrap()).as_u32();
    assert_eq!([at("0/50000FF"), at("0/5000100"), at("0/7000000")], [1, 2, 3]);
    let of = |number| history.timeline_of_segment(number, SegmentSize::DEFAULT).as_u32();
    assert_eq!([of(4), of(5), of(6), of(7)], [1, 2, 2, 3]);
    let wrong = ["", "#\n", "1\n", "x\t0/1\ty\n", "2\t0/1\ta\n1\t0/2\tb\n", "3\t0/1\tself\n"];
    for text in wrong {
        assert!(TimelineHistory::parse(three, text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        let _ = Segment::open(&bytes, name(3), size());
        let text = String::from_utf8_lossy(&bytes);
        let _ = TimelineHistory::parse(TimelineId::from_u32(9).unwrap(), &text);
        let _ = BackupHistory::parse(&text);
        let _ = WalFileName::parse(&text);
    }

    #[test]
    fn arbitrary_pages_never_panic(
        seed in prop::collection::vec(any::<u8>(), 1..5000),
        at in prop::collection::vec((0_usize..SIZE as usize, any::<u8>()), 0..40),
    ) {
        let mut writer = Writer::new(3);
        for chunk in seed.chunks(97) {
            writer.record(chunk[0] % 22, chunk[0], chunk);
        }
        writer.record(1, 0x80, &seed);
        let mut bytes = writer.segments().remove(0);
        let written = writer.wal.len().min(bytes.len());
        for (place, byte) in at {
            bytes[place % written] = byte;
        }
        let Ok(segment) = Segment::open(&bytes, name(3), size()) else { return Ok(()) };
        let Ok(mut scan) = Scan::new(segment, None) else { return Ok(()) };
        while let Step::Record(record) = scan.next_record() {
            let _ = (record.meaning(), record.blocks(), record.data());
        }
    }

    #[test]
    fn arbitrary_records_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 24..400),
        manager in 0_u8..12,
        major in 13_u32..=18,
    ) {
        let mut bytes = bytes;
        bytes[17] = manager;
        let version = WalVersion::from_major(major).unwrap();
        let record = Record::checked(&bytes, 100, 200, version);
        let _ = (record.meaning(), record.blocks(), record.data());
    }

    #[test]
    fn names_come_back(timeline in 1_u32.., number in 0_u64..1 << 40, offset in any::<u32>()) {
        let timeline = TimelineId::from_u32(timeline).unwrap();
        let size = SegmentSize::DEFAULT;
        let segment = SegmentName::new(timeline, number, size).unwrap();
        prop_assert_eq!(segment.number(size), Some(number));
        for name in [
            WalFileName::Segment(segment),
            WalFileName::Partial(segment),
            WalFileName::Backup { segment, offset },
            WalFileName::History(timeline),
        ] {
            prop_assert_eq!(WalFileName::parse(&name.to_string()), Some(name));
        }
    }
}
