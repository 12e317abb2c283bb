//! Any order of writing, renaming, rotating and reading: every entry is seen once and whole.

use std::fs;

use proptest::prelude::*;

use crate::scene::{Scene, append, file_source, open};

/// What happens to a log between two polls.
#[derive(Clone, Debug)]
enum Event {
    /// The server writes this many entries, and so many of the last bytes come later.
    Write(usize, usize),
    /// The file is renamed and made anew, as logrotate does.
    Rename,
    /// The collector goes on in another file.
    Rotate,
    /// The file is read by us.
    Poll,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0_usize..6, 0_usize..30).prop_map(|(entries, part)| Event::Write(entries, part)),
        1 => Just(Event::Rename),
        1 => Just(Event::Rotate),
        4 => Just(Event::Poll),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_entry_is_seen_once_and_whole(events in events()) {
        let mut scene = Scene::new();
        append(&scene.path("a.log"), b"");
        let (mut name, mut written, mut rest) = ("a.log".to_owned(), 0_usize, Vec::new());
        let (mut files, mut polls) = (0, 0);
        let _ = scene.follower.poll();
        for event in events {
            // Five polls without growth end the waiting for a half written line.
            polls = match event {
                Event::Poll => polls + 1,
                Event::Write(0, _) => polls,
                _ => 0,
            };
            match event {
                Event::Poll if polls > 4 => {}
                Event::Write(entries, part) => {
                    let mut bytes = std::mem::take(&mut rest);
                    for _ in 0..entries {
                        written += 1;
                        let lines = [format!("ERROR:  {written}\n\tmore"), format!("DETAIL:  of {written}")];
                        bytes.extend(lines.iter().flat_map(|line| scene.line(line).into_bytes()));
                    }
                    // Part of the last line comes with the next write.
                    let held = part.min(bytes.len());
                    rest = bytes.split_off(bytes.len() - held);
                    append(&scene.path(&name), &bytes);
                }
                Event::Rename | Event::Rotate => {
                    append(&scene.path(&name), &std::mem::take(&mut rest));
                    // The rest of an old file is read as long as it is open or has its name.
                    let _ = scene.follower.poll();
                    files += 1;
                    if matches!(event, Event::Rename) {
                        fs::rename(scene.path(&name), scene.path(&format!("old{files}"))).unwrap();
                    } else {
                        name = format!("{files}.log");
                    }
                    append(&scene.path(&name), b"");
                    scene.follower.set_source(file_source(scene.path(&name)), open);
                }
                Event::Poll => {
                    let _ = scene.follower.poll();
                }
            }
        }
        append(&scene.path(&name), &rest);
        let _ = scene.poll();
        let expect: Vec<_> = (1..=written).map(|number| format!("{number}\nmore")).collect();
        prop_assert_eq!(scene.messages(), expect);
        for (entry, number) in scene.follower.entries().iter().zip(1..) {
            let detail = format!("of {number}");
            prop_assert_eq!(entry.detail.as_deref(), Some(detail.as_str()));
        }
    }
}
