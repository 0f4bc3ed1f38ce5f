//! The cell index against the shapes themselves, where it is hardest: outlines
//! and places on the very edges and corners of cells and tiles.

mod support;

use geofence::{FenceSet, Position, Shape};
use proptest::prelude::*;
use rstest::rstest;
use support::{feature, parse};

/// Cells have so many units a side, or a power of two more.
const CELL: i64 = 1 << 11;
/// Tiles begin at multiples of this, west of 180° W and south of the pole.
const TILE: i64 = 1 << 20;
const WEST: i64 = -1_800_000_000;
const SOUTH: i64 = -900_000_000;

type Corner = (i64, i64);

/// South-western corners of tiles: at home, on the antimeridian, at the poles.
fn origins() -> impl Strategy<Value = Corner> {
    let column = prop_oneof![Just(0), Just(1), Just(1_800), Just(3_432), Just(3_433)];
    let row = prop_oneof![Just(0), Just(1), Just(1_300), Just(1_715)];
    (column, row).prop_map(|(column, row)| (WEST + column * TILE, SOUTH + row * TILE))
}

/// Offsets that like to lie on cells, within a unit of them, or anywhere.
fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![
        (-8_i64..600).prop_map(|cells| cells * CELL),
        (-2_i64..20).prop_map(|cells| cells * 32 * CELL),
        (-2_i64..20, -1_i64..2).prop_map(|(cells, beside)| cells * 32 * CELL + beside),
        -TILE / 4..TILE * 5 / 4,
    ]
}

fn corner() -> impl Strategy<Value = Corner> {
    (offset(), offset())
}

fn ring() -> impl Strategy<Value = Vec<Corner>> {
    prop_oneof![
        proptest::collection::vec(corner(), 3..8),
        // Small ones, so that cells are fine and covered.
        (corner(), proptest::collection::vec((-9_i64..9, -9_i64..9), 3..9)).prop_map(
            |((x, y), around)| {
                around.into_iter().map(|(a, b)| (x + a * CELL, y + b * CELL)).collect()
            }
        ),
    ]
}

/// A longitude as it is written, within ±180.
fn short(lon: i64) -> i64 {
    (lon - WEST).rem_euclid(3_600_000_000) + WEST
}

fn degrees((lon, lat): Corner) -> String {
    let e7 = |units: i64| {
        let sign = if units < 0 { "-" } else { "" };
        format!("{sign}{}.{:07}", units.abs() / 10_000_000, units.abs() % 10_000_000)
    };
    format!("[{},{}]", e7(short(lon)), e7(lat.clamp(SOUTH, -SOUTH)))
}

