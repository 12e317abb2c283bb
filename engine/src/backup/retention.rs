//! What may be removed after a backup. Pure: decides over labels and positions.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::layout::Label;
use crate::api::BackupKind;

/// Generations kept unless `pgx.backup_keep_generations` says otherwise, as in the operations
/// guide.
pub const GENERATIONS_DEFAULT: u32 = 2;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// So many complete full backups, with everything that is based on them.
    Generations(u32),
    /// Everything needed to recover to any moment of so many days.
    Days(u32),
}

impl Policy {
    /// From the settings `pgx.backup_keep_days` and `pgx.backup_keep_generations`; what is not
    /// a number from 1 on counts as not set.
    #[must_use]
    pub fn from_settings(days: Option<&str>, generations: Option<&str>) -> Self {
        let number = |text: Option<&str>| text?.trim().parse().ok().filter(|count| *count > 0);
        match (number(days), number(generations)) {
            (Some(days), _) => Self::Days(days),
            (None, generations) => Self::Generations(generations.unwrap_or(GENERATIONS_DEFAULT)),
        }
    }

    /// In words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Generations(count) => {
                format!("the newest {count} full backups are kept, with what is based on them")
            }
            Self::Days(days) => {
                format!("what is needed to recover to the last {days} days is kept")
            }
        }
    }
}

/// A directory of the destination, as far as retention looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub label: Label,
    /// What it is; `None` without a usable label.
    pub complete: Option<Complete>,
}

/// A complete backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Full or incremental.
    pub kind: BackupKind,
    /// What it is based on.
    pub parent: Option<Label>,
    /// When it was complete: nothing before can be recovered with it.
    pub ended_at: DateTime<Utc>,
    /// The number of the segment that replay begins in.
    pub start_segment: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Backups to remove, children before their parents.
    pub backups: Vec<Label>,
    /// Segments with lower numbers are needed by no backup that is kept. `None`: all are.
    pub segments_before: Option<u64>,
}

/// Decides what may go. Directories without a usable label go when a complete backup is newer:
/// what was to be resumed has been overtaken. Damaged ones stay for a person to look at.
#[must_use]
pub fn expire(backups: &[Kept], policy: Policy, now: DateTime<Utc>) -> Expiry {
    let mut order: Vec<&Kept> = backups.iter().collect();
    order.sort_by(|a, b| a.label.cmp(&b.label));
    let kept = generations_to_keep(&order, policy, now);
    let newest = order.iter().rfind(|one| one.complete.is_some()).map(|one| &one.label);
    let mut expiry = Expiry::default();
    for one in order.iter().rev() {
        let goes = match &one.complete {
            Some(_) => root_of(&order, &one.label).is_some_and(|root| !kept.contains(root)),
            None => newest.is_some_and(|newest| one.label < *newest),
        };
        if goes {
            expiry.backups.push(one.label.clone());
        }
    }
    let stays = order.iter().filter(|one| !expiry.backups.contains(&one.label));
    expiry.segments_before =
        stays.filter_map(|one| one.complete.as_ref()).map(|one| one.start_segment).min();
    expiry
}

/// The full backups that stay.
fn generations_to_keep<'a>(
    order: &[&'a Kept],
    policy: Policy,
    now: DateTime<Utc>,
) -> BTreeSet<&'a Label> {
    let is_full = |one: &&&Kept| {
        one.complete.as_ref().is_some_and(|complete| complete.kind == BackupKind::Full)
    };
    let fulls: Vec<&Kept> = order.iter().filter(is_full).copied().collect();
    match policy {
        Policy::Generations(count) => {
            let count = usize::try_from(count.max(1)).unwrap_or(usize::MAX);
            fulls.iter().rev().take(count).map(|one| &one.label).collect()
        }
        Policy::Days(days) => {
            let begin = now - Duration::days(i64::from(days));
            // Of those complete before the window began, the newest covers its beginning.
            let is_old = |one: &&&Kept| {
                one.complete.as_ref().is_some_and(|complete| complete.ended_at <= begin)
            };
            let covering = order
                .iter()
                .filter(is_old)
                .rfind(|one| one.complete.is_some())
                .and_then(|one| root_of(order, &one.label));
            let first = covering.or(fulls.first().map(|one| &one.label));
            fulls
                .iter()
                .map(|one| &one.label)
                .filter(|label| first.is_none_or(|first| *label >= first))
                .collect()
        }
    }
}

/// The full backup below another; `None` when the chain is broken.
fn root_of<'a>(order: &[&'a Kept], label: &Label) -> Option<&'a Label> {
    let mut at = order.iter().find(|one| one.label == *label)?;
    for _ in 0..=order.len() {
        match &at.complete.as_ref()?.parent {
            None => return Some(&at.label),
            Some(parent) => at = order.iter().find(|one| one.label == *parent)?,
        }
    }
    None
}

