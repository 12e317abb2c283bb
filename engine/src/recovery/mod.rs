//! Recovery.

pub mod state;
