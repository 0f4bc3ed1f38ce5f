//! One thing that can be measured, and its measuring.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::core::Core;
use super::decode::Decode;
use super::fences::Fences;
use super::file::File;
use super::http::Http;
use super::index::Index;
use super::parquet::Parquet;
use super::pubsub::Pubsub;
use super::recovery::Recovery;
use super::reload::Reload;
use super::sample::Sample;
use super::scratch::Scratch;

/// A measurement with its sizes; what [`run`] is told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Case {
    Decode(Decode),
    Index(Index),
    Core(Core),
    File(File),
    Http(Http),
    Pubsub(Pubsub),
    Parquet(Parquet),
    Recovery(Recovery),
    Fences(Fences),
    Reload(Reload),
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    /// The engine.
    Ours,
    /// What one would build in an afternoon.
    Naive,
    /// Whatever has to be done in any case.
    Floor,
}

/// The case to measure.
#[derive(clap::Args)]
pub struct Options {
    /// The case, as JSON: `pipeline` says each on standard error
    #[arg(value_name = "JSON")]
    case: String,
    /// Directory for files that cases share
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let case = serde_json::from_str(&options.case).context("the case")?;
    let scratch = Scratch::new(&options.scratch);
    let sample = match &case {
        Case::Decode(case) => case.run(),
        Case::Index(case) => case.run(),
        Case::Core(case) => case.run(),
        Case::File(case) => case.run(&scratch),
        Case::Http(case) => case.run(&scratch),
        Case::Pubsub(case) => case.run(&scratch),
        Case::Parquet(case) => case.run(&scratch),
        Case::Recovery(case) => case.run(&scratch),
        Case::Fences(case) => case.run(),
        Case::Reload(case) => case.run(),
    };
    println!("{}", serde_json::to_string::<Sample>(&sample?)?);
    Ok(())
}
