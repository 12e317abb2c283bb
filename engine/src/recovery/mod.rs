//! Recovery.

pub mod rehearse;
