//! A pipeline with HTTP around it: what `run` and `demo` have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use geofence::SourceState;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Clock, Config, Pulling};
use crate::fences::{Editor, Watched, watch};
use crate::http::{HttpLimits, HttpServer, Ingest, ReceiveClock, Services, decoder};
use crate::intake::Intake;
use crate::metrics::{self, Page};
use crate::open_files;
use crate::pipeline::{Configured, DataDir, Pipeline, PipelineOptions, SourceTeller};
use crate::source::id::{HTTP_SOURCE, SourceId};
use crate::source::pubsub::{Listening, PubsubSources, Subscribed};
use crate::tags;
use crate::wall_clock::WallClock;

/// Histograms are folded this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// HTTP requests under way have this long to end, once the shards are done.
const HTTP_DRAIN: Duration = Duration::from_millis(500);
/// SIGTERM to exit takes at most this long, HTTP included.
pub const DRAIN_MAX: Duration = Duration::from_millis(7_000);

/// A running worker.
pub struct Worker {
    /// Shards, journals, sinks.
    pub pipeline: Pipeline,
    /// Where HTTP listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    /// What runs beside it until it is stopped.
    helpers: JoinSet<()>,
    pubsub: Option<PubsubSources>,
}

impl Worker {
    /// Listens, starts the pipeline, which may stand by or recover for long
    /// while HTTP tells no more than that, then opens HTTP and whatever else
    /// brings pings. `configured` is read as [`Pipeline::start`] says.
    ///
    /// # Errors
    /// Another process works in the data directory (75), the address cannot be
    /// listened on, what the configuration names in the cloud cannot be used
    /// (78), or as [`Pipeline::start`].
    pub async fn start(
        options: PipelineOptions,
        configured: impl FnOnce() -> anyhow::Result<Configured> + Send + 'static,
        page: Page,
    ) -> anyhow::Result<Self> {
        let config = options.config.clone();
        let directory = DataDir::open(&config.data_dir)?;
        let stop = CancellationToken::new();
        let stop_early = stop.clone().drop_guard();
        let server = HttpServer::bind(config.http.listen, limits(&config), stop.clone()).await?;
        let (address, door) = (server.address(), server.door());
        let server = tokio::spawn(server.serve());
        info!(%address, "only /livez and /readyz answer yet");
        // Before the pipeline: what is wrong with it shows before anything is
        // claimed.
        let subscribed = match Pulling::of(&config) {
            Some(pulling) => Some(Box::pin(Subscribed::new(pulling)).await?),
            None => None,
        };
        let pipeline = Box::pin(Pipeline::start(directory, options, configured)).await?;
        let clock = Arc::new(match config.clock {
            Clock::Wall => ReceiveClock::wall(pipeline.receive_time_max),
            Clock::Event => ReceiveClock::event(pipeline.receive_time_max),
        });
        let (keeper, set, fences) = pipeline.fence_keeper(Arc::clone(&clock));
        let (editor, requests) = Editor::new(set);
        let services = Services {
            ingest: Ingest {
                intake: pipeline.intake.clone(),
                source: HTTP_SOURCE,
                decode: decoder(config.detection.allow_null_island),
                clock: Arc::clone(&clock),
            },
            positions: pipeline.positions.clone(),
            events: pipeline.feed.clone(),
            journal: pipeline.journal.clone(),
            fences,
            fence_editor: editor.clone(),
            tagger: pipeline.tagger(),
            token_file: config.http.token_file.clone(),
            health: pipeline.health.clone(),
            metrics: {
                let page = page.clone();
                Arc::new(move || page.render())
            },
        };
        door.open(services);
        info!(%address, "listening");
        let mut helpers = JoinSet::new();
        helpers.spawn(keeper.run(requests, stop.clone()));
        if let Some(path) = config.fences.clone() {
            let watched = Watched { path, every: config.fences_poll };
            helpers.spawn(watch(watched, editor, stop.clone()));
        }
        let pubsub = subscribed.map(|subscribed| {
            let allow_null_island = config.detection.allow_null_island;
            PubsubSources::start(subscribed, &pipeline.intake, allow_null_island)
        });
        let stalled = pipeline.stalled.clone();
        let watcher = |source: SourceId, shard| Watcher {
            stalled: stalled.contains(&source.number),
            source,
            stalled_after: config.source.stalled_after,
            teller: pipeline.source_teller(shard),
            stop: stop.clone(),
        };
        if let Some(path) = config.vehicle_tags.clone() {
            let watched = Watched { path, every: config.fences_poll };
            let clock = Arc::clone(&clock);
            helpers.spawn(tags::watch(watched, pipeline.tagger(), clock, stop.clone()));
        }
        if config.clock == Clock::Wall {
            // Beside another source HTTP may well never be used.
            let alone = pubsub.is_none();
            let silence = move || {
                let heard = clock.has_heard();
                (alone || heard).then(|| Silence { lasts: clock.silent_for(), heard })
            };
            helpers.spawn(watcher(SourceId::http(), None).watch(silence));
        }
        for Listening { source, shard, heard } in pubsub.iter().flat_map(PubsubSources::listening) {
            let heard = Arc::clone(heard);
            let watcher = watcher(source.clone(), *shard);
            let silence = move || Silence { lasts: heard.silent_for(), heard: heard.has_heard() };
            helpers.spawn(watcher.watch(move || Some(silence())));
        }
        helpers.spawn(keep_up(page, pipeline.intake.clone(), stop.clone()));
        stop_early.disarm();
        Ok(Self { pipeline, address, stop, server, helpers, pubsub })
    }

