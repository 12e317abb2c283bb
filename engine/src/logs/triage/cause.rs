//! Why a start failed, picked from the end of the log or from `pg_ctl`'s output.

use crate::api::{LogEntry, LogFormat, LogSeverity};
use crate::logs::parse::{ParserSettings, parse_all};
use crate::logs::wild;

use super::cause_rules::{RULES, Rule, Where};
use super::known::{Known, known_entry};
use super::{benign, plain};

/// The probable cause of a failed start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// A stable word for the kind of cause (see [`super::slugs`]).
    pub slug: &'static str,
    /// The line of the log that says it, its first line only.
    pub text: String,
    /// The server's `DETAIL` or `CONTEXT` to it.
    pub detail: Option<String>,
    /// What to do, in a sentence that names the file, the line or the setting.
    pub solution: String,
}

/// A message that matched nothing: its own text is all there is to say.
const UNRECOGNISED: &str = "server_message";

/// Lines before an unrecognised message that are shown with it.
const SAID_BEFORE_MAX: usize = 2;

/// The cause of the last failed start that the entries (oldest first) end with. `None` when they
/// do not end with a failed start: the server is running, or was stopped.
///
/// Lines known to be harmless count for nothing. Of the others in the last attempt the most
/// specific one is the cause, the first of equals: a root cause comes before its consequences.
#[must_use]
pub fn cause_of_failed_start<'e, I>(entries: I) -> Option<Cause>
where
    I: IntoIterator<Item = &'e LogEntry>,
    I::IntoIter: DoubleEndedIterator,
{
    let attempt = last_attempt(entries);
    let mut best: Option<(u8, Cause)> = None;
    for (at, entry) in attempt.iter().enumerate() {
        if let Some((weight, mut cause)) = explain(entry)
            && best.as_ref().is_none_or(|(found, _)| weight > *found)
        {
            if cause.slug == UNRECOGNISED && cause.detail.is_none() {
                cause.detail = said_before(&attempt[..at], entry);
            }
            best = Some((weight, cause));
        }
    }
    best.map(|(_, cause)| cause)
}

/// The cause told by the output of a program: `pg_ctl`, `postgres`, or a log file's end.
///
/// `None` when the output only says that the start failed (`pg_ctl` with a log file does): the
/// log itself has to be looked at.
#[must_use]
pub fn cause_in_output(output: &[u8], settings: &ParserSettings) -> Option<Cause> {
    cause_of_failed_start(&parse_all(LogFormat::Stderr, settings.clone(), output))
}

/// The entries of the last attempt to start, oldest first.
fn last_attempt<'e, I>(entries: I) -> Vec<&'e LogEntry>
where
    I: IntoIterator<Item = &'e LogEntry>,
    I::IntoIter: DoubleEndedIterator,
{
    let mut attempt = Vec::new();
    let mut gave_up = false;
    let mut failed: Option<&LogEntry> = None;
    for entry in entries.into_iter().rev() {
        let known = known_entry(entry);
        // Said by a server that could not start, even after it was "ready" for a moment.
        gave_up |= known == Some(Known::GaveUp);
        if known == Some(Known::ShutDown) && attempt_has_begun(&attempt) {
            break;
        }
        if known == Some(Known::Ready) && !gave_up {
            break;
        }
        let is_fatal = entry.severity >= Some(LogSeverity::Fatal) && benign(entry).is_none();
        if is_fatal {
            // Before its configuration is read a server says no more than this: another
            // process that gave up belongs to another attempt.
            if failed.is_some_and(|later| later.pid != entry.pid) && !gave_up {
                break;
            }
            failed = Some(entry);
        }
        attempt.push(entry);
        if known == Some(Known::Starting) {
            break;
        }
    }
    attempt.reverse();
    attempt
}

/// Whether something besides the last words of a server that stopped was seen already.
fn attempt_has_begun(attempt: &[&LogEntry]) -> bool {
    attempt.iter().any(|entry| benign(entry).is_none() && entry.severity.is_some())
}

/// What the same process said right before: a message that says only that something is wrong
/// mostly has the reason there.
fn said_before(attempt: &[&LogEntry], entry: &LogEntry) -> Option<String> {
    let said: Vec<&str> = attempt
        .iter()
        .rev()
        .take_while(|before| before.pid == entry.pid && known_entry(before).is_none())
        .take(SAID_BEFORE_MAX)
        .map(|before| before.message.as_str())
        .collect();
    (!said.is_empty()).then(|| said.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

/// What an entry explains, and how specifically: above the generic ones 3, consequences 2, a
/// message nobody knows 1.
fn explain(entry: &LogEntry) -> Option<(u8, Cause)> {
    if benign(entry).is_some() {
        return None;
    }
    let message = plain(entry);
    for rule in RULES {
        if let Some(captures) = matched(rule, entry, &message) {
            let cause = cause(rule.slug, entry, fill(rule.solution, entry, &captures));
            return Some((rule.weight, cause));
        }
    }
    let is_grave = entry.severity >= Some(LogSeverity::Error);
    is_grave.then(|| {
        let solution = entry.hint.clone().unwrap_or_else(|| {
            "Remove what the server's own message says, then start again.".to_owned()
        });
        (1, cause(UNRECOGNISED, entry, solution))
    })
}

/// What the pattern of a rule stands for in an entry.
fn matched<'t>(rule: &Rule, entry: &'t LogEntry, message: &'t str) -> Option<Vec<String>> {
    let own = |captures: Vec<&str>| captures.into_iter().map(str::to_owned).collect();
    match rule.place {
        Where::Message => wild::captures(rule.pattern, message).map(own),
        Where::Context => {
            let context = entry.context.as_deref()?.replace('"', "");
            wild::captures(rule.pattern, &context).map(own)
        }
        Where::MessageAndDetail => {
            let detail = entry.detail.as_deref().unwrap_or_default().replace('"', "");
            wild::captures(rule.pattern, &format!("{message}: {detail}")).map(own)
        }
    }
}

fn cause(slug: &'static str, entry: &LogEntry, solution: String) -> Cause {
    Cause {
        slug,
        text: entry.message.lines().next().unwrap_or_default().to_owned(),
        detail: entry.detail.clone().or_else(|| entry.context.clone()),
        solution,
    }
}

/// Puts what was matched into a sentence: `{1}` to `{9}` the texts of the pattern, `{port}` and
/// `{pid}` from the hint, `{hint}` the hint, `{message}` the message.
fn fill(sentence: &str, entry: &LogEntry, captures: &[String]) -> String {
    let hint = entry.hint.as_deref().unwrap_or_default();
    let digits_after = |word: &str| {
        hint.split_once(word).map_or("?", |(_, rest)| {
            rest.split(|char: char| !char.is_ascii_digit()).next().unwrap_or("?")
        })
    };
    let mut filled = sentence
        .replace("{port}", digits_after("port "))
        .replace("{pid}", digits_after("PID "))
        .replace("{hint}", hint)
        .replace("{message}", &plain(entry));
    for (number, capture) in (1..).zip(captures) {
        filled = filled.replace(&format!("{{{number}}}"), capture);
    }
    filled.trim_end().to_owned()
}
