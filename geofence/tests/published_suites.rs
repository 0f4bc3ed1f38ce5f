//! The published suites of JTS and Turf against our fences: which rings are
//! valid, where a position lies, what a step meets. The READMEs beside the data
//! say where they come from and under which licence.
//!
//! JTS draws on a plane of any extent; each case is moved and scaled onto the
//! grid without rounding a coordinate, in four ways (see [`Site`]).

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod suite;

use std::collections::{BTreeMap, BTreeSet};

use geofence::{FenceNote, Position, Shape, parse_fences};
use suite::grid::{Corner, Placement, SITES, Site, geojson_as_drawn, position};
use suite::oracle;
use suite::wkt::{Decimal, Geometry, Line};
use suite::xml::{Case, Op, cases};

/// Files of JTS, by their path under `data/jts`.
macro_rules! jts {
    ($($file:literal),* $(,)?) => {
        [$(cases($file, include_str!(concat!("data/jts/", $file)))),*].into_iter().flatten()
    };
}

/// What reading a geometry came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Repaired(BTreeSet<&'static str>),
    Refused(&'static str),
}

fn read(geojson: &str) -> (Verdict, Option<Shape>) {
    let parsed = parse_fences(geojson.as_bytes()).unwrap();
    let told: &[FenceNote] = &parsed.repairs;
    let shape = parsed.set.fences().first().map(|fence| fence.shape.clone());
    let verdict = match (parsed.refusals.as_slice(), told) {
        ([], []) => Verdict::Accepted,
        ([], _) => Verdict::Repaired(told.iter().map(|note| note.code).collect()),
        ([refusal, ..], _) => Verdict::Refused(refusal.code),
    };
    assert_eq!(shape.is_none(), matches!(verdict, Verdict::Refused(_)));
    (verdict, shape)
}

// Validity.

/// Why JTS and we may judge the same rings differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// JTS: invalid; here: accepted untold. Rings touch themselves or each
    /// other in single places, holes cut the interior to pieces, parts share
    /// edges: no valid polygon of OGC, which wants the interior of each part
    /// in one piece. A fence is a set of positions (a multipolygon the union
    /// of its parts), and all readings give the same one; the test checks that.
    OneReading,
    /// JTS: valid; here: the second of two equal neighbours is removed, told.
    RepeatedVertices,
    /// JTS: valid; here: a ring of no positions is left out, told, and a part
    /// or a whole of none refused. GeoJSON has no EMPTY, and a fence no use
    /// for it.
    Empty,
    /// JTS: valid; here: refused by name. Coordinates of 10^15, or of 16
    /// decimals that matter, fit no grid; as drawn, in degrees, they are
    /// beyond ±180 or ±90.
    OffTheGrid,
}

/// Every case in which the verdicts differ, all others agree.
const DIFFER: &[(Why, &str, &[usize])] = &[
    (
        Why::OneReading,
        "general/TestValid.xml",
        &[22, 23, 25, 26, 30, 32, 42, 48, 51, 52, 53, 54, 55, 58, 59, 60, 62, 63],
    ),
    (Why::OneReading, "general/TestValid2.xml", &[20, 22, 225, 226, 394]),
    (
        Why::OneReading,
        "misc/TestInvalidA.xml",
        &[1, 2, 4, 5, 8, 9, 11, 12, 21, 22, 23, 25, 26, 56, 57],
    ),
    (Why::RepeatedVertices, "general/TestValid.xml", &[18, 28, 40]),
    (Why::Empty, "general/TestValid.xml", &[37]),
    (Why::Empty, "general/TestValid2.xml", &[747]),
    (Why::Empty, "recent.xml", &[1, 2]),
    (Why::OffTheGrid, "general/TestValid2-big.xml", &[1]),
    (Why::OffTheGrid, "external/TestValid.xml", &[1]),
];

impl Why {
    /// Why an area that is valid in JTS, or is not, has this verdict here;
    /// `None` where that is agreement.
    fn of(valid: bool, verdict: &Verdict, name: &str) -> Option<Self> {
        let only = |codes: &BTreeSet<&str>, code| codes.iter().eq([&code]);
        match (valid, verdict) {
            (true, Verdict::Accepted) | (false, Verdict::Repaired(_) | Verdict::Refused(_)) => None,
            (false, Verdict::Accepted) => Some(Self::OneReading),
            (true, Verdict::Repaired(codes)) if only(codes, "repeated_vertices") => {
                Some(Self::RepeatedVertices)
            }
            (true, Verdict::Repaired(codes)) if only(codes, "hole_dropped") => Some(Self::Empty),
            (true, Verdict::Refused("too_few_points" | "coordinates_invalid")) => Some(Self::Empty),
            (true, Verdict::Refused("coordinate_out_of_range")) => Some(Self::OffTheGrid),
            (true, _) => panic!("no reason to mend or refuse what is valid: {name}"),
        }
    }
}

