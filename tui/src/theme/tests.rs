//! Every theme on every kind of terminal.

use std::path::Path;

use super::*;
use crate::console::terminal::colour::rgb_of;
use crate::console::terminal::policy::{Charset, Family, Pace};

fn policy(family: Family, depth: ColourDepth) -> TerminalPolicy {
    TerminalPolicy { family, depth, charset: Charset::Utf8, pace: Pace::Normal }
}

const DEPTHS: [ColourDepth; 5] = [
    ColourDepth::Mono,
    ColourDepth::Ansi8,
    ColourDepth::Ansi16,
    ColourDepth::Indexed256,
    ColourDepth::TrueColor,
];

fn rich() -> TerminalPolicy {
    policy(Family::Xterm, ColourDepth::TrueColor)
}

#[test]
fn every_theme_loads_with_every_role_and_a_visible_selection() {
    for name in EMBEDDED_NAMES {
        for family in [Family::Xterm, Family::Screen, Family::Linux, Family::Vt100] {
            for depth in DEPTHS {
                let theme = Theme::load(name, None, &policy(family, depth)).unwrap();
                let selection = theme.style(Role::Selection);
                let differing = [Role::Text, Role::Error, Role::Danger, Role::Dim];
                for role in differing {
                    let what = format!("{name} on {family:?} {depth:?}: selection and {role:?}");
                    assert_ne!(selection, theme.style(role), "{what}");
                }
                assert_ne!(theme.style(Role::Danger), theme.style(Role::Text), "{name} {depth:?}");
                if depth == ColourDepth::Mono {
                    let is_colourless =
                        |role| theme.style(role).fg.is_none() && theme.style(role).bg.is_none();
                    assert!(Role::ALL.into_iter().all(is_colourless), "{name}");
                }
            }
        }
    }
}

#[test]
fn a_terminal_without_colour_gets_mono_whatever_is_asked() {
    let policy = policy(Family::Vt220, ColourDepth::Mono);
    let mono = Theme::load("mono", None, &policy).unwrap();
    assert_eq!(Theme::load("light", None, &policy).unwrap(), mono);
    assert_eq!(Theme::load("no such theme", None, &policy).unwrap(), mono);
    assert!(mono.style(Role::Selection).add_modifier.contains(Modifier::REVERSED));
}

#[test]
fn the_default_uses_sixteen_colours_and_the_own_background() {
    let theme = Theme::load("default", None, &rich()).unwrap();
    for role in Role::ALL {
        let style = theme.style(role);
        let plain = |colour| matches!(colour, None | Some(Color::Reset | Color::Indexed(0..=15)));
        assert!(plain(style.fg) && plain(style.bg), "{role:?} {style:?}");
    }
    assert_eq!(theme.style(Role::Text), Style::new());
    assert_eq!(Theme::fallback(&rich()), theme);
}

fn rgb(colour: Option<Color>, own: [u8; 3]) -> [u8; 3] {
    match colour {
        Some(Color::Indexed(index)) => rgb_of(index),
        Some(Color::Rgb(r, g, b)) => [r, g, b],
        _ => own,
    }
}

/// Relative luminance and contrast as in WCAG 2.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let luminance =
        |[r, g, b]: [u8; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    (a / b).max(b / a)
}

#[test]
fn text_can_be_read() {
    let (black, white) = ([0, 0, 0], [255, 255, 255]);
    for (name, ground, ink) in [
        ("default", black, white),
        ("colorblind", black, white),
        ("high-contrast", black, white),
        ("light", white, black),
    ] {
        let theme = Theme::load(name, None, &rich()).unwrap();
        let ground = rgb(theme.style(Role::Text).bg, ground);
        for role in Role::ALL {
            let style = theme.style(role);
            let found = contrast(rgb(style.fg, ink), rgb(style.bg, ground));
            let wanted = match role {
                Role::Border | Role::Bar | Role::BarEmpty => 2.0,
                _ if name == "high-contrast" => 5.5,
                _ => 4.5,
            };
            assert!(found >= wanted, "{name} {role:?}: contrast {found:.1}, wanted {wanted}");
        }
    }
}

