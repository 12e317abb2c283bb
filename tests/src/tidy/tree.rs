//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::Source;

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Every file that belongs to the project, by path from the root: what git tracks or would
/// take on, or, where git cannot be asked, everything but `target` and `.git`.
#[must_use]
pub fn tracked_files() -> Vec<String> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let mut files: Vec<String> = match listed {
        Some(listed) => listed.split_terminator('\0').map(str::to_owned).collect(),
        None => walk(&root, ""),
    };
    // Tracked ones may be deleted in the working tree.
    files.retain(|file| root.join(file).is_file());
    files.sort();
    files
}

fn walk(directory: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the workspace can be listed");
    entries
        .flatten()
        .flat_map(|entry| {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && name != "target" && name != ".git" => {
                    walk(&entry.path(), &format!("{name}/"))
                }
                Ok(kind) if kind.is_file() => vec![name],
                _ => Vec::new(),
            }
        })
        .collect()
}

/// Every Rust source. Files of `#[cfg(test)] mod x;` are known to be tests.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn sources() -> Vec<Source> {
    let root = root();
    let mut sources: Vec<Source> = tracked_files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| {
            let text = fs::read_to_string(root.join(&path));
            Source::new(&path, &text.unwrap_or_else(|error| panic!("{path}: {error}")))
        })
        .collect();
    mark_tests(&mut sources);
    sources
}

/// Marks the files of test modules, and those below them.
fn mark_tests(sources: &mut [Source]) {
    let modules: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let directory = module_directory(&source.path);
            source.test_modules().into_iter().map(move |name| format!("{directory}{name}"))
        })
        .collect();
    for source in sources {
        let is_test = modules.iter().any(|module| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        });
        if is_test {
            source.declare_test();
        }
    }
}

/// Where the modules that a file declares lie: beside `mod.rs` and its like, else in a
/// directory of the file's own name.
fn module_directory(path: &str) -> String {
    let (directory, name) =
        path.rsplit_once('/').map_or(("", path), |(before, name)| (before, name));
    let slash = if directory.is_empty() { "" } else { "/" };
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => format!("{directory}{slash}"),
        _ => format!("{directory}{slash}{}/", name.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_test_modules_are_tests() {
        let mut sources = [
            ("a/src/lib.rs", "mod b;\n#[cfg(test)]\nmod c;"),
            ("a/src/b.rs", "#[cfg(test)]\nmod d;\nfn x() {}"),
            ("a/src/b/d.rs", "fn x() {}"),
            ("a/src/c/e.rs", "fn x() {}"),
            ("a/src/d.rs", "fn x() {}"),
        ]
        .map(|(path, text)| Source::new(path, text));
        mark_tests(&mut sources);
        let has_production = |source: &Source| source.production.contains("fn x");
        let expect = [false, true, false, false, true];
        assert_eq!(sources.each_ref().map(has_production), expect);
    }

    #[test]
    fn lists_itself() {
        let files = tracked_files();
        assert!(files.iter().any(|file| file == "tests/src/tidy/tree.rs"));
        assert!(!files.iter().any(|file| file.starts_with("target/")));
        let walked = walk(&root(), "");
        assert!(walked.iter().any(|file| file == "tests/src/tidy/tree.rs"));
        assert!(!walked.iter().any(|file| file.starts_with("target/")));
    }
}
