//! A moment as it is written on the command line: with an offset, or in the time zone of this
//! machine. Hours that a change of the clocks leaves out or repeats are refused, not guessed.

use chrono::{
    DateTime, FixedOffset, Local, LocalResult, NaiveDateTime, Offset, SubsecRound, TimeZone, Utc,
};

const EXPECTED: &str = "expected YYYY-MM-DD hh:mm:ss[.ffffff], with Z or +hh:mm unless it is in the time zone of this machine";

/// Reads `YYYY-MM-DD hh:mm:ss[.ffffff][±hh[:mm]|Z]`; a `T` may stand for the blank.
///
/// # Errors
/// What is wrong, in words.
pub fn parse(text: &str) -> Result<DateTime<FixedOffset>, String> {
    parse_in(text, &Local)
}

fn parse_in<Z: TimeZone>(text: &str, zone: &Z) -> Result<DateTime<FixedOffset>, String> {
    let text = text.trim();
    let (clock, offset) = split_offset(text).ok_or_else(|| EXPECTED.to_owned())?;
    let clock = naive(clock).ok_or_else(|| EXPECTED.to_owned())?;
    match offset {
        Some(offset) => single(offset.from_local_datetime(&clock), &clock),
        None => single(zone.from_local_datetime(&clock), &clock),
    }
}

/// A moment in the time zone of this machine, with its offset. Microseconds at most, as
/// PostgreSQL counts.
#[must_use]
pub fn local(at: DateTime<Utc>) -> String {
    written(at.with_timezone(&Local).fixed_offset().trunc_subsecs(6))
}

/// A moment with its offset, with as many digits as it has.
#[must_use]
pub fn written(at: DateTime<FixedOffset>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f%:z").to_string()
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim_end().replacen('T', " ", 1);
    let fraction = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    // PostgreSQL counts microseconds: more digits could not be kept.
    if text.ends_with('.') || fraction > 6 {
        return None;
    }
    let full = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f");
    full.or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M")).ok()
}

/// The text before the offset, and the offset; `None` when that makes no sense.
fn split_offset(text: &str) -> Option<(&str, Option<FixedOffset>)> {
    let utc = FixedOffset::east_opt(0)?;
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, Some(utc)));
    }
    // The date has two hyphens of its own.
    let after_date = text.get(10..)?;
    let Some(at) = after_date.find(['+', '-']) else { return Some((text, None)) };
    let (clock, zone) = text.split_at(10 + at);
    let digits = zone[1..].replace(':', "");
    let is_written = digits.bytes().all(|b| b.is_ascii_digit()) && matches!(digits.len(), 2 | 4);
    if !is_written {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    if hours > 15 || minutes > 59 {
        return None;
    }
    let east = if zone.starts_with('-') { -1 } else { 1 };
    Some((clock, FixedOffset::east_opt(east * (hours * 3_600 + minutes * 60))))
}

fn single<Z: TimeZone>(
    found: LocalResult<DateTime<Z>>,
    clock: &NaiveDateTime,
) -> Result<DateTime<FixedOffset>, String> {
    match found {
        LocalResult::Single(at) => Ok(at.fixed_offset()),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "the clocks were put back: {clock} was there twice; write {} or {} behind it",
            first.offset().fix(),
            second.offset().fix()
        )),
        LocalResult::None => Err(format!(
            "the clocks were put forward: {clock} never was in this time zone; write the time with its offset"
        )),
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    /// One hour east, two from the last Sunday of March 2026 to that of October.
    #[derive(Clone, Copy, Debug)]
    struct Summer;

    impl TimeZone for Summer {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> LocalResult<FixedOffset> {
            LocalResult::None
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
            let at = |text: &str| naive(text).unwrap();
            let (winter, summer) = (hours(1), hours(2));
            if *local < at("2026-03-29 02:00:00") || *local >= at("2026-10-25 03:00:00") {
                LocalResult::Single(winter)
            } else if *local < at("2026-03-29 03:00:00") {
                LocalResult::None
            } else if *local >= at("2026-10-25 02:00:00") {
                LocalResult::Ambiguous(summer, winter)
            } else {
                LocalResult::Single(summer)
            }
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            hours(1)
        }

        fn offset_from_utc_datetime(&self, _: &NaiveDateTime) -> FixedOffset {
            hours(1)
        }
    }

    fn hours(count: i32) -> FixedOffset {
        FixedOffset::east_opt(count * 3_600).unwrap()
    }

    fn utc(text: &str) -> Result<String, String> {
        let at = parse_in(text, &Summer)?;
        Ok(at.with_timezone(&Utc).format("%Y-%m-%d %H:%M:%S%.f").to_string())
    }

    #[test]
    fn moments_are_read_as_written() {
        let table = [
            ("2013-07-20 10:00:00Z", "2013-07-20 10:00:00"),
            ("2013-07-20T10:00:00.25Z", "2013-07-20 10:00:00.250"),
            ("2013-07-20 10:00:00+02", "2013-07-20 08:00:00"),
            ("2013-07-20 10:00:00.123456 -03:30", "2013-07-20 13:30:00.123456"),
            ("2013-07-20 10:00:00+0545", "2013-07-20 04:15:00"),
            ("2026-01-20 10:00:00", "2026-01-20 09:00:00"),
            ("2026-07-20 10:00", "2026-07-20 08:00:00"),
        ];
        for (text, expected) in table {
            assert_eq!(utc(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-07-20",
            "2026-02-30 10:00:00",
            "2026-07-20 25:00:00",
            "2026-07-20 10:00:00.",
            "2026-07-20 10:00:00.1234567",
            "2026-07-20 10:00:00+2",
            "2026-07-20 10:00:00+99",
            "2026-07-20 10:00:00 CET",
            "20é6-07-20 10:00:00",
        ] {
            assert!(utc(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hours_the_clocks_leave_out_or_repeat_are_refused() {
        let missing = utc("2026-03-29 02:30:00").unwrap_err();
        assert!(missing.contains("put forward"), "{missing}");
        let twice = utc("2026-10-25 02:30:00").unwrap_err();
        assert!(twice.contains("twice") && twice.contains("+02:00 or +01:00"), "{twice}");
        assert_eq!(utc("2026-10-25 02:30:00+01").as_deref(), Ok("2026-10-25 01:30:00"));
    }
}
