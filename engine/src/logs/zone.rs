//! The times of a log: `2026-01-02 03:04:05.678 CET` to an instant.
//!
//! The server prints `log_timezone`'s abbreviation of the moment (`get_formatted_log_time` in
//! `elog.c`, `%Z` of its own time zone code), which says nothing by itself: `CST` is China or
//! Chicago, `IST` India or Israel. So a name is read only with the rule of `log_timezone` at
//! hand; `UTC`, `GMT` and numeric ones (`+03`) need none. Anything else gives no time at all:
//! an entry without a time is honest, one hours off is not.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};

/// Abbreviations of one time zone with their offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of Greenwich by abbreviation.
    offsets: Vec<(String, i32)>,
}

impl Zone {
    /// From pairs of abbreviation and seconds east of Greenwich, as a server can be asked for.
    #[must_use]
    pub fn from_pairs(pairs: &[(&str, i32)]) -> Self {
        Self { offsets: pairs.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect() }
    }

    /// From a compiled time zone file (RFC 9636): the rule in its last line.
    ///
    /// Only today's abbreviations are known then. A file of version 1 has no such line and
    /// gives an empty zone.
    #[must_use]
    pub fn from_tzif(bytes: &[u8]) -> Self {
        if !bytes.starts_with(b"TZif") {
            return Self::default();
        }
        let footer = bytes
            .strip_suffix(b"\n")
            .and_then(|bytes| bytes.rsplit(|&byte| byte == b'\n').next())
            .and_then(|line| std::str::from_utf8(line).ok());
        footer.map_or_else(Self::default, Self::from_posix)
    }

    /// From a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3` or `<+0330>-3:30`.
    #[must_use]
    pub fn from_posix(rule: &str) -> Self {
        let mut zone = Self::default();
        let Some((standard, rest)) = posix_name(rule) else { return zone };
        let Some((west, rest)) = posix_offset(rest) else { return zone };
        zone.offsets.push((standard.to_owned(), -west));
        if let Some((summer, rest)) = posix_name(rest) {
            let west_in_summer = posix_offset(rest).map_or(west - 3600, |(west, _)| west);
            zone.offsets.push((summer.to_owned(), -west_in_summer));
        }
        zone
    }

    /// Path of the file that has the rule of `log_timezone`, below a directory such as
    /// `/usr/share/zoneinfo`. `None` when the setting is no plain zone name.
    #[must_use]
    pub fn file_below(directory: &str, log_timezone: &str) -> Option<std::path::PathBuf> {
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
        };
        log_timezone
            .split('/')
            .all(plain)
            .then(|| std::path::Path::new(directory).join(log_timezone))
    }

    /// Seconds east of Greenwich of an abbreviation the server printed.
    #[must_use]
    pub fn offset(&self, abbreviation: &str) -> Option<i32> {
        match abbreviation {
            "UTC" | "GMT" | "UCT" | "Z" => Some(0),
            _ if abbreviation.starts_with(['+', '-']) => numeric_offset(abbreviation),
            _ => self.offsets.iter().find(|(name, _)| name == abbreviation).map(|(_, at)| *at),
        }
    }
}

/// A time read from the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTime {
    /// The instant; `None` when the zone's abbreviation is not known.
    pub at: Option<DateTime<Utc>>,
    /// Bytes it takes.
    pub length: usize,
}

/// Reads `2026-01-02 03:04:05[.678] ZONE` at the beginning of a text.
///
/// `None` when there is no such thing. Used for `%m`, `%t`, `%s`, `csvlog` and `jsonlog`.
#[must_use]
pub fn read_time(text: &str, zone: &Zone) -> Option<ReadTime> {
    let bytes = text.as_bytes();
    let number = |from: usize, length: usize| -> Option<u32> {
        let digits = bytes.get(from..from + length)?;
        digits.iter().try_fold(0_u32, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'))
        })
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
    if !separators.iter().all(|&(at, byte)| bytes.get(at) == Some(&byte)) {
        return None;
    }
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let (milliseconds, mut length) = match bytes.get(19) {
        Some(b'.') => (number(20, 3)?, 23),
        _ => (0, 19),
    };
    if bytes.get(length) != Some(&b' ') {
        return None;
    }
    length += 1;
    let abbreviation = abbreviation(&text[length..])?;
    let local = date.and_then(|date| date.and_hms_milli_opt(hour, minute, second, milliseconds));
    let at = local.and_then(|local| instant(local, zone.offset(abbreviation)?));
    Some(ReadTime { at, length: length + abbreviation.len() })
}

/// Reads `1767323045.678` (`%n`) at the beginning of a text.
#[must_use]
pub fn read_epoch(text: &str) -> Option<ReadTime> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text[whole..].strip_prefix('.')?;
    let fraction = rest.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || whole > 12 || fraction != 3 {
        return None;
    }
    let milliseconds: i64 = format!("{}{}", &text[..whole], &rest[..3]).parse().ok()?;
    Some(ReadTime { at: Utc.timestamp_millis_opt(milliseconds).single(), length: whole + 4 })
}

