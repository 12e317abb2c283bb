//! When a destination will be full: the slope of its usage over time. Pure.

use chrono::{DateTime, Duration, Utc};

use crate::api::Forecast;
use crate::jobs::journal::UsageSample;

/// Fewer samples than this say nothing.
const SAMPLES_MIN: usize = 10;
/// A shorter span says nothing about days.
const SPAN_MIN_SECONDS: i64 = 15 * 60;
/// Samples used for the slope; more are thinned out evenly. The slope is quadratic in them.
const SAMPLES_MAX: usize = 200;
/// Further away than this is not a forecast.
const HORIZON_DAYS: f64 = 730.0;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// The forecast from samples in the order of time, of which the last is the present.
///
/// The slope is the median of the slopes between all pairs of samples (Theil-Sen), which one
/// big load or one clean-up does not bend.
#[must_use]
pub fn from_samples(samples: &[UsageSample]) -> Forecast {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Forecast::TooEarly { span_seconds: 0 };
    };
    let span_seconds = (last.at - first.at).num_seconds();
    if samples.len() < SAMPLES_MIN || span_seconds < SPAN_MIN_SECONDS {
        return Forecast::TooEarly { span_seconds: u64::try_from(span_seconds).unwrap_or(0) };
    }
    let slope = median_slope(&thinned(samples));
    let per_day = slope * SECONDS_PER_DAY;
    // Below one page a day it is noise.
    if per_day < 8192.0 {
        return Forecast::NotFilling;
    }
    let days = to_f64(last.free_bytes) / per_day;
    if days > HORIZON_DAYS {
        return Forecast::NotFilling;
    }
    Forecast::FullAt { at: after_days(last.at, days), bytes_per_day: to_u64(per_day) }
}

fn thinned(samples: &[UsageSample]) -> Vec<UsageSample> {
    let step = samples.len().div_ceil(SAMPLES_MAX);
    let mut kept: Vec<_> = samples.iter().copied().step_by(step).collect();
    if let Some(last) = samples.last().filter(|last| kept.last() != Some(*last)) {
        kept.push(*last);
    }
    kept
}

/// Bytes per second.
fn median_slope(samples: &[UsageSample]) -> f64 {
    let mut slopes = Vec::with_capacity(samples.len() * samples.len() / 2);
    for (index, one) in samples.iter().enumerate() {
        for other in &samples[index + 1..] {
            let seconds = (other.at - one.at).num_seconds();
            if seconds > 0 {
                let rise = to_f64(other.used_bytes) - to_f64(one.used_bytes);
                slopes.push(rise / to_f64(u64::try_from(seconds).unwrap_or(1)));
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_possible_truncation, reason = "at most HORIZON_DAYS in seconds")]
fn after_days(from: DateTime<Utc>, days: f64) -> DateTime<Utc> {
    from + Duration::seconds((days * SECONDS_PER_DAY) as i64)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs three digits")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and a float cast saturates"
)]
fn to_u64(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn samples(count: i64, minutes_apart: i64, used: impl Fn(u64) -> u64) -> Vec<UsageSample> {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        (0..count)
            .map(|index| {
                let used_bytes = used(u64::try_from(index).unwrap());
                UsageSample {
                    at: start + Duration::minutes(index * minutes_apart),
                    used_bytes,
                    free_bytes: (100 * GIB).saturating_sub(used_bytes),
                }
            })
            .collect()
    }

    #[test]
    fn says_when_it_is_too_early() {
        assert_eq!(from_samples(&[]), Forecast::TooEarly { span_seconds: 0 });
        let few = samples(5, 60, |_| GIB);
        assert_eq!(from_samples(&few), Forecast::TooEarly { span_seconds: 4 * 3600 });
        let short = samples(12, 1, |_| GIB);
        assert_eq!(from_samples(&short), Forecast::TooEarly { span_seconds: 11 * 60 });
    }

    #[test]
    fn steady_growth_ends_when_arithmetic_says() {
        // One GiB an hour; after 49 hours 50 GiB are left.
        let growing = samples(50, 60, |hour| (hour + 1) * GIB);
        let Forecast::FullAt { at, bytes_per_day } = from_samples(&growing) else { panic!() };
        assert_eq!(bytes_per_day, 24 * GIB);
        let hours = (at - growing.last().unwrap().at).num_hours();
        assert!((49..=50).contains(&hours), "{hours}");
    }

    #[test]
    fn one_spike_does_not_bend_it() {
        let spiked = samples(60, 60, |hour| if hour == 30 { 60 * GIB } else { 10 * GIB });
        assert_eq!(from_samples(&spiked), Forecast::NotFilling);
    }

    #[test]
    fn flat_falling_and_far_away_are_not_filling() {
        assert_eq!(from_samples(&samples(50, 60, |_| GIB)), Forecast::NotFilling);
        assert_eq!(from_samples(&samples(50, 60, |hour| (90 - hour) * GIB)), Forecast::NotFilling);
        assert_eq!(from_samples(&samples(50, 60, |hour| hour * 100_000)), Forecast::NotFilling);
    }

    #[test]
    fn many_samples_are_thinned_and_the_last_is_kept() {
        let many = samples(5_000, 1, |minute| minute << 20);
        let kept = thinned(&many);
        assert!(kept.len() <= SAMPLES_MAX + 1);
        assert_eq!(kept.last(), many.last());
        assert!(matches!(from_samples(&many), Forecast::FullAt { .. }));
    }
}
