//! `backup_manifest` as PostgreSQL writes it, so that the stock `pg_verifybackup` can judge a
//! restored directory.
//!
//! Source: "Backup Manifest Format" in the manual; `src/backend/backup/backup_manifest.c`.

use std::io::{self, Write};
use std::path::Path;

use chrono::DateTime;
use sha2::{Digest, Sha256};

use super::document::Part;
use super::filelist::{Content, FileList, hex_text};
use super::layout::MANIFEST_FILE;
use crate::api::{Lsn, TimelineId};
use crate::sys::disk::{Disk, DiskFile};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that is in no pack, for the manifest.
#[derive(Clone, Debug)]
pub struct ExtraFile {
    /// Path below the data directory.
    pub path: String,
    /// Seconds since 1970.
    pub modified_s: i64,
    /// Its content.
    pub content: Vec<u8>,
}

/// What a manifest is made of.
#[derive(Debug)]
pub struct Manifest<'a> {
    /// The files in packs.
    pub list: &'a FileList,
    /// The others.
    pub extra: &'a [ExtraFile],
    /// Major version of the server.
    pub major: u32,
    /// Of the cluster, in decimal.
    pub system_identifier: &'a str,
    /// The timeline of the WAL needed.
    pub timeline: TimelineId,
    /// Where it begins.
    pub start: Lsn,
    /// Where it ends.
    pub stop: Lsn,
}

impl Manifest<'_> {
    /// Writes the manifest durably into a backup's directory.
    ///
    /// # Errors
    /// As writing and syncing files.
    pub fn write(&self, disk: &Disk, directory: &Path) -> io::Result<Part> {
        let file = disk.create(&directory.join(MANIFEST_FILE))?;
        let mut out = Output {
            file,
            buffer: String::with_capacity(BUFFER_BYTES + 1024),
            inner: Sha256::new(),
            whole: Sha256::new(),
            bytes: 0,
        };
        self.head(&mut out);
        let mut is_first = true;
        for entry in &self.list.entries {
            if matches!(entry.content, Content::Directory) {
                continue;
            }
            let modified = entry.stamp.modified_ns.div_euclid(1_000_000_000);
            let line = file_line(&entry.path, entry.stamp.size, modified, &entry.sha256);
            out.file_line(&mut is_first, &line)?;
        }
        for extra in self.extra {
            let size = u64::try_from(extra.content.len()).unwrap_or(0);
            let sum = Sha256::digest(&extra.content);
            out.file_line(&mut is_first, &file_line(&extra.path, size, extra.modified_s, &sum))?;
        }
        out.buffer.push_str("\n],\n\"WAL-Ranges\": [\n");
        out.buffer.push_str(&format!(
            "{{ \"Timeline\": {}, \"Start-LSN\": \"{}\", \"End-LSN\": \"{}\" }}\n],\n",
            self.timeline.decimal(),
            self.start,
            self.stop
        ));
        out.finish()
    }

    fn head(&self, out: &mut Output) {
        let version = if self.major >= 17 { 2 } else { 1 };
        out.buffer.push_str(&format!("{{ \"PostgreSQL-Backup-Manifest-Version\": {version},\n"));
        if version == 2 {
            out.buffer.push_str(&format!("\"System-Identifier\": {},\n", self.system_identifier));
        }
        out.buffer.push_str("\"Files\": [");
    }
}

fn file_line(path: &str, size: u64, modified_s: i64, sum: &[u8]) -> String {
    // A text always has a JSON form.
    let path = serde_json::to_string(path).unwrap_or_default();
    let modified = DateTime::from_timestamp(modified_s, 0).unwrap_or_default();
    format!(
        "{{ \"Path\": {path}, \"Size\": {size}, \"Last-Modified\": \"{} GMT\", \"Checksum-Algorithm\": \"SHA256\", \"Checksum\": \"{}\" }}",
        modified.format("%Y-%m-%d %H:%M:%S"),
        hex_text(sum)
    )
}

struct Output {
    file: DiskFile,
    buffer: String,
    /// Of everything before the last line, as the manifest's own checksum wants it.
    inner: Sha256,
    whole: Sha256,
    bytes: u64,
}

impl Output {
    fn file_line(&mut self, is_first: &mut bool, line: &str) -> io::Result<()> {
        self.buffer.push_str(if std::mem::replace(is_first, false) { "\n" } else { ",\n" });
        self.buffer.push_str(line);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.update(&self.buffer);
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        self.whole.update(&self.buffer);
        self.bytes += u64::try_from(self.buffer.len()).unwrap_or(0);
        self.file.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Part> {
        self.flush()?;
        let sum = hex_text(&self.inner.clone().finalize());
        self.buffer.push_str(&format!("\"Manifest-Checksum\": \"{sum}\"}}\n"));
        self.put()?;
        self.file.sync()?;
        let sha256 = hex_text(&self.whole.finalize());
        Ok(Part { name: MANIFEST_FILE.to_owned(), bytes: self.bytes, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_json_and_sums_itself_up() {
        let directory = tempfile::tempdir().unwrap();
        let extra = [ExtraFile { path: "a\"b".into(), modified_s: 0, content: b"x".to_vec() }];
        let manifest = Manifest {
            list: &FileList::default(),
            extra: &extra,
            major: 17,
            system_identifier: "7649182736450918273",
            timeline: TimelineId::from_u32(10).unwrap(),
            start: "0/2000028".parse().unwrap(),
            stop: "0/2000158".parse().unwrap(),
        };
        let part = manifest.write(&Disk::real(), directory.path()).unwrap();
        let text = std::fs::read_to_string(directory.path().join(MANIFEST_FILE)).unwrap();
        assert_eq!(part, Part::of(MANIFEST_FILE, text.as_bytes()));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["System-Identifier"], 7_649_182_736_450_918_273_u64);
        assert_eq!(json["Files"][0]["Path"], "a\"b");
        assert_eq!(json["WAL-Ranges"][0]["Timeline"], 10);
        let before = &text[..text.find("\"Manifest-Checksum\"").unwrap()];
        let sum = hex_text(&Sha256::digest(before));
        assert_eq!(json["Manifest-Checksum"], sum.as_str());
    }
}
