//! The console.

pub mod terminal;
