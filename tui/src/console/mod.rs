//! The console.

pub mod actions;
pub mod ask;
mod ask_backups;
mod ask_mistakes;
mod ask_recovery;
pub mod commands;
pub mod dialogs;
pub mod dispatch;
mod events;
pub mod keys;
pub mod layout;
pub mod list;
pub mod look;
pub mod mouse;
pub mod needs;
pub mod outcome;
pub mod panes;
pub mod row_filter;
pub mod run;
pub mod state;
pub mod steps;
pub mod tabs;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;
pub mod widgets;
pub mod zone;
