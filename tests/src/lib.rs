//! The test house of pgdeck: real PostgreSQL of every supported major version, a real
//! pseudo-terminal, the built program, and the reader behind the tidy test.
//!
//! Nothing here mocks. A server version that is missing fails the test that asked for it;
//! it never skips. What a test starts is gone when it ends, and what a killed run left
//! behind is removed by the next one; only a failing test keeps its directories.

pub mod bin;
pub mod deck;
pub mod hermetic;
pub mod instance;
pub mod load;
pub mod majors;
pub mod planning;
pub mod proc;
pub mod pty;
pub mod recovery;
pub mod repository;
pub mod restored;
pub mod run;
pub mod spread;
pub mod tidy;
pub mod tls;
pub mod wal;
pub mod watcher;

mod account;
mod cache;
mod forks;
mod inside;
mod invocation;
mod judged;
mod marks;
mod place;
mod server_log;
mod template;

pub use deck::{Deck, Refusal, Status};
pub use hermetic::Home;
pub use instance::{InstanceBuilder, Session, TestInstance};
pub use load::Load;
pub use majors::Major;
pub use pgdeck_engine::api::StopMode;
pub use pty::Console;
pub use recovery::{Beside, Recovered};
pub use repository::Repository;
pub use restored::Restored;
pub use run::{Finished, Run, Running, run};
pub use rustix::process::Signal;
pub use server_log::LogFindings;
pub use tls::TlsMaterial;
pub use watcher::Watcher;
