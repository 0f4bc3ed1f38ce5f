//! Samples, and the rounds that take them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use engine::process_stats;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::rows::Row;
use super::scratch::Scratch;

/// What measuring a case once gave.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Pings, places, rows: what the rest is divided by.
    pub(super) operations: u64,
    /// User and system.
    pub(super) cpu_s: f64,
    /// Of it, what the core took alone; 0 where there is none.
    pub(super) core_cpu_s: f64,
    pub(super) wall_s: f64,
    /// Written; 0 where that is not counted.
    pub(super) bytes: u64,
    /// Of the process that does the work.
    pub(super) peak_rss_bytes: u64,
    pub(super) applies: Applies,
}

/// Wall time of single applies; 0 where they are not looked at one by one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Applies {
    pub(super) median_s: f64,
    pub(super) p99_s: f64,
    /// Of the one that took other fences up.
    pub(super) take_up_s: f64,
}

impl Sample {
    /// With the peak memory of this process so far.
    pub(super) fn with_own_memory(self) -> Self {
        let peak_rss_bytes = process_stats::peak_rss_bytes().unwrap_or(0);
        Self { peak_rss_bytes, ..self }
    }
}

/// The samples of each case, in the order of the rounds.
pub(super) struct Samples(Vec<(Case, Vec<Sample>)>);

impl Samples {
    /// Measures every case of `rows` once a round.
    pub(super) fn take(rows: &[Row], rounds: u32, scratch: &Scratch) -> anyhow::Result<Self> {
        let mut samples: Vec<(Case, Vec<Sample>)> = Vec::new();
        for case in rows.iter().flat_map(Row::cases) {
            if !samples.iter().any(|(known, _)| known == case) {
                samples.push((case.clone(), Vec::new()));
            }
        }
        for round in 1..=rounds {
            for (number, (case, taken)) in (1..).zip(&mut samples) {
                let case = serde_json::to_string(case)?;
                eprintln!("round {round} of {rounds}, case {number}: {case}");
                taken.push(measure(&case, scratch).context(case)?);
            }
        }
        Ok(Self(samples))
    }

    /// The samples of a case that was measured.
    pub(super) fn of(&self, case: &Case) -> &[Sample] {
        let found = self.0.iter().find(|(known, _)| known == case);
        found.map(|(_, samples)| samples.as_slice()).expect("every case of every row was measured")
    }
}

/// Measures `case`, as JSON, in a process of its own.
fn measure(case: &str, scratch: &Scratch) -> anyhow::Result<Sample> {
    let output = Command::new(std::env::current_exe()?)
        .arg("case")
        .arg(case)
        .arg("--scratch")
        .arg(scratch.path())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("its process ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the sample it printed")
}
