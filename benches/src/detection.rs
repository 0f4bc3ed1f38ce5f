//! What detection costs: in order and with late pings, plain and robust; with
//! many fences, and many vehicles from their first ping on; one late ping; and
//! the memory of a vehicle.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use geofence::{Detector, FenceSet, Input, Profile, Settings, TimeMs};
use protos::telemetry::VehiclePing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::city;
use crate::fleet::{Fleet, run as run_of};
use crate::usage::{rss_bytes, thread_cpu};

/// Longest way of a late ping, rounds of ten seconds: ten minutes.
const LATE_ROUNDS_MAX: usize = 60;
/// Rounds that fill a hot window of 15 minutes.
const WARM_UP: usize = 95;
/// Rounds that are measured.
const MEASURED: usize = 30;
/// Pings of each of many vehicles, the first included.
const FROM_COLD: usize = 5;
/// Pings of an apply where the vehicles are many.
const BATCH: usize = 10_000;

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Vehicles, each with a ping every 10 s
    #[arg(long, default_value_t = 8_200)]
    vehicles: usize,
    /// Star-shaped fences of 20 to 200 corners
    #[arg(long, default_value_t = 1_000)]
    fences: usize,
    /// Fences of the row with many fences
    #[arg(long, default_value_t = 10_000)]
    many_fences: usize,
    /// Vehicles of the row with many vehicles, which nobody has heard of
    #[arg(long, default_value_t = 1_000_000)]
    many_vehicles: usize,
    /// Interleaved rounds whose median is printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let fences = Arc::new(city::fence_set(&city::rings(options.fences, 4)));
    // First, while the process holds nothing else.
    memory(options, &fences);
    late_share(options, &fences);
    many(options, &fences);
    one_late_ping(options, &fences);
}

fn detector(profile: Profile, fences: &Arc<FenceSet>) -> Detector {
    let mut detector = Detector::new(Settings { profile, ..Settings::default() });
    let set = Arc::clone(fences);
    detector.apply(&[Input::Fences { set, valid_from: TimeMs(0) }], TimeMs(0), 1);
    detector
}

/// Applies `pings`, received at `now`, and returns the CPU time it took.
fn apply(detector: &mut Detector, pings: &[VehiclePing], now: TimeMs, seq: u64) -> Duration {
    let inputs = [received(pings, now)];
    let begun = thread_cpu();
    let effects = detector.apply(&inputs, now, seq);
    let took = thread_cpu() - begun;
    drop(effects);
    took
}

fn received(pings: &[VehiclePing], now: TimeMs) -> Input {
    let Input::Pings(mut run) = run_of(pings) else { unreachable!("pings were put in") };
    for ping in &mut run.pings {
        ping.receive_time = now;
    }
    Input::Pings(run)
}

fn memory(options: &Options, fences: &Arc<FenceSet>) {
    println!("\n### Memory of a vehicle, a ping every 5 s, 15 min hot window\n");
    println!("| vehicles | resident, bytes each | hot window of it, as the core counts it |");
    println!("|---|---|---|");
    let before = rss_bytes();
    let mut detector = detector(Profile::Robust, fences);
    let mut fleet = Fleet::every(options.vehicles, 5, 6);
    for seq in 2..2 + 190 {
        let pings = fleet.round();
        apply(&mut detector, &pings, event_time(&pings), seq);
    }
    let each = |bytes: u64| bytes / options.vehicles as u64;
    println!(
        "| {} | {} | {} |",
        options.vehicles,
        each(rss_bytes() - before),
        each(detector.hot_bytes())
    );
}

fn event_time(pings: &[VehiclePing]) -> TimeMs {
    TimeMs(pings[0].event_time_us / 1000)
}

/// Rounds as they arrive, a share of the pings late.
fn arrivals(fleet: &mut Fleet, rounds: usize, late: f64) -> Vec<(TimeMs, Vec<VehiclePing>)> {
    let mut random = StdRng::seed_from_u64(7);
    let mut due: BinaryHeap<(Reverse<usize>, usize)> = BinaryHeap::new();
    let mut held: Vec<Option<VehiclePing>> = Vec::new();
    let mut arrivals = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let pings = fleet.round();
        let now = event_time(&pings);
        let mut arriving = Vec::with_capacity(pings.len());
        while due.peek().is_some_and(|(Reverse(at), _)| *at <= round) {
            let (_, index) = due.pop().expect("one was peeked at");
            arriving.extend(held[index].take());
        }
        for ping in pings {
            if random.random_bool(late) {
                due.push((Reverse(round + random.random_range(1..=LATE_ROUNDS_MAX)), held.len()));
                held.push(Some(ping));
            } else {
                arriving.push(ping);
            }
        }
        arrivals.push((now, arriving));
    }
    arrivals
}

