//! How sending goes, for whoever watches and for the verdict.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::dials::CODES;
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::stream::What;

use super::{Batch, Item};

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Messages acknowledged in it.
    pub acknowledged: u64,
    /// 50th percentile from intended send time to answer, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the same.
    pub p99_ms: f64,
    /// How late the latest message is that was sent, milliseconds.
    pub behind_ms: i64,
    /// Answers that were no success.
    pub troubles: u64,
}

/// Everything that senders found out. Shared: one lock for each answer.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    state: Mutex<Snapshot>,
}

/// The state of a run at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Messages handed to the target at least once, copies and malformed ones
    /// too.
    pub sent: u64,
    /// Messages that it answered for, rejects too.
    pub answered: u64,
    /// Messages answered for by the end of the schedule and a second more.
    pub answered_in_time: u64,
    /// Pings that it took for ones it had.
    pub duplicates: u64,
    /// Messages that it rejected, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Whether answers say what was rejected.
    pub rejects_told: bool,
    /// Rejects that were not to be expected: of good pings, or with another
    /// code.
    pub rejected_wrongly: u64,
    /// Answers and failures by what they were: `202`, `503 queue_full`,
    /// `connection refused`.
    pub answers: BTreeMap<String, u64>,
    /// Batches sent again.
    pub retries: u64,
    /// Messages given up after the target had been away for too long, or when
    /// the run was interrupted.
    pub given_up: u64,
    /// Messages refused for good.
    pub refused: u64,
    /// From intended send time to answer; what was given up never had one.
    pub latency: Latencies,
    /// The run by seconds.
    pub seconds: Vec<Second>,
    /// What became of each ping.
    pub ledger: Ledger,
    /// Distinct pings that the target took responsibility for.
    pub acknowledged: u64,
    /// Milliseconds since the start to the last answer.
    pub last_answer_ms: i64,
    /// Not yet in `latency`: one histogram is written to for each message.
    in_second: Latencies,
    second: Second,
    in_time_ms: i64,
}

/// What a target said of a batch that it took.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Pings that it had before.
    pub duplicates: u64,
    /// Messages rejected: index in the batch and code. `None` where the target
    /// does not say.
    pub rejected: Option<Vec<(usize, String)>>,
}

impl Taken {
    /// By a target that takes everything and says nothing of it.
    #[must_use]
    pub fn unsaid() -> Self {
        Self { duplicates: 0, rejected: None }
    }
}

impl Progress {
    /// For a run that begins at `began` and whose schedule is this long.
    #[must_use]
    pub fn new(began: Instant, length_ms: i64, vehicles: u32) -> Self {
        let state = Snapshot {
            ledger: Ledger::new(vehicles),
            in_time_ms: length_ms + 1_000,
            ..Snapshot::default()
        };
        Self { began, state: Mutex::new(state) }
    }

    /// When something is due.
    #[must_use]
    pub fn instant(&self, due_ms: i64) -> Instant {
        self.began + Duration::from_millis(due_ms.max(0).unsigned_abs())
    }

