//! Recovery: what is asked becomes a proven plan, the plan becomes a running server.
//!
//! The design stands in `docs/decisions/recovery.md`, the files in `docs/FORMATS.md`.

mod act;
mod aside;
mod check;
pub mod configure;
pub mod diagnose;
pub mod layout;
pub mod machine;
mod pushing;
mod replay;
mod rescue;
pub mod restore;
pub mod run;
mod server;
pub mod site;
mod settle;
pub mod state;
pub mod step;
pub mod undo;
