//! What the screen is drawn with: a theme and a set of signs, both chosen for the terminal.

use pgdeck_engine::api::{DestinationHealth, InstanceState, Severity};
use ratatui::style::Style;

use super::terminal::symbols::Symbols;
use crate::theme::{Role, Theme};

/// A theme and signs.
#[derive(Debug)]
pub struct Look {
    /// Styles by role.
    pub theme: Theme,
    /// Signs.
    pub symbols: &'static Symbols,
}

impl Look {
    /// The style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }
}

/// The role of a severity; of none the good one.
#[must_use]
pub fn severity_role(severity: Option<Severity>) -> Role {
    match severity {
        Some(Severity::Error) => Role::Error,
        Some(Severity::Warning) => Role::Warn,
        Some(Severity::Info) => Role::Info,
        None => Role::Ok,
    }
}

/// The role of an instance's state.
#[must_use]
pub fn state_role(state: InstanceState) -> Role {
    match state {
        InstanceState::Started => Role::Ok,
        InstanceState::Starting | InstanceState::InRecovery | InstanceState::Stopping => Role::Warn,
        InstanceState::Unknown => Role::Dim,
        _ => Role::Error,
    }
}

/// The role of a destination's health.
#[must_use]
pub fn health_role(health: DestinationHealth) -> Role {
    match health {
        DestinationHealth::Normal => Role::Ok,
        DestinationHealth::Warning => Role::Warn,
        DestinationHealth::Error => Role::Error,
    }
}
