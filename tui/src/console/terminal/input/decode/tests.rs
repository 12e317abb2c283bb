//! The decoder by tables, and by noise.

use proptest::prelude::*;

use super::*;

const WAIT: Duration = Duration::from_millis(25);

/// As a reader would: one event a line, in a short form.
fn shown(events: impl Iterator<Item = Event>) -> String {
    let text = |event: Event| match event.input {
        Input::Key(key) => {
            let mut text = String::new();
            for (modifier, prefix) in [
                (KeyModifiers::CONTROL, "C-"),
                (KeyModifiers::ALT, "M-"),
                (KeyModifiers::SHIFT, "S-"),
            ] {
                if key.modifiers.contains(modifier) {
                    text.push_str(prefix);
                }
            }
            match key.code {
                KeyCode::Char(c) => text.push(c),
                code => text.push_str(&format!("{code:?}")),
            }
            text
        }
        Input::Paste(text) => format!("paste<{text}>"),
        Input::Mouse(event) => format!("{:?}@{},{}", event.kind, event.column, event.row),
        Input::Hangup => "hangup".to_owned(),
    };
    events.map(text).collect::<Vec<_>>().join(" ")
}

fn decode(bytes: &[u8]) -> String {
    let mut decoder = Decoder::default();
    decoder.feed(bytes, Instant::now());
    if decoder.patience(WAIT).is_some() {
        decoder.expire();
    }
    shown(decoder.take())
}

const KEYS: [(&[u8], &str); 66] = [
    (b"j", "j"),
    (b"G", "S-G"),
    (b"\r", "Enter"),
    (b"\n", "C-j"),
    (b"\t", "Tab"),
    (b"\x7f", "Backspace"),
    (b"\x08", "Backspace"),
    (b"\x04", "C-d"),
    (b"\x1a", "C-z"),
    (b"\0", "C- "),
    (b"\x1c", "C-4"),
    (b"\x1b", "Esc"),
    (b"\x1b\x1b", "Esc Esc"),
    (b"\x1bx", "M-x"),
    (b"\x1bX", "M-S-X"),
    (b"\x1b\r", "M-Enter"),
    (b"\x1b[", "M-["),
    (b"\x1bO", "M-S-O"),
    (b"\x1b]", "M-]"),
    (b"\x1bP", "M-S-P"),
    (b"\x1b[A", "Up"),
    (b"\x1b[D", "Left"),
    (b"\x1bOB", "Down"),
    (b"\x1bOH", "Home"),
    (b"\x1b[H", "Home"),
    (b"\x1b[F", "End"),
    (b"\x1b[1~", "Home"),
    (b"\x1b[4~", "End"),
    (b"\x1b[7~", "Home"),
    (b"\x1b[8~", "End"),
    (b"\x1b[3~", "Delete"),
    (b"\x1b[5~", "PageUp"),
    (b"\x1b[6~", "PageDown"),
    (b"\x1b[2~", "Insert"),
    (b"\x1b[Z", "S-BackTab"),
    (b"\x1b[1;5A", "C-Up"),
    (b"\x1b[1;2D", "S-Left"),
    (b"\x1b[3;5~", "C-Delete"),
    (b"\x1b[11~", "F(1)"),
    (b"\x1b[15~", "F(5)"),
    (b"\x1b[17~", "F(6)"),
    (b"\x1b[24~", "F(12)"),
    (b"\x1bOP", "F(1)"),
    (b"\x1b[[A", "F(1)"),
    (b"\x1b[a", "S-Up"),
    (b"\x1b[5^", "C-PageUp"),
    (b"\x1bOM", "Enter"),
    (b"\x1bOq", "1"),
    (b"\x1bOm", "-"),
    (b"\x9bA", "Up"),
    (b"\x8fA", "Up"),
    ("é".as_bytes(), "é"),
    ("Ä中🙂".as_bytes(), "S-Ä 中 🙂"),
    ("\u{1b}ö".as_bytes(), "M-ö"),
    (b"\x1b[97;5u", "C-a"),
    (b"\x1b[97;5:3u", ""),
    (b"\x1b[1;1:3A", ""),
    (b"\x1b[13u", "Enter"),
    (b"\x1b[27;5;97~", "C-a"),
    (b"\x1b[<0;10;5M", "Down(Left)@9,4"),
    (b"\x1b[<0;10;5m", ""),
    (b"\x1b[<64;1;1M", "ScrollUp@0,0"),
    (b"\x1b[<0;0;0M", ""),
    (b"\x1b[M !!x", "x"),
    (b"\xe9q", "q"),
    (b"\xc3", ""),
];

