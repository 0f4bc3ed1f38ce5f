//! The whole: what each part of the way of a ping costs, and the way from end
//! to end, each beside its floor and a naive baseline.
//!
//! Every measurement is a `Case`, and each time it is made in a process of
//! its own: its peak memory is then its own, and no case finds the heap or the
//! caches as another has left them. Rounds go through all cases in turn, so
//! that a machine that is busy for a while is busy for all of them, and ratios
//! are those of one round. The engine runs as the real program, which this
//! binary becomes when it is called by its name ([`is_engine`]).
//!
//! Costs are CPU time, user and system, of the thread or the process that does
//! the work; whoever makes the load is another.

mod case;
mod core;
mod decode;

mod fences;
mod file;
mod goal;
mod http;
mod index;
mod load;
mod naive_file;
mod naive_service;
mod page;
mod parquet;
mod program;
mod pubsub;
mod recovery;
mod reload;
mod report;
mod rows;
mod sample;
mod scaling;
mod scratch;
mod section;
mod service;
mod size;
mod standin;
mod table;
mod units;

use std::path::PathBuf;

use anyhow::Context as _;
use tempfile::TempDir;

pub use case::Options as CaseOptions;
pub use naive_service::Options as ServiceOptions;
pub use program::is_engine;
pub use section::Section;

use report::Report;
use sample::Samples;
use scratch::{Scratch, World};
use size::Size;

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Only these parts [default: all but `scaling`]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,…")]
    only: Vec<Section>,
    /// Interleaved rounds whose medians are printed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// So small that nothing is measured: does every part still run?
    #[arg(long)]
    toy: bool,
    /// Write the results, with plots, to this HTML file too
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Parquet file of pings for `file`, `parquet` and `recovery`, instead of a
    /// generated fleet
    #[arg(long, value_name = "FILE", requires = "fences")]
    pings: Option<PathBuf>,
    /// GeoJSON file of the fences for them
    #[arg(long, value_name = "FILE", requires = "pings")]
    fences: Option<PathBuf>,
}

/// Measures, and prints a table for each part.
///
/// # Errors
/// A case fails, or the page cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let size = if options.toy { Size::TOY } else { Size::FULL };
    let world = match (&options.pings, &options.fences) {
        (Some(pings), Some(fences)) => World::Given {
            pings: pings.canonicalize().with_context(|| pings.display().to_string())?,
            fences: fences.canonicalize().with_context(|| fences.display().to_string())?,
        },
        _ => size.file_world(),
    };
    let rows = rows::of(&Section::chosen(&options.only), &size, &world);
    let directory = TempDir::new().context("a temporary directory")?;
    let samples = Samples::take(&rows, options.rounds, &Scratch::new(directory.path()))?;
    let report = Report::new(&rows, &samples, options.rounds);
    print!("{}", report.markdown());
    if let Some(path) = &options.page {
        std::fs::write(path, page::html(&report)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Measures one case and prints its sample: what [`run`] starts.
///
/// # Errors
/// The case fails.
pub fn run_case(options: &CaseOptions) -> anyhow::Result<()> {
    case::run(options)
}

/// Serves as the naive baseline of a service: what a case starts.
///
/// # Errors
/// It cannot listen, pull or write.
pub fn run_service(options: &ServiceOptions) -> anyhow::Result<()> {
    naive_service::run(options)
}
