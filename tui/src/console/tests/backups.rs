//! The Backups pane: what it shows, what its keys lead to, and what they never do.

use std::sync::Arc;

use pgdeck_engine::api::{
    ArchiveReport, BackupKind, Command, Error, ErrorCode, Event, Finding, JobId, JobKind,
    JobProgress, JobState, JobStatus, Protection, Remedy, RequestId, Retention, SetupThen,
    Severity, Snapshot, VerifyDepth,
};

use super::screens::golden;
use super::{Driver, LARGE, SMALL, protected, sample};
use crate::console::panes::PaneId;
use crate::console::state::{Cmd, Msg};
use crate::console::update::update;

fn with(protection: Protection) -> Snapshot {
    let mut one = sample::busy("main");
    one.protection.set(protection, sample::now());
    one
}

fn tell(driver: &mut Driver, event: Event) -> Vec<Cmd> {
    update(&mut driver.state, Msg::Event(event))
}

/// The keys open a plan; the engine says what it would do.
fn planned(driver: &mut Driver, keys: &str) -> RequestId {
    let effects = driver.keys(keys);
    assert!(effects.contains(&Cmd::DrainInput), "keys typed before are thrown away");
    assert_eq!(Driver::mutations(&effects), [], "a plan changes nothing");
    let request = Driver::request(&effects);
    let text = "type         incremental: a full one is 2 days old\nexpected     3 MB".to_owned();
    tell(driver, Event::Done { request, text });
    request
}

#[test]
fn dialogs_at_two_sizes() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "200x60")] {
        let mut driver = Driver::with(vec![sample::busy("main")], size, false);
        driver.keys("8j<Enter>");
        golden(&format!("backup-detail-{suffix}"), &driver);
        driver.keys("<Esc>");
        planned(&mut driver, "b");
        golden(&format!("backup-plan-{suffix}"), &driver);
        driver.keys("<Esc>");
        let effects = driver.keys("S<C-u>/backup/main<Enter><Enter><Enter>");
        let request = Driver::request(&effects);
        tell(&mut driver, Event::SetupPlanned { request, plan: Arc::new(protected::setup_plan()) });
        golden(&format!("backup-setup-{suffix}"), &driver);
    }
}

#[test]
fn without_a_destination_the_next_step_is_named() {
    let mut driver = Driver::new(vec![with(Protection::default())]);
    driver.keys("8");
    golden("backups-none-80x24", &driver);
    for key in ["b", "v", "r", "D"] {
        assert_eq!(driver.keys(key), [], "{key}");
        assert!(driver.notice().contains("S sets one up"), "{key}: {}", driver.notice());
    }
    driver.keys("S");
    assert!(driver.screen().contains("Backup destination (a directory):"));
}

#[test]
fn a_destination_that_cannot_be_read_is_stale_with_the_next_step() {
    let fact = "the backup destination \"/backup/main\" is missing";
    let error = || {
        Error::new(ErrorCode::RepositoryUnreadable, fact)
            .detail("No such file or directory")
            .hint("Mount its disk.")
    };
    let mut one = sample::busy("main");
    one.protection.fail(error());
    let mut driver = Driver::new(vec![one]);
    driver.state.now = sample::now() + chrono::TimeDelta::seconds(42);
    driver.keys("8");
    golden("backups-stale-80x24", &driver);
    let mut never = sample::busy("main");
    never.protection.clear();
    never.protection.fail(error());
    let mut driver = Driver::new(vec![never]);
    driver.keys("8");
    let screen = driver.screen();
    assert!(screen.contains(fact) && screen.contains("Mount its disk."), "{screen}");
}

#[test]
fn gaps_have_a_sign_and_words() {
    let mut driver = Driver::busy();
    driver.keys("8");
    let screen = driver.screen();
    assert!(screen.contains("1 gap, 2 WAL segments missing: 00000003000000010000003A to"));
    let bar = screen.lines().find(|line| line.contains("###")).unwrap();
    assert!(bar.contains("#xx") && bar.contains("xx#"), "{bar}");
}

#[test]
fn plain_enter_confirms_nothing_here_either() {
    for open in ["b", "B", "v", "V", "D", "c", "rname<Enter>"] {
        let mut driver = Driver::busy();
        driver.keys("8j");
        let effects = driver.keys(open);
        assert!(effects.contains(&Cmd::DrainInput), "{open}");
        assert_eq!(Driver::mutations(&effects), [], "{open}");
        let effects = driver.keys("<Enter><Enter><Enter>");
        assert_eq!(Driver::mutations(&effects), [], "{open}");
    }
    let mut driver = Driver::busy();
    let request = Driver::request(&driver.keys("8S<C-u>/backup/main<Enter><Enter><Enter>"));
    tell(&mut driver, Event::SetupPlanned { request, plan: Arc::new(protected::setup_plan()) });
    assert_eq!(Driver::mutations(&driver.keys("<Enter><Enter>")), []);
}