#[test]
fn rings_are_valid_where_jts_finds_them_so() {
    let explained: BTreeMap<(&str, usize), Why> = DIFFER
        .iter()
        .flat_map(|(why, file, numbers)| numbers.iter().map(|n| ((*file, *n), *why)))
        .collect();
    let mut differing = BTreeMap::new();
    let (mut areas, mut invalid, mut others) = (0, 0, 0);
    let all = jts![
        "general/TestValid.xml",
        "general/TestValid2.xml",
        "general/TestValid2-big.xml",
        "external/TestValid.xml",
        "misc/TestInvalidA.xml",
        "recent.xml",
    ];
    for case in all {
        let Some(op) = case.ops.iter().find(|op| op.name == "isValid") else { continue };
        let geometry = Geometry::parse(&case.a);
        let Geometry::Areas { multi, parts } = &geometry else {
            others += 1;
            continue;
        };
        areas += 1;
        invalid += usize::from(!op.expected);
        let mut texts: Vec<(Site, String)> = SITES
            .into_iter()
            .filter_map(|site| Some((site, Placement::new(site, &[&geometry])?)))
            .map(|(site, placement)| (site, placement.geojson(*multi, parts)))
            .collect();
        if texts.is_empty() {
            texts.push((Site::Coarse, geojson_as_drawn(*multi, parts)));
        }
        for (site, text) in texts {
            let (verdict, shape) = read(&text);
            let name = format!("{}, {site:?}: {verdict:?}", case.name());
            if let Some(why) = Why::of(op.expected, &verdict, &name) {
                println!("{why:?}: {name}");
                differing.insert((case.file, case.number), why);
            }
            // Small figures are bent where their crossings come onto the grid.
            if let (Site::Coarse, Some(shape)) = (site, shape) {
                let placement = Placement::new(site, &[&geometry]).unwrap();
                let one_reading = verdict == Verdict::Accepted;
                check_reading(&shape, &placement.rings(parts), one_reading, &name);
            }
        }
    }
    assert_eq!(differing, explained);
    assert_eq!((areas, invalid, others), (374, 101, 511));
}

/// Holds the shape against the rings as drawn, on a lattice over and about
/// them. What needed no repair must have one reading and hold all its edges.
fn check_reading(shape: &Shape, parts: &[Vec<Vec<Corner>>], one_reading: bool, name: &str) {
    let corners: Vec<Corner> = parts.iter().flatten().flatten().copied().collect();
    let span = |axis: fn(&Corner) -> i64| {
        let values = corners.iter().map(axis);
        (values.clone().min().unwrap(), values.max().unwrap())
    };
    let ((west, east), (south, north)) = (span(|c| c.0), span(|c| c.1));
    for (i, j) in (-1..=41).flat_map(|i| (-1..=41).map(move |j| (i, j))) {
        let p = (west + (east - west) * i / 40, south + (north - south) * j / 40);
        let holds = shape.contains(position(p));
        let reading = oracle::read(parts, p);
        if !reading.on_edge {
            assert_eq!(holds, reading.by_winding, "{name} at {p:?}");
        }
        if one_reading {
            assert!(!reading.on_edge || holds, "{name}: edge at {p:?}");
            assert!(reading.on_edge || holds == reading.by_parity, "{name}: parity at {p:?}");
        }
    }
    if one_reading {
        assert!(corners.iter().all(|c| shape.contains(position(*c))), "{name}: corners");
    }
}

// Positions and steps.

/// A figure of a case put on the grid together with the area it is held
/// against.
struct Scene {
    site: Site,
    name: String,
    shape: Shape,
    placement: Placement,
}

