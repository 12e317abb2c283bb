//! Headers of tar archives as the stock `tar` program reads them: ustar, with pax records for
//! what does not fit.
//!
//! Source: "pax Interchange Format" and "ustar Interchange Format" in POSIX.1-2017, `pax`.

/// Unit of an archive.
pub const BLOCK: usize = 512;
/// Two blocks of zeros end an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// The largest size that eleven octal digits hold.
const USTAR_SIZE_MAX: u64 = 0o777_7777_7777;

/// What a header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970 of the last change.
    pub modified: u64,
}

impl Member {
    /// Appends the header, with a pax header before it when path or size need one.
    pub fn write(&self, out: &mut Vec<u8>) {
        let path = match self.kind {
            Kind::File => self.path.clone(),
            Kind::Directory => format!("{}/", self.path),
        };
        let split = split_path(&path);
        let mut records = String::new();
        if split.is_none() {
            records.push_str(&pax_record("path", &path));
        }
        if self.size > USTAR_SIZE_MAX {
            records.push_str(&pax_record("size", &self.size.to_string()));
        }
        if !records.is_empty() {
            let size = u64::try_from(records.len()).unwrap_or(0);
            out.extend_from_slice(&self.header("", "pax_header", size, b'x'));
            out.extend_from_slice(records.as_bytes());
            out.resize(out.len() + padding(size), 0);
        }
        let (prefix, name) = split.unwrap_or(("", "long_name"));
        let flag = match self.kind {
            Kind::File => b'0',
            Kind::Directory => b'5',
        };
        out.extend_from_slice(&self.header(prefix, name, self.size.min(USTAR_SIZE_MAX), flag));
    }

    fn header(&self, prefix: &str, name: &str, size: u64, flag: u8) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, format!("{:07o}", self.mode & 0o7777).as_bytes());
        put(108, b"0000000\x000000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, format!("{:011o}", self.modified.min(USTAR_SIZE_MAX)).as_bytes());
        put(148, b"        ");
        put(156, &[flag]);
        put(257, b"ustar\x0000");
        put(345, prefix.as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// Zeros that fill the last block of `size` bytes.
#[must_use]
pub fn padding(size: u64) -> usize {
    let unit = u64::try_from(BLOCK).unwrap_or(512);
    usize::try_from((unit - size % unit) % unit).unwrap_or(0)
}

/// `prefix` (at most 155 bytes) and `name` (at most 100), split at a slash.
fn split_path(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    let at = path
        .char_indices()
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| at)
        .find(|at| path.len() - at - 1 <= 100)?;
    (at <= 155 && at > 0 && at + 1 < path.len()).then(|| (&path[..at], &path[at + 1..]))
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// What went wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There are not enough bytes.
    #[error("the archive is cut")]
    Cut,
    /// The bytes are no header.
    #[error("not a header of an archive: {0}")]
    Invalid(&'static str),
}

/// Reads a member's headers at the beginning of `bytes`; the member and the headers' length.
/// `None` at the end of the archive.
///
/// # Errors
/// [`ReadError`].
pub fn read(bytes: &[u8]) -> Result<Option<(Member, usize)>, ReadError> {
    let (mut at, mut long_path, mut long_size) = (0, None, None);
    loop {
        let block = bytes.get(at..at + BLOCK).ok_or(ReadError::Cut)?;
        at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        check_sum(block)?;
        let size = octal(&block[124..136])?;
        if block[156] == b'x' {
            let length = usize::try_from(size).map_err(|_| ReadError::Invalid("size"))?;
            let end = at.checked_add(length).ok_or(ReadError::Cut)?;
            let records = bytes.get(at..end).ok_or(ReadError::Cut)?;
            for (key, value) in pax_records(records)? {
                match key {
                    "path" => long_path = Some(value.to_owned()),
                    "size" => long_size = value.parse().ok(),
                    _ => {}
                }
            }
            at = end + padding(size);
            continue;
        }
        let kind = match block[156] {
            b'0' => Kind::File,
            b'5' => Kind::Directory,
            _ => return Err(ReadError::Invalid("type")),
        };
        let path = match long_path {
            Some(path) => path,
            None => match text(&block[345..500])? {
                "" => text(&block[..100])?.to_owned(),
                prefix => format!("{prefix}/{}", text(&block[..100])?),
            },
        };
        let path = path.strip_suffix('/').map(str::to_owned).unwrap_or(path);
        let mode = u32::try_from(octal(&block[100..108])?).unwrap_or(0);
        let modified = octal(&block[136..148])?;
        let size = long_size.unwrap_or(size);
        return Ok(Some((Member { path, kind, size, mode, modified }, at)));
    }
}

fn text(field: &[u8]) -> Result<&str, ReadError> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).map_err(|_| ReadError::Invalid("name"))
}

fn octal(field: &[u8]) -> Result<u64, ReadError> {
    let digits = text(field)?.trim();
    u64::from_str_radix(digits, 8).map_err(|_| ReadError::Invalid("number"))
}

fn check_sum(block: &[u8]) -> Result<(), ReadError> {
    let stored = octal(&block[148..156])?;
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    if sum == stored { Ok(()) } else { Err(ReadError::Invalid("checksum")) }
}

fn pax_records(mut bytes: &[u8]) -> Result<Vec<(&str, &str)>, ReadError> {
    let invalid = ReadError::Invalid("pax record");
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').ok_or(invalid.clone())?;
        let length: usize = text(&bytes[..space])?.parse().map_err(|_| invalid.clone())?;
        let record = bytes.get(space + 1..length).ok_or(invalid.clone())?;
        let record = text(record)?.strip_suffix('\n').ok_or(invalid.clone())?;
        records.push(record.split_once('=').ok_or(invalid.clone())?);
        bytes = &bytes[length..];
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(path: String, size: u64) -> Member {
        Member { path, kind: Kind::File, size, mode: 0o600, modified: 1_700_000_000 }
    }

    #[track_caller]
    fn comes_back(member: &Member) -> usize {
        let mut bytes = Vec::new();
        member.write(&mut bytes);
        assert_eq!(bytes.len() % BLOCK, 0);
        assert_eq!(read(&bytes), Ok(Some((member.clone(), bytes.len()))));
        bytes.len()
    }

    #[test]
    fn short_names_need_one_block_and_long_ones_more() {
        assert_eq!(comes_back(&member("base/5/16384".into(), 8192)), 512);
        assert_eq!(comes_back(&member(format!("{}/{}", "a".repeat(90), "b".repeat(90)), 1)), 512);
        assert_eq!(comes_back(&member("a".repeat(300), 1)), 1536);
        assert_eq!(comes_back(&member("big".into(), 9 << 30)), 1536);
        let directory = Member { kind: Kind::Directory, ..member("pg_wal".into(), 0) };
        assert_eq!(comes_back(&directory), 512);
        assert_eq!(read(&END), Ok(None));
        assert_eq!(read(&[0; 100]), Err(ReadError::Cut));
    }

    proptest! {
        #[test]
        fn every_path_comes_back(path in "[a-zäß/]{1,400}", size in 0_u64..1 << 40) {
            let path = path.trim_matches('/').to_owned();
            prop_assume!(!path.is_empty());
            comes_back(&member(path, size));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read(&bytes);
            let _ = pax_records(&bytes);
        }
    }
}
