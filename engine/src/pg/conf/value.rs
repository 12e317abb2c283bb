//! What the text of a setting means: truth values, numbers with units, lists.

/// The unit a numeric setting is counted in (`GUC_UNIT_*` in `src/include/utils/guc.h`);
/// `pg_settings.unit` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseUnit {
    /// A plain number; no unit may be written.
    Number,
    /// Bytes (`B`).
    Bytes,
    /// 1024 bytes (`kB`).
    Kilobytes,
    /// Pages of 8192 bytes (`8kB`), both of data and of WAL in stock builds.
    Blocks,
    /// 1024 kilobytes (`MB`).
    Megabytes,
    /// Milliseconds (`ms`).
    Milliseconds,
    /// Seconds (`s`).
    Seconds,
    /// Minutes (`min`).
    Minutes,
}

/// Unit names with their size, largest first: memory in bytes, time in microseconds.
const MEMORY_UNITS: &[(&str, f64)] = &[
    ("TB", 1_099_511_627_776.0),
    ("GB", 1_073_741_824.0),
    ("MB", 1_048_576.0),
    ("kB", 1024.0),
    ("B", 1.0),
];
const TIME_UNITS: &[(&str, f64)] = &[
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1000.0),
    ("us", 1.0),
];

impl BaseUnit {
    /// The names that may follow the number, and the size of this unit in theirs.
    fn table(self) -> (&'static [(&'static str, f64)], f64) {
        match self {
            Self::Number => (&[], 1.0),
            Self::Bytes => (MEMORY_UNITS, 1.0),
            Self::Kilobytes => (MEMORY_UNITS, 1024.0),
            Self::Blocks => (MEMORY_UNITS, 8192.0),
            Self::Megabytes => (MEMORY_UNITS, 1_048_576.0),
            Self::Milliseconds => (TIME_UNITS, 1000.0),
            Self::Seconds => (TIME_UNITS, 1_000_000.0),
            Self::Minutes => (TIME_UNITS, 60_000_000.0),
        }
    }
}

/// Reads a truth value: `on`, `off`, `true`, `false`, `yes`, `no`, `1`, `0` or an unambiguous
/// beginning of one, in any case.
///
/// Source: `parse_bool_with_len()` in `src/backend/utils/adt/bool.c`.
#[must_use]
pub fn as_bool(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, at_least: usize| text.len() >= at_least && word.starts_with(&text);
    if text == "1" || begins("true", 1) || begins("yes", 1) || text == "on" {
        Some(true)
    } else if text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

/// Reads an integer setting with or without a unit, in units of `base`, as the server does:
/// decimal, hexadecimal (`0x`), octal (leading zero), or with a fraction, which is rounded.
///
/// `None` when it is not a number, the unit does not fit, or it exceeds 32 bits.
///
/// Source: `parse_int()` and `convert_to_base_unit()` in `src/backend/utils/misc/guc.c`.
#[must_use]
pub fn as_int_with_unit(text: &str, base: BaseUnit) -> Option<i64> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B');
    let (number, unit) = split_number(text)?;
    let value = match unit.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B') {
        "" => number,
        unit => {
            let (table, base_size) = base.table();
            let at = table.iter().position(|(name, _)| *name == unit)?;
            let value = number * (table.get(at)?.1 / base_size);
            // "30.1GB" is taken to the nearest multiple of the next smaller unit.
            match table.get(at + 1) {
                Some((_, smaller)) => {
                    let step = smaller / base_size;
                    (value / step).round_ties_even() * step
                }
                None => value,
            }
        }
    };
    let value = value.round_ties_even();
    if value < f64::from(i32::MIN) || value > f64::from(i32::MAX) {
        return None;
    }
    // The text of a whole number in range is exact; there is no checked cast from a float.
    format!("{value:.0}").parse().ok()
}

/// The number at the beginning of a text and what follows it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let sign_length = usize::from(text.starts_with(['-', '+']));
    let (sign, digits) = text.split_at_checked(sign_length)?;
    let factor = if sign == "-" { -1.0 } else { 1.0 };
    let radix_tail = |digits: &str, radix: u32, tail: &str| {
        let value = u32::from_str_radix(digits, radix).ok().map(f64::from)?;
        let length = text.len().checked_sub(tail.len())?;
        Some((factor * value, text.get(length..)?))
    };
    if let Some(tail) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let length = tail.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (hex, rest) = tail.split_at_checked(length)?;
        return radix_tail(hex, 16, rest);
    }
    let length = decimal_length(digits.as_bytes());
    let (number, rest) = digits.split_at_checked(length)?;
    let is_octal = number.len() > 1 && number.starts_with('0');
    if is_octal && number.bytes().all(|byte| byte.is_ascii_digit()) {
        let octal = number.bytes().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        let (number, _) = number.split_at_checked(octal)?;
        return radix_tail(number, 8, digits.get(octal..)?);
    }
    Some((factor * number.parse::<f64>().ok()?, rest))
}

