//! How large the terminal is, also where it does not say.

use ratatui::layout::Size;

/// Used when neither the terminal nor the environment knows.
const SIZE_DEFAULT: Size = Size::new(80, 24);

/// A screen larger than this is a mistake (`stty cols 65535`) and would only cost memory.
const SIZE_MAX: Size = Size::new(1_000, 500);

/// Where the size comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeSource {
    /// Standard output's terminal, asked each time; `fallback` when it says 0x0 (a serial line
    /// does) or is gone.
    Terminal {
        /// The size to assume then.
        fallback: Size,
    },
    /// Always this: for tests and benchmarks.
    Fixed(Size),
}

impl SizeSource {
    /// Standard output, with `LINES` and `COLUMNS` of the environment behind it.
    #[must_use]
    pub fn from_process() -> Self {
        let var = |name| std::env::var(name).ok();
        Self::Terminal { fallback: fallback(var("COLUMNS").as_deref(), var("LINES").as_deref()) }
    }

    /// The size now.
    #[must_use]
    pub fn get(&self) -> Size {
        match *self {
            Self::Fixed(size) => size,
            Self::Terminal { fallback } => {
                let window = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
                match window {
                    Ok(window) if window.ws_col > 0 && window.ws_row > 0 => {
                        bounded(Size::new(window.ws_col, window.ws_row))
                    }
                    _ => fallback,
                }
            }
        }
    }
}

fn fallback(columns: Option<&str>, lines: Option<&str>) -> Size {
    let number = |text: Option<&str>, default: u16| {
        text.and_then(|text| text.trim().parse().ok()).filter(|&n| n > 0).unwrap_or(default)
    };
    let width = number(columns, SIZE_DEFAULT.width);
    let height = number(lines, SIZE_DEFAULT.height);
    bounded(Size::new(width, height))
}

fn bounded(size: Size) -> Size {
    Size::new(size.width.min(SIZE_MAX.width), size.height.min(SIZE_MAX.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_then_the_classic_size() {
        assert_eq!(fallback(Some("132"), Some("50")), Size::new(132, 50));
        assert_eq!(fallback(Some("0"), Some("")), SIZE_DEFAULT);
        assert_eq!(fallback(None, Some("x")), SIZE_DEFAULT);
        assert_eq!(fallback(Some("65535"), Some("65535")), SIZE_MAX);
    }
}
