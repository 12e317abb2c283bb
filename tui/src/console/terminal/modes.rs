//! The sequences and settings that make a terminal a screen, and their exact reverse.

use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex};
use rustix::termios::{OptionalActions, Termios};

use super::policy::TerminalPolicy;

/// Whether the mouse reports to the console. Off unless asked for: what it sends floods a serial
/// line, and selecting text with it is how people copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mouse {
    /// The terminal keeps it.
    #[default]
    Off,
    /// Buttons and wheel only, never motion.
    Buttons,
}

/// What is sent when the screen opens.
///
/// The scrolling region and the character set are put right first: whatever ran before may have
/// died with them changed.
#[must_use]
pub(super) fn enter_sequence(policy: &TerminalPolicy, mouse: Mouse) -> Vec<u8> {
    let mut sequence = Vec::new();
    let mut add = |bytes: &[u8]| sequence.extend_from_slice(bytes);
    if policy.has_alternate_screen() {
        add(b"\x1b[?1049h");
    }
    add(b"\x1b[r\x1b(B\x0f");
    if policy.has_bracketed_paste() {
        add(b"\x1b[?2004h");
    }
    if has_mouse(policy, mouse) {
        add(b"\x1b[?1000h\x1b[?1006h");
    }
    sequence
}

/// What is sent when the screen is left.
#[must_use]
pub(super) fn leave_sequence(policy: &TerminalPolicy, mouse: Mouse) -> Vec<u8> {
    let mut sequence = Vec::new();
    let mut add = |bytes: &[u8]| sequence.extend_from_slice(bytes);
    add(b"\x1b[m");
    if has_mouse(policy, mouse) {
        add(b"\x1b[?1006l\x1b[?1000l");
    }
    if policy.has_bracketed_paste() {
        add(b"\x1b[?2004l");
    }
    if policy.can_hide_cursor() {
        add(b"\x1b[?25h");
    }
    add(if policy.has_alternate_screen() { b"\x1b[?1049l" } else { b"\x1b[H\x1b[2J" });
    sequence
}

fn has_mouse(policy: &TerminalPolicy, mouse: Mouse) -> bool {
    mouse == Mouse::Buttons && policy.has_alternate_screen()
}

/// The settings under which every byte arrives as it was sent, and at once.
///
/// Unlike `cfmakeraw` this leaves the character size and parity of a serial line alone, keeps
/// XON/XOFF where a terminal needs it, and lets a read return with nothing instead of waiting.
#[must_use]
pub(super) fn raw(cooked: &Termios, policy: &TerminalPolicy) -> Termios {
    let mut raw = cooked.clone();
    let mut input = InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::PARMRK
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ICRNL;
    if !policy.keeps_flow_control() {
        input |= InputModes::IXON;
    }
    if cooked.control_modes.intersection(ControlModes::CSIZE) == ControlModes::CS8 {
        input |= InputModes::ISTRIP;
    }
    raw.input_modes.remove(input);
    raw.output_modes.remove(OutputModes::OPOST);
    raw.local_modes.remove(
        LocalModes::ECHO
            | LocalModes::ECHONL
            | LocalModes::ICANON
            | LocalModes::ISIG
            | LocalModes::IEXTEN,
    );
    raw.special_codes[SpecialCodeIndex::VMIN] = 0;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

/// Whether the terminal has lost these settings, to a shell for example.
#[must_use]
pub(super) fn differ(a: &Termios, b: &Termios) -> bool {
    a.input_modes != b.input_modes
        || a.output_modes != b.output_modes
        || a.local_modes != b.local_modes
}

/// The settings of standard input's terminal.
///
/// # Errors
///
/// When it is no terminal, or gone.
pub(super) fn settings() -> std::io::Result<Termios> {
    Ok(rustix::termios::tcgetattr(rustix::stdio::stdin())?)
}

/// Changes them at once, without waiting for output that a stuck terminal would never take.
///
/// # Errors
///
/// When standard input is no terminal, or gone.
pub(super) fn set_settings(settings: &Termios) -> std::io::Result<()> {
    let stdin = rustix::stdio::stdin();
    Ok(rustix::termios::tcsetattr(stdin, OptionalActions::Now, settings)?)
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Charset, ColourDepth, Family, Pace};
    use super::*;

    fn policy(family: Family) -> TerminalPolicy {
        let (depth, charset) = (ColourDepth::Ansi8, Charset::Ascii);
        TerminalPolicy { family, depth, charset, pace: Pace::Normal }
    }

    #[test]
    fn leaving_undoes_what_entering_did() {
        for family in [Family::Xterm, Family::Screen, Family::Linux, Family::Vt220, Family::Vt100] {
            for mouse in [Mouse::Off, Mouse::Buttons] {
                let enter = enter_sequence(&policy(family), mouse);
                let leave = leave_sequence(&policy(family), mouse);
                let enter = String::from_utf8(enter).unwrap();
                let leave = String::from_utf8(leave).unwrap();
                for mode in enter.split("\x1b[?").skip(1) {
                    let number = mode.split('h').next().unwrap();
                    assert!(leave.contains(&format!("[?{number}l")), "{family:?} {number}");
                }
            }
        }
    }

    #[test]
    fn an_old_terminal_gets_no_private_mode() {
        let all = |family| {
            let policy = policy(family);
            let mut all = enter_sequence(&policy, Mouse::Buttons);
            all.extend(leave_sequence(&policy, Mouse::Buttons));
            String::from_utf8(all).unwrap()
        };
        assert!(!all(Family::Vt100).contains('?'));
        for family in [Family::Vt220, Family::Linux, Family::Unknown] {
            assert_eq!(all(family).matches('?').count(), 1, "only the cursor: {family:?}");
        }
    }
}
