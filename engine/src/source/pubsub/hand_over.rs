//! The task between the streams and the shards: decodes, hands over,
//! acknowledges.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use google_cloud_pubsub::subscriber::handler::Handler;
use sinks::pubsub::{published_ms, traceparent};
use sinks::{Backoff, fail_point};
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::decode::{self, Decoder};
use super::gate::Gate;
use super::in_flight::{InFlight, MessageKey};
use super::stream::Received;
use crate::intake::{Entry, Intake, IntakeError, NoVerdict, PendingVerdicts};
use crate::metrics;
use crate::source::low_mark::LowMark;
use crate::wall_clock::WallClock;

/// Entries and bytes handed over together, but for a message that is larger
/// by itself.
const ENTRIES_MAX: usize = 1_000;
const BYTES_MAX: usize = 4 << 20;
/// Intake may be full for this long before messages go back.
const FULL_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether intake is paused.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Messages that were handed over together, and what became of them.
type Settled = (Vec<MessageKey>, Result<(), NoVerdict>);

/// Entries to be handed over together, with the messages they came in.
#[derive(Default)]
struct Part {
    entries: Vec<Entry>,
    keys: Vec<MessageKey>,
    bytes: usize,
    traceparent: Option<Arc<str>>,
}

impl Part {
    /// Whether `entries` may be handed over with what there is.
    fn has_room_for(&self, entries: &[Entry], bytes: usize) -> bool {
        self.entries.is_empty()
            || (self.entries.len() + entries.len() <= ENTRIES_MAX
                && self.bytes + bytes <= BYTES_MAX)
    }

    /// Takes `entries` away.
    fn add(&mut self, key: MessageKey, entries: &mut Vec<Entry>, bytes: usize) {
        self.entries.append(entries);
        self.keys.push(key);
        self.bytes += bytes;
    }
}

/// The task's state.
pub(super) struct HandOver {
    intake: Intake,
    source: u32,
    decoder: Decoder,
    received: mpsc::Receiver<Vec<Received>>,
    gate: Gate,
    stop: CancellationToken,
    started: Instant,
    low_mark: LowMark,
    in_flight: InFlight<Handler>,
    /// What was handed over and is not durable yet.
    waiting: FuturesUnordered<BoxFuture<'static, Settled>>,
    /// While intake was full for too long: when to try again.
    full: Option<(Instant, Backoff)>,
}

impl HandOver {
    pub(super) fn new(
        intake: Intake,
        source: u32,
        decoder: Decoder,
        received: mpsc::Receiver<Vec<Received>>,
        gate: Gate,
        stop: CancellationToken,
    ) -> Self {
        Self {
            intake,
            source,
            decoder,
            received,
            gate,
            stop,
            started: Instant::now(),
            low_mark: LowMark::new(),
            in_flight: InFlight::new(),
            waiting: FuturesUnordered::new(),
            full: None,
        }
    }

