//! The pipeline: shards with their journals, in the data directory or in
//! Cloud Storage, and the sinks that follow them.
//!
//! Whoever brings pings in uses [`Pipeline::intake`]; everything else happens
//! here. Intake stops first and alone: what was taken in is committed,
//! released to every sink and its cursors recorded before the end.

mod configure;
mod directory;
mod journal;
mod live;
mod options;
mod sinks;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::sinks::firestore::LiveMap;
use ::sinks::positions::{PositionFile, PositionStore};
use anyhow::Context;
use bytes::Bytes;
use futures::future::try_join_all;
use geofence::{Counters, FenceSet, SourceState, TimeMs};
use tokio::sync::{mpsc, oneshot, watch as latest};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{Clock, Config};
use crate::fences::{Keeper, Taken};
use crate::http::{EventFeed, Health, ReceiveClock};
use crate::intake::{Intake, PauseReason, QueueLimits, ShardQueue};
use crate::journal::{CommitHealth, FenceObjects, JournalReader, OpenOptions, Store, WriterId};
use crate::shard::{
    Audit, ClaimOptions, Claimed, Control, CursorBoard, Cut, Follower, Shard, ShardOptions,
    ShardServices,
};
use crate::tags::Tagger;
use crate::wall_clock::WallClock;

use journal::Place;

pub use directory::DataDir;
pub use options::{Configured, PipelineOptions};

/// Sinks report their progress this often.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Of the time to drain, this much is for the last snapshots: without them the next
/// start applies more again.
const SNAPSHOT_DRAIN: Duration = Duration::from_millis(1_500);
/// Of the time to drain, this much is for the last write of the positions.
const BACKGROUND_DRAIN: Duration = Duration::from_millis(500);

/// A running pipeline.
pub struct Pipeline {
    /// Where pings go in.
    pub intake: Intake,
    /// Events as they are committed.
    pub feed: EventFeed,
    /// The newest position of every vehicle.
    pub positions: PositionStore,
    /// What the shards say of themselves.
    pub health: Health,
    /// Where the journals are, for those who only read.
    pub journal: Store,
    readers: Vec<JournalReader>,
    /// What the core counted, summed over all shards of this process.
    pub tally: Arc<Mutex<Counters>>,
    /// How the journals compared when they were applied again, by shard.
    pub audits: Vec<Audit>,
    /// Numbers of the sources that the journals have as stalled.
    pub stalled: BTreeSet<u32>,
    /// The latest receive time that any shard knows.
    pub receive_time_max: TimeMs,
    /// The fences that the shards began with.
    fences: Taken,
    fence_objects: FenceObjects,
    clock: Clock,
    /// By the place of the shard, as `last` and `readers`.
    control: Vec<mpsc::Sender<Control>>,
    last: Vec<latest::Sender<Option<u64>>>,
    shards: JoinSet<anyhow::Result<()>>,
    sinks: JoinSet<anyhow::Result<()>>,
    background: JoinSet<anyhow::Result<()>>,
    stop_background: CancellationToken,
    /// Its lock is held to the end.
    _directory: Arc<DataDir>,
}

