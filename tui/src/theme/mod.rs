//! Roles and the styles that stand for them.
//!
//! Knows colours and attributes, not what is drawn with them. Themes are data: five are
//! embedded, and files of a directory replace or add to them.

mod error;
mod file;
mod load;

use ratatui::style::{Color, Modifier, Style};

use crate::console::terminal::colour::{Ink, ink};
use crate::console::terminal::policy::{ColourDepth, TerminalPolicy};

pub use error::ThemeError;
pub use load::EMBEDDED_NAMES;

/// What a piece of the screen is, for choosing its style. A role is never the only sign of a
/// state: there is always a word or a mark too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything else, and the ground of the screen.
    Text,
    /// What matters less.
    Dim,
    /// The frame of a pane.
    Border,
    /// The frame of the pane that has the keys.
    Focus,
    /// Headings.
    Title,
    /// The row or word under the cursor.
    Selection,
    /// A good state.
    Ok,
    /// A state that needs attention.
    Warn,
    /// A bad state.
    Error,
    /// A remark.
    Info,
    /// What destroys or ends something.
    Danger,
    /// A key in a hint.
    Key,
    /// A value that is no longer being refreshed.
    Stale,
    /// The filled part of a bar.
    Bar,
    /// The rest of it.
    BarEmpty,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 15] = [
        Self::Text,
        Self::Dim,
        Self::Border,
        Self::Focus,
        Self::Title,
        Self::Selection,
        Self::Ok,
        Self::Warn,
        Self::Error,
        Self::Info,
        Self::Danger,
        Self::Key,
        Self::Stale,
        Self::Bar,
        Self::BarEmpty,
    ];

    /// Its name in a theme file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Dim => "dim",
            Self::Border => "border",
            Self::Focus => "focus",
            Self::Title => "title",
            Self::Selection => "selection",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Info => "info",
            Self::Danger => "danger",
            Self::Key => "key",
            Self::Stale => "stale",
            Self::Bar => "bar",
            Self::BarEmpty => "bar_empty",
        }
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|role| *role == self).unwrap_or(0)
    }
}

/// A colour of a theme file: for terminals with many colours, and for those with 16 or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paint {
    rich: Color,
    poor: Color,
}

impl Paint {
    fn on(self, depth: ColourDepth) -> Option<Color> {
        let colour = if depth >= ColourDepth::Indexed256 { self.rich } else { self.poor };
        match ink(colour, depth) {
            Ink::Default if depth == ColourDepth::Mono => None,
            Ink::Default => Some(Color::Reset),
            Ink::Ansi(index) | Ink::Indexed(index) => Some(Color::Indexed(index)),
            Ink::Rgb(r, g, b) => Some(Color::Rgb(r, g, b)),
        }
    }
}

/// A role as a theme file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    foreground: Option<Paint>,
    background: Option<Paint>,
    attributes: Modifier,
}

impl Look {
    fn on(self, policy: &TerminalPolicy) -> Style {
        let mut style = Style::new().add_modifier(self.attributes & policy.attributes());
        style.fg = self.foreground.and_then(|paint| paint.on(policy.depth));
        style.bg = self.background.and_then(|paint| paint.on(policy.depth));
        style
    }
}

/// The styles of one theme on one terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// The theme called `name` for this terminal: from `directory` if it has a file of that
    /// name, otherwise embedded. A terminal without colour always gets `mono`.
    ///
    /// # Errors
    ///
    /// When there is no such theme, its file cannot be read or understood, it names a role or a
    /// colour that does not exist, themes inherit from each other in a circle, or a role is
    /// missing.
    pub fn load(
        name: &str,
        directory: Option<&std::path::Path>,
        policy: &TerminalPolicy,
    ) -> Result<Self, ThemeError> {
        let name = if policy.depth == ColourDepth::Mono { "mono" } else { name };
        Ok(Self::of(load::looks(name, directory)?, policy))
    }

    /// The embedded theme that suits this terminal without being asked: `mono` or `default`.
    #[must_use]
    pub fn fallback(policy: &TerminalPolicy) -> Self {
        Self::load("default", None, policy).unwrap_or_else(|_| Self::of(load::PLAIN, policy))
    }

    /// The style of a role. Without a background of its own it leaves the one below it.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles[role.index()]
    }

    fn of(looks: [Look; Role::ALL.len()], policy: &TerminalPolicy) -> Self {
        let mut styles = looks.map(|look| look.on(policy));
        // Whatever a file says and a terminal lacks, the selection can be seen.
        if styles[Role::Selection.index()] == styles[Role::Text.index()] {
            let selection = &mut styles[Role::Selection.index()];
            *selection = selection.add_modifier(Modifier::REVERSED);
        }
        Self { styles }
    }
}

#[cfg(test)]
mod tests;