/// Bytes of a decimal number with optional fraction and exponent, as `strtod` reads it.
fn decimal_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| {
        bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count() + from
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

/// Splits a list of directories or addresses, such as `unix_socket_directories` and
/// `listen_addresses`: at commas, blanks around an element dropped, double quotes kept off.
///
/// `None` when a quote is not closed or text follows one. An empty text is an empty list.
///
/// Source: `SplitDirectoriesString()` in `src/backend/utils/adt/varlena.c`.
#[must_use]
pub fn as_list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_ascii();
    let mut list = Vec::new();
    if rest.is_empty() {
        return Some(list);
    }
    loop {
        let (element, tail) = match rest.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (element, tail) = rest.split_at_checked(end)?;
                let element = element.trim_ascii_end();
                if element.is_empty() {
                    return None;
                }
                (element.to_owned(), tail)
            }
        };
        list.push(element);
        let tail = tail.trim_ascii_start();
        if tail.is_empty() {
            return Some(list);
        }
        rest = tail.strip_prefix(',')?.trim_ascii_start();
    }
}

/// The element up to the closing quote, doubled quotes made single, and what follows.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut element = String::new();
    let mut rest = text;
    loop {
        let (part, tail) = rest.split_once('"')?;
        element.push_str(part);
        match tail.strip_prefix('"') {
            Some(more) => {
                element.push('"');
                rest = more;
            }
            None => return Some((element, tail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn truth() {
        for text in ["on", "ON", "true", "t", "tr", "Yes", "y", "1"] {
            assert_eq!(as_bool(text), Some(true), "{text}");
        }
        for text in ["off", "of", "false", "F", "no", "n", "0"] {
            assert_eq!(as_bool(text), Some(false), "{text}");
        }
        for text in ["", "o", "onn", "2", "truee", " on", "00"] {
            assert_eq!(as_bool(text), None, "{text}");
        }
    }

    /// The values that 15 showed in `pg_settings` for these texts.
    #[test]
    fn numbers_are_those_of_the_server() {
        use BaseUnit::{Blocks, Bytes, Kilobytes, Megabytes, Milliseconds, Number, Seconds};
        for (text, base, expected) in [
            ("64", Kilobytes, Some(64)),
            ("4MB", Kilobytes, Some(4096)),
            ("4 MB ", Kilobytes, Some(4096)),
            ("0x10MB", Kilobytes, Some(16384)),
            ("010MB", Kilobytes, Some(8192)),
            ("1.5GB", Kilobytes, Some(1_572_864)),
            ("1.00001GB", Kilobytes, Some(1_048_576)),
            ("1e3kB", Kilobytes, Some(1000)),
            ("65537B", Kilobytes, Some(64)),
            ("128MB", Blocks, Some(16384)),
            ("1GB", Megabytes, Some(1024)),
            ("16MB", Bytes, Some(16_777_216)),
            ("5min", Seconds, Some(300)),
            ("1.5h", Seconds, Some(5400)),
            ("1d", Milliseconds, Some(86_400_000)),
            ("500us", Milliseconds, Some(0)),
            ("1500us", Milliseconds, Some(2)),
            ("-1", Kilobytes, Some(-1)),
            ("100", Number, Some(100)),
            ("100.5", Number, Some(100)),
            ("100kB", Number, None),
            ("4mb", Kilobytes, None),
            ("4 MB x", Kilobytes, None),
            ("4M", Kilobytes, None),
            ("MB", Kilobytes, None),
            ("", Kilobytes, None),
            ("0x", Number, None),
            ("09", Number, None),
            ("3000000000", Number, None),
            ("5TB", Kilobytes, None),
            ("nan", Number, None),
            ("1ä", Kilobytes, None),
        ] {
            assert_eq!(as_int_with_unit(text, base), expected, "{text} {base:?}");
        }
    }

    #[test]
    fn lists() {
        let list = |text: &str| as_list(text).map(|list| list.join("|"));
        assert_eq!(list("").as_deref(), Some(""));
        assert_eq!(
            list(" /tmp , /var/run/postgresql ").as_deref(),
            Some("/tmp|/var/run/postgresql")
        );
        assert_eq!(list("/a b,/c").as_deref(), Some("/a b|/c"));
        assert_eq!(list(r#""/a, ""b""" , *"#).as_deref(), Some(r#"/a, "b"|*"#));
        for bad in [",", "a,", "\"a", "\"a\"b", ",a"] {
            assert_eq!(as_list(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,20}") {
            let _ = as_bool(&text);
            let _ = as_int_with_unit(&text, BaseUnit::Blocks);
            let _ = as_list(&text);
        }

        #[test]
        fn plain_numbers_are_themselves(number in any::<i32>()) {
            let read = as_int_with_unit(&number.to_string(), BaseUnit::Number);
            prop_assert_eq!(read, Some(i64::from(number)));
        }
    }
}