/// The area of a case, at every site, and what it is held against; `None`
/// where the case has not exactly one area.
fn scenes(case: &Case) -> Option<(Vec<Scene>, Geometry, bool)> {
    if case.b.is_empty() {
        return None;
    }
    let (a, b) = (Geometry::parse(&case.a), Geometry::parse(&case.b));
    let area_first = matches!(a, Geometry::Areas { .. });
    let (area, other) = if area_first { (&a, &b) } else { (&b, &a) };
    let Geometry::Areas { multi, parts } = area else { return None };
    if matches!(other, Geometry::Areas { .. }) {
        return None;
    }
    // A part that is EMPTY can be left out of a union.
    let parts: Vec<Vec<Line>> = parts.iter().filter(|rings| !rings.is_empty()).cloned().collect();
    let scenes = SITES
        .into_iter()
        .filter_map(|site| Some((site, Placement::new(site, &[area, other])?)))
        .map(|(site, placement)| {
            let name = format!("{}, {site:?}", case.name());
            let (verdict, shape) = read(&placement.geojson(*multi, &parts));
            let unaltered =
                [Verdict::Accepted, Verdict::Repaired(BTreeSet::from(["repeated_vertices"]))];
            assert!(unaltered.contains(&verdict), "{name}: {verdict:?}");
            Scene { site, name, shape: shape.unwrap(), placement }
        })
        .collect();
    Some((scenes, other.clone(), area_first))
}

/// The rows of a `relate` matrix that say how the interior (first) and the
/// boundary of the other geometry meet the interior, boundary and exterior of
/// the area.
fn rows(op: &Op, area_first: bool) -> [[char; 3]; 2] {
    let cells: Vec<char> = op.pattern.chars().collect();
    assert!(op.expected && cells.len() == 9);
    let cell = |other: usize, area: usize| {
        if area_first { cells[3 * area + other] } else { cells[3 * other + area] }
    };
    [0, 1].map(|other| [0, 1, 2].map(|area| cell(other, area)))
}

#[test]
fn positions_lie_where_jts_finds_them() {
    let (mut asked, mut placed) = (0, 0);
    let all = jts![
        "general/TestRelatePA.xml",
        "general/TestRectanglePredicate.xml",
        "general/TestPreparedPolygonPredicate.xml",
        "general/TestPreparedPointPredicate.xml",
        "validate/TestRelatePA.xml",
        "recent.xml",
    ];
    for case in all {
        let Some((scenes, Geometry::Points(points), area_first)) = scenes(&case) else { continue };
        placed += points.len() * scenes.len();
        for Scene { site, name, shape, placement } in scenes {
            let sides: Vec<(bool, f64)> = points
                .iter()
                .map(|at| position(placement.corner(at)))
                .map(|p| (shape.contains(p), shape.signed_distance_m(p)))
                .collect();
            let inside = sides.iter().filter(|side| side.0).count();
            for op in &case.ops {
                let name = format!("{name}: {} {}", op.name, op.pattern);
                let holds = |found: bool| assert_eq!(found, op.expected, "{name}");
                match (op.name.as_str(), op.args[0] == "A" && area_first) {
                    ("relate", _) => {
                        let [[within, on, outside], _] = rows(op, area_first);
                        assert_eq!(inside < points.len(), outside != 'F', "{name}");
                        assert_eq!(inside > 0, (within, on) != ('F', 'F'), "{name}");
                        // Metres shrink to nothing at the pole, and to the
                        // millimetre in the finest figures.
                        if site == Site::Coarse {
                            let any = |f: fn(f64) -> bool| sides.iter().any(|side| f(side.1));
                            assert_eq!(any(|s| s > 0.0), within != 'F', "{name}");
                            assert_eq!(any(|s| s == 0.0), on != 'F', "{name}");
                            assert_eq!(any(|s| s < 0.0), outside != 'F', "{name}");
                        }
                    }
                    ("intersects", _) => holds(inside > 0),
                    ("disjoint", _) => holds(inside == 0),
                    ("coveredBy", false) | ("covers", true) => holds(inside == points.len()),
                    _ => continue,
                }
                asked += 1;
            }
        }
    }
    assert_eq!((placed, asked), (504, 804));
}

