//! Which side of a ring a place is on, of broken rings too, and what mending
//! makes of them.

use proptest::prelude::*;

use crate::rings::{
    Corner, Rings, coordinates, cross, holed_star, oracle_holds, origins, position, ring_edges,
    shape_of,
};
use crate::support::{feature, parse};

/// Places worth asking about: corners, middles of edges, lattice neighbours of
/// both, and anywhere in the box.
fn probes(rings: &Rings) -> Vec<Corner> {
    let mut probes = Vec::new();
    for ring in rings {
        for (a, b) in ring_edges(ring) {
            let middle = ((a.0 + b.0) / 2, (a.1 + b.1) / 2);
            for (x, y) in [a, middle, (a.0, b.1)] {
                probes.extend([(x, y), (x + 1, y), (x, y - 1), (x - 2, y + 1)]);
            }
        }
    }
    probes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sides_are_those_of_the_oracle(rings in holed_star(), origin in origins()) {
        let parts = [rings.clone()];
        if let Some(shape) = shape_of(&parts, origin) {
            for p in probes(&rings) {
                prop_assert_eq!(shape.contains(position(p, origin)), oracle_holds(&parts, p), "{:?}", p);
            }
        }
    }

    /// Any scribble of parts and holes is read as the oracle reads it, but for
    /// places within two units of an edge, which rounding may move.
    #[test]
    fn scribbles_are_read_nonzero(
        parts in proptest::collection::vec(
            proptest::collection::vec(
                proptest::collection::vec((0_i64..12, 0_i64..12), 3..9), 1..4), 1..4),
        origin in origins(),
        probes in proptest::collection::vec((-500_i64..12_500, -500_i64..12_500), 200),
    ) {
        let scaled = |ring: &Vec<Corner>| ring.iter().map(|&(x, y)| (x * 1000, y * 1000)).collect();
        let parts: Vec<Rings> = parts.iter().map(|rings| rings.iter().map(scaled).collect()).collect();
        // Rings of fewer than three places are refused or dropped.
        let distinct = |ring: &Vec<Corner>| {
            ring.iter().collect::<std::collections::BTreeSet<_>>().len() >= 3
        };
        prop_assume!(parts.iter().flatten().all(distinct));
        let near_edge = |p: Corner| parts.iter().flatten().any(|ring| {
            ring_edges(ring).any(|(a, b)| {
                let length2 = i128::from((b.0 - a.0).pow(2) + (b.1 - a.1).pow(2));
                cross(a, b, p).pow(2) <= 9 * length2.max(1)
            })
        });
        let shape = shape_of(&parts, origin);
        for p in probes.into_iter().filter(|&p| !near_edge(p)) {
            let found = shape.as_ref().is_some_and(|shape| shape.contains(position(p, origin)));
            prop_assert_eq!(found, oracle_holds(&parts, p), "{:?}", p);
        }
    }

    /// What was mended is written and read again as the same fence, with
    /// nothing left to mend.
    #[test]
    fn mended_fences_come_back_equal(
        parts in proptest::collection::vec(
            proptest::collection::vec(
                proptest::collection::vec((0_i64..12, 0_i64..12), 3..9), 1..4), 1..4),
        origin in origins(),
        unit in prop_oneof![Just(1_i64), Just(7), Just(100_000), Just(30_000_000)],
    ) {
        let scaled = |ring: &Vec<Corner>| ring.iter().map(|&(x, y)| (x * unit, y * unit)).collect();
        let parts: Vec<Rings> = parts.iter().map(|rings| rings.iter().map(scaled).collect()).collect();
        prop_assume!(origin.1.abs() + 12 * unit < 900_000_000);
        let first = parse(&[feature("f", "MultiPolygon", &coordinates(&parts, origin), "")]);
        let again = geofence::parse_fences(&first.set.to_canonical_json()).unwrap();
        prop_assert_eq!(&again.refusals, &vec![]);
        prop_assert_eq!(&again.repairs, &vec![]);
        prop_assert!(again.set == first.set);
        prop_assert_eq!(again.set.hash(), first.set.hash());
    }

    /// Rings about the antimeridian, whose places have the longitude 180 or −180.
    #[test]
    fn places_on_the_antimeridian_may_have_either_longitude(
        ring in proptest::collection::vec((-3_i64..4, 0_i64..7, any::<bool>()), 3..9),
    ) {
        let written = |either: bool| {
            let position = |&(x, y, east): &(i64, i64, bool)| match x {
                0 => format!("[{},{y}]", if east && either { 180 } else { -180 }),
                x => format!("[{},{y}]", if x < 0 { 180 + x } else { x - 180 }),
            };
            let closed: Vec<_> = ring.iter().chain(ring.first()).map(position).collect();
            parse(&[feature("f", "Polygon", &format!("[[{}]]", closed.join(",")), "")])
        };
        let (one, both) = (written(false), written(true));
        prop_assume!(one.refusals.is_empty());
        prop_assert!(one.set == both.set);
        let codes = |repairs: &[geofence::FenceNote]| {
            let codes = repairs.iter().map(|note| note.code);
            codes.filter(|code| *code != "repeated_vertices").collect::<Vec<_>>()
        };
        prop_assert_eq!(codes(&one.repairs), codes(&both.repairs));
    }
}
