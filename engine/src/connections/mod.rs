//! Sessions: activity, the lock tree, prepared transactions.

pub mod actions;
pub mod activity;
pub mod lock_tree;
pub mod names;
pub mod prepared;
pub mod resolve;
pub mod waits;
