//! How many documents may be written a second.
//!
//! A new collection must not be met with the whole fleet at once: Firestore
//! asks for 500 writes a second at first and half as many again every five
//! minutes, which is how long it takes to spread a collection over machines.
//! A collection that has documents has had its turn, or part of it: a restart
//! on the way, even in the first minutes, ends the ramp for good. What is held back is
//! freshness: only the newest position of a vehicle waits.

use std::time::Duration;

use tokio::time::Instant;

/// Writes a second into a new collection, to begin with.
const RAMP_FIRST: f64 = 500.0;
/// It grows by this factor …
const RAMP_GROWTH: f64 = 1.5;
/// … at these intervals.
const RAMP_STEP: Duration = Duration::from_secs(300);
/// Past this the ramp is over: nothing is left of what it protects against.
const RAMP_LAST: f64 = 100_000.0;
/// What is not used is saved up for this long, s.
const SAVED_S: f64 = 0.1;
/// To wait for one write at a time would make a request of each, s.
const WORTH_WAITING_S: f64 = 0.05;

/// Writes that may be made, as time goes on.
#[derive(Debug)]
pub(super) struct Budget {
    /// A second, whatever else holds; none for no limit.
    max: Option<f64>,
    /// When the ramp began, if the collection was empty.
    ramp: Option<Instant>,
    saved: f64,
    at: Instant,
}

impl Budget {
    /// At most `max` writes a second; none for no limit.
    pub(super) fn new(max: Option<u32>, now: Instant) -> Self {
        Self { max: max.map(f64::from), ramp: None, saved: 0.0, at: now }
    }

    /// The collection was found to be empty.
    pub(super) fn begin_ramp(&mut self, now: Instant) {
        self.ramp.get_or_insert(now);
    }

    /// Writes that may be made now; `usize::MAX` without any limit.
    pub(super) fn available(&mut self, now: Instant) -> usize {
        let Some(rate) = self.rate(now) else { return usize::MAX };
        let elapsed_s = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now.max(self.at);
        self.saved = (self.saved + elapsed_s * rate).min((rate * SAVED_S).max(1.0));
        self.saved as usize
    }

    /// Counts `writes` of those available.
    pub(super) fn spend(&mut self, writes: usize) {
        self.saved -= writes as f64;
    }

    /// When it is worth asking again.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let Some(rate) = self.rate(now) else { return now };
        let missing = (rate * WORTH_WAITING_S).max(1.0) - self.saved;
        now + Duration::from_secs_f64((missing / rate).max(0.001))
    }

    fn rate(&self, now: Instant) -> Option<f64> {
        let ramp = self.ramp.map(|since| {
            let steps = now.saturating_duration_since(since).as_secs() / RAMP_STEP.as_secs();
            RAMP_FIRST * RAMP_GROWTH.powi(i32::try_from(steps).unwrap_or(i32::MAX))
        });
        let ramp = ramp.filter(|rate| *rate < RAMP_LAST);
        match (self.max, ramp) {
            (Some(max), Some(ramp)) => Some(max.min(ramp)),
            (max, ramp) => max.or(ramp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all it gets for `seconds`, asking when told to.
    fn writes_in(budget: &mut Budget, from: Instant, seconds: u64) -> usize {
        let (mut now, mut writes) = (from, 0);
        while now < from + Duration::from_secs(seconds) {
            let available = budget.available(now);
            budget.spend(available);
            writes += available;
            now = budget.next(now);
        }
        writes
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let now = Instant::now();
        let mut budget = Budget::new(None, now);
        assert_eq!(budget.available(now), usize::MAX);
    }

    #[test]
    fn a_new_collection_is_met_slowly() {
        let now = Instant::now();
        let mut budget = Budget::new(None, now);
        budget.begin_ramp(now);
        let at = |minutes: u64| now + Duration::from_secs(60 * minutes);
        for (minutes, rate) in [(0, 500.0), (4, 500.0), (5, 750.0), (10, 1125.0), (60, 64_873.0)] {
            let writes = writes_in(&mut budget, at(minutes), 10) as f64 / 10.0;
            assert!((writes / rate - 1.0).abs() < 0.05, "{minutes} min: {writes}, not {rate}");
        }
        assert_eq!(budget.available(at(120)), usize::MAX);
    }

    #[test]
    fn the_absolute_limit_holds_under_the_ramp_and_after_it() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(30), now);
        budget.begin_ramp(now);
        for minutes in [0, 300] {
            let from = now + Duration::from_secs(60 * minutes);
            let writes = writes_in(&mut budget, from, 10);
            assert!((295..=305).contains(&writes), "{writes}");
        }
    }

    #[test]
    fn one_write_a_second_is_one_write_a_second() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(1), now);
        let writes = writes_in(&mut budget, now, 60);
        assert!((59..=61).contains(&writes), "{writes}");
    }
}
