//! Who a stopping server waits for.

use std::time::Duration;

use tokio_postgres::Client;

use crate::pg::conninfo::APPLICATION_NAME_DEFAULT;
use crate::pg::query::{optional_text, sql};
use crate::sys::process;

const QUERY_LIMIT: Duration = Duration::from_secs(2);

/// The clients a smart stop waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiters {
    /// One line each, for people.
    pub(super) lines: Vec<String>,
    /// How many of them are not pgdeck's own.
    pub(super) foreign: usize,
}

/// Asks the server over a connection made before the stop began.
pub(super) async fn by_query(client: &Client, major: u32) -> Option<Waiters> {
    let text = sql::CLIENTS.text_for(major)?;
    let rows = tokio::time::timeout(QUERY_LIMIT, client.query(text, &[])).await.ok()?.ok()?;
    let mut waiters = Waiters::default();
    for row in &rows {
        let word = |name: &str| optional_text(row, name).ok().flatten();
        let application = word("application_name").unwrap_or_default();
        if application != APPLICATION_NAME_DEFAULT {
            waiters.foreign += 1;
        }
        let pid: i32 = row.try_get("pid").unwrap_or(0);
        let age: Option<f64> = row.try_get("xact_age").ok().flatten();
        let age = age.map_or_else(String::new, |age| format!(", transaction open for {age:.0} s"));
        waiters.lines.push(format!(
            "pid {pid}: {} on {}, {application}, from {}, {}{age}",
            word("user_name").unwrap_or_default(),
            word("database").unwrap_or_default(),
            word("client").unwrap_or_default(),
            word("state").unwrap_or_default(),
        ));
    }
    Some(waiters)
}

/// Reads the titles of the server's processes: all that can be seen without a connection.
///
/// Client backends are titled `postgres: USER DATABASE HOST(PORT) STATE` (or `[local]`),
/// possibly after `cluster_name` and a colon (`init_ps_display()` in `ps_status.c`).
pub(super) async fn by_titles(postmaster: i32) -> Waiters {
    let titles = tokio::task::spawn_blocking(move || {
        let children = process::children(postmaster).into_iter();
        children.filter_map(|pid| Some((pid, process::command_line(pid)?))).collect::<Vec<_>>()
    })
    .await
    .unwrap_or_default();
    let mut waiters = Waiters::default();
    for (pid, title) in titles {
        if let Some(client) = client_title(&title) {
            waiters.foreign += 1;
            waiters.lines.push(format!("pid {pid}: {client}"));
        }
    }
    waiters
}

fn client_title(title: &str) -> Option<&str> {
    let (_, what) = title.split_once("postgres: ")?;
    let is_client = what.contains("[local]")
        || what.split_whitespace().any(|word| word.ends_with(')') && word.contains('('));
    is_client.then_some(what.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_from_the_servers_own_processes() {
        for (title, client) in [
            ("postgres: ann app [local] idle", Some("ann app [local] idle")),
            ("postgres: ann app 10.0.0.1(5123) SELECT", Some("ann app 10.0.0.1(5123) SELECT")),
            ("postgres: prod: ann app ::1(5123) idle", Some("prod: ann app ::1(5123) idle")),
            ("postgres: checkpointer ", None),
            ("postgres: walwriter", None),
            ("/usr/lib/postgresql/15/bin/postgres -D /data", None),
        ] {
            assert_eq!(client_title(title), client, "{title}");
        }
    }
}
