//! The terminal: what it can do, what it is sent, what it sends.
//!
//! Owns the screen's modes, the bytes in both directions and the signals that concern the
//! terminal. Knows nothing of PostgreSQL, of the engine or of what is drawn.

pub mod backend;
pub mod colour;
pub mod glyph;
pub mod motion;
pub mod pen;
pub mod policy;
pub mod shown;
pub mod size;
