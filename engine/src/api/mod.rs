//! All that a front end sees of the engine: plain data and one handle.
//!
//! Nothing in here reads a file, opens a socket or knows a terminal. Front ends use this
//! module and no other of the crate (a tidy test enforces it).

mod activity;
mod archiving;
mod backup;
mod choice;
mod command;
mod config;
mod error;
mod event;
mod instance;
mod job;
mod log;
mod machine;
mod message;
mod protection;
mod recovery;
mod recovery_fingerprint;
mod recovery_map;
mod recovery_plan;
mod recovery_plan_text;
mod recovery_reach;
mod server;
mod sizes;
mod snapshot;
mod storage;
mod wal;

pub use activity::*;
pub use archiving::*;
pub use backup::*;
pub use choice::*;
pub use command::*;
pub use config::*;
pub use error::{Error, ErrorCode, Result};
pub use event::*;
pub use instance::*;
pub use job::*;
pub use log::*;
pub use machine::*;
pub use message::*;
pub use protection::*;
pub use recovery::*;
pub use recovery_map::*;
pub use recovery_plan::*;
pub use server::*;
pub use snapshot::*;
pub use storage::*;
pub use wal::*;

pub(crate) use sizes::bytes;

pub use crate::engine::{
    Demo, Engine, data_directory_of, recovery_log_end, run_demo_load, wal_ahead, wal_get, wal_push,
};
pub use crate::pg::types::{Lsn, Oid, ServerVersion, SystemIdentifier, TimelineId, TransactionId};
