//! What may be sent to this terminal: a pure decision from the environment and the flags.
//!
//! Owns the knowledge of terminal families. Reads the process's environment in one function
//! ([`Environment::from_process`]) and never writes to a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

use ratatui::style::Modifier;

/// How many colours may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColourDepth {
    /// No colour sequence at all; bold, underline and reverse remain.
    Mono,
    /// `30`–`37` and `40`–`47`; a bright foreground becomes bold.
    Ansi8,
    /// Also `90`–`97` and `100`–`107`.
    Ansi16,
    /// Also `38;5;N` and `48;5;N`, which an older console reads as blink.
    Indexed256,
    /// Also `38;2;R;G;B` and `48;2;R;G;B`.
    TrueColor,
}

/// The kinds of terminal that have to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// VT100 and its contemporaries: no colour, no private modes, attributes only reset together.
    Vt100,
    /// VT220 and later, the default of a serial console: as VT100, but the cursor can be hidden.
    Vt220,
    /// The Linux virtual console: 16 colours, a small font, no alternate screen.
    Linux,
    /// GNU screen, or tmux that calls itself so: no italics, at most 256 colours.
    Screen,
    /// xterm and what imitates it.
    Xterm,
    /// A name we do not know: ECMA-48 only, and the last cell of the screen stays empty because
    /// writing there may scroll.
    Unknown,
}

/// The flag `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColourChoice {
    /// Decide from `TERM`, `COLORTERM` and `NO_COLOR`.
    #[default]
    Auto,
    /// No colour; attributes remain.
    Never,
    /// Eight colours.
    #[value(name = "8")]
    Ansi8,
    /// Sixteen colours.
    #[value(name = "16")]
    Ansi16,
    /// The 256 colours of xterm.
    #[value(name = "256")]
    Indexed256,
    /// 24-bit colour.
    #[value(name = "truecolor")]
    TrueColor,
}

/// Whether non-ASCII text may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charset {
    /// Only bytes below 0x80. UTF-8 on an 8-bit console contains control introducers (`┐` has
    /// 0x90), so this is a matter of safety and not of looks.
    Ascii,
    /// UTF-8.
    Utf8,
}

/// How fast the line is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pace {
    /// A terminal emulator or an SSH session.
    #[default]
    Normal,
    /// A serial line at 9,600 baud: rarer refreshes and a longer wait for split sequences.
    Slow,
}

/// The command-line flags that override the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `--ascii`: `Some(Charset::Ascii)` when given.
    pub charset: Option<Charset>,
    /// `--color`.
    pub colour: ColourChoice,
    /// `--slow`.
    pub pace: Pace,
}

/// Everything of the environment that the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// `NO_COLOR`; counts when not empty.
    pub no_color: Option<String>,
    /// `LC_ALL`.
    pub lc_all: Option<String>,
    /// `LC_CTYPE`.
    pub lc_ctype: Option<String>,
    /// `LANG`.
    pub lang: Option<String>,
    /// Standard input and standard output are both terminals.
    pub on_terminal: bool,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let var = |name| std::env::var(name).ok();
        Self {
            term: var("TERM"),
            colorterm: var("COLORTERM"),
            no_color: var("NO_COLOR"),
            lc_all: var("LC_ALL"),
            lc_ctype: var("LC_CTYPE"),
            lang: var("LANG"),
            on_terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        }
    }

    /// Whether the locale's character encoding is UTF-8: the first of `LC_ALL`, `LC_CTYPE` and
    /// `LANG` that is set and not empty decides, as in the C library's `setlocale`.
    fn charset(&self) -> Charset {
        let locale = [&self.lc_all, &self.lc_ctype, &self.lang]
            .into_iter()
            .flatten()
            .find(|value| !value.is_empty());
        match locale.map(|value| value.to_ascii_lowercase()) {
            Some(value) if value.contains("utf-8") || value.contains("utf8") => Charset::Utf8,
            _ => Charset::Ascii,
        }
    }
}

/// Why there can be no console here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Standard input or standard output is not a terminal.
    NotATerminal,
    /// `TERM` is unset or empty.
    TermUnset,
    /// `TERM=dumb`: the terminal cannot place its cursor.
    TermDumb,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self {
            Self::NotATerminal => "standard input and output are not both a terminal",
            Self::TermUnset => "TERM is not set",
            Self::TermDumb => "TERM=dumb cannot place its cursor",
        };
        write!(f, "the console cannot open here: {reason}; `pgdeck status` shows the same once")
    }
}

impl std::error::Error for Refusal {}

/// What may be sent to this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TerminalPolicy {
    /// The kind of terminal.
    pub family: Family,
    /// How many colours.
    pub depth: ColourDepth,
    /// ASCII or UTF-8.
    pub charset: Charset,
    /// How fast the line is.
    pub pace: Pace,
}

impl TerminalPolicy {
    /// Decides from the environment and the flags; flags win.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when standard input or output is no terminal, and when `TERM` is unset, empty
    /// or `dumb`.
    pub fn decide(environment: &Environment, flags: Flags) -> Result<Self, Refusal> {
        if !environment.on_terminal {
            return Err(Refusal::NotATerminal);
        }
        let term = environment.term.as_deref().unwrap_or_default();
        match term {
            "" => return Err(Refusal::TermUnset),
            "dumb" => return Err(Refusal::TermDumb),
            _ => {}
        }
        let family = family(term);
        let charset = match (flags.charset, family) {
            (_, Family::Vt100 | Family::Vt220) => Charset::Ascii,
            (Some(charset), _) => charset,
            (None, _) => environment.charset(),
        };
        let depth = match flags.colour {
            ColourChoice::Auto => automatic_depth(family, term, environment),
            ColourChoice::Never => ColourDepth::Mono,
            ColourChoice::Ansi8 => ColourDepth::Ansi8,
            ColourChoice::Ansi16 => ColourDepth::Ansi16,
            ColourChoice::Indexed256 => ColourDepth::Indexed256,
            ColourChoice::TrueColor => ColourDepth::TrueColor,
        };
        Ok(Self { family, depth, charset, pace: flags.pace })
    }