    /// Microseconds since the start; negative before it.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        match Instant::now().checked_duration_since(self.began) {
            Some(since) => since.as_micros() as i64,
            None => -((self.began - Instant::now()).as_micros() as i64),
        }
    }

    /// Messages go out for the first time.
    pub fn sent(&self, items: &[Item]) {
        let behind_ms = self.now_us() / 1000 - Batch::goes_ms(items);
        let mut state = self.lock();
        state.sent += items.len() as u64;
        state.second.behind_ms = state.second.behind_ms.max(behind_ms);
        for item in items {
            match item.what {
                What::Ping => state.ledger.sent(item.vehicle, item.seq, item.print),
                What::Copy => {}
                What::Malformed(code) => state.ledger.sent_malformed(item.print, code),
            }
        }
    }

    /// The target answered for these messages.
    pub fn taken(&self, items: &[Item], taken: &Taken) {
        let now_us = self.now_us();
        let mut state = self.lock();
        let state = &mut *state;
        let count = items.len() as u64;
        state.answered += count;
        state.second.acknowledged += count;
        state.duplicates += taken.duplicates;
        state.last_answer_ms = now_us / 1000;
        if now_us / 1000 <= state.in_time_ms {
            state.answered_in_time += count;
        }
        let said = taken.rejected.is_some();
        state.rejects_told |= said;
        let mut rejected = taken.rejected.iter().flatten().peekable();
        for (index, item) in items.iter().enumerate() {
            state.in_second.record(now_us - item.due_ms * 1000);
            let code = rejected.next_if(|(number, _)| *number == index).map(|(_, code)| code);
            if let Some(code) = code {
                *state.rejected.entry(code.clone()).or_default() += 1;
            }
            match (item.what, code) {
                (What::Malformed(expected), Some(code)) if CODES[expected] == code => {}
                (What::Malformed(_), None) if !said => {}
                (What::Malformed(_), _) | (_, Some(_)) => state.rejected_wrongly += 1,
                (What::Ping | What::Copy, None) => {
                    let newly = state.ledger.acknowledged(item.vehicle, item.seq);
                    state.acknowledged += u64::from(newly);
                }
            }
        }
    }

    /// An answer, or that there was none.
    pub fn answer(&self, what: &str) {
        let mut state = self.lock();
        *state.answers.entry(what.to_owned()).or_default() += 1;
    }

    /// A batch did not get through and is sent again.
    pub fn retry(&self) {
        let mut state = self.lock();
        state.retries += 1;
        state.second.troubles += 1;
    }

    /// Messages are given up, or refused for good.
    pub fn lost(&self, count: usize, refused: bool) {
        let mut state = self.lock();
        state.second.troubles += 1;
        let count = count as u64;
        if refused {
            state.refused += count;
        } else {
            state.given_up += count;
            // Not among those of the second: its plot is one of answers.
            state.latency.record_never(count);
        }
    }

    /// Whether a message was sent whose bytes have this print and that is to be
    /// refused with this code.
    #[must_use]
    pub fn was_malformed(&self, print: u32, code: &str) -> bool {
        self.lock().ledger.was_malformed(print, code)
    }

    /// Distinct pings that the target took responsibility for so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.lock().acknowledged
    }

    /// Whether the target took responsibility for this ping.
    #[must_use]
    pub fn is_acknowledged(&self, vehicle: u32, seq: u32) -> bool {
        self.lock().ledger.is_acknowledged(vehicle, seq)
    }

    /// A second is over.
    #[must_use]
    pub fn tick(&self) -> Snapshot {
        let mut state = self.lock();
        let state = &mut *state;
        state.end_second();
        // The ledger is large, and of no use to those who watch.
        let ledger = std::mem::take(&mut state.ledger);
        let seen = state.clone();
        state.ledger = ledger;
        seen
    }

    /// Everything, at the end; of the last second what there was of it.
    #[must_use]
    pub fn finish(&self) -> Snapshot {
        let mut state = self.lock();
        if state.second != Second::default() {
            state.end_second();
        }
        std::mem::take(&mut *state)
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    fn end_second(&mut self) {
        let mut second = std::mem::take(&mut self.second);
        second.p50_ms = self.in_second.quantile_ms(0.5);
        second.p99_ms = self.in_second.quantile_ms(0.99);
        self.seconds.push(second);
        self.latency.merge(&self.in_second);
        self.in_second.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(due_ms: i64, count: u32) -> Vec<Item> {
        let item =
            |seq| Item { start: 0, end: 1, due_ms, vehicle: 0, seq, what: What::Ping, print: 0 };
        (1..=count).map(item).collect()
    }

    #[test]
    fn a_second_that_is_not_over_counts_at_the_end() {
        let progress = Progress::new(Instant::now() - Duration::from_secs(5), 1_000, 1);
        progress.sent(&items(0, 1));
        progress.taken(&items(0, 1), &Taken::unsaid());
        let seconds = progress.finish().seconds;
        assert_eq!(seconds.len(), 1);
        assert!(seconds[0].behind_ms >= 5_000 && seconds[0].p99_ms >= 5_000.0, "{seconds:?}");
        assert_eq!(seconds[0].acknowledged, 1);
        // Nothing came in it.
        let _ = progress.tick();
        assert_eq!(progress.finish().seconds.len(), 1);
    }

    #[test]
    fn what_was_given_up_never_was_answered() {
        let progress = Progress::new(Instant::now(), 1_000, 1);
        progress.taken(&items(0, 98), &Taken::unsaid());
        progress.lost(2, false);
        let seen = progress.finish();
        let latency = seen.latency.percentiles();
        assert_eq!(latency.count, 100);
        assert!(latency.p90_ms < 60_000.0 && latency.p99_ms >= 3_600_000.0, "{latency:?}");
        // The plot by seconds stays one of answers.
        assert!(seen.seconds[0].p99_ms < 60_000.0);
    }
}
