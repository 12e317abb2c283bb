//! Sessions: activity, the lock tree, prepared transactions.

pub mod lock_tree;
