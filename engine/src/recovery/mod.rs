//! Recovery: what can be reached, what a recovery will do, and doing it.
//!
//! `docs/decisions/recovery.md` says how it is meant, `docs/FORMATS.md` what it writes.
//! Everything up to the plan touches nothing.

mod act;
mod aside;
mod asked;
mod check;
pub mod configure;
pub mod diagnose;
pub mod facts;
pub mod layout;
pub mod machine;
pub mod map;
pub mod mistakes;
pub mod plan;
mod pushing;
pub mod rehearse;
mod relations;
mod replay;
mod rescue;
pub mod resolve;
pub mod restore;
pub mod run;
mod server;
mod settle;
pub mod site;
pub mod sources;
pub mod state;
pub mod step;
pub(crate) mod telling;
pub mod timelines;
mod undo;
pub mod way;
