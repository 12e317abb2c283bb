//! The end of a backup: its label, and what is told of it.

use std::sync::atomic::Ordering;

use super::copy::Copied;
use super::document::{BackupDocument, FORMAT, Sizes, TablespaceFacts};
use super::filelist::{Content, FileList};
use super::layout::Label;
use super::listing::{Listing, TablespaceLink};
use super::machine::{Left, Outcome, Start, State, Stop};
use super::outcome::{describe, warnings};
use super::run::{Finished, Run, panicked};
use super::seal::{LabelLeft, Sealing};
use crate::api::Result;
use crate::sys::clock;

impl Run<'_> {
    pub(super) async fn seal(
        &mut self,
        start: Start,
        label: &Label,
        stop: Stop,
    ) -> Result<Outcome> {
        let (Some((copied, listing, took)), Some(stopped)) =
            (self.copied.take(), self.stopped.take())
        else {
            return Err(panicked("nothing was copied"));
        };
        let Copied { entries, packs, checksum_failures, map, adopted_files } = copied;
        let list = FileList::new(entries);
        let mut document = self.label(start, label, stop, &list, listing);
        document.sizes.adopted_files = adopted_files;
        document.sizes.copy_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        document.packs = packs;
        document.checksum_failures = checksum_failures;
        let control = std::mem::take(&mut self.control);
        let destination = self.plan.destination.clone();
        let sealed = self
            .site
            .as_owner(move |site| {
                let sealing = Sealing {
                    disk: &site.disk,
                    destination: &destination,
                    document,
                    list: &list,
                    map,
                    control,
                    label_file: stopped.label_file,
                    map_file: stopped.map_file,
                    start: start.lsn,
                    stop: stop.lsn,
                    timeline: start.timeline,
                };
                Ok(sealing.seal())
            })
            .await?;
        let sealed = sealed.map_err(|unsealed| {
            self.label_left = unsealed.label;
            unsealed.error
        })?;
        self.document = Some(sealed);
        self.session = None;
        Ok(Outcome::Done)
    }

    fn label(
        &self,
        start: Start,
        label: &Label,
        stop: Stop,
        list: &FileList,
        listing: Listing,
    ) -> BackupDocument {
        let files = list.entries.iter().filter(|entry| entry.content != Content::Directory);
        let progress = &self.progress;
        let mut cluster = self.plan.cluster.clone();
        if let Some(facts) = &self.server {
            cluster.server_version_num = facts.version_num;
        }
        let space =
            |link: TablespaceLink| TablespaceFacts { oid: link.oid, location: link.location };
        BackupDocument {
            format: FORMAT,
            label: label.clone(),
            kind: self.plan.kind,
            parent: self.plan.parent.clone(),
            started_at: self.started_at,
            ended_at: clock::now(),
            cluster,
            start_lsn: start.lsn.to_string(),
            stop_lsn: stop.lsn.to_string(),
            timeline: start.timeline.as_u32(),
            from_standby: self.server.as_ref().is_some_and(|facts| facts.in_recovery),
            compression: self.plan.codec,
            jobs: self.plan.jobs,
            sizes: Sizes {
                files: u64::try_from(files.clone().count()).unwrap_or(0),
                cluster_bytes: files.map(|entry| entry.stamp.size).sum(),
                read_bytes: progress.read_bytes.load(Ordering::Relaxed),
                copied_bytes: progress.copied_bytes.load(Ordering::Relaxed),
                ..Sizes::default()
            },
            tablespaces: listing.tablespaces.into_iter().map(space).collect(),
            wal_location: listing.wal_location,
            checksum_failures: Vec::new(),
            warnings: listing.warnings,
            parts: Vec::new(),
            packs: Vec::new(),
            keystore_fingerprint: None,
            pgdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) fn result(self, state: State) -> Result<Finished> {
        match state {
            State::Failed(error, Left::Nothing) => Err(error),
            State::Failed(error, Left::Resumable(label)) => {
                let left = match self.label_left {
                    LabelLeft::Absent => "is INCOMPLETE, the next backup uses it",
                    LabelLeft::Standing => {
                        "has its label, which could neither be made durable nor be removed: verify it"
                    }
                };
                let detail = match error.detail.as_str() {
                    "" => format!("{label} {left}"),
                    detail => format!("{detail}; {label} {left}"),
                };
                Err(error.detail(detail))
            }
            State::Ended(_, trouble) => {
                let document = self.document.ok_or_else(|| panicked("there is no label"))?;
                let warnings = warnings(&document, trouble.as_ref());
                let text = describe(&document, &self.removed, &warnings);
                Ok(Finished { document, text, warnings })
            }
            _ => Err(panicked("it stopped in between")),
        }
    }
}
