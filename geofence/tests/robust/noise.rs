//! V19: 600 fixes at 1 Hz with noise of 8 m, parked on an edge.

use super::fleet::{At, Shard, at, robust};
use super::random::Random;
use super::support::sq;
use super::vectors::named;
use geofence::{Profile, Settings};

/// Metres in a degree at 50.005 N.
const EAST_M: f64 = 71_695.0;
const NORTH_M: f64 = 111_229.0;

fn parked_on_the_edge(seed: u64) -> Vec<At> {
    let mut random = Random::new(seed);
    (0..600)
        .map(|s| {
            let (east, north) = (8.0 * random.normal(), 8.0 * random.normal());
            at(f64::from(s), 10.0 + east / EAST_M, 50.005 + north / NORTH_M).received(600.0)
        })
        .collect()
}

fn kinds(settings: Settings, pings: &[At], batch: usize) -> Vec<&'static str> {
    let mut shard = Shard::new(settings, vec![named("f", sq())]);
    for pings in pings.chunks(batch) {
        shard.pings(pings);
    }
    shard.kinds().into_iter().filter(|kind| !kind.starts_with("stationary")).collect()
}

#[test]
fn v19_noise_on_an_edge_is_one_enter_in_any_order() {
    for seed in 0..100 {
        let mut pings = parked_on_the_edge(seed);
        assert_eq!(kinds(robust(), &pings, 1), ["enter"], "seed {seed}");
        Random::new(seed).shuffle(&mut pings);
        assert_eq!(kinds(robust(), &pings, 60), ["enter"], "seed {seed}, shuffled");
    }
}

#[test]
fn v19_plain_flips_about_300_times() {
    let plain = Settings { profile: Profile::Plain, ..robust() };
    let told = kinds(plain, &parked_on_the_edge(1), 1);
    let flips = told.iter().filter(|kind| matches!(**kind, "enter" | "exit")).count();
    assert!((250..350).contains(&flips), "{flips}");
}