fn late_share(options: &Options, fences: &Arc<FenceSet>) {
    let cases = [
        (Profile::Plain, 0.0),
        (Profile::Robust, 0.0),
        (Profile::Plain, 0.1),
        (Profile::Robust, 0.1),
    ];
    let mut took = vec![Vec::new(); cases.len()];
    for _ in 0..options.rounds {
        for ((profile, late), took) in cases.iter().zip(&mut took) {
            let mut detector = detector(*profile, fences);
            let mut fleet = Fleet::new(options.vehicles, 5);
            let mut cpu = Duration::ZERO;
            let mut pings = 0;
            let all = arrivals(&mut fleet, WARM_UP + MEASURED, *late);
            for (round, (now, arriving)) in all.iter().enumerate() {
                let spent = apply(&mut detector, arriving, *now, round as u64 + 2);
                if round >= WARM_UP {
                    cpu += spent;
                    pings += arriving.len();
                }
            }
            took.push(cpu.as_secs_f64() * 1e6 / pings as f64);
        }
    }
    println!("\n### CPU per ping, {} vehicles, {} fences\n", options.vehicles, options.fences);
    println!("| input | plain, µs | robust, µs | robust / plain |\n|---|---|---|---|");
    for (input, pair) in ["in order", "10 % up to 10 min late"].iter().zip(took.chunks(2)) {
        let [plain, robust] = [median(&pair[0]), median(&pair[1])];
        println!("| {input} | {plain:.2} | {robust:.2} | {:.2} |", robust / plain);
    }
}

/// Many fences with full windows, and many vehicles from cold.
fn many(options: &Options, fences: &Arc<FenceSet>) {
    let many_fences = Arc::new(city::fence_set(&city::rings(options.many_fences, 4)));
    let cases = [
        (options.vehicles, &many_fences, WARM_UP, MEASURED),
        (options.many_vehicles, fences, 0, FROM_COLD),
    ];
    println!("\n### CPU per ping, robust, in order\n");
    println!("| vehicles | fences | pings of each before | measured | µs |\n|---|---|---|---|---|");
    for (vehicles, fences, warm_up, measured) in cases {
        let mut took: Vec<f64> = Vec::new();
        for _ in 0..options.rounds {
            let mut detector = detector(Profile::Robust, fences);
            let mut fleet = Fleet::new(vehicles, 5);
            let mut cpu = Duration::ZERO;
            let mut seq = 2;
            for round in 0..warm_up + measured {
                let pings = fleet.round();
                for batch in pings.chunks(BATCH) {
                    let spent = apply(&mut detector, batch, event_time(batch), seq);
                    seq += 1;
                    if round >= warm_up {
                        cpu += spent;
                    }
                }
            }
            took.push(cpu.as_secs_f64() * 1e6 / (vehicles * measured) as f64);
        }
        let (fences, it) = (fences.fences().len(), median(&took));
        println!("| {vehicles} | {fences} | {warm_up} | {measured} | {it:.2} |");
    }
}

/// Batches in which each vehicle's one ping is late by so much, against
/// batches in order.
fn one_late_ping(options: &Options, fences: &Arc<FenceSet>) {
    println!("\n### One late ping, robust, a ping every 5 s before it\n");
    println!("| it is late by | CPU, µs | beside one in order |\n|---|---|---|");
    let lates_s: [i64; 6] = [0, 10, 60, 300, 600, 870];
    let mut took = vec![Vec::new(); lates_s.len()];
    for _ in 0..options.rounds {
        let mut detector = detector(Profile::Robust, fences);
        let mut fleet = Fleet::every(options.vehicles, 5, 5);
        let mut seq = 2;
        let mut history: Vec<Vec<VehiclePing>> = Vec::new();
        for _ in 0..200 {
            let pings = fleet.round();
            apply(&mut detector, &pings, event_time(&pings), seq);
            history.push(pings);
            seq += 1;
        }
        for (late_s, took) in lates_s.iter().zip(&mut took) {
            let newest = event_time(history.last().expect("the fleet drove"));
            // Half way between two pings that are known, where the first was.
            let back = usize::try_from(late_s / 5).expect("seconds are positive");
            let mut pings = match back {
                0 => fleet.round(),
                _ => history[history.len() - 1 - back].clone(),
            };
            for ping in pings.iter_mut().filter(|_| back > 0) {
                ping.event_time_us += 2_500_000;
            }
            let spent = apply(&mut detector, &pings, newest, seq);
            seq += 1;
            took.push(spent.as_secs_f64() * 1e6 / pings.len() as f64);
            if back == 0 {
                history.push(pings);
            }
        }
    }
    let in_order = median(&took[0]);
    for (late_s, took) in lates_s.iter().zip(&took) {
        let it = median(took);
        println!("| {late_s} s | {it:.1} | {:.1} × |", it / in_order);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
