//! The cloud on this machine as one process, for local trials.

mod up;
mod warm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Cloud services on this machine, for trials.
#[derive(Debug, Parser)]
#[command(version)]
enum Arguments {
    /// Start them, warm them up, print where they are and what is in them as environment
    /// assignments, and stay until SIGTERM or SIGINT
    Up {
        /// Directory for BigQuery's tables as Parquet, written at the end
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments::Up { out } => up::up(out).await,
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