/// The backups that are based on one, directly or not.
#[must_use]
pub fn dependents(backups: &[Kept], label: &Label) -> Vec<Label> {
    let mut found = vec![label.clone()];
    let mut order: Vec<&Kept> = backups.iter().collect();
    order.sort_by(|a, b| a.label.cmp(&b.label));
    for one in order {
        let parent = one.complete.as_ref().and_then(|complete| complete.parent.as_ref());
        if parent.is_some_and(|parent| found.contains(parent)) {
            found.push(one.label.clone());
        }
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `F1` is a full backup of day 1, `I3<2` an incremental of day 3 based on day 2's, `X4`
    /// one without a label.
    fn backups(text: &str) -> Vec<Kept> {
        let label = |day: &str| format!("2026-07-{:02}_00-00-00", day.parse::<u32>().unwrap());
        text.split_whitespace()
            .map(|word| {
                let (kind, rest) = word.split_at(1);
                let (day, parent) = rest.split_once('<').unwrap_or((rest, ""));
                let name: Label = label(day).parse().unwrap();
                let complete = (kind != "X").then(|| Complete {
                    kind: if kind == "F" { BackupKind::Full } else { BackupKind::Incremental },
                    parent: (!parent.is_empty()).then(|| label(parent).parse().unwrap()),
                    ended_at: name.moment(),
                    start_segment: day.parse::<u64>().unwrap() * 10,
                });
                Kept { label: name, complete }
            })
            .collect()
    }

    fn days(labels: &[Label]) -> Vec<u32> {
        labels.iter().map(|label| label.as_str()[8..10].parse().unwrap()).collect()
    }

    #[test]
    fn generations() {
        for (given, count, gone, before) in [
            ("", 2, vec![], None),
            ("F1", 2, vec![], Some(10)),
            ("F1 F2", 2, vec![], Some(10)),
            ("F1 F2 F3", 2, vec![1], Some(20)),
            ("F1 F2 F3", 1, vec![2, 1], Some(30)),
            ("F1 I2<1 I3<2 F4", 2, vec![], Some(10)),
            ("F1 I2<1 I3<2 F4 F5", 2, vec![3, 2, 1], Some(40)),
            // A chain that goes on beside a newer full one.
            ("F1 F2 I3<1 I4<2 I5<3", 1, vec![5, 3, 1], Some(20)),
            ("F1 F2 I3<1 I4<2 F6", 2, vec![3, 1], Some(20)),
            // Interrupted ones go when they have been overtaken.
            ("F1 X2 F3 X4", 2, vec![2], Some(10)),
            ("X1", 2, vec![], None),
            // A child whose parent is missing is for a person to look at.
            ("F1 I3<2 F4 F5 F6", 2, vec![4, 1], Some(30)),
            ("F1 F2", 0, vec![1], Some(20)),
        ] {
            let now = "2026-07-31T00:00:00Z".parse().unwrap();
            let expiry = expire(&backups(given), Policy::Generations(count), now);
            assert_eq!((days(&expiry.backups), expiry.segments_before), (gone, before), "{given}");
        }
    }

    #[test]
    fn days_of_recovery() {
        for (given, window, gone, before) in [
            ("F1 F2 F3", 100, vec![], Some(10)),
            ("F1 F5 F9", 3, vec![1], Some(50)),
            ("F1 F5 F9", 5, vec![1], Some(50)),
            ("F1 F5 F9", 6, vec![], Some(10)),
            ("F1 I4<1 I6<4 F9", 4, vec![], Some(10)),
            ("F1 I4<1 F5 I6<5 F9", 4, vec![4, 1], Some(50)),
            ("F9", 1, vec![], Some(90)),
            ("F1", 1, vec![], Some(10)),
        ] {
            let now = "2026-07-10T00:00:00Z".parse().unwrap();
            let expiry = expire(&backups(given), Policy::Days(window), now);
            assert_eq!((days(&expiry.backups), expiry.segments_before), (gone, before), "{given}");
        }
    }

    #[test]
    fn what_hangs_on_a_backup() {
        let all = backups("F1 I2<1 I3<2 F4 I5<1 I6<4");
        assert_eq!(days(&dependents(&all, &all[0].label)), [2, 3, 5]);
        assert_eq!(days(&dependents(&all, &all[3].label)), [6]);
        assert!(dependents(&all, &all[5].label).is_empty());
    }

    #[test]
    fn settings() {
        assert_eq!(Policy::from_settings(None, None), Policy::Generations(2));
        assert_eq!(Policy::from_settings(None, Some("5")), Policy::Generations(5));
        assert_eq!(Policy::from_settings(Some("7"), Some("5")), Policy::Days(7));
        assert_eq!(Policy::from_settings(Some("x"), Some("0")), Policy::Generations(2));
    }

    proptest::proptest! {
        /// Whatever is expired: what stays can be restored, and its WAL is there.
        #[test]
        fn no_chain_is_orphaned(
            parents in proptest::collection::vec(0_usize..8, 1..12),
            count in 1_u32..4,
        ) {
            let text: Vec<String> = parents.iter().enumerate().map(|(at, parent)| {
                let day = at + 1;
                if *parent == 0 || *parent >= day {
                    format!("F{day}")
                } else {
                    format!("I{day}<{parent}")
                }
            }).collect();
            let all = backups(&text.join(" "));
            let now = "2026-07-31T00:00:00Z".parse().unwrap();
            let expiry = expire(&all, Policy::Generations(count), now);
            for one in &all {
                let complete = one.complete.as_ref().unwrap();
                if expiry.backups.contains(&one.label) { continue; }
                if let Some(parent) = &complete.parent {
                    proptest::prop_assert!(!expiry.backups.contains(parent));
                }
                proptest::prop_assert!(complete.start_segment >= expiry.segments_before.unwrap());
            }
            proptest::prop_assert!(expiry.backups.len() < all.len());
        }
    }
}
