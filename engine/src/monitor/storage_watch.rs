//! Keeping an eye on destinations: each looked at behind its own time limit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::memory::Memory;
use crate::api::{
    Destination, DestinationHealth, DestinationKind, Forecast, InstanceState, MountState,
};
use crate::jobs::journal::{MountRecord, UsageSample};
use crate::storage::destinations::{self, Facts, Place};
use crate::sys::deadline::Guard;
use crate::sys::{clock, device, file};

/// A device that does not answer in this time hangs.
const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// Measuring what an instance keeps at a destination.
const SIZE_EVERY: Duration = Duration::from_secs(60);
const SIZE_LIMIT: Duration = Duration::from_secs(20);
const SIZE_ENTRIES_MAX: usize = 500_000;
const FORECAST_EVERY: Duration = Duration::from_secs(300);
const SAMPLE_EVERY: Duration = Duration::from_secs(60);

/// State kept between looks.
#[derive(Debug, Default)]
pub struct StorageWatch {
    guards: HashMap<PathBuf, Guard>,
    places_guard: Guard,
    places: Vec<Place>,
    /// By the path as configured.
    known: HashMap<PathBuf, Known>,
    /// By the path with links followed.
    own_bytes: HashMap<PathBuf, u64>,
    sampled_at: Option<Instant>,
    sized_at: Option<Instant>,
    sizing: Guard,
}

#[derive(Debug)]
struct Known {
    mount_point: Option<PathBuf>,
    forecast: Forecast,
    forecast_at: Instant,
}

/// What to look at.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The data storage destination.
    pub data_directory: &'a Path,
    /// The backup data storage destination.
    pub backup_destination: Option<&'a Path>,
    /// Names of tablespaces by OID, as far as known.
    pub tablespace_names: &'a HashMap<String, String>,
    /// When usage is a warning.
    pub percent_max: u8,
    /// Whether to measure what the instance keeps at each.
    pub sizes: bool,
    /// The instance's state: a missing data directory is judged here too.
    pub state: InstanceState,
}

impl StorageWatch {
    /// Looks at every destination. One that does not answer is a destination in error.
    pub async fn look(&mut self, wanted: &Wanted<'_>, memory: &mut Memory) -> Vec<Destination> {
        let places = self.find_places(wanted).await;
        let mounts = device::mounts().unwrap_or_default();
        let expected = device::expected_mount_points();
        let mut judged = Vec::with_capacity(places.len());
        let mut devices = Vec::with_capacity(places.len());
        for place in places {
            let path = place.path.clone();
            let facts = self.look_at(place, &mounts, &expected).await;
            devices.push(facts.real.as_ref().ok().map(|(_, device)| *device));
            let destination = self.judge(&facts, &path, wanted, memory).await;
            judged.push(destination);
        }
        self.sample(&judged, memory).await;
        destinations::note_shared_devices(&mut judged, &devices);
        if wanted.sizes {
            self.measure(&judged).await;
        }
        for destination in &mut judged {
            destination.own_bytes = self.own_bytes.get(&destination.path).copied();
        }
        judged
    }

    /// A place list that cannot be read (the disk hangs, is gone) stays as it was.
    async fn find_places(&mut self, wanted: &Wanted<'_>) -> Vec<Place> {
        let data_directory = wanted.data_directory.to_path_buf();
        let backup = wanted.backup_destination.map(PathBuf::from);
        let work = move || destinations::places_of(&data_directory, backup.as_deref());
        if let Ok(mut places) = self.places_guard.run(LOOK_LIMIT, work).await {
            for place in &mut places {
                if let Some(name) = wanted.tablespace_names.get(&place.name) {
                    place.name.clone_from(name);
                }
            }
            let is_readable = !matches!(
                wanted.state,
                InstanceState::DataDirectoryMissing | InstanceState::NotACluster
            );
            if is_readable || self.places.is_empty() {
                self.places = places;
            }
        }
        self.places.clone()
    }

