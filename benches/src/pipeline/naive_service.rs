//! The naive baselines of the service: axum or Google's client in front,
//! dashmap, rstar, geo and default Parquet behind; and the same with nothing
//! behind, which is the floor.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use clap::ValueEnum;
use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::Subscriber;
use parquet::arrow::ArrowWriter;
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::naive_file::rings_of;
use super::standin::SUBSCRIPTION;
use super::table;
use crate::naive::{NaiveDetector, NaiveIndex};

/// Rows that are written together.
const ROWS: usize = 8_192;

/// Which baseline.
#[derive(clap::Args)]
pub struct Options {
    /// Where pings come from
    source: Source,
    /// Directory to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// GeoJSON file of the fences; without it pings are decoded and no more
    #[arg(long, value_name = "FILE")]
    fences: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    Http,
    Pubsub,
}

/// This binary as a baseline.
pub(super) fn command(source: &str, fences: Option<&Path>, out: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("service").arg(source).arg("--out").arg(out).stdin(Stdio::null());
    if let Some(fences) = fences {
        command.arg("--fences").arg(fences);
    }
    Ok(command)
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let behind = match &options.fences {
        Some(fences) => Some(Behind::new(fences, &options.out)?),
        None => None,
    };
    let behind = Shared(Arc::new(Mutex::new(behind)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options.source, behind.clone()))?;
    runtime.shutdown_background();
    behind.end()
}

async fn serve(source: Source, behind: Shared) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    if source == Source::Pubsub {
        let pulled = behind.clone();
        tokio::spawn(async move {
            if let Err(error) = pull(pulled).await {
                eprintln!("{error:#}");
                std::process::exit(1);
            }
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/v1/pings", post(ingest))
        .with_state(behind);
    eprintln!("{}", serde_json::json!({ "message": "listening", "address": address }));
    let ended = async move {
        terminate.recv().await;
    };
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => Ok(served?),
        () = ended => Ok(()),
    }
}

async fn ingest(State(behind): State<Shared>, body: Bytes) -> Result<StatusCode, StatusCode> {
    let batch = VehiclePingBatch::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    behind.take(batch.pings).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(StatusCode::ACCEPTED)
}

/// Messages one by one, as the client's documentation shows it.
async fn pull(behind: Shared) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = std::env::var("PUBSUB_EMULATOR_HOST").context("PUBSUB_EMULATOR_HOST")?;
    let subscriber = Subscriber::builder()
        .with_endpoint(format!("http://{host}"))
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await?;
    let subscription = subscriber.subscribe(SUBSCRIPTION);
    let mut stream = subscription.set_max_outstanding_messages(100_000_i64).build();
    while let Some(next) = stream.next().await {
        let (message, handler) = next?;
        if behind.is_there() {
            behind.take(vec![VehiclePing::decode(message.data)?])?;
        }
        handler.ack();
    }
    Ok(())
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Behind>>>);

impl Shared {
    fn is_there(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self, pings: Vec<VehiclePing>) -> anyhow::Result<()> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(behind) => behind.take(pings),
            None => Ok(()),
        }
    }

    fn end(&self) -> anyhow::Result<()> {
        let behind = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        behind.map_or(Ok(()), Behind::end)
    }
}

/// What is done with pings.
struct Behind {
    detector: NaiveDetector,
    gathered: Vec<VehiclePing>,
    writer: ArrowWriter<File>,
}

impl Behind {
    fn new(fences: &Path, out: &Path) -> anyhow::Result<Self> {
        let rings = rings_of(&std::fs::read(fences)?)?;
        Ok(Self {
            detector: NaiveDetector::new(NaiveIndex::new(&rings)),
            gathered: Vec::new(),
            writer: table::writer(File::create(out.join("pings.parquet"))?)?,
        })
    }

    fn take(&mut self, pings: Vec<VehiclePing>) -> anyhow::Result<()> {
        let mut events = Vec::new();
        for ping in &pings {
            self.detector.apply(ping, &mut events);
        }
        self.gathered.extend(pings);
        if self.gathered.len() >= ROWS {
            self.writer.write(&table::batch(&std::mem::take(&mut self.gathered)))?;
        }
        Ok(())
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.writer.write(&table::batch(&self.gathered))?;
        self.writer.close()?;
        Ok(())
    }
}
