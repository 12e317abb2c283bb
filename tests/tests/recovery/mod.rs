//! Recoveries in processes of their own, and what they start from.

pub(crate) mod driver;
pub(crate) mod scene;