    /// Waits until some part of the worker ends, which none does by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        let pubsub = async {
            match &mut self.pubsub {
                Some(pubsub) => pubsub.failed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = self.pipeline.failed() => error,
            error = pubsub => error,
            ended = &mut self.server => ended_early("HTTP", ended),
            Some(ended) = self.helpers.join_next() => ended_early("a part of the worker", ended),
        }
    }

    /// Stops intake, finishes what was taken in, ends HTTP. Returns whether all
    /// of what was taken in is done.
    ///
    /// # Errors
    /// A part of the pipeline failed on the way.
    pub async fn drain(self, deadline: Option<Instant>) -> anyhow::Result<bool> {
        let deadline = deadline.map(|deadline| deadline - HTTP_DRAIN);
        // Side by side: messages are acknowledged as they are committed.
        let sources = async {
            match self.pubsub {
                Some(pubsub) => pubsub.drain(deadline).await,
                None => Ok(()),
            }
        };
        let (unpulled, drained) = tokio::join!(sources, self.pipeline.drain(deadline));
        let drained = unpulled.and(drained);
        self.stop.cancel();
        if tokio::time::timeout(HTTP_DRAIN, self.server).await.is_err() {
            warn!("cut off HTTP requests that did not end");
        }
        drained
    }
}

/// What is to run to the end and does not.
fn ended_early(part: &'static str, ended: Result<(), JoinError>) -> anyhow::Error {
    match ended {
        Ok(()) => anyhow::anyhow!("{part} ended before it was told to"),
        Err(panic) => anyhow::Error::new(panic).context(format!("{part} panicked")),
    }
}

fn limits(config: &Config) -> HttpLimits {
    let body_bytes_max = usize::try_from(config.http.max_body).unwrap_or(usize::MAX);
    let usual = HttpLimits::default();
    HttpLimits {
        connections_max: usual.connections_max.min(open_files::connections_max()),
        body_bytes_max,
        decoded_bytes_max: body_bytes_max,
        in_flight_max: config.http.max_in_flight as usize,
        ..usual
    }
}

async fn keep_up(page: Page, intake: Intake, stop: CancellationToken) {
    while tokio::time::timeout(UPKEEP_EVERY, stop.cancelled()).await.is_err() {
        metrics::IN_FLIGHT.gauge(&[]).set(intake.pings_held() as f64);
        page.upkeep();
    }
}

/// How silent a source is.
struct Silence {
    /// Since it spoke last, or since this process began.
    lasts: Duration,
    /// Whether it has spoken to this process.
    heard: bool,
}

/// Says when a source has brought nothing for long, and when it does again.
struct Watcher {
    source: SourceId,
    stalled_after: Duration,
    /// What was told of it last.
    stalled: bool,
    teller: SourceTeller,
    stop: CancellationToken,
}

impl Watcher {
    /// Watches until told to stop; `silence` gives nothing while the source is
    /// not to be judged.
    async fn watch(self, silence: impl Fn() -> Option<Silence>) {
        let mut stalled = self.stalled;
        while tokio::time::timeout(Duration::from_secs(1), self.stop.cancelled()).await.is_err() {
            let Some(silence) = silence() else { continue };
            let silent = silence.lasts >= self.stalled_after;
            // One that was silent before this process began is until it speaks.
            if silent != stalled && (silent || silence.heard) {
                stalled = silent;
                let state = SourceState {
                    source: self.source.number,
                    name: self.source.name.clone(),
                    stalled,
                    at: WallClock::read(),
                };
                self.teller.tell(state).await;
            }
        }
    }
}