#[test]
fn a_backup_is_planned_then_confirmed() {
    for (key, kind) in [("b", None), ("B", Some(BackupKind::Full))] {
        let mut driver = Driver::busy();
        let effects = driver.keys(&format!("8{key}"));
        assert_eq!(driver.keys("y"), [], "not before the plan is there");
        let request = Driver::request(&effects);
        tell(&mut driver, Event::Done { request, text: "type  incremental".to_owned() });
        let screen = driver.screen();
        for part in ["db1", "main (/data/main)", "/backup/main", "type  incremental", ">No<"] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        let effects = driver.keys("y");
        let [Command::Backup { request, .. }] = &Driver::mutations(&effects)[..] else {
            panic!("{effects:?}")
        };
        assert_eq!((request.kind, request.dry_run), (kind, false));
        assert_eq!(request.destination, Some("/backup/main".into()));
    }
}

#[test]
fn a_backup_that_cannot_be_taken_says_why_in_its_plan() {
    let mut driver = Driver::busy();
    let request = Driver::request(&driver.keys("8b"));
    let error = Error::new(ErrorCode::BackupNotPossible, "it does not fit").hint("Free 3 GB.");
    tell(&mut driver, Event::Refused { request, error });
    let screen = driver.screen();
    assert!(screen.contains("It cannot be done: it does not fit"), "{screen}");
    assert!(screen.contains("Free 3 GB."), "{screen}");
    assert_eq!(driver.keys("y"), []);
}

