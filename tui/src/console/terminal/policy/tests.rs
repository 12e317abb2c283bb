//! The policy by tables.

use super::*;

/// `TERM`, then `NAME=value` words, as a shell would have them.
fn environment(words: &str) -> Environment {
    let mut found = Environment { on_terminal: true, ..Environment::default() };
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        let value = Some(value.to_owned());
        match name {
            "TERM" => found.term = value,
            "COLORTERM" => found.colorterm = value,
            "NO_COLOR" => found.no_color = value,
            "LC_ALL" => found.lc_all = value,
            "LC_CTYPE" => found.lc_ctype = value,
            "LANG" => found.lang = value,
            _ => panic!("unknown name {name}"),
        }
    }
    found
}

fn decide(words: &str, flags: Flags) -> TerminalPolicy {
    TerminalPolicy::decide(&environment(words), flags).unwrap()
}

#[test]
fn depth_and_charset_follow_the_environment() {
    use Charset::{Ascii, Utf8};
    use ColourDepth::{Ansi8, Ansi16, Indexed256, Mono, TrueColor};
    let table = [
        ("TERM=xterm-256color LANG=en_US.UTF-8", Indexed256, Utf8),
        ("TERM=xterm-256color LANG=C", Indexed256, Ascii),
        ("TERM=xterm-256color", Indexed256, Ascii),
        ("TERM=xterm-256color COLORTERM=truecolor LANG=C.utf8", TrueColor, Utf8),
        ("TERM=xterm COLORTERM=24bit LANG=de_DE.UTF8@euro", TrueColor, Utf8),
        ("TERM=xterm COLORTERM=yes LANG=C", Ansi8, Ascii),
        ("TERM=xterm-16color LANG=C", Ansi16, Ascii),
        ("TERM=rxvt-unicode-256color LANG=C", Indexed256, Ascii),
        ("TERM=rxvt LANG=en_GB.Utf-8", Ansi8, Utf8),
        ("TERM=alacritty LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=xterm-kitty LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=xterm-direct LANG=C", TrueColor, Ascii),
        ("TERM=screen LANG=C.UTF-8", Ansi8, Utf8),
        ("TERM=screen-256color LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=screen-256color COLORTERM=truecolor LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=tmux-256color COLORTERM=truecolor LANG=C.UTF-8", TrueColor, Utf8),
        ("TERM=tmux-256color LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=linux LANG=C.UTF-8", Ansi16, Utf8),
        ("TERM=linux LANG=C", Ansi16, Ascii),
        ("TERM=linux COLORTERM=truecolor LANG=C", Ansi16, Ascii),
        ("TERM=vt100 LANG=en_US.UTF-8", Mono, Ascii),
        ("TERM=vt220 LANG=C", Mono, Ascii),
        ("TERM=vt220 LANG=en_US.UTF-8 COLORTERM=truecolor", Mono, Ascii),
        ("TERM=vt52 LANG=C", Mono, Ascii),
        ("TERM=vt420 LANG=C", Mono, Ascii),
        ("TERM=vt525 LANG=C", Mono, Ascii),
        ("TERM=contour LANG=C", Indexed256, Ascii),
        ("TERM=vte-256color LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=xterm-mono LANG=C.UTF-8", Mono, Utf8),
        ("TERM=xterm-256color NO_COLOR=1 LANG=C.UTF-8", Mono, Utf8),
        ("TERM=xterm-256color NO_COLOR= LANG=C.UTF-8", Indexed256, Utf8),
        ("TERM=linux NO_COLOR=yes LANG=C.UTF-8", Mono, Utf8),
        ("TERM=ansi LANG=C", Ansi8, Ascii),
        ("TERM=something-new LANG=C", Ansi8, Ascii),
        ("TERM=xterm LC_ALL=C LC_CTYPE=C.UTF-8 LANG=C.UTF-8", Ansi8, Ascii),
        ("TERM=xterm LC_ALL= LC_CTYPE=C.UTF-8 LANG=C", Ansi8, Utf8),
        ("TERM=xterm LC_ALL= LC_CTYPE= LANG=en_US.utf-8", Ansi8, Utf8),
        ("TERM=xterm LANG=de_DE.ISO-8859-15", Ansi8, Ascii),
    ];
    for (words, depth, charset) in table {
        let policy = decide(words, Flags::default());
        assert_eq!((policy.depth, policy.charset), (depth, charset), "{words}");
    }
}

#[test]
fn flags_override() {
    let colour = |colour| Flags { colour, ..Flags::default() };
    let table = [
        ("TERM=xterm-256color", ColourChoice::Never, ColourDepth::Mono),
        ("TERM=xterm", ColourChoice::TrueColor, ColourDepth::TrueColor),
        ("TERM=vt220", ColourChoice::Ansi16, ColourDepth::Ansi16),
        ("TERM=xterm NO_COLOR=1", ColourChoice::Indexed256, ColourDepth::Indexed256),
        ("TERM=xterm-256color COLORTERM=truecolor", ColourChoice::Ansi8, ColourDepth::Ansi8),
    ];
    for (words, choice, depth) in table {
        assert_eq!(decide(words, colour(choice)).depth, depth, "{words} {choice:?}");
    }
    let ascii = Flags { charset: Some(Charset::Ascii), ..Flags::default() };
    assert!(decide("TERM=xterm LANG=C.UTF-8", ascii).is_ascii());
    let slow = Flags { pace: Pace::Slow, ..Flags::default() };
    let policy = decide("TERM=xterm LANG=C.UTF-8", slow);
    assert_eq!(policy.escape_wait(), Duration::from_millis(50));
    assert_eq!(policy.refresh(), Duration::from_secs(10));
}

#[test]
fn refusals_name_the_command_that_works_anywhere() {
    let no_terminal = Environment { on_terminal: false, ..environment("TERM=xterm") };
    let table = [
        (environment("TERM=dumb"), Refusal::TermDumb),
        (environment("TERM="), Refusal::TermUnset),
        (environment(""), Refusal::TermUnset),
        (no_terminal, Refusal::NotATerminal),
    ];
    for (environment, refusal) in table {
        let refused = TerminalPolicy::decide(&environment, Flags::default()).unwrap_err();
        assert_eq!(refused, refusal);
        let text = refused.to_string();
        assert!(text.contains("pgdeck status") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn old_terminals_get_no_private_modes() {
    for term in ["vt100", "vt102", "vt52", "vt220", "vt320", "linux"] {
        let policy = decide(&format!("TERM={term}"), Flags::default());
        assert!(!policy.has_alternate_screen() && !policy.has_bracketed_paste(), "{term}");
        assert!(!policy.attributes().contains(Modifier::DIM), "{term}");
    }
    for term in ["vt100", "vt220", "linux", "xterm", "screen", "unheard-of"] {
        let policy = decide(&format!("TERM={term}"), Flags::default());
        let blink = Modifier::SLOW_BLINK | Modifier::RAPID_BLINK;
        assert!(!policy.attributes().intersects(blink), "{term}");
        assert!(policy.attributes().contains(Modifier::REVERSED | Modifier::BOLD), "{term}");
    }
    assert!(!decide("TERM=vt100", Flags::default()).can_hide_cursor());
    assert!(decide("TERM=vt220", Flags::default()).can_hide_cursor());
    assert!(!decide("TERM=ansi", Flags::default()).can_fill_last_cell());
}
