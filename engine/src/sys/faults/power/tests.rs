//! Each thing that a power cut may take, and each that it may not.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::disk::{Disk, Published};
use crate::sys::faults::{Fault, Loss, Plan, Spell};

/// A disk whose power can be cut, and a directory for it.
struct Bench {
    root: tempfile::TempDir,
    plan: Plan,
    disk: Disk,
}

impl Bench {
    fn new() -> Self {
        Self::with(Loss::Everything)
    }

    fn with(loss: Loss) -> Self {
        let plan = Plan::new(u64::MAX, Fault::Power(loss), Spell::Once);
        let disk = Disk::with_plan(plan.clone());
        Self { root: tempfile::tempdir().unwrap(), plan, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// There before anything was done.
    fn old(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn write(&self, path: &Path, content: &str) -> crate::sys::disk::DiskFile {
        let mut file = self.disk.create(path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    fn sync(&self, directory: &str) {
        self.disk.sync_directory(&self.path(directory)).unwrap();
    }

    fn cut(&self) {
        self.plan.lose().unwrap();
    }

    fn content(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }
}

#[test]
fn a_file_is_durable_with_its_content_and_its_name() {
    let bench = Bench::new();
    bench.write(&bench.path("named"), "1");
    bench.sync("");
    bench.write(&bench.path("synced"), "2").sync().unwrap();
    bench.write(&bench.path("neither"), "3");
    bench.cut();
    assert_eq!(bench.content("named").as_deref(), Some(""), "its content was not durable");
    assert_eq!(bench.content("synced"), None, "its name was not durable");
    assert_eq!(bench.content("neither"), None);
    bench.write(&bench.path("both"), "4").sync().unwrap();
    bench.sync("");
    bench.write(&bench.path("whole"), "5");
    bench.disk.sync_file_system(bench.root.path()).unwrap();
    bench.cut();
    assert_eq!(bench.content("both").as_deref(), Some("4"));
    assert_eq!(bench.content("whole").as_deref(), Some("5"));
}

#[test]
fn what_was_replaced_or_removed_comes_back() {
    let bench = Bench::new();
    let (old, gone) = (bench.old("old", "old"), bench.old("gone", "gone"));
    fs::set_permissions(&gone, fs::Permissions::from_mode(0o640)).unwrap();
    bench.write(&bench.path("new"), "new").sync().unwrap();
    bench.disk.replace(&bench.path("new"), &old).unwrap();
    bench.disk.open_for_update(&gone).unwrap().set_size(1).unwrap();
    bench.disk.remove_file(&gone).unwrap();
    bench.cut();
    assert_eq!(bench.content("old").as_deref(), Some("old"));
    assert_eq!(bench.content("new"), None);
    assert_eq!(bench.content("gone").as_deref(), Some("gone"));
    assert_eq!(fs::metadata(&gone).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_directory_that_is_lost_takes_what_is_in_it() {
    let bench = Bench::new();
    bench.disk.make_directory(&bench.path("made")).unwrap();
    bench.write(&bench.path("made/file"), "1").sync().unwrap();
    bench.sync("made");
    bench.cut();
    assert!(!bench.path("made").exists());
}

#[test]
fn a_tree_comes_back_wherever_it_was_moved() {
    let bench = Bench::new();
    bench.old("from/tree/sub/file", "old");
    bench.disk.symlink(Path::new("sub"), &bench.path("from/tree/link")).unwrap();
    bench.disk.make_directory(&bench.path("to")).unwrap();
    bench.sync("");
    bench.sync("from/tree");
    bench.disk.rename(&bench.path("from/tree"), &bench.path("to/tree")).unwrap();
    bench.write(&bench.path("to/tree/sub/new"), "new");
    bench.disk.remove_tree(&bench.path("to/tree")).unwrap();
    bench.cut();
    assert_eq!(bench.content("from/tree/sub/file").as_deref(), Some("old"));
    assert_eq!(fs::read_link(bench.path("from/tree/link")).unwrap(), Path::new("sub"));
    assert!(!bench.path("from/tree/sub/new").exists() && !bench.path("to/tree").exists());
}

#[test]
fn a_move_is_durable_with_its_new_name() {
    for (synced, there) in [("to", "to/file"), ("from", "from/file")] {
        let bench = Bench::new();
        bench.old("from/file", "1");
        bench.old("to/other", "2");
        let published = bench.disk.publish(&bench.path("from/file"), &bench.path("to/file"));
        assert_eq!(published.unwrap(), Published::Done);
        bench.sync(synced);
        bench.cut();
        assert_eq!(bench.content(there).as_deref(), Some("1"), "{synced}");
        assert_ne!(bench.path("from/file").exists(), bench.path("to/file").exists());
    }
}

/// A name that was durable cannot be lost with one that it rests on.
#[test]
fn what_a_durable_change_rests_on_is_durable() {
    let bench = Bench::new();
    bench.old("incoming/x", "");
    bench.old("archive/x", "");
    bench.write(&bench.path("incoming/one"), "1").sync().unwrap();
    bench.disk.rename(&bench.path("incoming/one"), &bench.path("archive/one")).unwrap();
    bench.sync("archive");
    bench.cut();
    assert_eq!(bench.content("archive/one").as_deref(), Some("1"));
    bench.disk.remove_tree(&bench.path("archive")).unwrap();
    bench.sync("");
    bench.cut();
    assert!(!bench.path("archive").exists());
}

#[test]
fn content_that_was_rewritten_is_what_was_durable() {
    let bench = Bench::new();
    let path = bench.old("file", "0123456789");
    let file = bench.disk.open_for_update(&path).unwrap();
    file.write_at(b"ab", 2).unwrap();
    file.sync().unwrap();
    file.write_at(b"XYZ", 1).unwrap();
    file.write_at(b"QQ", 3).unwrap();
    file.set_size(4).unwrap();
    file.write_at(b"longer than before", 6).unwrap();
    bench.cut();
    assert_eq!(bench.content("file").as_deref(), Some("01ab456789"));
}

#[test]
fn after_the_cut_nothing_changes() {
    let root = tempfile::tempdir().unwrap();
    let plan = Plan::new(2, Fault::Power(Loss::Everything), Spell::FromThenOn);
    let disk = Disk::with_plan(plan.clone());
    disk.make_directory(&root.path().join("first")).unwrap();
    disk.sync_directory(root.path()).unwrap();
    let file = disk.create(&root.path().join("second")).unwrap();
    assert!(!plan.has_struck() && disk.sync_directory(root.path()).is_err());
    assert!(plan.has_struck() && file.write_at(b"1", 0).is_err());
    assert!(disk.make_directory(&root.path().join("third")).is_err());
    assert_eq!(disk.list(root.path()).unwrap().len(), 1, "the first alone was durable");
}

/// Whatever part is lost, what was durable is there, and a name has one of the contents that it
/// had, or a damaged one that was never made durable.
#[test]
fn any_part_can_be_lost() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..100 {
        let bench = Bench::with(Loss::Part(seed));
        let (old, safe) = (bench.old("old", "old"), bench.path("sub/safe"));
        bench.disk.make_directory(&bench.path("sub")).unwrap();
        bench.write(&safe, "safe").sync().unwrap();
        bench.sync("sub");
        bench.sync("");
        bench.write(&bench.path("new"), "new").sync().unwrap();
        bench.disk.replace(&bench.path("new"), &old).unwrap();
        bench.disk.make_directory(&bench.path("made")).unwrap();
        bench.disk.rename(&safe, &bench.path("made/safe")).unwrap();
        bench.disk.remove_directory(&bench.path("sub")).unwrap();
        bench.write(&bench.path("made/torn"), "torn");
        bench.cut();
        let is_back = bench.content("sub/safe").is_some();
        let safe = if is_back { "sub/safe" } else { "made/safe" };
        assert_eq!(bench.content(safe).as_deref(), Some("safe"), "{seed}");
        let old = bench.content("old").unwrap();
        assert!(["old", "new"].contains(&old.as_str()), "{seed}: {old}");
        seen.insert((is_back, old, bench.content("made/torn")));
    }
    assert!(seen.len() > 10, "{seen:?}");
    assert!(seen.iter().any(|(_, _, torn)| torn.as_deref() == Some("\0\0\0\0")), "{seen:?}");
}