    async fn look_at(
        &mut self,
        place: Place,
        mounts: &[device::Mount],
        expected: &[PathBuf],
    ) -> Facts {
        let guard = self.guards.entry(place.path.clone()).or_default().clone();
        let (mounts_owned, expected_owned) = (mounts.to_vec(), expected.to_vec());
        let asked = place.clone();
        let look = move || destinations::look_at(asked, &mounts_owned, &expected_owned);
        match guard.run(LOOK_LIMIT, look).await {
            Ok(facts) => facts,
            Err(_) => Facts {
                mount: device::mount_of(mounts, &place.path).cloned(),
                expected: None,
                usage: None,
                real: Err(std::io::ErrorKind::TimedOut.into()),
                place,
            },
        }
    }

    async fn judge(
        &mut self,
        facts: &Facts,
        path: &Path,
        wanted: &Wanted<'_>,
        memory: &mut Memory,
    ) -> Destination {
        let key = path.to_string_lossy().into_owned();
        if !self.known.contains_key(path) {
            let mount = memory.known_mount(&key).await;
            let known = Known {
                mount_point: mount.map(|mount| mount.mount_point.into()),
                forecast: memory.forecast(&key).await,
                forecast_at: Instant::now(),
            };
            self.known.insert(path.to_path_buf(), known);
        }
        let Some(known) = self.known.get_mut(path) else {
            return destinations::judge(facts, None, wanted.percent_max, Forecast::Unknown);
        };
        if known.forecast_at.elapsed() >= FORECAST_EVERY {
            known.forecast_at = Instant::now();
            known.forecast = memory.forecast(&key).await;
        }
        let judged = destinations::judge(
            facts,
            known.mount_point.as_deref(),
            wanted.percent_max,
            known.forecast.clone(),
        );
        if let (MountState::Mounted, Some(usage)) = (&judged.mount, &judged.usage)
            && known.mount_point.as_ref() != Some(&usage.mount_point)
        {
            known.mount_point = Some(usage.mount_point.clone());
            let record = MountRecord {
                mount_point: usage.mount_point.to_string_lossy().into_owned(),
                device: usage.device.clone(),
                fs_type: usage.fs_type.clone(),
            };
            memory.remember_mount(&key, record).await;
        }
        judged
    }

    async fn sample(&mut self, destinations: &[Destination], memory: &mut Memory) {
        if self.sampled_at.is_some_and(|at| at.elapsed() < SAMPLE_EVERY) {
            return;
        }
        self.sampled_at = Some(Instant::now());
        let healthy = destinations.iter().filter(|one| one.mount == MountState::Mounted);
        for (destination, usage) in healthy.filter_map(|one| Some((one, one.usage.as_ref()?))) {
            let sample = UsageSample {
                at: clock::now(),
                used_bytes: usage.used_bytes,
                free_bytes: usage.free_bytes,
            };
            memory.add_usage(&destination.path.to_string_lossy(), sample).await;
        }
    }

    async fn measure(&mut self, destinations: &[Destination]) {
        if self.sized_at.is_some_and(|at| at.elapsed() < SIZE_EVERY) {
            return;
        }
        self.sized_at = Some(Instant::now());
        let paths: Vec<PathBuf> = destinations
            .iter()
            .filter(|one| one.health != DestinationHealth::Error || one.usage.is_some())
            .filter(|one| one.kind != DestinationKind::Backup || one.mount == MountState::Mounted)
            .map(|one| one.path.clone())
            .collect();
        let work = move || {
            let sizes = paths.into_iter().map(|path| {
                let (bytes, _) = file::tree_size(&path, SIZE_ENTRIES_MAX);
                (path, bytes)
            });
            sizes.collect::<Vec<_>>()
        };
        for (path, bytes) in self.sizing.run(SIZE_LIMIT, work).await.unwrap_or_default() {
            self.own_bytes.insert(path, bytes);
        }
    }
}
