//! The stand-in for BigQuery as a process of its own, for local trials.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use local_cloud::bigquery::{Options, Standin};
use tokio::signal::unix::{SignalKind, signal};

/// A stand-in for BigQuery on this machine: Storage Write API, tables and
/// counting queries. Prints where it listens as environment assignments.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Loopback address of the Storage Write API; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    grpc: SocketAddr,
    /// Loopback address of REST; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    rest: SocketAddr,
    /// Directory for one Parquet file a table, written at the end
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { grpc, rest, out } = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let options = Options { grpc, rest, out: out.clone(), ..Options::default() };
    let standin = Standin::start(options).await.context("the stand-in does not start")?;
    announce(&standin).context("cannot print the addresses")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if let Some(out) = out {
        standin.write_parquet(&out)?;
    }
    standin.stop().await;
    Ok(())
}

fn announce(standin: &Standin) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "BIGQUERY_STORAGE_ENDPOINT={}", standin.storage_endpoint())?;
    writeln!(out, "BIGQUERY_REST_ENDPOINT={}", standin.rest_endpoint())?;
    out.flush()
}
