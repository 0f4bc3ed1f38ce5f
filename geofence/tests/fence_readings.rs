//! The law behind what is mended and told: rings are accepted untold only where
//! every way of reading them gives the same set of positions.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod suite;

use geofence::parse_fences;
use proptest::prelude::*;
use suite::grid::{Corner, position};
use suite::oracle;

/// Units between the lattice lines on which corners are drawn: a multiple of
/// the numbers up to 8, so that crossings are hardly bent.
const PITCH: i64 = 840_000;
const LATTICE: i64 = 4;

/// Closed rings of few places, which touch, cross and retrace each other.
fn scribble() -> impl Strategy<Value = Vec<Corner>> {
    prop::collection::vec((0..=LATTICE, 0..=LATTICE), 3..8).prop_map(|places| {
        let mut ring: Vec<Corner> = places.iter().map(|(x, y)| (x * PITCH, y * PITCH)).collect();
        ring.dedup();
        ring.push(ring[0]);
        ring
    })
}

fn geojson(parts: &[Vec<Vec<Corner>>]) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let degrees = |c: &Corner| format!("[{},{}]", c.0 as f64 / 1e7, c.1 as f64 / 1e7);
    let ring = |ring: &Vec<Corner>| list(ring.iter().map(degrees).collect());
    let part = |part: &Vec<Vec<Corner>>| list(part.iter().map(ring).collect());
    let parts = list(parts.iter().map(part).collect());
    format!(r#"{{"type":"MultiPolygon","coordinates":{parts}}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_untold_has_one_reading(
        parts in prop::collection::vec(prop::collection::vec(scribble(), 1..3), 1..3),
    ) {
        let parsed = parse_fences(geojson(&parts).as_bytes()).unwrap();
        let told = !parsed.repairs.is_empty();
        let Some(fence) = parsed.set.fences().first() else {
            prop_assert!(!parsed.refusals.is_empty());
            return Ok(());
        };
        // A sixteenth of the pitch, off the lines that many edges lie on.
        let step = PITCH / 16;
        for (i, j) in (0..=16 * LATTICE).flat_map(|i| (0..=16 * LATTICE).map(move |j| (i, j))) {
            let p = (i * step, j * step);
            let reading = oracle::read(&parts, p);
            let holds = fence.shape.contains(position(p));
            if reading.on_edge {
                prop_assert!(told || holds, "{p:?} on an edge of {parts:?}");
                continue;
            }
            prop_assert_eq!(holds, reading.by_winding, "{:?} of {:?}", p, &parts);
            prop_assert!(told || holds == reading.by_parity, "{p:?} of {parts:?}");
        }
    }
}
