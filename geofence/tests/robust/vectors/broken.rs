//! Pings and rings that are broken, and fences that are strange.

use geofence::{TimeMs, admission, parse_fences};
use protos::PingView;
use protos::telemetry::VehiclePing;

use super::{MID, named, over};
use crate::fleet::{Shard, T_MS, at, robust, seconds};
use crate::support::{collection, feature, polygon, ring, sq};

#[test]
fn v43_broken_pings_are_refused_by_name() {
    let ping = |change: fn(&mut VehiclePing)| {
        let mut wire = at(0.0, 10.005, MID).wire;
        change(&mut wire);
        admission::admit(&PingView::from(&wire), TimeMs(T_MS), false).unwrap_err().code()
    };
    let codes = [
        ping(|p| (p.lat, p.lon) = (0.0, 0.0)),
        ping(|p| p.lat = f64::NAN),
        ping(|p| p.lat = 91.0),
        ping(|p| p.vehicle_id = String::new()),
    ];
    let distinct: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(distinct.len(), 4, "{codes:?}");
}

#[test]
fn v44_broken_rings_are_mended_or_refused_by_name() {
    let bow_tie = "[[[0,0],[0.01,0.01],[0.01,0],[0,0.01],[0,0]]]";
    let unclosed = "[[[0,0],[0.01,0],[0.01,0.01],[0,0.01]]]";
    let clockwise = "[[[0,0],[0,0.01],[0.01,0.01],[0.01,0],[0,0]]]";
    for (coordinates, mended) in [(bow_tie, true), (unclosed, true), (clockwise, false)] {
        let features = [feature("f", "Polygon", coordinates, "")];
        let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
        assert_eq!(parsed.set.fences().len(), 1, "{coordinates}");
        assert_eq!(!parsed.repairs.is_empty(), mended, "{coordinates}: {:?}", parsed.repairs);
    }
    let features = [feature("two", "Polygon", "[[[0,0],[1,1],[0,0]]]", "")];
    let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
    assert!(parsed.set.fences().is_empty());
    assert!(parsed.refusals[0].fence.contains("two"), "{:?}", parsed.refusals);
}

#[test]
fn v45_slivers_rings_round_a_pole_and_many_fences_on_one_spot() {
    // One metre wide: entered by a fix in it, crossed by one past it.
    let sliver = polygon(&format!("[{}]", ring(10.0, 50.0, 10.000_014, 50.01)));
    let mut shard = over(sliver);
    shard.each(&[at(0.0, 9.999, MID), at(30.0, 10.001, MID)]);
    assert!(shard.told().is_empty(), "a path of one metre is too short for a cross");

    let pole = "[[[-180,80],[-90,80],[0,80],[90,80],[180,80]]]";
    let features = [feature("pole", "Polygon", pole, "")];
    let parsed = parse_fences(collection(&features).as_bytes()).unwrap();
    assert!(parsed.refusals.iter().any(|note| note.fence.contains("pole")));

    let many = (0..5_000).map(|i| named(&format!("f{i:05}"), sq())).collect();
    let mut shard = Shard::new(robust(), many);
    shard.each(&[at(0.0, 9.995, MID), at(30.0, 10.005, MID)]);
    let told = shard.fold();
    assert_eq!(told.len(), 5_000);
    assert!(told.iter().all(|event| seconds(event.event_time_ms) == "15.0"));
}
