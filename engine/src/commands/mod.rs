//! The commands: each takes its arguments and says how the process ends.

pub mod bigquery;
pub mod check_config;
pub mod demo;
pub mod dlq;
pub mod explain;
pub mod fences;
mod named_files;
pub mod replay;
pub mod run;
mod token;

use anyhow::Context;
use tokio::runtime::Builder;

/// Runs a command to its end. A file operation that hangs meanwhile does not
/// keep the process: a command has awaited whatever it counts on.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}
