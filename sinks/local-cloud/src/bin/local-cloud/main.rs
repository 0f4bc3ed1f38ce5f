//! The cloud on this machine as one process, for local trials, vehicles
//! that drive through it, and somebody who watches.

mod drive;
mod up;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use drive::Drive;
use watch::Watch;

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
    /// Take events and dead letters, look at positions, and say at SIGTERM or
    /// SIGINT what there was and how soon
    Watch(Watch),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments::Up { out } => up::up(out).await,
        Arguments::Drive(drive) => drive.run().await,
        Arguments::Watch(watch) => watch.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // One line, and no backtrace: it is read by whoever tries this.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
