//! A section from its options to its verdict, for all that measure on prepared clusters.

use std::hash::Hash;
use std::process::ExitCode;

use super::options::Options;
use super::results::Results;
use crate::say;

/// What a section does.
pub(crate) struct Section<W> {
    /// Its options.
    pub(crate) usage: &'static str,
    /// Measures everything; an error ends the section.
    pub(crate) measure: fn(&Options, &Results<W>) -> Result<(), String>,
    /// Makes the report of what was measured.
    pub(crate) report: fn(&Options, &Results<W>) -> String,
}

impl<W: Clone + Eq + Hash> Section<W> {
    /// Measures and prints. Goals that are missed are no failure; what could not be measured is.
    pub(crate) fn run(&self, arguments: impl Iterator<Item = String>) -> ExitCode {
        let options = Options::of(self.usage, arguments);
        let results = Results::default();
        let outcome = (self.measure)(&options, &results);
        let report = (self.report)(&options, &results);
        say(&report);
        options.write(&report);
        if let Err(reason) = &outcome {
            say(&format!("not measured: {reason}"));
        }
        for failure in results.failures() {
            say(&format!("not measured: {failure}"));
        }
        let is_whole = outcome.is_ok() && results.failures().is_empty();
        if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
