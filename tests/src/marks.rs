//! Markers in the life of a repository's instance: numbers in the table `marker`, by which a
//! recovered server tells how far it came.

use crate::{InstanceBuilder, Repository, StopMode};

impl Repository {
    /// Markers 1 to 4 behind a full backup; the instance is stopped.
    #[must_use]
    pub fn stopped_behind_markers(builder: InstanceBuilder) -> Self {
        let repository = Self::start_with(builder);
        repository.instance.sql("postgres", "create table marker (n int)");
        repository.backup(&["--type", "full"]);
        (1..=4).for_each(|number| repository.mark(number));
        repository.instance.stop(StopMode::Fast);
        repository
    }

    /// Commits a number, and makes the restore point `after NUMBER` behind it.
    pub fn mark(&self, number: u32) {
        // Two commands: in one the restore point would come before the commit.
        let sql = |text: &str| self.instance.sql("postgres", text);
        sql(&format!("insert into marker values ({number})"));
        sql(&format!("select pg_create_restore_point('after {number}')"));
    }

    /// When a number was committed, as `--time` takes it. Needs `track_commit_timestamp`.
    #[must_use]
    pub fn marked_at(&self, number: u32) -> String {
        let text = format!(
            "select to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC',
                            'YYYY-MM-DD HH24:MI:SS.US') || 'Z' from marker where n = {number}"
        );
        self.instance.query_one_text("postgres", &text)
    }

    /// The transaction that has committed a number.
    #[must_use]
    pub fn marked_by(&self, number: u32) -> String {
        let text = format!("select xmin from marker where n = {number}");
        self.instance.query_one_text("postgres", &text)
    }

    /// The numbers in the running instance, in their order, with blanks.
    #[must_use]
    pub fn markers(&self) -> String {
        let text = "select coalesce(string_agg(n::text, ' ' order by n), '') from marker";
        self.instance.query_one_text("postgres", text)
    }

    /// Where the instance's WAL is written to now.
    #[must_use]
    pub fn position(&self) -> String {
        self.instance.query_one_text("postgres", "select pg_current_wal_lsn()")
    }
}
