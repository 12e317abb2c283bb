//! Recoveries in processes of their own, and what they start from.

// Each test program uses a part of it.
#![allow(dead_code)]

pub(crate) mod driver;
pub(crate) mod scene;
pub(crate) mod tree;
