//! The engine as a process: this binary, called by the engine's name.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::sample::Sample;

const NAME: &str = "fleetstream";

/// Whether this process was started as the engine, which it then is:
/// `engine::cli::main`.
#[must_use]
pub fn is_engine() -> bool {
    std::env::args_os().next().is_some_and(|name| name == NAME)
}

/// The engine, with no setting from around it.
pub(super) fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(NAME).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLEETSTREAM_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Runs `replay` into a new directory, to its end.
pub(super) fn replay(
    pings: &Path,
    fences: &Path,
    out: &Path,
    more: &[&str],
) -> anyhow::Result<Sample> {
    let mut command = command()?;
    command.args(["replay", "--pings"]).arg(pings).arg("--fences").arg(fences);
    command.arg("--out").arg(out).args(more).args(["--set", "journal.min_free_percent=1"]);
    let output = command.output()?;
    if !output.status.success() {
        bail!("replay ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let summary: Value = serde_json::from_slice(&std::fs::read(out.join("summary.json"))?)?;
    let number =
        |name: &str| summary[name].as_f64().with_context(|| format!("summary.json has no {name}"));
    Ok(Sample {
        operations: summary["pings"]["read"].as_u64().context("summary.json has no pings.read")?,
        cpu_s: number("cpu_seconds")?,
        wall_s: number("wall_seconds")?,
        peak_rss_bytes: number("peak_rss_bytes")? as u64,
        ..Sample::default()
    })
}
