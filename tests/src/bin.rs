//! The built `pgdeck`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The path of the program under test.
///
/// `PGDECK_BIN`, or `target/PROFILE/pgdeck` of the build that this test belongs to.
///
/// # Panics
/// When it is missing, or older than one of the sources it was built from: cargo builds
/// the program for its own package's tests only, so a test could silently drive yesterday's.
#[must_use]
pub fn pgdeck() -> PathBuf {
    if let Some(set) = std::env::var_os("PGDECK_BIN") {
        return PathBuf::from(set);
    }
    let own = std::env::current_exe().expect("the test knows its own program file");
    // target/PROFILE/deps/TEST-HASH
    let profile = own.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let program = profile.join("pgdeck");
    let built = modified(&program).unwrap_or_else(|| {
        panic!(
            "the program under test is not built\nDETAIL: {} does not exist\n\
             HINT: Run 'make test', or 'cargo build -p pgdeck' before a single test.",
            program.display()
        )
    });
    if let Some(source) = newer_source(&profile.join("pgdeck.d"), built) {
        panic!(
            "the program under test is out of date\nDETAIL: {} is newer than {}, or gone\n\
             HINT: Run 'make test', or 'cargo build -p pgdeck' before a single test.",
            source.display(),
            program.display()
        );
    }
    program
}

/// The first source in cargo's dependency file that changed after `built`.
fn newer_source(dependencies: &Path, built: SystemTime) -> Option<PathBuf> {
    let text = fs::read_to_string(dependencies).ok()?;
    let (_, sources) = text.trim_end().split_once(": ")?;
    // Blanks in a name are escaped as in a makefile.
    let sources = sources.replace("\\ ", "\0");
    sources
        .split(' ')
        .map(|source| PathBuf::from(source.replace('\0', " ")))
        .find(|source| modified(source).is_none_or(|time| time > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_the_source_that_is_newer_or_gone() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("a source.rs");
        fs::write(&source, "").unwrap();
        let list = directory.path().join("program.d");
        let escaped = source.display().to_string().replace(' ', "\\ ");
        fs::write(&list, format!("/target/program: {escaped}\n")).unwrap();
        let written = modified(&source).unwrap();
        assert_eq!(newer_source(&list, written), None);
        assert_eq!(newer_source(&list, written - Duration::from_secs(1)), Some(source.clone()));
        fs::remove_file(&source).unwrap();
        assert_eq!(newer_source(&list, written), Some(source));
    }
}
