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
    if corners.len() < 2 {
        let distinct = corners.len();
        return Err(Refusal::TooFewPoints { place: place.into(), distinct, needed: 2 });
    }
    let line = unwrapped(&corners, false);
    if extent(&line).east - extent(&line).west > TURN {
        return Err(Refusal::TooWide(place.into()));
    }
    Ok(line)
}

/// A `Point`'s coordinates.
pub(super) fn point(value: &Coordinates) -> Result<Position, Refusal> {
    position(value, || "coordinates".into())
}

/// A linear ring; the number of distinct positions where they are too few.
fn ring(
    value: &Coordinates,
    place: &str,
    repairs: &mut Vec<Repair>,
) -> Result<Result<Ring, usize>, Refusal> {
    let mut corners = positions(value, place)?;
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    } else if corners.len() > 2 {
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
    let ring = unwrapped(&corners, false);
    let closed = closed_area(&ring, &corners, false);
    if closed.is_none_or(|area| area == 0) && has_frame_edge(&corners) {
        let framed = unwrapped(&corners, true);
        let area = closed_area(&framed, &corners, true);
        if area.is_some_and(|area| area != 0) {
            return finish(framed, place, repairs).map(Ok);
        }
        if area.is_some() {
            return finish(ring, place, repairs).map(Ok);
        }
    }
    match closed {
        None => Err(Refusal::RoundAPole(place.into())),
        Some(_) => finish(ring, place, repairs).map(Ok),
    }
}

/// How many different ones there are, three for more.
fn distinct_up_to_three(corners: &[Position]) -> usize {
    let Some(first) = corners.first() else { return 0 };
    let Some(second) = corners.iter().find(|it| *it != first) else { return 1 };
    if corners.iter().any(|it| it != first && it != second) { 3 } else { 2 }
}

/// Checks the width and splits edges of half a turn and more, which could not
/// be told from their complement when read again.
fn finish(ring: Ring, place: &str, repairs: &mut Vec<Repair>) -> Result<Ring, Refusal> {
    let extent = extent(&ring);
    if extent.east - extent.west > TURN {
        return Err(Refusal::TooWide(place.into()));
    }
    if extent.east - extent.west < HALF_TURN {
        return Ok(ring);
    }
    let mut split = Ring::with_capacity(ring.len());
    for (i, &a) in ring.iter().enumerate() {
        let b = ring[(i + 1) % ring.len()];
        split.push(a);
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
    Ok(split)
}

/// Twice the area the ring goes round (the sign is its winding); `None` if it
/// does not close, being wound round a pole.
fn closed_area(ring: &Ring, corners: &[Position], frame: bool) -> Option<i128> {
    let (first, last) = (ring[0], ring[ring.len() - 1]);
    if last.x + stride(corners[corners.len() - 1], corners[0], frame) != first.x {
        return None;
    }
    let wide = i128::from;
    let next = ring.iter().skip(1).chain(ring.first());
    Some(ring.iter().zip(next).map(|(a, b)| wide(a.x) * wide(b.y) - wide(b.x) * wide(a.y)).sum())
}

fn unwrapped(corners: &[Position], frame: bool) -> Ring {
    let mut x = i64::from(corners[0].lon);
    let mut previous = corners[0];
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
    if frame && delta.abs() == TURN { delta } else { short_way(delta) }
}

fn has_frame_edge(corners: &[Position]) -> bool {
    let next = corners.iter().skip(1).chain(corners.first());
    corners.iter().zip(next).any(|(a, b)| (i64::from(a.lon) - i64::from(b.lon)).abs() == TURN)
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
