//! The process table: which server processes run on this machine.

use std::io;
use std::path::PathBuf;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::api::MachineLoad;

/// A process that looks like a postmaster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProcess {
    /// Process id.
    pub pid: i32,
    /// Its working directory, which is the data directory. `None` for another user's process.
    pub working_directory: Option<PathBuf>,
    /// Its program. `None` for another user's process.
    pub program: Option<PathBuf>,
    /// Its arguments, the program's name first.
    pub args: Vec<String>,
}

/// Finds processes named `postgres` or `postmaster` whose parent is not one itself.
///
/// # Errors
/// When the process table cannot be read (no `/proc`).
pub fn server_processes() -> io::Result<Vec<ServerProcess>> {
    let mut system = System::new().map_err(io::Error::other)?;
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let is_server =
        |process: &sysinfo::Process| process.name() == "postgres" || process.name() == "postmaster";
    let postmasters: Vec<sysinfo::Pid> = system
        .processes()
        .iter()
        .filter(|(_, process)| is_server(process))
        .filter(|(_, process)| {
            let parent = process.parent().and_then(|pid| system.process(pid));
            !parent.is_some_and(is_server)
        })
        .map(|(pid, _)| *pid)
        .collect();
    let kind = ProcessRefreshKind::nothing()
        .without_tasks()
        .with_cmd(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .with_exe(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&postmasters), true, kind);
    let mut found: Vec<_> = postmasters
        .iter()
        .filter_map(|pid| Some((pid, system.process(*pid)?)))
        .filter_map(|(pid, process)| {
            let text = |arg: &std::ffi::OsString| arg.to_string_lossy().into_owned();
            Some(ServerProcess {
                pid: i32::try_from(pid.as_u32()).ok()?,
                working_directory: process.cwd().map(PathBuf::from),
                program: process.exe().map(PathBuf::from),
                args: process.cmd().iter().map(text).collect(),
            })
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// Reads the load of this machine.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn machine_load() -> io::Result<MachineLoad> {
    let load = System::load_average().map_err(io::Error::other)?;
    let mut system = System::new().map_err(io::Error::other)?;
    system.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
    Ok(MachineLoad {
        load_one: load.one,
        load_fifteen: load.fifteen,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory_total: system.total_memory(),
        memory_available: system.available_memory(),
    })
}
