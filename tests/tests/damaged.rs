//! Data directories that are missing, foreign, damaged or of another version: a state each,
//! with a reason to refuse the start.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use pgdeck_engine::api::{Command, Error, ErrorCode, InstanceState};
use pgdeck_engine::pg::control_file::CONTROL_FILE_PATH;
use pgdeck_tests::{Deck, Major, Run, Status, TestInstance, Watcher, bin};

/// Why the engine refuses to start what is there.
fn why_not_started(watcher: &mut Watcher) -> Error {
    let instance = watcher.id();
    watcher.ask(Command::Start { instance }).unwrap_err()
}

fn expect(deck: &Deck, state: &str, message: &str, refusal: ErrorCode, watcher: &mut Watcher) {
    let status = deck.status();
    assert_eq!((status.state(), status.code), (state, 2), "{:#}", status.instance);
    let found = status.message(message);
    assert!(!found.detail.is_empty() && !found.solution.is_empty(), "{found:?}");
    let error = why_not_started(watcher);
    assert_eq!(error.code, refusal, "{error}");
    let said = deck.refused(&["instance", "start"]);
    assert_eq!((said.fact, said.hint), (error.fact, error.hint));
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

#[test]
fn a_missing_data_directory_comes_back() {
    let instance = TestInstance::start_plain(Major::V15);
    instance.stop(pgdeck_tests::StopMode::Fast);
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    watcher.wait("stopped", |one| one.status.state == InstanceState::Stopped);
    let away = instance.directory().join("away");
    fs::rename(instance.data_directory(), &away).unwrap();
    watcher.wait("missing", |one| one.status.state == InstanceState::DataDirectoryMissing);
    let code = ErrorCode::DataDirectoryMissing;
    expect(&deck, "data directory missing", "data_directory_missing", code, &mut watcher);
    fs::rename(&away, instance.data_directory()).unwrap();
    watcher.wait("back", |one| one.status.state == InstanceState::Stopped);
    deck.ok(&["instance", "start"]);
    watcher.wait("started", |one| one.status.state == InstanceState::Started);
}

#[test]
fn a_directory_that_is_no_cluster() {
    let instance = TestInstance::builder(Major::V15).create();
    let empty = instance.make_directory("empty");
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o700)).unwrap();
    let deck = Deck::of_directory(&empty);
    let mut watcher = Watcher::of_directory(&empty, &deck);
    expect(&deck, "not a cluster", "not_a_cluster", ErrorCode::NotACluster, &mut watcher);
    // Half of one: the control file was lost.
    fs::remove_file(instance.data_directory().join(CONTROL_FILE_PATH)).unwrap();
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    expect(&deck, "not a cluster", "not_a_cluster", ErrorCode::NotACluster, &mut watcher);
    assert!(deck.status().message("not_a_cluster").detail.contains("pg_control"));
}

#[test]
fn a_directory_open_to_others_or_of_another_owner() {
    let instance = TestInstance::builder(Major::V16).create();
    let directory = instance.data_directory();
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let code = ErrorCode::DataDirectoryOwner;
    expect(&deck, "stopped", "data_directory_owner", code, &mut watcher);
    assert!(deck.status().message("data_directory_owner").detail.contains("0755"));
    fs::set_permissions(directory, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(!deck.status().has("data_directory_owner"));
    if is_root() {
        chown(directory, Some(0), Some(0)).unwrap();
        expect(&deck, "stopped", "data_directory_owner", code, &mut watcher);
        assert_eq!(deck.status().message("data_directory_owner").detail, "it belongs to root");
    }
}

#[test]
fn a_damaged_control_file() {
    let instance = TestInstance::builder(Major::V18).create();
    let path = instance.data_directory().join(CONTROL_FILE_PATH);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let code = ErrorCode::ControlFileDamaged;
    expect(&deck, "crashed", "control_file_damaged", code, &mut watcher);
    fs::write(&path, b"short").unwrap();
    expect(&deck, "crashed", "control_file_damaged", code, &mut watcher);
}

#[test]
fn a_version_that_is_not_supported() {
    let instance = TestInstance::builder(Major::V13).create();
    fs::write(instance.data_directory().join("PG_VERSION"), "12\n").unwrap();
    let deck = Deck::of(&instance);
    let mut watcher = Watcher::of(&instance, &deck);
    let code = ErrorCode::VersionUnsupported;
    expect(&deck, "stopped", "version_unsupported", code, &mut watcher);
}

#[test]
fn a_version_without_server_programs() {
    let is_absent =
        |major: &Major| !Path::new(&format!("/usr/lib/postgresql/{}", major.number())).exists();
    let major = Major::ALL.into_iter().rfind(is_absent);
    let major = major.expect("the machine's package manager has not installed every version");
    let instance = TestInstance::builder(major).create();
    let deck = Deck::of_directory(instance.data_directory());
    let mut watcher = Watcher::of_directory(instance.data_directory(), &deck);
    let code = ErrorCode::BinariesMissing;
    expect(&deck, "stopped", "binaries_missing", code, &mut watcher);
    // Named in the configuration, they are found.
    let text = format!(
        "[[instance]]\nname = \"mine\"\ndata_directory = \"{}\"\nbin_directory = \"{}\"\n",
        instance.data_directory().display(),
        instance.bin_directory().display()
    );
    let deck = Deck::nowhere();
    let file = deck.home().write("pgdeck.toml", &text);
    let deck = deck.option("--config", file).option("--instance", "mine");
    let status = deck.status();
    assert_eq!((status.state(), &status.instance["name"]), ("stopped", &"mine".into()));
    assert!(!status.has("binaries_missing"), "{:?}", status.codes());
}

#[test]
fn a_directory_that_may_not_be_read() {
    let instance = TestInstance::start_plain(Major::V17);
    let directory = instance.data_directory().to_str().unwrap();
    let deck = Deck::nowhere();
    let pgdeck = bin::pgdeck();
    let run = |arguments: &[&str]| {
        let run = match is_root() {
            true => Run::program("setpriv")
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(&pgdeck),
            false => Run::pgdeck(),
        };
        run.home(deck.home())
            .args(arguments)
            .args(["-D", directory, "--state-dir", "/proc/nowhere"])
            .finish()
    };
    if !is_root() {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let status = Status::of(&run(&["status", "--json"]));
    assert_eq!((status.state(), status.code), ("access denied", 3), "{:#}", status.instance);
    let denied = status.message("access_denied");
    assert_eq!(denied.solution, "Run pgdeck as the owner of the data directory or as root.");
    let start = run(&["instance", "start"]).expect_code(2);
    let hint = ErrorCode::DataDirectoryAccess.default_hint();
    assert!(start.stderr.contains("DETAIL: ") && start.stderr.contains(hint), "{}", start.stderr);
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}