#[test]
fn keys() {
    for (bytes, expected) in KEYS {
        assert_eq!(decode(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn answers_to_nobodys_question_are_not_keys() {
    let answers: [&[u8]; 14] = [
        b"\x1b]11;rgb:1e1e/abcd/1e1e\x1b\\",
        b"\x1b]11;rgb:1e1e/abcd/1e1e\x07",
        b"\x1b]52;c;Y29tbWl0\x07",
        b"\x1b[>41;354;0c",
        b"\x1b[?62;22c",
        b"\x1b[?1;2c",
        b"\x1b[24;80R",
        b"\x1b[0;0R",
        b"\x1b[?2026;2$y",
        b"\x1b[8;24;80t",
        b"\x1b[I\x1b[O",
        b"\x1bP>|tmux 3.3a\x1b\\",
        b"\x1bP1+r544e=78\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
    ];
    for bytes in answers {
        assert_eq!(decode(bytes), "", "{:?}", String::from_utf8_lossy(bytes));
        let with_key = [bytes, b"q"].concat();
        assert_eq!(decode(&with_key), "q", "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn split_sequences_are_the_same_keys() {
    for (bytes, expected) in KEYS {
        if decode(&bytes[..1]) == expected {
            continue;
        }
        let mut decoder = Decoder::default();
        for byte in bytes {
            assert!(decoder.ready.is_empty() || !expected.starts_with("Up"), "{bytes:?}");
            decoder.feed(&[*byte], Instant::now());
        }
        decoder.expire();
        assert_eq!(shown(decoder.take()), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn only_what_may_go_on_is_waited_for() {
    let patience = |bytes: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.feed(bytes, Instant::now());
        decoder.patience(WAIT)
    };
    assert_eq!(patience(b"j"), None);
    assert_eq!(patience(b"\x1b[A"), None);
    assert_eq!(patience(b"\x1b"), Some(WAIT));
    assert_eq!(patience(b"\x1b["), Some(WAIT));
    assert_eq!(patience(b"\x1b[1;"), Some(WAIT * 4));
    assert_eq!(patience(b"\x1b]11;rgb"), Some(ANSWER_SILENCE));
    assert_eq!(patience(b"\x1b[200~abc"), Some(PASTE_SILENCE));
}

#[test]
fn pastes() {
    assert_eq!(decode(b"\x1b[200~a\nb\x1b[201~c"), "paste<a b> c");
    assert_eq!(decode(b"\x1b[200~q\x1b[Ay\x1b[201~"), "paste<q[Ay>");
    assert_eq!(decode(b"\x1b[200~never ends"), "paste<never ends>");
    assert_eq!(decode(b"\x1b[201~x"), "x", "an end without a beginning");
    let mut long = b"\x1b[200~".to_vec();
    long.resize(3_000_000, b'x');
    long.extend_from_slice(b"\x1b[201~k");
    let mut decoder = Decoder::default();
    decoder.feed(&long, Instant::now());
    let events: Vec<Event> = decoder.take().collect();
    let Input::Paste(text) = &events[0].input else { panic!("{:?}", events[0]) };
    assert_eq!(text.len(), PASTE_MAX);
    assert_eq!(events.len(), 2, "the key after it is a key again");
    assert!(decoder.bytes.capacity() < 1_000);
}

#[test]
fn an_event_is_as_old_as_its_first_byte() {
    let mut decoder = Decoder::default();
    let first = Instant::now();
    let later = first + Duration::from_millis(20);
    decoder.feed(b"\x1b[", first);
    decoder.feed(b"Ax", later);
    let began: Vec<Instant> = decoder.take().map(|event| event.began).collect();
    assert_eq!(began, [first, later]);
}

proptest! {
    #[test]
    fn noise_never_hurts(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
        let whole = decode(&bytes);
        let mut decoder = Decoder::default();
        let (a, b) = bytes.split_at(cut.min(bytes.len()));
        decoder.feed(a, Instant::now());
        decoder.feed(b, Instant::now());
        if decoder.patience(WAIT).is_some() {
            decoder.expire();
        }
        prop_assert_eq!(shown(decoder.take()), whole, "a split changes nothing");
        prop_assert_eq!(decoder.patience(WAIT), None);
    }
}
