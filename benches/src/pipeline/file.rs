//! A file of pings to Parquet.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::case::Who;
use super::naive_file;
use super::program;
use super::sample::Sample;
use super::scratch::{Scratch, World};

/// A run through a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) who: Who,
    pub(super) profile: Profile,
    pub(super) shards: u32,
    pub(super) world: World,
}

/// The engine's `detection.profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Profile {
    Plain,
    Robust,
}

impl File {
    pub(super) fn run(&self, scratch: &Scratch) -> anyhow::Result<Sample> {
        let (pings, fences) = (scratch.pings(&self.world)?, scratch.fences(&self.world)?);
        // Beside the input: on the same disk, and gone with this case.
        let out = TempDir::new_in(scratch.path()).context("a directory for the output")?;
        let out = out.path().join("out");
        let shards = self.shards.to_string();
        match self.who {
            Who::Ours => {
                let profile = match self.profile {
                    Profile::Plain => "plain",
                    Profile::Robust => "robust",
                };
                let more = ["--profile", profile, "--shards", &shards];
                program::replay(&pings, &fences, &out, &more)
            }
            Who::Naive => naive_file::judge(&pings, &fences, &out),
            Who::Floor => naive_file::copy(&pings, &out),
        }
    }
}
