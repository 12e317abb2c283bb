//! What is typed to go somewhere on the map: a time, a position, the name of a restore point.
//! Pure.

use chrono::{DateTime, Local, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use pgdeck_engine::api::{Lsn, RecoveryMap, TargetBound, TimelineId};

use super::cursor::{Aim, Cursor};
use super::scale::position;
use crate::console::zone::Zone;

/// Where the typed text leads.
///
/// # Errors
/// Why it leads nowhere, in words.
pub fn find(
    text: &str,
    map: &RecoveryMap,
    from: &Cursor,
    zone: Zone,
    now: DateTime<Utc>,
) -> Result<Cursor, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a time, a position or the name of a restore point is needed".to_owned());
    }
    if let Some(found) = point(text, map, from.timeline) {
        return Ok(found);
    }
    if let Ok(lsn) = text.parse::<Lsn>() {
        let (aim, bound) = (Aim::Position, TargetBound::Inclusive);
        return Ok(Cursor { lsn, aim, bound, ..from.clone() });
    }
    // A clock time alone is of the day the cursor stands on.
    let day = map.time_at(from.timeline, from.lsn).unwrap_or(now);
    match time(text, zone, day)? {
        Some(at) => at_time(at, map, from, zone),
        None => Err(format!(
            "\"{text}\" is no restore point of the map, no position such as 1/4A000028 and no time such as 14:30 or 2026-11-18 14:30:00"
        )),
    }
}

/// A restore point by its name: the newest on this timeline, else the newest of all.
fn point(name: &str, map: &RecoveryMap, timeline: TimelineId) -> Option<Cursor> {
    let named = || map.restore_points.iter().rev().filter(|one| one.name == name);
    let here = named().find(|one| one.timeline == timeline.as_u32());
    let found = here.or_else(|| named().next())?;
    Some(Cursor {
        timeline: TimelineId::from_u32(found.timeline)?,
        lsn: Lsn::from_u64(position(&found.lsn)?)?,
        aim: Aim::Point(found.name.clone()),
        bound: TargetBound::Inclusive,
    })
}

fn at_time(
    at: DateTime<Utc>,
    map: &RecoveryMap,
    from: &Cursor,
    zone: Zone,
) -> Result<Cursor, String> {
    let lsn = map.lsn_at(from.timeline, at).ok_or_else(|| {
        let number = from.timeline.as_u32();
        format!("{} is outside of what timeline {number} has commits of", zone.date_time(at))
    })?;
    let (aim, bound) = (Aim::Time(at), TargetBound::Inclusive);
    Ok(Cursor { timeline: from.timeline, lsn, aim, bound })
}

/// A time of day, or a day with one, in the zone of the screen unless it names its own.
fn time(text: &str, zone: Zone, day: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Ok(Some(at.with_timezone(&Utc)));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, format) {
            return Ok(Some(at.with_timezone(&Utc)));
        }
    }
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let of_day = || {
        let clock = ["%H:%M:%S%.f", "%H:%M"].iter();
        let clock =
            clock.filter_map(|format| NaiveTime::parse_from_str(text, format).ok()).next()?;
        Some(date_of(day, zone).and_time(clock))
    };
    naive.or_else(of_day).map(|naive| single(naive, zone)).transpose()
}

fn date_of(at: DateTime<Utc>, zone: Zone) -> NaiveDate {
    match zone {
        Zone::Local => at.with_timezone(&Local).date_naive(),
        Zone::Utc => at.date_naive(),
    }
}

/// Hours that a change of the clocks leaves out or repeats are refused, not guessed.
fn single(naive: NaiveDateTime, zone: Zone) -> Result<DateTime<Utc>, String> {
    let found = match zone {
        Zone::Utc => return Ok(naive.and_utc()),
        Zone::Local => Local.from_local_datetime(&naive),
    };
    match found {
        LocalResult::Single(at) => Ok(at.with_timezone(&Utc)),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "the clocks were put back: that was there twice; add {} or {}",
            first.format("%:z"),
            second.format("%:z")
        )),
        LocalResult::None => Err("the clocks were put forward: there was no such time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::scale::{Axis, Scale};
    use super::*;

    fn sought(text: &str) -> Result<Cursor, String> {
        let map = sample::map();
        let from = Cursor::at_tip(&map, &Scale::new(&map, Axis::Time, 60)).unwrap();
        find(text, &map, &from, Zone::Utc, sample::at(500))
    }

    #[test]
    fn times_in_every_form() {
        // The beginning of the sample is 2026-11-17 21:13:20 UTC.
        let expected = sample::at(227);
        for text in [
            "2026-11-18 01:00:20",
            "2026-11-18 01:00:20.0",
            "2026-11-18T01:00:20",
            "2026-11-18T01:00:20Z",
            "2026-11-18 02:00:20+01:00",
            "2026-11-18 02:00:20+01",
            " 01:00:20 ",
        ] {
            let cursor = sought(text).unwrap();
            assert_eq!(cursor.aim, Aim::Time(expected), "{text}");
            assert_eq!(cursor.timeline.as_u32(), 3);
        }
        assert_eq!(
            sought("01:00").unwrap().aim,
            Aim::Time(sample::at(227) - chrono::TimeDelta::seconds(20))
        );
    }

    #[test]
    fn positions_and_names() {
        let cursor = sought("0/82000000").unwrap();
        assert_eq!((cursor.lsn, cursor.aim), (sample::lsn(130), Aim::Position));
        let cursor = sought("before-upgrade").unwrap();
        assert_eq!((cursor.timeline.as_u32(), cursor.lsn), (1, sample::lsn(85)));
        assert_eq!(cursor.aim, Aim::Point("before-upgrade".to_owned()));
    }

    #[test]
    fn what_leads_nowhere_says_so() {
        for text in ["", "yesterday", "25:00", "2026-13-01 00:00", "1/2/3", "before"] {
            assert!(sought(text).is_err(), "{text}");
        }
        assert!(sought("2020-01-01 00:00").unwrap_err().contains("outside of what timeline 3"));
    }
}
