//! One shard: the task that owns its vehicles' state, its core and its
//! journal.
//!
//! Input gathers, one `apply` turns it into effects, one commit makes both
//! durable; then acks and sinks, never before. Input that comes meanwhile
//! waits in the queue: the state is at most one segment ahead of the journal,
//! and a commit ends in success or in the end of the process.

mod batch;
mod claim;
mod cursors;
mod fence_change;
pub(crate) mod fences;
mod follow;
mod maintenance;
pub(crate) mod recorded;
mod recovery;
mod release;
mod tag_change;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use futures::future::OptionFuture;
use geofence::{
    Counters, Detector, Effects, FenceHistory, Input, Settings, SourceState, TimeMs, is_disposition,
};
use protos::event_json;
use protos::journal::{EndOfInput, Segment, input};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::config::Clock;
use crate::http::{EventFeed, Health};
use crate::intake::{Delivery, ShardQueue};
use crate::journal::Journal;
use crate::metrics;
use crate::wall_clock::WallClock;
use batch::Batch;
use cursors::Proposed;
use maintenance::Maintenance;
use sinks::fail_point;
use sinks::positions::{PositionFeed, PositionStore};

pub use claim::{ClaimOptions, Claimed};
pub use cursors::{CursorBoard, Cursors};
pub use fence_change::{FenceChange, FenceInput, Proposal};
pub use follow::Follower;
pub use recovery::Audit;
pub use release::{ReleaseError, SinkRunner, first_segment};
pub use tag_change::{TagChange, TagInput};

/// When gathered input is applied and committed.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// A time after the first of it was handed over, or once there is so much
    /// of it.
    Clock {
        /// Longest time that input waits for its apply.
        delay_max: Duration,
        /// Bytes from which on it does not wait.
        bytes_max: usize,
    },
    /// Every so many pings, or fewer of a day's receive time, never by a clock:
    /// the same input gives the same segments.
    Count(usize),
}

/// Receive time that one apply of counted pings spans at the most, milliseconds.
/// Who has been silent for too long is forgotten before the pings of an apply, by
/// the time of its last one.
const SPAN_MAX_MS: i64 = 24 * 3_600_000;

/// What a shard is told besides its input.
#[derive(Debug)]
pub enum Control {
    /// A source fell silent, or speaks again.
    Source(SourceState),
    /// Commit what is in the queue. Answers with the newest event time ever
    /// accepted.
    Drain(oneshot::Sender<Option<TimeMs>>),
    /// Commit what is in the queue; from then on commit cursors as soon as
    /// they are proposed.
    Settle(oneshot::Sender<()>),
    /// Take up other fences, in step with the other shards.
    Fences(Box<FenceChange>),
    /// Give vehicles other tags.
    Tags(Box<TagChange>),
    /// Tell something of the state as it stands: what gathers goes on gathering.
    Question(Question),
    /// The input is over at this event time. Answers once that is durable.
    End(TimeMs, oneshot::Sender<()>),
    /// End the task, with a snapshot if asked.
    Finish {
        /// Write a snapshot first.
        snapshot: bool,
    },
}

/// What a shard is asked.
#[derive(Debug)]
pub enum Question {
    /// Which fence sets may still judge a ping?
    FenceHistory(oneshot::Sender<FenceHistory>),
    /// Which are the newest tags of this vehicle?
    TagsOf(String, oneshot::Sender<Vec<String>>),
}

/// What the task shares with others and needs to run.
pub struct ShardServices {
    /// For `GET /v1/events`.
    pub feed: EventFeed,
    /// Live positions, updated after each commit.
    pub positions: PositionStore,
    /// Where live positions are written elsewhere, the way there.
    pub live: Option<PositionFeed>,
    /// For `/readyz`.
    pub health: Health,
    /// Cursors of the shard's sinks.
    pub cursors: CursorBoard,
    /// Names of sources by number, for dead letters.
    pub sources: Arc<[String]>,
    /// What the core counted, summed over all shards of this process.
    pub tally: Arc<Mutex<Counters>>,
    /// Names of the sinks whose cursors hold back deletion.
    pub sinks: Vec<&'static str>,
}

impl ShardServices {
    /// The last segment that every sink has behind it: what comes after it is
    /// not deleted.
    fn floor(&self) -> u64 {
        self.cursors.floor(self.sinks.iter().copied())
    }
}

/// How a shard runs.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// When to apply.
    pub cut: Cut,
    /// What time it is.
    pub clock: Clock,
    /// Longest time for which proposed cursors wait for input to ride with;
    /// those that announce a file wait no longer than input does.
    pub heartbeat: Duration,
}