impl Pipeline {
    /// Claims every owned shard, recovers it, and starts the sinks in `directory`
    /// and elsewhere where their cursors say. `configured` is called once the
    /// journals are this process's to take: it may have stood by for days.
    ///
    /// # Errors
    /// Another process took the journals over (exit code 75); the directory, a
    /// service or what `configured` reads cannot be used (78); or a journal is
    /// damaged, lost, or of another number of shards.
    pub async fn start(
        directory: DataDir,
        options: PipelineOptions,
        configured: impl FnOnce() -> anyhow::Result<Configured> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let directory = Arc::new(directory);
        let services = sinks::Services::connect(&options.config).await?;
        let live = live::connect(&options.config).await?;
        let place = Place::open(&options.config, &directory).await?;
        // Before the first claim: a mistake must not cost anybody the shards.
        let configured = spawn_blocking(configured).await.context("reading files panicked")??;
        if let Some(map) = &live {
            live::begin(map).await?;
        }
        let fence_objects = FenceObjects::new(place.store.clone());
        fence_objects.sweep_staging().await?;

        let writer = WriterId::random();
        let owned = options.config.owned_shards();
        let claims = owned.numbers().iter().map(|&shard| claim(&options, &place, shard, writer));
        let in_file = Arc::clone(&configured.fences);
        let mut claimed = Claimed::claim_all(claims.collect(), in_file).await?;
        let fences =
            configure::configure(&mut claimed, &options, &configured, &fence_objects).await?;
        let first = claimed.first().expect("a worker has at least one shard");
        let fence_objects = fence_objects.used(first.fence_use());

        let limits = QueueLimits {
            max_pings: usize::try_from(options.config.queue.max_pings).unwrap_or(usize::MAX),
            max_bytes: usize::try_from(options.config.queue.max_bytes).unwrap_or(usize::MAX),
        };
        let (intake, queues) = Intake::new(owned.clone(), limits);
        let positions = PositionStore::new();
        let interval = options.config.positions.min_interval;
        let file = options
            .config
            .files
            .positions
            .then(|| PositionFile::new(directory.positions(), positions.clone(), interval));
        let mut pipeline = Self {
            intake,
            feed: EventFeed::new(options.feed),
            positions,
            health: Health::new(owned.numbers().iter().copied()),
            journal: place.store.clone(),
            tally: Arc::default(),
            readers: Vec::new(),
            audits: Vec::new(),
            stalled: BTreeSet::new(),
            receive_time_max: TimeMs::MIN,
            fences,
            fence_objects,
            clock: options.config.clock,
            control: Vec::new(),
            last: Vec::new(),
            shards: JoinSet::new(),
            sinks: JoinSet::new(),
            background: JoinSet::new(),
            stop_background: CancellationToken::new(),
            _directory: Arc::clone(&directory),
        };
        if let Some(file) = &file {
            // Of another process's vehicles it would never hear again.
            file.load(|vehicle_id| owned.place_of(vehicle_id).is_ok())?;
        }
        let mut commits = Vec::new();
        for (claimed, queue) in claimed.into_iter().zip(queues) {
            commits.push((claimed.number, claimed.journal.health()));
            pipeline
                .add_shard(&options, &directory, &services, live.as_ref(), claimed, queue)
                .await?;
        }
        let on_disk = place.is_local().then(|| directory.path().to_owned());
        pipeline.watch(&options, on_disk, commits, file);
        Ok(pipeline)
    }

    async fn add_shard(
        &mut self,
        options: &PipelineOptions,
        directory: &DataDir,
        services: &sinks::Services,
        live: Option<&LiveMap>,
        claimed: Claimed,
        queue: ShardQueue,
    ) -> anyhow::Result<()> {
        let board = CursorBoard::new(claimed.cursors.clone());
        let (last_sender, last) = latest::channel(None);
        let config = &options.config;
        let runners =
            sinks::runners(config, directory, services, &claimed, &board, FLUSH_EVERY, &last);
        for runner in runners.await? {
            self.sinks.spawn(async move { Ok(runner.run().await?) });
        }
        let live = live.map(|map| live::start(map, &claimed, &board, &last));
        let live = live.map(|(feed, writing)| {
            self.sinks.spawn(writing);
            feed
        });
        self.positions.update(claimed.detector.positions_since(0));
        self.receive_time_max = self.receive_time_max.max(claimed.detector.now());
        self.stalled.extend(claimed.detector.stalled_sources());
        self.readers.push(claimed.reader());
        self.audits.push(claimed.audit);
        self.last.push(last_sender);

        let services = ShardServices {
            feed: self.feed.clone(),
            positions: self.positions.clone(),
            live,
            health: self.health.clone(),
            cursors: board,
            sources: options.sources.clone().into(),
            tally: Arc::clone(&self.tally),
            sinks: sinks::names(&options.config),
        };
        let shard_options = ShardOptions {
            cut: options.cut,
            clock: options.config.clock,
            heartbeat: options.config.journal.heartbeat,
        };
        let (control, ear) = mpsc::channel(16);
        self.control.push(control);
        let shard = Shard::new(claimed, shard_options, services, queue, ear);
        self.shards.spawn(shard.run());
        Ok(())
    }

