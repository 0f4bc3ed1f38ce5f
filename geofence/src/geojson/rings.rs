//! From GeoJSON coordinates to rings and lines on the grid, unwrapped.
//!
//! Longitudes are read along the ring: each edge the short way, so that a ring
//! may step across the antimeridian. An edge from meridian −180 to meridian
//! 180 spans nothing that way; only where the ring would then go round a pole
//! or enclose nothing (Antarctica, the frame of a world map) it is taken to
//! span all longitudes.

use std::borrow::Cow;

use super::feature::Coordinates;
use super::note::{Refusal, Repair};
use crate::Position;
use crate::plane::{HALF_TURN, TURN, short_way};
use crate::shape::{Part, Ring, Vertex, extent};

/// Most vertices a fence may have, all rings together.
pub(super) const VERTICES_MAX: usize = 250_000;

/// A `Polygon`'s coordinates; `path` names them in messages.
pub(super) fn part(
    value: &Coordinates,
    path: &str,
    repairs: &mut Vec<Repair>,
) -> Result<Part, Refusal> {
    let rings = array(value, path, "an array of rings is needed")?;
    let (first, holes) = rings.split_first().ok_or_else(|| Refusal::CoordinatesInvalid {
        place: path.into(),
        problem: "a polygon needs an exterior ring",
    })?;
    let place = format!("{path}[0]");
    let exterior = ring(first, &place, repairs)?.map_err(|distinct| Refusal::TooFewPoints {
        place,
        distinct,
        needed: 3,
    })?;
    let mut part = Part { exterior, holes: Vec::with_capacity(holes.len()) };
    for (i, hole) in holes.iter().enumerate() {
        let place = format!("{path}[{}]", i + 1);
        match ring(hole, &place, repairs)? {
            Ok(hole) => part.holes.push(hole),
            Err(distinct) => repairs.push(Repair::HoleDropped { place, distinct }),
        }
    }
    Ok(part)
}

/// A `LineString`'s coordinates, unwrapped.
pub(super) fn line(value: &Coordinates, repairs: &mut Vec<Repair>) -> Result<Vec<Vertex>, Refusal> {
    let place = "coordinates";
    let mut corners = positions(value, place)?;
    remove_repeated(&mut corners, place, repairs);
    let mut line = unwrapped(&corners, false);
    line.dedup();
    if line.len() < 2 {
        let distinct = line.len();
        return Err(Refusal::TooFewPoints { place: place.into(), distinct, needed: 2 });
    }
    if width(&line) > TURN {
        return Err(Refusal::TooWide(place.into()));
    }
    Ok(without_long_edges(&line, false, place, repairs))
}

/// A `Point`'s coordinates.
pub(super) fn point(value: &Coordinates) -> Result<Position, Refusal> {
    position(value, || "coordinates".into()).map(on_one_meridian)
}

/// A linear ring; the number of distinct positions where they are too few.
fn ring(
    value: &Coordinates,
    place: &str,
    repairs: &mut Vec<Repair>,
) -> Result<Result<Ring, usize>, Refusal> {
    let mut corners = positions(value, place)?;
    let ends_where_it_begins = match (corners.first(), corners.last()) {
        (Some(first), Some(last)) => on_one_meridian(*first) == on_one_meridian(*last),
        _ => false,
    };
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    } else if corners.len() > 2 && !ends_where_it_begins {
        repairs.push(Repair::RingClosed(place.into()));
    }
    remove_repeated(&mut corners, place, repairs);
    while corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    let distinct = distinct_up_to_three(&corners);
    if distinct < 3 {
        return Ok(Err(distinct));
    }

    // The short way first; the frame's edges the long way if that closes better.
    let encloses = |ring: &Option<Ring>| ring.as_ref().is_some_and(|ring| doubled_area(ring) != 0);
    let mut ring = closed(&corners, false);
    if !encloses(&ring) && has_frame_edge(&corners) {
        let framed = closed(&corners, true);
        if ring.is_none() || encloses(&framed) {
            ring = framed;
        }
    }
    let ring = ring.ok_or_else(|| Refusal::RoundAPole(place.into()))?;
    match distinct_up_to_three(&ring) {
        3 => finish(ring, place, repairs).map(Ok),
        distinct => Ok(Err(distinct)),
    }
}

/// How many different ones there are, three for more.
fn distinct_up_to_three<T: PartialEq>(corners: &[T]) -> usize {
    let Some(first) = corners.first() else { return 0 };
    let Some(second) = corners.iter().find(|it| *it != first) else { return 1 };
    if corners.iter().any(|it| it != first && it != second) { 3 } else { 2 }
}

/// Checks the width and splits long edges.
fn finish(ring: Ring, place: &str, repairs: &mut Vec<Repair>) -> Result<Ring, Refusal> {
    if width(&ring) > TURN {
        return Err(Refusal::TooWide(place.into()));
    }
    Ok(without_long_edges(&ring, true, place, repairs))
}

fn width(corners: &[Vertex]) -> i64 {
    let extent = extent(corners);
    extent.east - extent.west
}

