//! Measurements that are more than the time of one function; each prints the
//! tables that `docs/` holds.

use clap::{Parser, Subcommand};

use benches::{curve, detection};

/// Measures detection and prints the results as Markdown tables.
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
}

fn main() -> std::io::Result<()> {
    match Cli::parse().command {
        Command::Curve(options) => curve::run(&options),
        Command::Detection(options) => {
            detection::run(&options);
            Ok(())
        }
    }
}