/// The set of what can be made fences of, in pieces so that a refused one
/// takes no other with it.
fn set_of(rings: &[Vec<Corner>], circles: &[(Corner, f64)], origin: Corner) -> FenceSet {
    let place = |(x, y): &Corner| degrees((origin.0 + x, origin.1 + y));
    let polygons = rings.iter().enumerate().map(|(i, ring)| {
        let corners: Vec<String> = ring.iter().chain(ring.first()).map(place).collect();
        feature(&format!("p{i}"), "Polygon", &format!("[[{}]]", corners.join(",")), "")
    });
    let circles = circles.iter().enumerate().map(|(i, (at, radius_m))| {
        let radius = format!(r#","radius_m":{radius_m}"#);
        feature(&format!("c{i}"), "Point", &place(at), &radius)
    });
    let corridors = rings.iter().enumerate().map(|(i, ring)| {
        let corners: Vec<String> = ring.iter().map(place).collect();
        let line = format!("[{}]", corners.join(","));
        feature(&format!("l{i}"), "LineString", &line, r#","half_width_m":150"#)
    });
    parse(&polygons.chain(circles).chain(corridors).collect::<Vec<_>>()).set
}

fn scan(set: &FenceSet, p: Position) -> Vec<u32> {
    let holds = |(_, shape): &(u32, &Shape)| shape.contains(p);
    let shapes = set.fences().iter().map(|fence| &fence.shape);
    (0_u32..).zip(shapes).filter(holds).map(|(i, _)| i).collect()
}

fn position((lon, lat): Corner) -> Option<Position> {
    let lat = i32::try_from(lat).ok().filter(|lat| lat.abs() <= 900_000_000)?;
    Some(Position { lat, lon: i32::try_from(short(lon)).expect("short ones fit") })
}

/// Both names of the antimeridian.
fn names(p: Position) -> Vec<Position> {
    if p.lon.abs() == 1_800_000_000 { vec![p, Position { lon: -p.lon, ..p }] } else { vec![p] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cells_answer_as_the_shapes_do(
        origin in origins(),
        rings in proptest::collection::vec(ring(), 1..6),
        circles in proptest::collection::vec((corner(), 1.0..9_000.0_f64), 0..3),
        places in proptest::collection::vec((corner(), -1_i64..2, -1_i64..2), 150),
    ) {
        let set = set_of(&rings, &circles, origin);
        let own_corners = rings.iter().flatten().map(|corner| (*corner, 0, 0));
        let middles = rings.iter().flat_map(|ring| {
            let next = ring.iter().cycle().skip(1);
            ring.iter().zip(next).map(|(a, b)| (((a.0 + b.0) / 2, (a.1 + b.1) / 2), 0, 0))
        });
        let near = places.iter().copied().chain(own_corners).chain(middles);
        let positions: Vec<Position> = near
            .filter_map(|((x, y), east, north)| position((origin.0 + x + east, origin.1 + y + north)))
            .flat_map(names)
            .collect();
        let mut found = Vec::new();
        for p in &positions {
            set.containing(*p, &mut found);
            prop_assert_eq!(&found, &scan(&set, *p), "at {:?}", p);
        }
        let mut many = Vec::new();
        set.containing_many(&positions, |index, found| many.push((index, found.to_vec())));
        prop_assert_eq!(many.len(), positions.len());
        for (expected, (index, many)) in many.iter().enumerate() {
            set.containing(positions[expected], &mut found);
            prop_assert_eq!((expected, &found), (*index, many), "at {:?}", positions[expected]);
        }
    }
}

#[test]
fn a_fence_as_wide_as_the_world_is_found_beside_a_small_one() {
    let set = parse(&[
        feature(
            "band",
            "Polygon",
            "[[[-179,-5],[0,-5],[179,-5],[179,5],[0,5],[-179,5],[-179,-5]]]",
            "",
        ),
        feature("yard", "Polygon", "[[[10,1],[10.001,1],[10.001,1.001],[10,1.001],[10,1]]]", ""),
    ])
    .set;
    let mut found = Vec::new();
    set.containing(Position { lat: 10_005_000, lon: 100_005_000 }, &mut found);
    assert_eq!(found, [0, 1]);
    set.containing(Position { lat: 10_005_000, lon: -1_700_000_000 }, &mut found);
    assert_eq!(found, [0]);
    set.containing(Position { lat: 60_005_000, lon: 100_005_000 }, &mut found);
    assert!(found.is_empty());
}

#[test]
fn fences_that_cover_one_another_ten_thousandfold_take_bounded_memory() {
    let square = |i: usize| {
        let (west, south) = (10.0 + i as f64 * 1e-6, 50.0);
        let (east, north) = (west + 0.1, south + 0.1);
        let ring = format!(
            "[[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]"
        );
        feature(&format!("f{i:05}"), "Polygon", &ring, "")
    };
    let set = parse(&(0..10_000).map(square).collect::<Vec<_>>()).set;
    let mut found = Vec::new();
    set.containing(Position { lat: 500_500_000, lon: 100_500_000 }, &mut found);
    assert_eq!(found.len(), 10_000);
    assert!(set.index_bytes() < 64 << 20, "{} bytes", set.index_bytes());
}

/// A comb with its back below.
struct Comb {
    /// Units from one tooth to the next.
    apart: i64,
    /// Units from the back to the tips.
    tooth: i64,
    teeth: i64,
    /// Teeth point to the east, not to the north.
    lies: bool,
}

impl Comb {
    const FOOT: Corner = (100_000_000, 400_000_000);

    /// Of which `(along, out)` are units from its foot: from tooth to tooth, and
    /// towards the tips.
    fn place(&self, (along, out): (i64, i64)) -> Corner {
        let (east, north) = if self.lies { (out, along) } else { (along, out) };
        (Self::FOOT.0 + east, Self::FOOT.1 + north)
    }

    fn set(&self) -> FenceSet {
        let tooth = |i: i64| [(i * self.apart, 0), (i * self.apart + self.apart / 2, self.tooth)];
        let back = [(self.teeth * self.apart, -10_000), (0, -10_000)];
        let corners: Vec<(i64, i64)> = (0..self.teeth).flat_map(tooth).chain(back).collect();
        let ring: Vec<String> =
            corners.iter().chain(corners.first()).map(|at| degrees(self.place(*at))).collect();
        parse(&[feature("comb", "Polygon", &format!("[[{}]]", ring.join(",")), "")]).set
    }
}

/// An outline that goes to and fro through every cell.
#[rstest]
#[case::within_a_tile(Comb { apart: 50, tooth: 900_000, teeth: 20_000, lies: false }, 64 << 20)]
#[case::over_tiles(Comb { apart: 14_000, tooth: 28_000_000, teeth: 2_000, lies: false }, 8 << 20)]
#[case::over_tiles_lying(Comb { apart: 14_000, tooth: 28_000_000, teeth: 2_000, lies: true }, 8 << 20)]
#[case::of_long_teeth(Comb { apart: 300, tooth: 520_000_000, teeth: 1_000, lies: true }, 4 << 20)]
fn a_comb_takes_memory_for_its_corners(#[case] comb: Comb, #[case] bytes_max: usize) {
    let set = comb.set();
    assert_eq!(set.fences().len(), 1);
    assert!(set.index_bytes() < bytes_max, "{} bytes", set.index_bytes());
    let (mut found, mut held) = (Vec::new(), 0);
    for along in (0..comb.apart).step_by(comb.apart as usize / 25) {
        for out in [-10_001, -5_000, 0, comb.tooth / 3, comb.tooth - 1, comb.tooth] {
            let at = comb.place((comb.teeth / 2 * comb.apart + along, out));
            let p = position(at).expect("on the globe");
            set.containing(p, &mut found);
            assert_eq!(found, scan(&set, p), "at {p:?}");
            held += found.len();
        }
    }
    assert!((25..125).contains(&held), "{held} of 150 within: the places say nothing");
}
