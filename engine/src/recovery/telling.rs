//! Telling how far a recovery is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::restore::Progress;
use crate::api::JobProgress;
use crate::jobs::runner::Reporter;

/// How often it is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Tells how far the restore is until it is ended.
pub(super) async fn restoring(
    reporter: Reporter,
    progress: Arc<Progress>,
    total: u64,
    began: Instant,
) {
    loop {
        let done = progress.done_bytes.load(Ordering::Relaxed).min(total);
        let (rate, eta_seconds) = rate(done, total, began.elapsed());
        let files = progress.files.load(Ordering::Relaxed);
        reporter.report(JobProgress {
            phase: "restoring".to_owned(),
            lines: vec![format!("{files} files")],
            done: Some(done),
            total: Some(total),
            rate,
            eta_seconds,
            ..JobProgress::default()
        });
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Units a second and seconds left, once there is something to tell by.
pub(crate) fn rate(done: u64, total: u64, elapsed: Duration) -> (Option<f64>, Option<u64>) {
    let seconds = elapsed.as_secs_f64();
    if done == 0 || seconds < 0.5 {
        return (None, None);
    }
    let float = |count: u64| f64::from(u32::try_from(count >> 10).unwrap_or(u32::MAX)) * 1024.0;
    let rate = float(done) / seconds;
    if rate <= 0.0 {
        return (None, None);
    }
    let left = Duration::try_from_secs_f64(float(total.saturating_sub(done)) / rate);
    (Some(rate), left.ok().map(|left| left.as_secs()))
}
