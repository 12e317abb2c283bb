//! Ages, sizes and rates in few columns.

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A count with its noun: `1 error`, `2 errors`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// An age in at most five columns: `97s`, `4m37`, `37m`, `13h05`, `3d04h`, `25d`, `123d`; from
/// 10,000 days on in years.
#[must_use]
pub fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    match seconds {
        0..100 => format!("{seconds}s"),
        _ if minutes < 10 => format!("{minutes}m{:02}", seconds % MINUTE),
        _ if minutes < 100 => format!("{minutes}m"),
        _ if hours < 48 => format!("{hours}h{:02}", minutes % 60),
        _ if days < 10 => format!("{days}d{:02}h", hours % 24),
        _ if days < 10_000 => format!("{days}d"),
        _ if days / 365 < 10_000 => format!("{}y", days / 365),
        _ => "ages".to_owned(),
    }
}

/// A size with the units of `pg_size_pretty` (1 kB is 1,024 bytes) in at most seven columns:
/// `512 B`, `1.2 GB`, `980 MB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], " ")
}

/// A size per second: `1.2 MB/s`.
#[must_use]
pub fn byte_rate(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// Events per second in at most seven columns: `0.4/s`, `12/s`, `1.2k/s`, `980k/s`. Below ten
/// one decimal is shown; what is not a number or below zero counts as none.
#[must_use]
pub fn rate(per_second: f64) -> String {
    const SIGNS: [&str; 5] = ["", "k", "M", "G", "T"];
    let mut value = if per_second > 0.0 { per_second } else { 0.0 };
    for sign in SIGNS {
        // As it will be rounded: 9.96 is shown as 10.
        if value < 9.95 {
            return if value == 0.0 { "0/s".to_owned() } else { format!("{value:.1}{sign}/s") };
        }
        if value < 999.5 {
            return format!("{value:.0}{sign}/s");
        }
        value /= 1000.0;
    }
    "many/s".to_owned()
}

/// `value` in the largest unit in which it is at least one, rounded half up: one decimal below
/// ten, none above. Never "1024 MB": that is "1.0 GB".
fn scaled(value: u64, base: u64, units: &[&str], gap: &str) -> String {
    if value < base {
        return format!("{value}{gap}{}", units.first().copied().unwrap_or_default());
    }
    let mut unit_size = 1;
    let mut shown = String::new();
    for unit in units.iter().skip(1) {
        unit_size *= base;
        let tenths = (u128::from(value) * 20 + u128::from(unit_size)) / (u128::from(unit_size) * 2);
        let whole = (u128::from(value) * 2 + u128::from(unit_size)) / (u128::from(unit_size) * 2);
        shown = if tenths < 100 {
            format!("{}.{}{gap}{unit}", tenths / 10, tenths % 10)
        } else {
            format!("{whole}{gap}{unit}")
        };
        if whole < u128::from(base) {
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages() {
        let table = [
            (0, "0s"),
            (99, "99s"),
            (100, "1m40"),
            (277, "4m37"),
            (599, "9m59"),
            (600, "10m"),
            (37 * 60 + 59, "37m"),
            (99 * 60 + 59, "99m"),
            (100 * 60, "1h40"),
            (13 * 3600 + 5 * 60, "13h05"),
            (48 * 3600 - 1, "47h59"),
            (48 * 3600, "2d00h"),
            (3 * 86_400 + 4 * 3600, "3d04h"),
            (10 * 86_400 - 1, "9d23h"),
            (25 * 86_400 + 3600, "25d"),
            (123 * 86_400, "123d"),
            (9_999 * 86_400, "9999d"),
            (10_000 * 86_400, "27y"),
            (u64::MAX, "ages"),
        ];
        for (seconds, expected) in table {
            assert_eq!(age(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn sizes() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 kB"),
            (1536, "1.5 kB"),
            (10_239, "10 kB"),
            (980 << 20, "980 MB"),
            (1_288_490_189, "1.2 GB"),
            ((1 << 30) - 1, "1.0 GB"),
            ((1 << 20) - 1, "1.0 MB"),
            (1023 << 20, "1023 MB"),
            (10 << 30, "10 GB"),
            (1 << 40, "1.0 TB"),
            (u64::MAX, "16 EB"),
        ];
        for (size, expected) in table {
            assert_eq!(bytes(size), expected, "{size}");
        }
        assert_eq!(byte_rate(3_565_158), "3.4 MB/s");
    }

    #[test]
    fn rates() {
        let table = [
            (0.0, "0/s"),
            (-1.0, "0/s"),
            (f64::NAN, "0/s"),
            (0.42, "0.4/s"),
            (9.94, "9.9/s"),
            (9.96, "10/s"),
            (12.3, "12/s"),
            (999.4, "999/s"),
            (999.6, "1.0k/s"),
            (1_234.0, "1.2k/s"),
            (980_000.0, "980k/s"),
            (f64::INFINITY, "many/s"),
        ];
        for (per_second, expected) in table {
            assert_eq!(rate(per_second), expected, "{per_second}");
        }
    }

    proptest! {
        #[test]
        fn never_wider_than_said(number in any::<u64>(), shift in 0..64u32, float in any::<f64>()) {
            let number = number >> shift;
            prop_assert!(age(number).len() <= 5, "{}", age(number));
            prop_assert!(bytes(number).len() <= 7, "{}", bytes(number));
            prop_assert!(rate(float).len() <= 7, "{}", rate(float));
        }
    }
}