#[test]
fn steps_meet_what_jts_finds_them_to_meet() {
    let (mut asked, mut walked) = (0, 0);
    let all = jts![
        "general/TestRelateLA.xml",
        "general/TestRectanglePredicate.xml",
        "general/TestPreparedPolygonPredicate.xml",
        "validate/TestRelateLA.xml",
    ];
    for case in all {
        let Some((scenes, Geometry::Lines(lines), area_first)) = scenes(&case) else { continue };
        for Scene { name, shape, placement, .. } in scenes {
            let steps: Vec<Vec<(f64, f64)>> = lines
                .iter()
                .flat_map(|line| {
                    let places: Vec<Position> =
                        placement.line(line).into_iter().map(position).collect();
                    let steps = places.windows(2);
                    steps.map(|s| shape.inside_stretches(s[0], s[1])).collect::<Vec<_>>()
                })
                .collect();
            walked += steps.len();
            let meets = steps.iter().any(|stretches| !stretches.is_empty());
            let along = steps.iter().flatten().any(|(from, to)| from < to);
            let covered = steps.iter().all(|stretches| *stretches == [(0.0, 1.0)]);
            for op in &case.ops {
                let name = format!("{name}: {} {} {steps:?}", op.name, op.pattern);
                let holds = |found: bool| assert_eq!(found, op.expected, "{name}");
                match (op.name.as_str(), op.args[0] == "A" && area_first) {
                    ("relate", _) => {
                        let [interior, ends] = rows(op, area_first);
                        let met = [interior[0], interior[1], ends[0], ends[1]];
                        assert_eq!(meets, met.iter().any(|cell| *cell != 'F'), "{name}");
                        assert_eq!(along, met.contains(&'1'), "{name}");
                        assert_eq!(covered, (interior[2], ends[2]) == ('F', 'F'), "{name}");
                    }
                    ("intersects", _) => holds(meets),
                    ("disjoint", _) => holds(!meets),
                    ("coveredBy", false) | ("covers", true) => holds(covered),
                    // Contained is covered, and not by the boundary alone.
                    ("within", false) | ("contains", true) if op.expected => holds(covered),
                    _ => continue,
                }
                asked += 1;
            }
        }
    }
    assert_eq!((walked, asked), (1_064, 1_532));
}

#[test]
fn positions_lie_where_turf_finds_them() {
    let data: serde_json::Value =
        serde_json::from_str(include_str!("data/turf/cases.json")).unwrap();
    let files = [
        ("poly-with-hole", include_str!("data/turf/poly-with-hole.geojson")),
        ("multipoly-with-hole", include_str!("data/turf/multipoly-with-hole.geojson")),
    ];
    for case in data["cases"].as_array().unwrap() {
        let (name, at, side) = (&case[0], &case[1], case[2].as_str().unwrap());
        let file = files.iter().find(|(file, _)| name == file);
        // One figure reaches up to latitude 100, and one position to 150: all
        // drawn on whole degrees are halved.
        let drawn = &data["geometries"][name.as_str().unwrap()];
        let halved = file.is_none() && name != "issue15";
        let degrees = |v: &serde_json::Value| v.as_f64().unwrap() / if halved { 2.0 } else { 1.0 };
        let geometry = match file {
            Some((_, feature)) => {
                serde_json::from_str::<serde_json::Value>(feature).unwrap()["geometry"].clone()
            }
            None => {
                let ring = |ring: &serde_json::Value| -> Vec<[f64; 2]> {
                    let places = ring.as_array().unwrap().iter();
                    places.map(|p| [degrees(&p[0]), degrees(&p[1])]).collect()
                };
                let rings = drawn["coordinates"].as_array().unwrap().iter();
                let rings: Vec<_> = rings.map(ring).collect();
                serde_json::json!({"type": "Polygon", "coordinates": rings})
            }
        };
        let (verdict, shape) = read(&geometry.to_string());
        assert_eq!(verdict, Verdict::Accepted, "{name}");
        let p = Position::from_degrees(degrees(&at[1]), degrees(&at[0])).unwrap();
        let (holds, s) = (shape.as_ref().unwrap().contains(p), shape.unwrap().signed_distance_m(p));
        let found = match (holds, s) {
            (true, 0.0) => "boundary",
            (true, _) => "in",
            (false, _) => "out",
        };
        assert_eq!(found, side, "{name} at {at}: {s}");
    }
    assert_eq!(data["cases"].as_array().unwrap().len(), 50);
}

#[test]
fn figures_come_onto_the_grid_unrounded() {
    let number = |text| Some(Decimal::parse(text));
    let line =
        Geometry::Lines(vec![vec![[number("-0.5"), number("3")], [number("2.50"), number("13")]]]);
    let corners = |site| {
        let placement = Placement::new(site, &[&line]).unwrap();
        line.coordinates().iter().map(|at| placement.corner(at)).collect::<Vec<_>>()
    };
    assert_eq!(corners(Site::Fine), [(100_000_000, 500_000_000), (100_000_030, 500_000_100)]);
    assert_eq!(corners(Site::Antimeridian), [(1_799_998_500, -5_000), (1_800_001_500, 5_000)]);
    assert_eq!(corners(Site::Pole), [(-1_000_000_000, 899_900_000), (-999_970_000, 900_000_000)]);
    assert_eq!(corners(Site::Coarse), [(-150_000_000, -500_000_000), (150_000_000, 500_000_000)]);
    let wide = ["0", "1000000000000000"].map(|x| [number(x), number("0.5")]);
    assert!(SITES.iter().all(|s| Placement::new(*s, &[&Geometry::Points(wide.into())]).is_none()));
}
