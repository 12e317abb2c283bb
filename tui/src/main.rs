//! The `pgdeck` program.

fn main() {}
