//! The cloud on this machine as one process, for local trials, and vehicles
//! that drive through it.

mod drive;
mod up;

use std::path::PathBuf;

use clap::Parser;

use drive::Drive;

/// Cloud services on this machine, for trials.
#[derive(Debug, Parser)]
#[command(version)]
enum Arguments {
    /// Start them, print where they are and what is in them as environment
    /// assignments, and stay until SIGTERM or SIGINT
    Up {
        /// Directory for BigQuery's tables as Parquet, written at the end
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Publish pings of vehicles that drive round and round
    Drive(Drive),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Up { out } => up::up(out).await,
        Arguments::Drive(drive) => drive.run().await,
    }
}
