//! Finds a theme and those it inherits from.

use std::path::Path;

use super::file::{self, File};
use super::{Look, Role, ThemeError};

/// The themes that are always there.
pub const EMBEDDED_NAMES: [&str; 5] = ["default", "mono", "high-contrast", "colorblind", "light"];

const EMBEDDED_TEXTS: [&str; 5] = [
    include_str!("../../../themes/default.toml"),
    include_str!("../../../themes/mono.toml"),
    include_str!("../../../themes/high-contrast.toml"),
    include_str!("../../../themes/colorblind.toml"),
    include_str!("../../../themes/light.toml"),
];

/// Themes that inherit from each other in a longer chain than this are refused.
const ANCESTORS_MAX: usize = 8;

/// No colour and no attribute: for when even the embedded default cannot be read.
pub(super) const PLAIN: [Look; Role::ALL.len()] =
    [Look { foreground: None, background: None, attributes: ratatui::style::Modifier::empty() };
        Role::ALL.len()];

/// Where a theme was found, which is also how it is called in an error.
struct Found {
    file: String,
    text: String,
    is_embedded: bool,
}

/// The looks of all roles of the theme called `name`.
pub(super) fn looks(
    name: &str,
    directory: Option<&Path>,
) -> Result<[Look; Role::ALL.len()], ThemeError> {
    let mut looks = [None; Role::ALL.len()];
    let mut wanted = (name.to_owned(), None);
    let mut directory = directory;
    let mut seen: Vec<String> = Vec::new();
    let mut asker = String::from("theme");
    loop {
        let (name, line) = &wanted;
        let found = find(name, directory).map_err(|(fact, hint)| ThemeError {
            file: asker.clone(),
            line: *line,
            role: None,
            fact,
            hint,
        })?;
        if seen.contains(&found.file) || seen.len() >= ANCESTORS_MAX {
            return Err(circle(asker, *line, name));
        }
        let File { inherits, looks: own } = file::parse(&found.file, &found.text)?;
        for (role, look) in own {
            looks[role.index()].get_or_insert(look);
        }
        let Some((parent, line)) = inherits else {
            return complete(looks, &found.file);
        };
        // A file may refine the embedded theme of its own name.
        if parent == *name && !found.is_embedded {
            directory = None;
        }
        asker.clone_from(&found.file);
        seen.push(found.file);
        wanted = (parent, Some(line));
    }
}

fn find(name: &str, directory: Option<&Path>) -> Result<Found, (String, String)> {
    let is_plain_name = !name.is_empty() && !name.contains(['/', '\\', '.']);
    let path = directory.filter(|_| is_plain_name).map(|dir| dir.join(format!("{name}.toml")));
    if let Some(path) = path {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                return Ok(Found { file: path.display().to_string(), text, is_embedded: false });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let fact = format!("cannot read \"{}\": {error}", path.display());
                return Err((fact, "check the file's permissions".to_owned()));
            }
        }
    }
    let embedded = EMBEDDED_NAMES.iter().zip(EMBEDDED_TEXTS).find(|(known, _)| **known == name);
    let Some((_, text)) = embedded else {
        let hint = format!("the embedded themes are {}", EMBEDDED_NAMES.join(", "));
        return Err((format!("there is no theme called \"{name}\""), hint));
    };
    Ok(Found { file: format!("{name} (embedded)"), text: text.to_owned(), is_embedded: true })
}

fn circle(file: String, line: Option<usize>, name: &str) -> ThemeError {
    ThemeError {
        file,
        line,
        role: None,
        fact: format!("inherits \"{name}\", which inherits from this theme"),
        hint: "break the circle: one of them must not inherit".to_owned(),
    }
}

fn complete(
    looks: [Option<Look>; Role::ALL.len()],
    file: &str,
) -> Result<[Look; Role::ALL.len()], ThemeError> {
    let missing = Role::ALL.into_iter().find(|role| looks[role.index()].is_none());
    match missing {
        None => Ok(looks.map(Option::unwrap_or_default)),
        Some(role) => Err(ThemeError {
            file: file.to_owned(),
            line: None,
            role: Some(role.name().to_owned()),
            fact: "is missing".to_owned(),
            hint: "add it, or begin the file with inherits = \"default\"".to_owned(),
        }),
    }
}
