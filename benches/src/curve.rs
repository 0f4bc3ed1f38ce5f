//! Delay against false events.
//!
//! Vehicles drive in and out of a fence, and others stand within 30 m of its
//! edge; what truly happens is known. What the detector tells of their noisy
//! pings is compared with that: how much later than a crossing its event is
//! told, how many are missing, and how many events the parked ones give, which
//! are all false. Waiting for confirmation buys fewer false events with delay;
//! the defaults are where that trade turns.

mod plot;
mod score;
mod world;

use std::io;
use std::path::PathBuf;

use geofence::{Profile, Settings};

use score::Score;
use world::Seen;

/// Noise of a position in each axis, metres.
const SIGMAS_M: [f64; 3] = [3.0, 8.0, 20.0];
/// From one ping to the next, seconds.
const INTERVALS_S: [f64; 4] = [1.0, 5.0, 30.0, 60.0];

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Hours of tours, and as many of parking, behind each figure
    #[arg(long, default_value_t = 200)]
    hours: u32,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the plot to this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// A choice of rules.
struct Rules {
    name: &'static str,
    settings: Settings,
}

/// One point of the curve.
struct Point {
    interval_s: f64,
    sigma_m: f64,
    rules: &'static str,
    score: Score,
}

fn rules() -> Vec<Rules> {
    let robust = Settings { reorder_delay_ms: 0, ..Settings::default() };
    let exits = |exit_confirm| Settings { exit_confirm, ..robust.clone() };
    vec![
        Rules { name: "plain", settings: Settings { profile: Profile::Plain, ..robust.clone() } },
        Rules { name: "robust, exit_confirm 1", settings: exits(1) },
        Rules { name: "robust (default: 2)", settings: exits(2) },
        Rules { name: "robust, exit_confirm 3", settings: exits(3) },
        Rules {
            name: "robust, min_inside 60 s",
            settings: Settings { min_inside_ms: 60_000, ..robust.clone() },
        },
    ]
}

/// Measures every combination and prints a table for each interval.
///
/// # Errors
/// The plot cannot be written.
pub fn run(options: &Options) -> io::Result<()> {
    let mut points = Vec::new();
    for interval_s in INTERVALS_S {
        println!("\n### A ping every {interval_s} s\n");
        println!("{}", Score::HEADER);
        for sigma_m in SIGMAS_M {
            let seen = Seen::new(options.hours, interval_s, sigma_m, options.seed);
            for Rules { name, settings } in rules() {
                let score = Score::of(&seen, &settings);
                println!("{}", score.row(sigma_m, name));
                points.push(Point { interval_s, sigma_m, rules: name, score });
            }
        }
    }
    match &options.plot {
        Some(path) => std::fs::write(path, plot::svg(&points)),
        None => Ok(()),
    }
}
