//! One line per period for what would otherwise be a flood.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets each call site write at most one line per period and counts what it
/// held back in between.
///
/// The caller names the call site and passes the time, so that memory is
/// bounded by the program's text and tests need no clock:
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use engine::logging::Repeats;
///
/// static REPEATS: Repeats = Repeats::every(Duration::from_secs(10));
///
/// if let Some(suppressed) = REPEATS.admit("commit retried", Instant::now()) {
///     tracing::warn!(suppressed, "commit failed, trying again");
/// }
/// ```
#[derive(Debug)]
pub struct Repeats {
    period: Duration,
    sites: Mutex<BTreeMap<&'static str, Site>>,
}

#[derive(Debug)]
struct Site {
    written: Instant,
    suppressed: u64,
}

impl Repeats {
    /// At most one line per `period` and call site.
    #[must_use]
    pub const fn every(period: Duration) -> Self {
        Self { period, sites: Mutex::new(BTreeMap::new()) }
    }

    /// Whether `site` may write a line at `now`, and how many lines it held
    /// back since its last one. A line not followed by another stays the last
    /// word: what was held back after it is reported with the next.
    pub fn admit(&self, site: &'static str, now: Instant) -> Option<u64> {
        // A panic elsewhere leaves at worst one count short.
        let mut sites = self.sites.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(known) = sites.get_mut(site) else {
            sites.insert(site, Site { written: now, suppressed: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(known.written) < self.period {
            known.suppressed += 1;
            return None;
        }
        known.written = now;
        Some(std::mem::take(&mut known.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_period_and_site() {
        let repeats = Repeats::every(Duration::from_secs(10));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (ms, site, expected) in [
            (0, "a", Some(0)),
            (1, "a", None),
            (2, "b", Some(0)),
            (9_999, "a", None),
            (10_000, "a", Some(2)),
            (10_001, "a", None),
            (10_001, "b", None),
            (60_000, "a", Some(1)),
            (60_000, "b", Some(1)),
            (90_000, "b", Some(0)),
            // Two threads may read the clock and arrive in the other order.
            (89_000, "b", None),
        ] {
            assert_eq!(repeats.admit(site, at(ms)), expected, "{site} at {ms}");
        }
    }
}
