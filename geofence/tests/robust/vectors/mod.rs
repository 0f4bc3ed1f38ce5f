//! The vectors of the specification that the core can answer, by number.
//!
//! Not here: V40 to V42 (publishing, workers, the map's rate), which need what
//! surrounds the core.

mod arrival;
mod broken;
mod changes;
mod doubt;
mod paths;
mod stays;

use geofence::{Fence, FenceSet, FenceSettings, Settings, Shape, parse_fences};
use protos::events::FleetEvent;

use super::fleet::{At, Shard, robust};
use super::support::{polygon, ring, sm, sq};

/// Latitude of the fixtures' middles.
const MID: f64 = 50.005;

pub(crate) fn named(id: &str, shape: Shape) -> Fence {
    let settings = FenceSettings::default();
    Fence { id: id.into(), name: id.into(), tags: vec![], schedule: None, settings, shape }
}

fn over(shape: Shape) -> Shard {
    Shard::new(robust(), vec![named("f", shape)])
}

fn with_dwell(shape: Shape) -> Shard {
    Shard::new(Settings { dwell_s: vec![300], ..robust() }, vec![named("f", shape)])
}

fn neighbour() -> Shape {
    polygon(&format!("[{}]", ring(10.01, 50.0, 10.02, 50.01)))
}

/// The fold of the same pings in order of time.
fn sorted(shape: Shape, pings: &[At]) -> Vec<FleetEvent> {
    let mut pings = pings.to_vec();
    pings.sort_by_key(|ping| ping.wire.event_time_us);
    let mut shard = over(shape);
    shard.each(&pings);
    shard.fold()
}

#[test]
fn fences_of_the_vectors_are_read_as_any_others() {
    let set = FenceSet::new(vec![named("a", sq()), named("b", sm())]).unwrap();
    let read = parse_fences(&set.to_canonical_json()).unwrap();
    assert_eq!(read.set, set);
}
