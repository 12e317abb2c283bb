//! Which clock's time people read on the screen.

use chrono::{DateTime, Local, Utc};

/// A time zone. A value of the state, so that the same state gives the same screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// That of this machine (`TZ`, `/etc/localtime`).
    #[default]
    Local,
    /// UTC.
    Utc,
}

impl Zone {
    /// `19:45:01`.
    #[must_use]
    pub fn time(self, at: DateTime<Utc>) -> String {
        self.format(at, "%H:%M:%S")
    }

    /// `2026-11-22`.
    #[must_use]
    pub fn date(self, at: DateTime<Utc>) -> String {
        self.format(at, "%Y-%m-%d")
    }

    /// `11-22 19:45:01`.
    #[must_use]
    pub fn short(self, at: DateTime<Utc>) -> String {
        self.format(at, "%m-%d %H:%M:%S")
    }

    /// `2026-11-22 19:45:01`.
    #[must_use]
    pub fn date_time(self, at: DateTime<Utc>) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S")
    }

    /// `2026-11-22 19:45:01 +01:00`.
    #[must_use]
    pub fn full(self, at: DateTime<Utc>) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S %:z")
    }

    fn format(self, at: DateTime<Utc>, format: &str) -> String {
        match self {
            Self::Local => at.with_timezone(&Local).format(format).to_string(),
            Self::Utc => at.format(format).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_depends_on_no_machine() {
        let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        assert_eq!(Zone::Utc.full(at), "2026-11-18 11:06:40 +00:00");
        assert_eq!(Zone::Utc.short(at), "11-18 11:06:40");
        assert_eq!(Zone::Local.time(at).len(), 8);
    }
}