fn load_from(directory: &Path, files: &[(&str, &str)], name: &str) -> Result<Theme, ThemeError> {
    for (name, text) in files {
        std::fs::write(directory.join(format!("{name}.toml")), text).unwrap();
    }
    Theme::load(name, Some(directory), &rich())
}

#[test]
fn a_directory_adds_and_overrides() {
    let directory = tempfile::tempdir().unwrap();
    let own = "inherits = 'light'\n[palette]\nrose = '#ff0087'\n[roles]\nkey = { fg = 'rose' }\n";
    let refined = "inherits = 'default'\n[roles]\ntitle = { fg = 208, underline = true }\n";
    let files = [("mine", own), ("default", refined)];
    let mine = load_from(directory.path(), &files, "mine").unwrap();
    assert_eq!(mine.style(Role::Key).fg, Some(Color::Rgb(255, 0, 135)));
    assert_eq!(mine.style(Role::Title).fg, Some(Color::Indexed(208)), "light inherits default");
    let default = Theme::load("default", Some(directory.path()), &rich()).unwrap();
    assert_eq!(default.style(Role::Title).fg, Some(Color::Indexed(208)));
    assert_eq!(default.style(Role::Ok).fg, Some(Color::Indexed(2)), "the embedded one beneath");
    assert!(Theme::load("mono", Some(directory.path()), &rich()).is_ok());
}

#[test]
fn errors_name_file_role_and_line() {
    let table = [
        ("[roles]\ntext = {}\nerror = { fg = 'oragne' }", "bad.toml:3: role \"error\": 'oragne'"),
        ("[roles]\nkey = { fg = '#12345' }", "bad.toml:2: role \"key\": '#12345' is not"),
        ("[roles]\nkey = { fg = 256 }", "bad.toml:2: role \"key\": 256 is not a colour"),
        ("[roles]\nkey = { blink = true }", "bad.toml:2: role \"key\": unknown key \"blink\""),
        ("[roles]\nkey = { bold = 1 }", "bad.toml:2: role \"key\": found 1"),
        ("[roles]\nkey = { fg = ['red'] }", "bad.toml:2: role \"key\": found ['red']"),
        ("\n[roles]\nkay = {}", "bad.toml:3: role \"kay\": there is no such role"),
        ("[palette]\nx = 'nothing'", "bad.toml:2: role \"x\": 'nothing' is not a colour"),
        ("[rolls]\n", "bad.toml:1: unknown key \"rolls\""),
        ("inherits = 3", "bad.toml:1: found 3"),
        ("inherits = 'nobody'", "bad.toml:1: there is no theme called \"nobody\""),
        ("[roles]\ntext = {}", "bad.toml: role \"dim\": is missing"),
        ("[roles]\ntext = {}\nkey = [", "bad.toml:3: "),
    ];
    for (text, expected) in table {
        let directory = tempfile::tempdir().unwrap();
        let error = load_from(directory.path(), &[("bad", text)], "bad").unwrap_err();
        let shown = error.to_string().replace(directory.path().to_str().unwrap(), "");
        assert!(shown.trim_start_matches('/').starts_with(expected), "{text:?}: {shown}");
        assert!(!error.hint.is_empty());
    }
}

#[test]
fn circles_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let files = [("a", "inherits = 'b'"), ("b", "inherits = 'c'"), ("c", "inherits = 'a'")];
    let error = load_from(directory.path(), &files, "a").unwrap_err();
    assert!(error.to_string().contains("inherits"), "{error}");
    assert_eq!(error.line, Some(1));
    let itself = [("own", "inherits = 'own'")];
    assert!(load_from(directory.path(), &itself, "own").is_err());
}

#[test]
fn a_name_is_not_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let error = load_from(directory.path(), &[], "../default").unwrap_err();
    assert!(error.to_string().contains("no theme called"), "{error}");
}
