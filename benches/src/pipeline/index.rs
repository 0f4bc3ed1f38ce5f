//! Which fences hold a place.

use std::collections::BTreeSet;
use std::hint::black_box;

use anyhow::ensure;
use geofence::{FenceSet, Position};
use serde::{Deserialize, Serialize};

use super::case::Who;
use super::sample::Sample;
use crate::city;
use crate::fleet::Fleet;
use crate::naive::NaiveIndex;
use crate::usage::thread_cpu;

/// Vehicles that report where they are.
const VEHICLES: u32 = 8_200;

/// Places looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) who: Who,
    pub(super) fences: u32,
    pub(super) places: u32,
}

impl Index {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let rings = city::rings(self.fences as usize, 3);
        let places = self.places();
        let (cpu_s, hits) = match self.who {
            Who::Naive => {
                let naive = NaiveIndex::new(&rings);
                let taken = naive_time(&naive, &places);
                // Only now, so that it does not disturb.
                assert_same_answers(&city::fence_set(&rings), &naive, &places);
                taken
            }
            Who::Ours | Who::Floor => our_time(&city::fence_set(&rings), &places),
        };
        ensure!(hits > 0, "no fence holds any of {} places", places.len());
        let operations = places.len() as u64;
        Ok(Sample { operations, cpu_s, ..Sample::default() }.with_own_memory())
    }

    /// Degrees (lon, lat) on the engine's grid, in the order of the reports.
    fn places(&self) -> Vec<(f64, f64)> {
        let mut fleet = Fleet::new(VEHICLES.min(self.places) as usize, 2);
        let mut places = Vec::with_capacity(self.places as usize + VEHICLES as usize);
        while places.len() < self.places as usize {
            let pings = fleet.round();
            places.extend(
                pings.iter().map(|ping| (city::on_grid(ping.lon), city::on_grid(ping.lat))),
            );
        }
        places
    }
}

fn our_time(set: &FenceSet, places: &[(f64, f64)]) -> (f64, usize) {
    let positions = positions(places);
    let mut hits = 0;
    let begun = thread_cpu();
    set.containing_many(black_box(&positions), |_, found| hits += found.len());
    ((thread_cpu() - begun).as_secs_f64(), hits)
}

fn naive_time(naive: &NaiveIndex, places: &[(f64, f64)]) -> (f64, usize) {
    let (mut found, mut hits) = (Vec::new(), 0);
    let begun = thread_cpu();
    for &(lon, lat) in places {
        naive.containing(black_box(lon), black_box(lat), &mut found);
        hits += found.len();
    }
    ((thread_cpu() - begun).as_secs_f64(), hits)
}

/// Both must do the same work for their times to say anything. Of a place on
/// an outline, which is in, doubles cannot tell: among 100,000 fences there is
/// one now and then.
fn assert_same_answers(set: &FenceSet, naive: &NaiveIndex, places: &[(f64, f64)]) {
    let positions = positions(places);
    let mut expected = Vec::new();
    set.containing_many(&positions, |index, found| {
        let (lon, lat) = places[index];
        naive.containing(lon, lat, &mut expected);
        let ours = found.iter().map(|&fence| fence as usize);
        if ours.clone().eq(expected.iter().copied()) {
            return;
        }
        let ours: BTreeSet<usize> = ours.collect();
        for &fence in ours.symmetric_difference(&expected.iter().copied().collect()) {
            let distance_m = set.fences()[fence].shape.signed_distance_m(positions[index]);
            assert!(
                distance_m == 0.0,
                "at {lon}, {lat}: {found:?}, but naively {expected:?}; {fence} is {distance_m} m off"
            );
        }
    });
}

fn positions(places: &[(f64, f64)]) -> Vec<Position> {
    let position = |&(lon, lat): &(f64, f64)| {
        Position::from_degrees(lat, lon).expect("the fleet is in the city")
    };
    places.iter().map(position).collect()
}
