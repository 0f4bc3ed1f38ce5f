//! The commands: each takes its arguments and says how the process ends.

pub mod check_config;
pub mod demo;
pub mod fences;
pub mod replay;
pub mod run;
mod token;

use anyhow::Context;
use geofence::FenceNote;
use tokio::runtime::{Builder, Runtime};

/// The runtime that a command works in.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

/// Says what was mended in the fences.
fn warn_of_repairs(repairs: &[FenceNote]) {
    for repair in repairs {
        tracing::warn!(fence = repair.fence, code = repair.code, "{}", repair.message);
    }
}
