//! The low mark of a source (semantics §2): how far its messages have come,
//! by receive time.
//!
//! Lateness is judged against it, and so is silence. A backlog holds it back,
//! a stalled source freezes it, and one wrong clock cannot move it far,
//! because it moves with the *smallest* receive time of two minutes' worth of
//! messages: time enough for every message handed out before to be handed out
//! again (an ack deadline and a retry backoff of up to 60 s each).

use std::collections::VecDeque;

use geofence::TimeMs;

/// Length of a bucket, milliseconds.
pub const BUCKET_MS: i64 = 10_000;
/// Buckets that must have filled. Those in which no message came do not count.
pub const BUCKETS: usize = 12;

/// Computes the low mark of one source from its messages, in the order in
/// which they came. Pure: reads no clock.
#[derive(Clone, Debug, Default)]
pub struct LowMark {
    /// Number and smallest receive time of the last buckets in which messages
    /// came, oldest first: [`BUCKETS`] that have filled, and the open one.
    buckets: VecDeque<(i64, TimeMs)>,
    mark: Option<TimeMs>,
}

impl LowMark {
    /// A source of which nothing is known: it has no mark until 12 buckets
    /// have filled, after a restart too.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a message received at `receive_time` and returns the mark.
    ///
    /// `bucket_clock_ms` says which bucket the message falls into:
    /// milliseconds of a monotonic clock since any fixed instant, or, under
    /// `clock = "event"`, the receive time itself. A value below an earlier
    /// one counts to the open bucket.
    ///
    /// The open bucket can hold the mark back; it moves it on only once it has
    /// filled, that is, when a message has come in a later one.
    pub fn observe(&mut self, bucket_clock_ms: i64, receive_time: TimeMs) -> Option<TimeMs> {
        let bucket = bucket_clock_ms.div_euclid(BUCKET_MS);
        match self.buckets.back_mut() {
            Some((open, smallest)) if bucket <= *open => {
                // The mark never moves back, and within a bucket the smallest
                // receive time only falls: nothing changes but the bucket.
                *smallest = receive_time.min(*smallest);
            }
            _ => self.open(bucket, receive_time),
        }
        self.mark
    }

    /// The mark as of the last message; `None` while there is none.
    #[must_use]
    pub fn get(&self) -> Option<TimeMs> {
        self.mark
    }

    fn open(&mut self, bucket: i64, receive_time: TimeMs) {
        if self.buckets.len() > BUCKETS {
            self.buckets.pop_front();
        }
        self.buckets.push_back((bucket, receive_time));
        if self.buckets.len() > BUCKETS {
            let smallest = self.buckets.iter().map(|&(_, smallest)| smallest).min();
            self.mark = self.mark.max(smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message every second: `n` seconds from 0 on, received at once.
    fn steady(seconds: i64) -> LowMark {
        let mut mark = LowMark::new();
        for second in 0..seconds {
            mark.observe(second * 1000, TimeMs(second * 1000));
        }
        mark
    }

    #[test]
    fn stands_still_until_twelve_buckets_have_filled() {
        assert_eq!(steady(120).get(), None, "the twelfth bucket is still open");
        assert_eq!(steady(121).get(), Some(TimeMs(0)));
        assert_eq!(steady(130).get(), Some(TimeMs(0)));
        assert_eq!(steady(131).get(), Some(TimeMs(10_000)));
    }

    #[test]
    fn silence_freezes_it_and_empty_buckets_do_not_count() {
        let mut mark = steady(131);
        // An hour without a message: the first one after it fills one bucket.
        let at = 3_600_000;
        assert_eq!(mark.observe(at, TimeMs(at)), Some(TimeMs(20_000)));
    }

    #[test]
    fn a_backlog_holds_it_back() {
        let mut mark = steady(131);
        // One message an hour old among fresh ones: for twelve buckets more.
        mark.observe(131_000, TimeMs(-3_600_000));
        for second in 132..260 {
            assert_eq!(mark.observe(second * 1000, TimeMs(second * 1000)), Some(TimeMs(10_000)));
        }
        assert_eq!(mark.observe(260_000, TimeMs(260_000)), Some(TimeMs(140_000)));
    }

    #[test]
    fn a_receive_time_far_ahead_does_not_move_it() {
        let mut mark = steady(131);
        assert_eq!(mark.observe(131_000, TimeMs(i64::MAX)), Some(TimeMs(10_000)));
        assert_eq!(mark.observe(140_000, TimeMs(140_000)), Some(TimeMs(20_000)));
    }

    /// The definition, read off the whole history.
    fn oracle(messages: &[(i64, i64)]) -> Option<i64> {
        let mut best = None;
        for seen in 1..=messages.len() {
            let mut clock = i64::MIN;
            let placed: Vec<(i64, i64)> = messages[..seen]
                .iter()
                .map(|&(at, r)| {
                    clock = clock.max(at.div_euclid(BUCKET_MS));
                    (clock, r)
                })
                .collect();
            let mut buckets: Vec<i64> = placed.iter().map(|&(bucket, _)| bucket).collect();
            buckets.dedup();
            if buckets.len() < BUCKETS + 1 {
                continue;
            }
            // Every message at which a bucket fills may move the mark on.
            let fills = seen == 1 || placed[seen - 2].0 != placed[seen - 1].0;
            let first = buckets[buckets.len() - BUCKETS - 1];
            let smallest = placed.iter().filter(|&&(b, _)| b >= first).map(|&(_, r)| r).min();
            if fills {
                best = best.max(smallest);
            }
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn agrees_with_its_definition_and_never_moves_back(
            steps in prop::collection::vec((-3_000_i64..15_000, -400_000_i64..60_000), 0..120),
        ) {
            let mut clock = 0;
            let mut messages = Vec::new();
            let mut mark = LowMark::new();
            let mut last = None;
            for (step, offset) in steps {
                clock += step;
                messages.push((clock, clock + offset));
                let now = mark.observe(clock, TimeMs(clock + offset)).map(|mark| mark.0);
                prop_assert!(now >= last);
                prop_assert_eq!(now, oracle(&messages));
                last = now;
            }
        }
    }
}