/// The owner of one shard.
pub struct Shard {
    number: u32,
    detector: Detector,
    journal: Journal,
    maintenance: Maintenance,
    options: ShardOptions,
    services: ShardServices,
    wall: WallClock,
    queue: ShardQueue,
    control: mpsc::Receiver<Control>,
    /// A delivery that did not fit the last batch whole.
    carried: Option<Delivery>,
    /// Cursors are committed as soon as they are proposed.
    settled: bool,
}

/// Why gathering ended.
enum Gathered {
    /// Apply what there is.
    Apply,
    /// Apply what there is, then see to this.
    Control(Control),
    /// Nobody is left to send anything.
    Closed,
}

impl Shard {
    /// A shard from its claim, with its queue and its ear for [`Control`].
    #[must_use]
    pub fn new(
        claimed: Claimed,
        options: ShardOptions,
        services: ShardServices,
        queue: ShardQueue,
        control: mpsc::Receiver<Control>,
    ) -> Self {
        let Claimed { number, detector, journal, maintenance, .. } = claimed;
        let wall = WallClock::not_before(detector.now());
        Self {
            number,
            detector,
            journal,
            maintenance,
            options,
            services,
            wall,
            queue,
            control,
            carried: None,
            settled: false,
        }
    }

    /// Works until told to finish.
    ///
    /// # Errors
    /// The journal belongs to another writer now, or holds what it should
    /// not. Nothing that was not committed has been acknowledged.
    pub async fn run(mut self) -> anyhow::Result<()> {
        self.services.health.claimed(self.number);
        metrics::SHARD_OWNED.gauge(&[&self.number.to_string()]).set(1.0);
        loop {
            let mut batch = Batch::default();
            match self.gather(&mut batch).await {
                Gathered::Apply => self.apply(batch).await?,
                Gathered::Closed => {
                    self.apply(batch).await?;
                    return Ok(());
                }
                Gathered::Control(control) => {
                    if self.obey(control, batch).await?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Does what `control` asks, after what is in `batch`.
    async fn obey(&mut self, control: Control, batch: Batch) -> anyhow::Result<ControlFlow<()>> {
        match control {
            Control::Source(state) => {
                self.apply(batch).await?;
                self.apply(source_batch(state)).await?;
            }
            Control::Drain(answer) => {
                self.drain_queue(batch).await?;
                let _ = answer.send(self.detector.event_time_max());
            }
            Control::Settle(answer) => {
                self.drain_queue(batch).await?;
                self.settled = true;
                // What was proposed before makes no news again.
                self.apply(Batch::default()).await?;
                let _ = answer.send(());
            }
            Control::Fences(change) => {
                self.apply(batch).await?;
                self.change_fences(*change).await?;
            }
            Control::Tags(change) => {
                self.apply(batch).await?;
                self.change_tags(*change).await?;
            }
            Control::Question(_) => unreachable!("gathering answers questions"),
            Control::End(end, answer) => {
                self.apply(batch).await?;
                self.apply(end_batch(end)).await?;
                let _ = answer.send(());
            }
            Control::Finish { snapshot } => {
                self.apply(batch).await?;
                self.finish(snapshot).await;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn answer(&self, question: Question) {
        // Nobody hears of it if whoever asked is gone.
        match question {
            Question::FenceHistory(answer) => drop(answer.send(self.detector.fence_history())),
            Question::TagsOf(vehicle, answer) => {
                drop(answer.send(self.detector.tags_of(&vehicle).to_vec()));
            }
        }
    }

    /// Collects input until it is time to apply.
    async fn gather(&mut self, batch: &mut Batch) -> Gathered {
        let mut apply_at = None;
        if let Some(carried) = self.carried.take() {
            self.take(batch, carried, &mut apply_at);
        }
        loop {
            if self.is_full(batch) {
                return Gathered::Apply;
            }
            let wake = self.wake_at(apply_at);
            let cursors = self.services.cursors.clone();
            tokio::select! {
                // Control first: a queue that is never empty must not keep it
                // waiting.
                biased;
                control = self.control.recv() => match control {
                    Some(Control::Question(question)) => self.answer(question),
                    Some(control) => return Gathered::Control(control),
                    None => return Gathered::Closed,
                },
                delivery = self.queue.recv() => match delivery {
                    Some(delivery) => self.take(batch, delivery, &mut apply_at),
                    None => return Gathered::Closed,
                },
                () = cursors.news() => {
                    if let Some(wait) = self.cursors_wait() {
                        let at = Instant::now() + wait;
                        apply_at = Some(apply_at.map_or(at, |earlier: Instant| earlier.min(at)));
                    }
                }
                Some(()) = OptionFuture::from(wake.map(sleep_until)) => return Gathered::Apply,
                () = yield_now(), if self.maintenance.is_taking_down() => {
                    let floor = self.services.floor();
                    self.maintenance.use_idle(&mut self.detector, floor).await;
                }
            }
        }
    }

    fn take(&mut self, batch: &mut Batch, mut delivery: Delivery, apply_at: &mut Option<Instant>) {
        if let Cut::Count(count) = self.options.cut {
            let first = batch.first_received().or_else(|| delivery.first_received());
            let in_span = first.map(|first| delivery.received_by(first.plus(SPAN_MAX_MS)));
            let fit = in_span.unwrap_or(usize::MAX).min(count - batch.entries());
            if fit == 0 && !delivery.entries.is_empty() {
                self.carried = Some(delivery);
                return;
            }
            self.carried = delivery.split_off(fit);
        }
        if let Cut::Clock { delay_max, .. } = self.options.cut
            && batch.is_empty()
        {
            self.services.health.commit_awaited(self.number, delivery.since.into_std());
            let at = delivery.since + delay_max;
            *apply_at = Some(apply_at.map_or(at, |earlier| earlier.min(at)));
        }
        batch.deliver(delivery);
    }

    fn is_full(&self, batch: &Batch) -> bool {
        match self.options.cut {
            Cut::Clock { bytes_max, .. } => batch.bytes() >= bytes_max,
            Cut::Count(count) => self.carried.is_some() || batch.entries() >= count,
        }
    }

    /// How long proposed cursors wait for input to ride with; `None` for as
    /// long as it takes. Where segments are cut by count, a clock must neither
    /// cut one short nor add one: their numbers are the events' revisions.
    fn cursors_wait(&self) -> Option<Duration> {
        match self.options.cut {
            _ if self.settled => Some(Duration::ZERO),
            // A file that is complete is seen by nobody until then.
            Cut::Clock { delay_max, .. } if self.services.cursors.is_awaited() => Some(delay_max),
            Cut::Clock { .. } => Some(self.options.heartbeat),
            Cut::Count(_) => None,
        }
    }

    /// When to apply even if nothing more comes: when the input has waited
    /// long enough, or when the core has something due.
    fn wake_at(&self, apply_at: Option<Instant>) -> Option<Instant> {
        let due = match self.options.clock {
            Clock::Wall => self.detector.next_due().map(|due| self.wall.instant_of(due)),
            Clock::Event => None,
        };
        match (apply_at, due) {
            (Some(at), Some(due)) => Some(at.min(due)),
            (at, due) => at.or(due),
        }
    }

    /// Applies and commits what is in `batch` and, with it, in the queue by
    /// now: the batch goes on where gathering left it, so that a count cuts
    /// the same segments whenever this is asked for.
    async fn drain_queue(&mut self, mut batch: Batch) -> anyhow::Result<()> {
        loop {
            let mut apply_at = None;
            if let Some(carried) = self.carried.take() {
                self.take(&mut batch, carried, &mut apply_at);
            }
            while !self.is_full(&batch)
                && let Some(delivery) = self.queue.try_recv()
            {
                self.take(&mut batch, delivery, &mut apply_at);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.apply(std::mem::take(&mut batch)).await?;
        }
    }

    /// One apply and, unless it left nothing to record, one commit; then the
    /// acks and the release to the sinks.
    async fn apply(&mut self, batch: Batch) -> anyhow::Result<()> {
        let now = match self.options.clock {
            Clock::Wall => self.wall.now(),
            Clock::Event => TimeMs(batch.receive_time_max().unwrap_or(self.detector.now().0)),
        };
        let started = Instant::now();
        let mut effects = self.detector.apply(batch.inputs(), now, self.journal.next_seq());
        metrics::APPLY.histogram(&[]).record(started.elapsed().as_secs_f64());
        let sources = Arc::clone(&self.services.sources);
        let name = |source: u32| sources.get(source as usize).cloned().unwrap_or_default();
        let (segment, acks) = batch.finish(&mut effects, self.detector.now().0, name);
        self.count(&effects);
        if segment.is_some() || self.cursors_wait().is_some() {
            let proposed = self.services.cursors.take();
            if let Some(mut segment) = segment.or_else(|| cursors_only(&proposed, now)) {
                proposed.record_in(&mut segment);
                self.commit(segment, effects).await?;
            }
        }
        fail_point::hit("ack.before");
        acks.resolve();
        fail_point::hit("ack.after");
        self.services.health.committed(self.number, None);
        Ok(())
    }

    async fn commit(&mut self, segment: Segment, effects: Effects) -> anyhow::Result<()> {
        let started = Instant::now();
        let committed = self.journal.commit(segment).await?;
        metrics::COMMIT.histogram(&[]).record(started.elapsed().as_secs_f64());
        metrics::COMMITTED_BYTES.counter(&[]).increment(committed.bytes);
        let released_at = match self.options.clock {
            Clock::Wall => self.wall.now(),
            Clock::Event => TimeMs(committed.segment.now_ms),
        };
        count_segment(&committed.segment, released_at);
        self.services.cursors.record(&committed.segment.cursors);
        fail_point::hit("release.before");
        self.services.feed.publish(&committed.segment);
        if let Some(live) = &self.services.live {
            live.offer(effects.positions.iter().cloned().map(Arc::new));
        }
        self.services.positions.update(effects.positions);
        fail_point::hit("release.after");
        self.maintenance.count(&committed);
        let Self { journal, detector, services, maintenance, .. } = self;
        maintenance.keep_up(journal, detector, &services.cursors, services.floor()).await;
        Ok(())
    }

    async fn finish(&mut self, snapshot: bool) {
        let Self { journal, detector, services, maintenance, .. } = self;
        maintenance.finish(snapshot, journal, detector, &services.cursors).await;
    }

    fn count(&self, effects: &Effects) {
        let tally = &self.services.tally;
        tally.lock().unwrap_or_else(PoisonError::into_inner).merge(&effects.counters);
        for (name, n) in effects.counters.iter() {
            if name == "duplicate" {
                metrics::DEDUPLICATED.counter(&[]).increment(n);
            } else if is_disposition(name) {
                metrics::ARCHIVED.counter(&[name]).increment(n);
            } else {
                metrics::REFUSALS.counter(&[name]).increment(n);
            }
        }
        let shard = self.number.to_string();
        metrics::STATE_VEHICLES.gauge(&[&shard]).set(self.detector.vehicle_count() as f64);
        metrics::HOT_WINDOW.gauge(&[&shard]).set(self.detector.hot_bytes() as f64);
    }
}

/// Counts what a committed segment carries.
fn count_segment(segment: &Segment, released_at: TimeMs) {
    let mut events: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let latency = metrics::EVENT_LATENCY.histogram(&[]);
    for event in &segment.events {
        *events.entry((event_json::kind(event), event_json::op_name(event.op))).or_default() += 1;
        let latency_ms = released_at.since(TimeMs(event.observed_at_ms)).max(0);
        latency.record(latency_ms as f64 / 1000.0);
    }
    for ((kind, op), n) in events {
        metrics::EVENTS.counter(&[kind, op]).increment(n);
    }
    for letter in &segment.dead_letters {
        metrics::REJECTED.counter(&[&letter.reason]).increment(1);
    }
}

/// A segment for what sinks have proposed, and nothing else.
fn cursors_only(proposed: &Proposed, now: TimeMs) -> Option<Segment> {
    (!proposed.is_empty()).then(|| Segment {
        core_version: geofence::CORE_VERSION,
        now_ms: now.0,
        ..Segment::default()
    })
}

fn source_batch(state: SourceState) -> Batch {
    let mut batch = Batch::default();
    let record = protos::journal::SourceState {
        source: state.source,
        name: state.name.clone(),
        stalled: state.stalled,
        at_ms: state.at.0,
    };
    batch.control(Input::Source(state), input::Input::Source(record));
    batch
}

fn end_batch(end: TimeMs) -> Batch {
    let mut batch = Batch::default();
    batch.control(Input::End { end }, input::Input::End(EndOfInput { end_ms: end.0 }));
    batch
}

/// Settings and fences as an input under a claim: the settings where they
/// differ from those in force or the journal does not say which are.
fn configuration_batch(
    detector: &Detector,
    settings_known: bool,
    settings: &Settings,
    fences: Option<&FenceInput>,
) -> anyhow::Result<Batch> {
    let mut batch = Batch::default();
    if !settings_known || detector.settings() != settings {
        let json = serde_json::to_string(settings).context("detection settings as JSON")?;
        let record = input::Input::Settings(protos::journal::Settings { json });
        batch.control(Input::Settings(settings.clone()), record);
    }
    if let Some(fences) = fences {
        fences.add_to(&mut batch);
    }
    Ok(batch)
}
