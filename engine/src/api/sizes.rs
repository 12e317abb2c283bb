//! Sizes as the texts of the engine write them.

/// Bytes for people, in powers of 1024, whole and below 10,240, as `pg_size_pretty()` writes them:
/// `512 bytes`, `2560 MB`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 10_240 {
        return format!("{count} bytes");
    }
    let (mut whole, mut unit) = (count / 1024, 0);
    while whole >= 10_240 && unit + 1 < UNITS.len() {
        whole /= 1024;
        unit += 1;
    }
    format!("{whole} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_grows_with_the_number() {
        for (count, text) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (10_240 << 10, "10 MB"),
            (10 << 28, "2560 MB"),
            (12 << 30, "12 GB"),
            (u64::MAX, "16383 PB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
