//! Reads the project's own sources: what the tidy test judges by.
//!
//! No parser of Rust stands behind it, only a lexer that tells code from comments, texts
//! and test modules, and a reader of paths that follows `use`. That is enough for rules
//! like "this crate never names that one".

mod docs;
mod paths;
mod rules;
mod source;
mod tree;

pub use docs::{entries, find_word, machine_words};
pub use paths::{Mention, mentions};
pub use rules::{Dependencies, Rule, Scope, is_match};
pub use source::Source;
pub use tree::{root, sources, tracked_files};