#[test]
fn deleting_needs_the_end_of_the_name_and_the_backup_to_be_there() {
    let mut driver = Driver::busy();
    driver.keys("8jD");
    let label = protected::protection().backups[1].label.clone();
    let screen = driver.screen();
    assert!(screen.contains(&label) && screen.contains("Type the end of the"), "{screen}");
    assert_eq!(Driver::mutations(&driver.keys("y<Enter>")), []);
    let end = &label[label.len() - 6..];
    let effects = driver.keys(&format!("<C-h>{end}<Enter>"));
    let [Command::DeleteBackup { label: sent, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*sent, label);
    driver.keys("D");
    let mut gone = protected::protection();
    gone.backups.remove(1);
    driver.publish(vec![with(gone)], Vec::new());
    assert_eq!(Driver::mutations(&driver.keys(&format!("{end}<Enter>"))), []);
    assert!(driver.notice().contains("is gone; nothing was done"), "{}", driver.notice());
}

#[test]
fn a_restore_point_shows_its_sql() {
    let mut driver = Driver::busy();
    driver.keys("8rit's<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("SELECT pg_create_restore_point('it''s')"), "{screen}");
    let effects = driver.keys("y");
    let [Command::CreateRestorePoint { name, .. }] = &Driver::mutations(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(name, "it's");
    driver.keys("r<Enter>");
    assert!(driver.notice().contains("needs a name"));
    assert_eq!(driver.keys("r<Esc>"), []);
    assert!(driver.state.dialogs.is_empty());
    driver.keys("rmonth-end<Enter>");
    assert!(driver.screen().contains("has this name already"), "{}", driver.screen());
    driver.keys("<Esc>P");
    let screen = driver.screen();
    assert!(screen.contains("before-upgrade") && screen.contains("month-end"), "{screen}");
}

#[test]
fn verifying_has_two_depths() {
    for (key, wanted) in [("v", VerifyDepth::Full), ("V", VerifyDepth::Quick)] {
        let mut driver = Driver::busy();
        let effects = driver.keys(&format!("8{key}y"));
        let sent = effects.iter().any(|effect| {
            matches!(effect, Cmd::Send(_, Command::Verify { depth, .. }) if *depth == wanted)
        });
        assert!(sent, "{effects:?}");
    }
}

#[test]
fn the_form_of_a_set_up_asks_for_compression_and_what_is_kept() {
    let asked = |driver: &mut Driver, keys: &str| {
        let effects = driver.keys(keys);
        effects.into_iter().find_map(|effect| match effect {
            Cmd::Send(_, Command::PlanSetup { request, .. }) => Some(*request),
            _ => None,
        })
    };
    let mut driver = Driver::busy();
    let begin = "8S<C-u>/backup/main<Enter>";
    let request = asked(&mut driver, &format!("{begin}<C-u>lz4<Enter>14d<Enter>")).unwrap();
    assert_eq!(request.compression.as_deref(), Some("lz4"));
    assert_eq!(request.retention, Some(Retention::Days(14)));
    let request = asked(&mut driver, &format!("{begin}<Enter>3<Enter>")).unwrap();
    assert_eq!((request.compression, request.retention), (None, Some(Retention::Generations(3))));
    for (keys, says) in [
        ("<C-u>gzip<Enter>", "\"gzip\" is no compression"),
        ("<Enter>two<Enter>", "\"two\" is not a number of generations"),
        ("<Enter>0d<Enter>", "\"0d\" is not a number of generations"),
        ("<Esc>", ""),
    ] {
        assert_eq!(asked(&mut driver, &format!("{begin}{keys}")), None, "{keys}");
        assert!(driver.notice().contains(says), "{keys}: {}", driver.notice());
    }
}

#[test]
fn a_set_up_tells_what_comes_next() {
    let mut driver = Driver::busy();
    let job = JobId { instance: sample::id("main"), number: 9 };
    for (then, says) in [(SetupThen::Restart, "restart it"), (SetupThen::Reload, "sent through")] {
        assert_eq!(driver.keys("8S<C-u>backup<Enter>"), [], "no absolute path");
        let request = Driver::request(&driver.keys("S<C-u>/backup/main<Enter><Enter><Enter>"));
        let plan = pgdeck_engine::api::SetupPlan { then, ..protected::setup_plan() };
        let effects = tell(&mut driver, Event::SetupPlanned { request, plan: Arc::new(plan) });
        assert!(effects.contains(&Cmd::DrainInput));
        let effects = driver.keys("y");
        let [Command::Setup { fingerprint: 77, request: asked, .. }] =
            &Driver::mutations(&effects)[..]
        else {
            panic!("{effects:?}")
        };
        assert_eq!(asked.program, std::path::Path::new("/usr/local/bin/pgdeck"));
        let request = Driver::request(&effects);
        tell(&mut driver, Event::Accepted { request, job: job.clone() });
        let outcome = Ok("2 settings changed".to_owned());
        let effects = tell(&mut driver, Event::JobEnded { job: job.clone(), outcome });
        assert!(driver.notice().contains(says), "{}", driver.notice());
        let is_checked = Driver::mutations(&effects)
            .iter()
            .any(|command| matches!(command, Command::CheckArchive { .. }));
        assert_eq!(is_checked, then == SetupThen::Reload);
        driver.keys("<Esc>");
    }
}

#[test]
fn a_check_of_the_archive_is_read_as_a_text() {
    let mut driver = Driver::busy();
    let request = Driver::request(&driver.keys("8cy"));
    let finding = Finding {
        severity: Severity::Error,
        text: "the segment did not arrive".to_owned(),
        hint: "Read the server's log.".to_owned(),
    };
    let report = ArchiveReport { findings: vec![finding], segment: None, seconds: None };
    tell(&mut driver, Event::ArchiveChecked { request, report: Arc::new(report) });
    let screen = driver.screen();
    for part in ["it does not work", "the segment did not arrive", "Read the server's log."] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn read_only_disables_all_of_them() {
    let mut driver = Driver::read_only(vec![sample::busy("main")]);
    driver.keys("8j");
    for key in ["b", "B", "v", "V", "D", "c", "r", "S"] {
        assert_eq!(driver.keys(key), [], "{key}");
        assert!(driver.state.dialogs.is_empty(), "{key}");
        assert!(driver.notice().contains("pgdeck is read-only"), "{key}");
    }
    driver.keys("P");
    assert!(driver.screen().contains("month-end"), "looking is not changing");
}

#[test]
fn a_message_about_backups_leads_here() {
    let mut one = sample::busy("main");
    let code = pgdeck_engine::api::MessageCode::BackupMissing;
    let message = sample::message(code, Severity::Error, "no backup", Remedy::ShowBackups);
    one.messages = Arc::new(vec![message]);
    let mut driver = Driver::new(vec![one]);
    driver.keys("7o");
    assert_eq!(driver.state.pane, PaneId::Backups);
}

#[test]
fn a_backup_at_work_is_told_in_bytes() {
    let job = JobStatus {
        kind: JobKind::Backup,
        state: JobState::Running,
        progress: JobProgress {
            phase: "copying".to_owned(),
            done: Some(3 << 30),
            total: Some(12 << 30),
            rate: Some(150.0 * 1_048_576.0),
            eta_seconds: Some(61),
            ..JobProgress::default()
        },
        ..sample::smart_stop(true)
    };
    let mut driver = Driver::busy();
    driver.publish(vec![sample::busy("main")], vec![job]);
    driver.keys("J<Enter>");
    let screen = driver.screen();
    assert!(screen.contains("3.0 GB of 12 GB (25 %), 150 MB/s, about 61s left"), "{screen}");
    driver.keys("x");
    assert!(driver.screen().contains("what it has copied stays"), "{}", driver.screen());
}