    fn watch(
        &mut self,
        options: &PipelineOptions,
        on_disk: Option<PathBuf>,
        commits: Vec<(u32, CommitHealth)>,
        file: Option<PositionFile>,
    ) {
        if let Some(file) = file {
            let stop = self.stop_background.clone();
            self.background.spawn(async move { Ok(file.run(stop).await?) });
        }
        let intake = self.intake.clone();
        if let Some(path) = on_disk {
            let min_free = options.config.journal.min_free_percent;
            let stop = self.stop_background.clone();
            self.background.spawn(watch::disk(path, min_free, intake.clone(), stop));
        }
        let stop = self.stop_background.clone();
        self.background.spawn(watch::commits(commits, intake, stop));
    }

    /// A way to tell of the own state of a source that feeds this `shard`, which
    /// is owned; without one, all shards.
    #[must_use]
    pub fn source_teller(&self, shard: Option<u32>) -> SourceTeller {
        let numbers = self.intake.owned().numbers();
        let place = numbers.iter().position(|&number| Some(number) == shard);
        SourceTeller(self.control[place.unwrap_or(0)].clone())
    }

    /// A keeper of the fences, to be run with the other end of an [`Editor`](crate::fences::Editor),
    /// and what `GET /v1/fences` serves.
    #[must_use]
    pub fn fence_keeper(
        &self,
        receive_clock: Arc<ReceiveClock>,
    ) -> (Keeper, Arc<FenceSet>, latest::Receiver<Bytes>) {
        let set = Arc::clone(&self.fences.history.newest().set);
        let (served, fences) = latest::channel(set.to_canonical_json().into());
        let keeper = Keeper {
            shards: self.control.clone(),
            objects: self.fence_objects.clone(),
            receive_clock,
            clock: self.clock,
            taken: self.fences.clone(),
            served,
            agreed: None,
        };
        (keeper, set, fences)
    }

    /// A handle on the tags of the vehicles.
    #[must_use]
    pub fn tagger(&self) -> Tagger {
        Tagger::new(self.intake.owned().clone(), self.control.clone())
    }

    /// Reads along with the commits of each shard from here on.
    #[must_use]
    pub fn followers(&self) -> Vec<Follower> {
        let from_now = |reader: &JournalReader| {
            let next = *reader.committed().borrow() + 1;
            Follower::new(reader.clone(), next)
        };
        self.readers.iter().map(from_now).collect()
    }

