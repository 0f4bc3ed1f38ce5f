//! Measurements that are more than the time of one function; each prints the
//! tables that `docs/` holds.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

use benches::{curve, detection, pipeline};

/// The worker's, for what it is measured beside, too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures the engine and prints the results as Markdown tables.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How late events are told against how many are false: every profile, by
    /// noise and by ping interval, with a plot.
    Curve(curve::Options),
    /// What detection costs: plain and robust, in order and with late pings,
    /// one late ping, and the memory of a vehicle.
    Detection(detection::Options),
    /// What the whole costs: decoding, index, core, file, HTTP and Pub/Sub to
    /// Parquet, recovery, new fences; each with its floor and a naive baseline.
    Pipeline(pipeline::Options),
    /// One case of the pipeline, which starts it.
    #[command(hide = true)]
    Case(pipeline::CaseOptions),
    /// A naive baseline of a service, which a case starts.
    #[command(hide = true)]
    Service(pipeline::ServiceOptions),
}

fn main() -> ExitCode {
    if pipeline::is_engine() {
        return engine::cli::main();
    }
    match measure(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Curve(options) => Ok(curve::run(&options)?),
        Command::Detection(options) => {
            detection::run(&options);
            Ok(())
        }
        Command::Pipeline(options) => pipeline::run(&options),
        Command::Case(options) => pipeline::run_case(&options),
        Command::Service(options) => pipeline::run_service(&options),
    }
}
