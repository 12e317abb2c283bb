//! Recovery: what can be reached, what a recovery will do, and doing it.
//!
//! `docs/decisions/recovery.md` says how it is meant. Everything up to the plan touches nothing.

pub mod facts;
pub mod map;
pub mod plan;
pub mod rehearse;
pub mod resolve;
pub mod site;
pub mod sources;
pub mod timelines;
pub mod way;