    /// A way to wait for the sinks and followers of all shards.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace(self.readers.clone())
    }

    /// Waits until some part of the pipeline ends, which none does by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            Some(ended) = self.shards.join_next() => ended,
            Some(ended) = self.sinks.join_next() => ended,
            Some(ended) = self.background.join_next() => ended,
        };
        match ended {
            Ok(Ok(())) => anyhow::anyhow!("a part of the pipeline ended before it was told to"),
            Ok(Err(error)) => error,
            Err(panic) => anyhow::Error::new(panic).context("a part of the pipeline panicked"),
        }
    }

    /// The input is over: evaluates every ping, as the batch answer of the
    /// same input would.
    ///
    /// # Errors
    /// A shard failed.
    pub async fn end_input(&mut self) -> anyhow::Result<()> {
        let newest = self.ask(Control::Drain).await?;
        let Some(end) = newest.into_iter().flatten().max() else { return Ok(()) };
        let ended = self.ask(|answer| Control::End(end, answer)).await;
        ended.map(|_| ())
    }

    /// Stops intake, finishes what was taken in, and ends. Whatever is not
    /// done by `deadline` is left to the next start, which loses nothing.
    /// Returns whether all of it is done.
    ///
    /// # Errors
    /// A part failed on the way.
    pub async fn drain(mut self, deadline: Option<Instant>) -> anyhow::Result<bool> {
        self.intake.pause(PauseReason::Draining);
        let ended = match deadline {
            None => self.finish(None).await,
            Some(deadline) => {
                let end = deadline - BACKGROUND_DRAIN;
                let mut released = true;
                let finish = async {
                    released = self.finish(Some(end)).await?;
                    Ok(())
                };
                until(end, finish).await.map(|finished| finished && released)
            }
        };
        self.stop_background.cancel();
        let last = match deadline {
            None => self.finish_background().await.map(|()| true),
            // The shards have the positions; a file that lacks the newest is
            // as good as a sink that is behind.
            Some(deadline) => until(deadline, self.finish_background()).await.or_else(|error| {
                tracing::warn!(error = %format!("{error:#}"), "the next start does the rest");
                Ok(false)
            }),
        };
        Ok(ended? & last?)
    }

    /// Returns whether every sink has all. A sink that has not by `deadline`, less
    /// the time for a last snapshot, keeps nobody from that.
    async fn finish(&mut self, deadline: Option<Instant>) -> anyhow::Result<bool> {
        self.ask(Control::Settle).await?;
        for (last, reader) in self.last.iter().zip(&self.readers) {
            last.send_replace(Some(*reader.committed().borrow()));
        }
        let released = match deadline {
            None => self.finish_sinks().await.map(|()| true)?,
            Some(deadline) => until(deadline - SNAPSHOT_DRAIN, self.finish_sinks()).await?,
        };
        for control in &self.control {
            // A shard that is gone is found below.
            let _ = control.send(Control::Finish { snapshot: true }).await;
        }
        while let Some(ended) = self.shards.join_next().await {
            ended.context("a shard panicked")??;
        }
        Ok(released)
    }

    async fn finish_sinks(&mut self) -> anyhow::Result<()> {
        while !self.sinks.is_empty() {
            tokio::select! {
                Some(ended) = self.sinks.join_next() => ended.context("a sink panicked")??,
                // The sinks would wait for ever to have their cursors recorded.
                Some(ended) = self.shards.join_next() => ended.context("a shard panicked")??,
            }
        }
        Ok(())
    }

    async fn finish_background(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.background.join_next().await {
            ended.context("a background task panicked")??;
        }
        Ok(())
    }

    async fn ask<T>(
        &mut self,
        question: impl Fn(oneshot::Sender<T>) -> Control,
    ) -> anyhow::Result<Vec<T>> {
        let mut answers = Vec::with_capacity(self.control.len());
        for control in &self.control {
            let (sender, answer) = oneshot::channel();
            let _ = control.send(question(sender)).await;
            answers.push(answer);
        }
        match try_join_all(answers).await {
            Ok(answers) => Ok(answers),
            // The shard that did not answer says why.
            Err(_) => Err(self.failed().await),
        }
    }
}

/// Works on a part of the drain until `deadline` at the most. Returns whether it
/// is done.
async fn until(
    deadline: Instant,
    part: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<bool> {
    let Ok(done) = tokio::time::timeout_at(deadline, part).await else {
        tracing::warn!("the time to drain is over: the next start does the rest");
        return Ok(false);
    };
    done.map(|()| true)
}

/// For a source that could hand over faster than sinks take.
pub struct Pace(Vec<JournalReader>);

impl Pace {
    /// Waits until no sink or follower is far behind its shard's journal. A sink
    /// that fails is waited for as long as it does.
    pub async fn kept_up(&self) {
        for reader in &self.0 {
            reader.kept_up().await;
        }
    }
}

/// Tells the lowest shard that a source feeds of the source's own state.
pub struct SourceTeller(mpsc::Sender<Control>);

impl SourceTeller {
    /// `state` holds from now on.
    pub async fn tell(&self, state: SourceState) {
        // A shard that is gone ends the worker by itself.
        let _ = self.0.send(Control::Source(state)).await;
    }
}

/// What to claim this `shard` with.
fn claim(options: &PipelineOptions, place: &Place, shard: u32, writer: WriterId) -> ClaimOptions {
    let config = &options.config;
    ClaimOptions {
        open: OpenOptions {
            shard,
            shards: config.shards,
            first_seq: options.first_seq,
            created_at_ms: WallClock::read().0,
            writer,
            standby: place.standby(shard),
            set_aside_tail: options.set_aside_tail,
        },
        store: place.store.clone(),
        settings: options.settings.clone(),
        retention: place.retention,
        snapshot_segments_min: config.journal.snapshot_min_segments.into(),
        sinks: sinks::cursors(config),
        strict_audit: config.strict_audit,
    }
}

/// When a worker that lives by the clock applies its input.
#[must_use]
pub fn cut_by_clock(config: &Config) -> Cut {
    Cut::Clock {
        delay_max: config.commit.max_delay,
        bytes_max: usize::try_from(config.commit.max_bytes).unwrap_or(usize::MAX),
    }
}
