//! One theme file: from its text to looks, with the place of whatever is wrong.

use std::collections::HashMap;

use ratatui::style::{Color, Modifier};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Look, Paint, Role, ThemeError};

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The theme that fills what this one leaves out, and the line that says so.
    pub(super) inherits: Option<(String, usize)>,
    pub(super) looks: Vec<(Role, Look)>,
}

/// The 16 colours as they are called in a file.
const NAMES: [(&str, Color); 17] = [
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("gray", Color::Gray),
    ("darkgray", Color::DarkGray),
    ("lightred", Color::LightRed),
    ("lightgreen", Color::LightGreen),
    ("lightyellow", Color::LightYellow),
    ("lightblue", Color::LightBlue),
    ("lightmagenta", Color::LightMagenta),
    ("lightcyan", Color::LightCyan),
    ("white", Color::White),
];

/// Reads `text`, which came from `file`.
pub(super) fn parse(file: &str, text: &str) -> Result<File, ThemeError> {
    let mut reader = Reader { file, text, palette: HashMap::new() };
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        reader.error(start, None, error.message().to_owned(), "correct the TOML syntax")
    })?;
    reader.read(document.get_ref())
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    palette: HashMap<String, Color>,
}

impl Reader<'_> {
    fn read(&mut self, document: &DeTable<'_>) -> Result<File, ThemeError> {
        let mut found = File::default();
        if let Some(palette) = document.get("palette") {
            for (name, value) in self.table(palette, None)? {
                let colour = self.colour(value, name.get_ref())?;
                self.palette.insert(name.get_ref().to_string(), colour);
            }
        }
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "palette" => {}
                "inherits" => {
                    let DeValue::String(name) = value.get_ref() else {
                        return Err(self.unexpected(value, None, "the name of a theme"));
                    };
                    found.inherits = Some((name.to_string(), self.line(value.span().start)));
                }
                "roles" => found.looks = self.looks(value)?,
                other => {
                    let fact = format!("unknown key \"{other}\"");
                    let hint = "a theme has inherits, [palette] and [roles]";
                    return Err(self.error(key.span().start, None, fact, hint));
                }
            }
        }
        Ok(found)
    }

    fn looks(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<(Role, Look)>, ThemeError> {
        let mut looks = Vec::new();
        for (name, value) in self.table(value, None)? {
            let text = name.get_ref().as_ref();
            let Some(role) = Role::ALL.into_iter().find(|role| role.name() == text) else {
                let hint = format!("the roles are {}", Role::ALL.map(Role::name).join(", "));
                let fact = "there is no such role".to_owned();
                return Err(self.error(name.span().start, Some(text), fact, &hint));
            };
            looks.push((role, self.look(value, text)?));
        }
        Ok(looks)
    }

    fn look(&self, value: &Spanned<DeValue<'_>>, role: &str) -> Result<Look, ThemeError> {
        let mut look = Look::default();
        for (key, value) in self.table(value, Some(role))? {
            let attribute = match key.get_ref().as_ref() {
                "fg" => {
                    look.foreground = Some(self.paint(value, role)?);
                    continue;
                }
                "bg" => {
                    look.background = Some(self.paint(value, role)?);
                    continue;
                }
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underline" => Modifier::UNDERLINED,
                "reverse" => Modifier::REVERSED,
                other => {
                    let fact = format!("unknown key \"{other}\"");
                    let hint = "a role has fg, bg, bold, dim, italic, underline and reverse";
                    return Err(self.error(key.span().start, Some(role), fact, hint));
                }
            };
            match value.get_ref() {
                DeValue::Boolean(is_set) => look.attributes.set(attribute, *is_set),
                _ => return Err(self.unexpected(value, Some(role), "true or false")),
            }
        }
        Ok(look)
    }

    /// A colour, or a list of two: for many colours and for few.
    fn paint(&self, value: &Spanned<DeValue<'_>>, role: &str) -> Result<Paint, ThemeError> {
        let DeValue::Array(pair) = value.get_ref() else {
            let colour = self.colour(value, role)?;
            return Ok(Paint { rich: colour, poor: colour });
        };
        match pair.iter().collect::<Vec<_>>()[..] {
            [rich, poor] => {
                Ok(Paint { rich: self.colour(rich, role)?, poor: self.colour(poor, role)? })
            }
            _ => Err(self.unexpected(value, Some(role), "one colour or a list of two")),
        }
    }

    fn colour(&self, value: &Spanned<DeValue<'_>>, role: &str) -> Result<Color, ThemeError> {
        let found = match value.get_ref() {
            DeValue::Integer(number) => {
                u8::from_str_radix(number.as_str(), number.radix()).ok().map(Color::Indexed)
            }
            DeValue::String(text) => match text.strip_prefix('#') {
                Some(digits) => hexadecimal(digits),
                None => self.palette.get(text.as_ref()).copied().or_else(|| named(text)),
            },
            _ => None,
        };
        found.ok_or_else(|| {
            let shown = &self.text[value.span()];
            let fact = format!("{shown} is not a colour");
            let names = NAMES.map(|(name, _)| name).join(", ");
            let hint = format!("use \"#rrggbb\", 0 to 255, a name of [palette], or one of {names}");
            self.error(value.span().start, Some(role), fact, &hint)
        })
    }

    fn table<'v, 'i>(
        &self,
        value: &'v Spanned<DeValue<'i>>,
        role: Option<&str>,
    ) -> Result<&'v DeTable<'i>, ThemeError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.unexpected(value, role, "a table")),
        }
    }

    fn unexpected(
        &self,
        value: &Spanned<DeValue<'_>>,
        role: Option<&str>,
        wanted: &str,
    ) -> ThemeError {
        let shown = &self.text[value.span()];
        let fact = format!("found {shown}");
        self.error(value.span().start, role, fact, &format!("give {wanted}"))
    }

    fn error(&self, at: usize, role: Option<&str>, fact: String, hint: &str) -> ThemeError {
        ThemeError {
            file: self.file.to_owned(),
            line: Some(self.line(at)),
            role: role.map(str::to_owned),
            fact,
            hint: hint.to_owned(),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }
}

fn named(text: &str) -> Option<Color> {
    NAMES.iter().find(|(name, _)| *name == text).map(|(_, colour)| *colour)
}

fn hexadecimal(digits: &str) -> Option<Color> {
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |range| u8::from_str_radix(&digits[range], 16).ok();
    Some(Color::Rgb(part(0..2)?, part(2..4)?, part(4..6)?))
}