    /// Works until it is stopped and everything that was handed over is
    /// settled.
    pub(super) async fn run(mut self) {
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(settled) = self.waiting.next() => self.settle(settled),
                _ = look.tick() => self.regulate(),
                Some(batch) = self.received.recv() => self.take(batch).await,
            }
        }
        self.gate.end();
        self.received.close();
        while self.received.recv().await.is_some() {}
        while let Some(settled) = self.waiting.next().await {
            self.settle(settled);
        }
    }

    /// Hands over a batch that a stream brought.
    async fn take(&mut self, batch: Vec<Received>) {
        fail_point::hit("pubsub.received");
        let mut part = Part::default();
        let mut oldest_ms: Option<i64> = None;
        // Those of one message at a time.
        let mut entries = Vec::new();
        for Received { message, handler } in batch {
            if self.stop.is_cancelled() || !self.is_open() {
                // Dropped: it goes back.
                continue;
            }
            let receive_time = decode::receive_time(&message);
            // Not the receive time: of what was redriven that is long ago.
            let published_ms = published_ms(&message);
            oldest_ms = [oldest_ms, published_ms].into_iter().flatten().min();
            let clock_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
            self.low_mark.observe(clock_ms, receive_time);
            let key = MessageKey { id: SmolStr::new(&message.message_id), published_ms };
            if !self.in_flight.add(key.clone(), handler) {
                metrics::REDELIVERED.counter(&[]).increment(1);
                continue;
            }
            self.decoder.entries(&message, receive_time, &mut entries);
            let bytes = entries.iter().map(Entry::bytes).sum();
            if !part.has_room_for(&entries, bytes) {
                self.hand_over(std::mem::take(&mut part)).await;
            }
            if part.traceparent.is_none() {
                part.traceparent = traceparent(&message.attributes).map(Arc::from);
            }
            part.add(key, &mut entries, bytes);
        }
        if let Some(oldest_ms) = oldest_ms {
            // Two clocks, of which either may be ahead.
            let lag_ms = WallClock::read().0.saturating_sub(oldest_ms).max(0);
            metrics::PULL_LAG.histogram(&[]).record(lag_ms as f64 / 1000.0);
        }
        self.hand_over(part).await;
    }

    /// Hands a part over, or gives it back where intake does not take it.
    async fn hand_over(&mut self, part: Part) {
        let Part { entries, keys, traceparent, .. } = part;
        if entries.is_empty() {
            // A batch of no pings: there is nothing to commit.
            self.in_flight.ack(&keys);
            return;
        }
        let count = entries.len() as u64;
        match self.submit(entries, traceparent).await {
            Some(pending) => {
                fail_point::hit("pubsub.handed_over");
                metrics::RECEIVED.counter(&[&self.decoder.source]).increment(count);
                self.full = None;
                self.waiting.push(Box::pin(async move {
                    let settled = pending.wait().await.map(drop);
                    (keys, settled)
                }));
            }
            None => self.in_flight.give_back(&keys),
        }
    }

    /// The verdicts to wait for; `None` where intake takes nothing now.
    async fn submit(
        &mut self,
        entries: Vec<Entry>,
        traceparent: Option<Arc<str>>,
    ) -> Option<PendingVerdicts> {
        // Receive times here are publish times: they bound lateness.
        let intake = self.intake.clone();
        let low_mark = self.low_mark.get();
        let submitted = intake.submit_traced(self.source, low_mark, true, traceparent, entries);
        let mut submitted = pin!(submitted);
        let mut patience = pin!(sleep(FULL_MAX));
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                outcome = &mut submitted => return match outcome {
                    Ok(pending) => Some(pending),
                    Err(IntakeError::Paused(_) | IntakeError::Closed { .. }) => None,
                    Err(refusal @ (IntakeError::TooLarge { .. } | IntakeError::Full { .. })) => {
                        error!(%refusal, "messages go back; raise queue.max_bytes");
                        None
                    }
                },
                () = self.stop.cancelled() => return None,
                Some(settled) = self.waiting.next() => {
                    settle(&mut self.in_flight, settled);
                }
                _ = look.tick() => if self.intake.paused().is_some() {
                    return None;
                },
                () = &mut patience => {
                    self.shut_for_a_while();
                    return None;
                }
            }
        }
    }

    fn settle(&mut self, settled: Settled) {
        settle(&mut self.in_flight, settled);
    }

    fn shut_for_a_while(&mut self) {
        let mut backoff = match self.full.take() {
            Some((_, backoff)) => backoff,
            None => {
                warn!("the queues have been full for {FULL_MAX:?}: pulling stops for a while");
                Backoff::between(Duration::from_secs(1), Duration::from_secs(10))
            }
        };
        self.full = Some((Instant::now() + backoff.next_pause(), backoff));
        self.regulate();
    }

    /// Whether messages may be pulled now.
    fn is_open(&self) -> bool {
        let full = self.full.as_ref().is_some_and(|(until, _)| Instant::now() < *until);
        !full && self.intake.paused().is_none()
    }

    /// Opens or shuts the gate.
    fn regulate(&self) {
        let open = self.is_open();
        if self.gate.set_open(open) {
            match self.intake.paused() {
                Some(reason) => warn!(reason = reason.code(), "pulling stops"),
                None if open => info!("pulling goes on"),
                None => {}
            }
        }
    }
}

fn settle(in_flight: &mut InFlight<Handler>, (keys, outcome): Settled) {
    match outcome {
        Ok(()) => {
            fail_point::hit("pubsub.ack");
            in_flight.ack(&keys);
            fail_point::hit("pubsub.acked");
        }
        // The shard is gone, and the worker going down with it.
        Err(_) => in_flight.give_back(&keys),
    }
}