    /// Whether only ASCII may be sent.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.charset == Charset::Ascii
    }

    /// The attributes that this terminal shows as themselves. Blink is never among them; dim is
    /// missing where it would be ignored or shown as another colour, italics where they come out
    /// as reverse, which means "selected" here.
    #[must_use]
    pub fn attributes(&self) -> Modifier {
        let common = Modifier::BOLD | Modifier::UNDERLINED | Modifier::REVERSED;
        match self.family {
            Family::Vt100 | Family::Vt220 | Family::Linux => common,
            Family::Screen | Family::Unknown => common | Modifier::DIM,
            Family::Xterm => common | Modifier::DIM | Modifier::ITALIC | Modifier::CROSSED_OUT,
        }
    }

    /// Whether single attributes can be switched off (`22`, `24`, `27`, `39`, `49`). A VT100
    /// only knows the reset of all; old Linux kernels let `39` switch off the underline too.
    #[must_use]
    pub fn can_unset_attributes(&self) -> bool {
        !matches!(self.family, Family::Vt100 | Family::Vt220 | Family::Linux)
    }

    /// Whether there is a second screen to draw on, which keeps the shell's one.
    #[must_use]
    pub fn has_alternate_screen(&self) -> bool {
        matches!(self.family, Family::Screen | Family::Xterm)
    }

    /// Whether pasted text can be marked as such.
    #[must_use]
    pub fn has_bracketed_paste(&self) -> bool {
        self.has_alternate_screen()
    }

    /// Whether the cursor can be hidden (`DECTCEM`, which came with the VT200 series).
    #[must_use]
    pub fn can_hide_cursor(&self) -> bool {
        self.family != Family::Vt100
    }

    /// Whether the cell at the right end of the last line can be written without scrolling: the
    /// terminal waits with the wrap until the next character.
    #[must_use]
    pub fn can_fill_last_cell(&self) -> bool {
        self.family != Family::Unknown
    }

    /// Whether XON/XOFF from the terminal must go on working: a serial terminal holds the output
    /// back by it.
    #[must_use]
    pub fn keeps_flow_control(&self) -> bool {
        self.pace == Pace::Slow || matches!(self.family, Family::Vt100 | Family::Vt220)
    }

    /// How long to wait for the rest of an escape sequence before a lone ESC counts as a key.
    ///
    /// At 9,600 baud bytes are 1.04 ms apart, but USB adapters and SSH deliver in lumps.
    #[must_use]
    pub fn escape_wait(&self) -> Duration {
        match self.pace {
            Pace::Normal => Duration::from_millis(25),
            Pace::Slow => Duration::from_millis(50),
        }
    }

    /// The shortest useful interval between two refreshes.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        match self.pace {
            Pace::Normal => Duration::from_secs(1),
            Pace::Slow => Duration::from_secs(10),
        }
    }
}

fn family(term: &str) -> Family {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| term.starts_with(prefix));
    if starts(&["vte"]) {
        Family::Xterm
    } else if starts(&["vt1", "vt50", "vt52-", "vt55"]) || ["vt", "vt52"].contains(&term) {
        Family::Vt100
    } else if starts(&["vt"]) {
        Family::Vt220
    } else if term == "linux" || starts(&["linux-"]) {
        Family::Linux
    } else if starts(&["screen"]) {
        Family::Screen
    } else if starts(&XTERM_LIKE) {
        Family::Xterm
    } else {
        Family::Unknown
    }
}

/// Names that begin like this know xterm's modes and wait at the right margin.
const XTERM_LIKE: [&str; 19] = [
    "xterm",
    "tmux",
    "rxvt",
    "alacritty",
    "foot",
    "kitty",
    "wezterm",
    "ghostty",
    "konsole",
    "gnome",
    "iterm",
    "nsterm",
    "mintty",
    "putty",
    "contour",
    "st-",
    "mlterm",
    "eterm",
    "Eterm",
];

/// Names that carry 256 colours without saying so in a suffix.
const RICH: [&str; 7] =
    ["alacritty", "foot", "kitty", "xterm-kitty", "wezterm", "ghostty", "contour"];

fn automatic_depth(family: Family, term: &str, environment: &Environment) -> ColourDepth {
    let no_color = environment.no_color.as_deref().is_some_and(|value| !value.is_empty());
    if no_color || term.ends_with("-m") || term.ends_with("-mono") {
        return ColourDepth::Mono;
    }
    match family {
        Family::Vt100 | Family::Vt220 => ColourDepth::Mono,
        Family::Linux => ColourDepth::Ansi16,
        // Inside GNU screen COLORTERM is inherited from the outer terminal and says nothing.
        Family::Screen => named_depth(term).min(ColourDepth::Indexed256),
        Family::Xterm | Family::Unknown => match environment.colorterm.as_deref() {
            Some("truecolor" | "24bit") => ColourDepth::TrueColor,
            _ => named_depth(term),
        },
    }
}

fn named_depth(term: &str) -> ColourDepth {
    let has = |part: &str| term.contains(part);
    if has("-direct") || has("-truecolor") {
        ColourDepth::TrueColor
    } else if has("256color") || RICH.iter().any(|name| term.starts_with(name)) {
        ColourDepth::Indexed256
    } else if has("-88color") || has("-16color") {
        ColourDepth::Ansi16
    } else {
        ColourDepth::Ansi8
    }
}

#[cfg(test)]
mod tests;
