//! Pauses between attempts: doubling, jittered, capped.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The pauses of one series of attempts.
#[derive(Debug)]
pub struct Backoff {
    random: StdRng,
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    /// Pauses from 20 ms to 5 s: for disks and for services nearby.
    #[must_use]
    pub fn new() -> Self {
        Self::between(Duration::from_millis(20), Duration::from_secs(5))
    }

    /// Pauses that begin at `first` and never exceed `longest`. Each series
    /// draws its own jitter: no two workers pause in step.
    #[must_use]
    pub fn between(first: Duration, longest: Duration) -> Self {
        // The standard library's hasher brings the system's randomness; a
        // generator seeded from it is enough for jitter.
        let seed = RandomState::new().build_hasher().finish();
        Self { random: StdRng::seed_from_u64(seed), first, longest, attempt: 0 }
    }

    /// The next pause: between half of and the whole doubled step, up to the
    /// longest.
    pub fn next_pause(&mut self) -> Duration {
        let step = self.first.saturating_mul(1 << self.attempt.min(16)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        step.mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// Waits the next pause.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_the_cap() {
        let (first, longest) = (Duration::from_millis(20), Duration::from_secs(5));
        let mut backoff = Backoff::between(first, longest);
        assert!(backoff.next_pause() <= first);
        let most = (0..100).map(|_| backoff.next_pause()).max().expect("a hundred pauses");
        assert!(most > longest / 2 && most <= longest, "{most:?}");
    }

    #[test]
    fn two_series_do_not_pause_in_step() {
        let pauses = || {
            let mut backoff = Backoff::new();
            (0..20).map(|_| backoff.next_pause()).collect::<Vec<_>>()
        };
        assert_ne!(pauses(), pauses());
    }
}
