//! Pauses between attempts: doubling, jittered, capped.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of one series of attempts.
pub(crate) struct Backoff {
    random: StdRng,
    attempt: u32,
}

impl Backoff {
    /// A series of its own: no two workers pause in step.
    pub(crate) fn new() -> Self {
        // uuid brings the system's randomness; a generator seeded once from
        // it is enough for jitter.
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self { random: StdRng::seed_from_u64(high ^ low), attempt: 0 }
    }

    /// The next pause: between half of and the whole doubled step, 5 s at
    /// most.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let step = FIRST.saturating_mul(1 << self.attempt.min(16)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        step.mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// Waits the next pause.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_the_cap() {
        let mut backoff = Backoff::new();
        assert!(backoff.next_pause() <= FIRST);
        let longest = (0..100).map(|_| backoff.next_pause()).max().expect("a hundred pauses");
        assert!(longest > LONGEST / 2 && longest <= LONGEST, "{longest:?}");
    }
}