fn instant(local: NaiveDateTime, offset: i32) -> Option<DateTime<Utc>> {
    let offset = FixedOffset::east_opt(offset)?;
    Some(offset.from_local_datetime(&local).single()?.with_timezone(&Utc))
}

/// The letters of a zone (`CEST`) or a number (`+0530`).
fn abbreviation(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let length = match bytes.first()? {
        b'+' | b'-' => 1 + bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count(),
    };
    (1..=10).contains(&length).then(|| &text[..length])
}

/// `+03`, `-0330`, `+053015`: hours, minutes, seconds.
fn numeric_offset(text: &str) -> Option<i32> {
    let digits = &text[1..];
    if !matches!(digits.len(), 2 | 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// `CET` or `<+03>` at the beginning of a POSIX rule, and what follows.
fn posix_name(rule: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = rule.strip_prefix('<') {
        return quoted.split_once('>');
    }
    let length = rule.bytes().take_while(u8::is_ascii_alphabetic).count();
    (length >= 3).then(|| rule.split_at(length))
}

/// `-1` or `3:30` at the beginning of a POSIX rule: seconds *west*, and what follows.
fn posix_offset(rule: &str) -> Option<(i32, &str)> {
    let length = rule
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b':'))
        .count();
    let (text, rest) = rule.split_at(length);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut seconds = 0;
    for (unit, part) in [3600, 60, 1].iter().zip(digits.split(':')) {
        let part: i32 = part.parse().ok()?;
        seconds += unit * i32::from(u8::try_from(part).ok()?);
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<DateTime<Utc>> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn reads_what_needs_no_rule() {
        let none = Zone::default();
        for (text, expect, rest) in [
            ("2026-01-02 03:04:05.678 UTC [1]", utc("2026-01-02T03:04:05.678Z"), " [1]"),
            ("2026-01-02 03:04:05 GMT", utc("2026-01-02T03:04:05Z"), ""),
            ("2026-01-02 03:04:05.678 +03:", utc("2026-01-02T00:04:05.678Z"), ":"),
            ("2026-01-02 03:04:05.678 -0330 ", utc("2026-01-02T06:34:05.678Z"), " "),
            ("2026-01-02 03:04:05.678 CET x", None, " x"),
            ("2026-02-30 03:04:05.678 UTC", None, ""),
        ] {
            let read = read_time(text, &none).unwrap();
            assert_eq!((read.at, &text[read.length..]), (expect, rest), "{text}");
        }
        for text in
            ["", "2026-01-02", "2026-01-02 03:04:05", "2026-01-02 03:04:05.67 UTC", "é026-01-02"]
        {
            assert_eq!(read_time(text, &none), None, "{text}");
        }
    }

    #[test]
    fn reads_names_by_the_rule_of_the_zone() {
        let berlin = Zone::from_posix("CET-1CEST,M3.5.0,M10.5.0/3");
        let read = |text| read_time(text, &berlin).unwrap().at;
        assert_eq!(read("2026-01-02 03:04:05.678 CET"), utc("2026-01-02T02:04:05.678Z"));
        assert_eq!(read("2026-07-02 03:04:05.678 CEST"), utc("2026-07-02T01:04:05.678Z"));
        assert_eq!(read("2026-07-02 03:04:05.678 EST"), None);
    }

    #[test]
    fn reads_posix_rules() {
        for (rule, name, expect) in [
            ("EST5EDT,M3.2.0,M11.1.0", "EDT", -4 * 3600),
            ("IST-5:30", "IST", 5 * 3600 + 1800),
            ("<+0330>-3:30", "+0330", 3 * 3600 + 1800),
            ("<-03>3", "-03", -3 * 3600),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "IST", 3600),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "+11", 11 * 3600),
        ] {
            assert_eq!(Zone::from_posix(rule).offset(name), Some(expect), "{rule}");
        }
        assert_eq!(Zone::from_posix("garbage"), Zone::default());
    }

    #[test]
    fn reads_zone_files() {
        let file = b"TZif2\0\0\0binary\n\0more\0binary\nCST-8\n";
        assert_eq!(Zone::from_tzif(file).offset("CST"), Some(8 * 3600));
        assert_eq!(Zone::from_tzif(b"no such thing\n"), Zone::default());
        assert_eq!(
            Zone::file_below("/usr/share/zoneinfo", "America/Port-au-Prince").unwrap().to_str(),
            Some("/usr/share/zoneinfo/America/Port-au-Prince")
        );
        for hostile in ["../etc/passwd", "/etc/passwd", "", "a//b", "CET-1CEST,M3"] {
            assert_eq!(Zone::file_below("/z", hostile), None, "{hostile}");
        }
    }

    #[test]
    fn reads_epochs() {
        let read = read_epoch("1767323045.678 x").unwrap();
        assert_eq!((read.at, read.length), (utc("2026-01-02T03:04:05.678Z"), 14));
        for text in ["", "1767323045", ".678", "1767323045.6789", "99999999999999999.000"] {
            assert_eq!(read_epoch(text), None, "{text}");
        }
    }
}
