//! The console and the command line of pgdeck: the only crate that knows a terminal.

pub mod cli;
pub mod console;
pub mod text;
pub mod theme;