/// Splits edges of half a turn and more, which could not be told from their
/// complement when read again. A ring has one from its last corner to the first.
fn without_long_edges(
    corners: &[Vertex],
    is_ring: bool,
    place: &str,
    repairs: &mut Vec<Repair>,
) -> Vec<Vertex> {
    let closing = corners.first().filter(|_| is_ring);
    let mut split = Vec::with_capacity(corners.len());
    for (i, &a) in corners.iter().enumerate() {
        split.push(a);
        let Some(&b) = corners.get(i + 1).or(closing) else { break };
        let pieces =
            1 + (b.x - a.x).abs() / (HALF_TURN / 2 + 1) * i64::from((b.x - a.x).abs() >= HALF_TURN);
        for piece in 1..pieces {
            let between = |a: i64, b: i64| a + (b - a) / pieces * piece;
            split.push(Vertex { x: between(a.x, b.x), y: between(a.y, b.y) });
        }
        if pieces > 1 && a.y != b.y {
            repairs.push(Repair::LongEdge { place: format!("{place}[{i}]") });
        }
    }
    split
}

/// Twice the area the ring goes round; the sign is its winding.
fn doubled_area(ring: &Ring) -> i128 {
    let wide = i128::from;
    let next = ring.iter().skip(1).chain(ring.first());
    ring.iter().zip(next).map(|(a, b)| wide(a.x) * wide(b.y) - wide(b.x) * wide(a.y)).sum()
}

/// The ring of these corners, no two in a row the same place, as those are
/// that stand at −180 and at 180; `None` if it does not close, being wound
/// round a pole.
fn closed(corners: &[Position], frame: bool) -> Option<Ring> {
    let (first, last) = (corners.first()?, corners.last()?);
    let mut ring = unwrapped(corners, frame);
    let begin = *ring.first()?;
    if ring.last()?.x + stride(*last, *first, frame) != begin.x {
        return None;
    }
    ring.dedup();
    while ring.len() > 1 && ring.last() == Some(&begin) {
        ring.pop();
    }
    Some(ring)
}

/// The corners on one axis. Where a frame is read, the first one keeps the
/// longitude that it has.
fn unwrapped(corners: &[Position], frame: bool) -> Vec<Vertex> {
    let Some(&first) = corners.first() else { return Vec::new() };
    let mut x = i64::from(if frame { first } else { on_one_meridian(first) }.lon);
    let mut previous = first;
    corners
        .iter()
        .map(|&corner| {
            x += stride(previous, corner, frame);
            previous = corner;
            Vertex { x, y: i64::from(corner.lat) }
        })
        .collect()
}

/// How far east the edge goes: the short way, unless `frame` and the edge is
/// one from meridian to meridian.
fn stride(from: Position, to: Position, frame: bool) -> i64 {
    let delta = i64::from(to.lon) - i64::from(from.lon);
    if frame && is_frame_edge(from, to) { delta } else { short_way(delta) }
}

fn has_frame_edge(corners: &[Position]) -> bool {
    let next = corners.iter().skip(1).chain(corners.first());
    corners.iter().zip(next).any(|(from, to)| is_frame_edge(*from, *to))
}

/// Whether the edge may be the upper or lower one of a map of the world.
fn is_frame_edge(from: Position, to: Position) -> bool {
    from.lat == to.lat && (i64::from(from.lon) - i64::from(to.lon)).abs() == TURN
}

/// The same place with one longitude where it has two: −180, not 180.
fn on_one_meridian(place: Position) -> Position {
    let east = i64::from(place.lon) == HALF_TURN;
    Position { lon: if east { -place.lon } else { place.lon }, ..place }
}

fn remove_repeated(corners: &mut Vec<Position>, place: &str, repairs: &mut Vec<Repair>) {
    let first = corners.windows(2).position(|pair| pair[0] == pair[1]);
    let before = corners.len();
    corners.dedup();
    if let Some(i) = first {
        let at = corners[i];
        repairs.push(Repair::RepeatedVertices {
            count: before - corners.len(),
            place: format!("{place}[{}] ({}, {})", i + 1, at.lon_deg(), at.lat_deg()),
        });
    }
}

fn positions(value: &Coordinates, place: &str) -> Result<Vec<Position>, Refusal> {
    if let Coordinates::Places(places) = value {
        let places = places.iter().enumerate();
        return places.map(|(i, at)| on_earth(*at, || format!("{place}[{i}]"))).collect();
    }
    array(value, place, "an array of positions is needed")?
        .iter()
        .enumerate()
        .map(|(i, v)| position(v, || format!("{place}[{i}]")))
        .collect()
}

fn position(value: &Coordinates, place: impl Fn() -> String) -> Result<Position, Refusal> {
    let problem = match value {
        Coordinates::Place(lon, lat) => return on_earth((*lon, *lat), place),
        Coordinates::Other => "a position [longitude, latitude] is needed",
        Coordinates::Places(_) | Coordinates::List(_) => {
            "a position is [longitude, latitude], both numbers"
        }
    };
    Err(Refusal::CoordinatesInvalid { place: place(), problem })
}

fn on_earth((lon, lat): (f64, f64), place: impl Fn() -> String) -> Result<Position, Refusal> {
    Position::from_degrees(lat, lon).ok_or_else(|| Refusal::CoordinateOutOfRange {
        place: place(),
        lon,
        lat,
        problem: if lat.abs() > 90.0 && lon.abs() <= 90.0 {
            "latitude is outside ±90; are longitude and latitude swapped?"
        } else {
            "longitude must be within ±180 and latitude within ±90"
        },
    })
}

pub(super) fn array<'a>(
    value: &'a Coordinates,
    place: &str,
    problem: &'static str,
) -> Result<Cow<'a, [Coordinates]>, Refusal> {
    value.list().ok_or_else(|| Refusal::CoordinatesInvalid { place: place.into(), problem })
}
