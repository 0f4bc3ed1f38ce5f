//! A pipeline with HTTP around it: what `run` and `demo` have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use geofence::SourceState;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Clock, Config};
use crate::fences::{Editor, Watched, watch};
use crate::http::{HttpLimits, HttpServer, Ingest, ReceiveClock, Services, decoder};
use crate::intake::Intake;
use crate::metrics::{self, Page};
use crate::pipeline::{Pipeline, PipelineOptions, SourceTeller};
use crate::wall_clock::WallClock;

/// Number of the HTTP source; others follow it.
pub const HTTP_SOURCE: u32 = 0;
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
}

impl Worker {
    /// Starts the pipeline, then HTTP.
    ///
    /// # Errors
    /// As [`Pipeline::start`], or the address cannot be listened on.
    pub async fn start(options: PipelineOptions, page: Page) -> anyhow::Result<Self> {
        let config = options.config.clone();
        let pipeline = Pipeline::start(options).await?;
        let clock = Arc::new(match config.clock {
            Clock::Wall => ReceiveClock::wall(pipeline.receive_time_max),
            Clock::Event => ReceiveClock::event(pipeline.receive_time_max),
        });
        let stop = CancellationToken::new();
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
            fences,
            fence_editor: editor.clone(),
            token_file: config.http.token_file.clone(),
            health: pipeline.health.clone(),
            metrics: {
                let page = page.clone();
                Arc::new(move || page.render())
            },
        };
        let limits = limits(&config);
        let server =
            match HttpServer::bind(config.http.listen, limits, services, stop.clone()).await {
                Ok(server) => server,
                Err(error) => {
                    pipeline.drain(Some(Instant::now() + DRAIN_MAX)).await?;
                    return Err(error.into());
                }
            };
        let address = server.address();
        info!(%address, "listening");
        tokio::spawn(keeper.run(requests, stop.clone()));
        if let Some(path) = config.fences.clone() {
            let watched = Watched { path, every: config.fences_poll };
            tokio::spawn(watch(watched, editor, stop.clone()));
        }
        if config.clock == Clock::Wall {
            let teller = pipeline.source_teller();
            tokio::spawn(watch_source(clock, config.source.stalled_after, teller, stop.clone()));
        }
        tokio::spawn(keep_up(page, pipeline.intake.clone(), stop.clone()));
        let server = tokio::spawn(server.serve());
        Ok(Self { pipeline, address, stop, server })
    }

    /// Stops intake, finishes what was taken in, ends HTTP.
    ///
    /// # Errors
    /// A part of the pipeline failed on the way.
    pub async fn drain(self, deadline: Option<Instant>) -> anyhow::Result<()> {
        let drained = self.pipeline.drain(deadline.map(|deadline| deadline - HTTP_DRAIN)).await;
        self.stop.cancel();
        if tokio::time::timeout(HTTP_DRAIN, self.server).await.is_err() {
            warn!("cut off HTTP requests that did not end");
        }
        drained
    }
}

fn limits(config: &Config) -> HttpLimits {
    HttpLimits {
        body_bytes_max: usize::try_from(config.http.max_body).unwrap_or(usize::MAX),
        in_flight_max: config.http.max_in_flight as usize,
        ..HttpLimits::default()
    }
}

async fn keep_up(page: Page, intake: Intake, stop: CancellationToken) {
    while tokio::time::timeout(UPKEEP_EVERY, stop.cancelled()).await.is_err() {
        metrics::IN_FLIGHT.gauge(&[]).set(intake.pings_held() as f64);
        page.upkeep();
    }
}

/// Says when nobody has sent anything for long, and when somebody does again.
async fn watch_source(
    clock: Arc<ReceiveClock>,
    stalled_after: Duration,
    teller: SourceTeller,
    stop: CancellationToken,
) {
    let mut stalled = false;
    while tokio::time::timeout(Duration::from_secs(1), stop.cancelled()).await.is_err() {
        let silent = clock.silent_for() >= stalled_after;
        if silent != stalled {
            stalled = silent;
            let state = SourceState {
                source: HTTP_SOURCE,
                name: crate::http::SOURCE_NAME.to_owned(),
                stalled,
                at: WallClock::read(),
            };
            teller.tell(state).await;
        }
    }
}
