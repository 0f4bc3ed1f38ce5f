//! Portions of letters, so many a second.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Letters published together, at the most.
const TOGETHER_MAX: usize = 100;
/// Publishing goes by portions of this length, so that a rate is kept without
/// a pause between any two.
const PORTION: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Pace {
    /// Letters of a portion.
    pub(super) portion: usize,
    every: Option<Interval>,
}

impl Pace {
    /// `rate` letters a second; 0 for as fast as it goes.
    pub(super) fn new(rate: u32) -> Self {
        if rate == 0 {
            return Self { portion: TOGETHER_MAX, every: None };
        }
        let portions_a_second = 1_000 / PORTION.as_millis() as u32;
        let portion = (rate / portions_a_second).max(1);
        let mut every = interval(Duration::from_secs(1) * portion / rate);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { portion: portion as usize, every: Some(every) }
    }

    pub(super) async fn wait(&mut self) {
        if let Some(every) = &mut self.every {
            every.tick().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        for rate in [1, 7, 50, 1_000] {
            let mut pace = Pace::new(rate);
            let started = tokio::time::Instant::now();
            let mut sent = 0;
            while sent < 3 * rate as usize {
                pace.wait().await;
                sent += pace.portion;
            }
            let took = started.elapsed().as_secs_f64();
            let fastest = sent as f64 / f64::from(rate) - 1.0;
            assert!(took >= fastest.min(2.0) - 0.2, "{sent} at {rate}/s took {took} s");
        }
        assert!(Pace::new(0).every.is_none());
    }
}
