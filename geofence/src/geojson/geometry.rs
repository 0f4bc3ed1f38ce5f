//! From a GeoJSON geometry to a shape.

use serde_json::{Map, Value};

use super::feature::{Coordinates, Geometry};
use super::note::{Refusal, Repair};
use super::rings::{self, VERTICES_MAX};
use super::write::write_shape;
use crate::plane::{HALF_TURN, TURN};
use crate::shape::{
    Circle, Corridor, Mend, Part, Polygonal, Ring, RingId, Shape, Unusable, Vertex,
};
use crate::{E7, Position};

/// Reads `geometry`; a circle's radius and a corridor's width are in
/// `properties`.
pub(super) fn shape(
    geometry: Option<&Geometry>,
    properties: &Map<String, Value>,
    repairs: &mut Vec<Repair>,
) -> Result<Shape, Refusal> {
    let geometry = geometry.filter(|it| !it.is_null).ok_or(Refusal::GeometryMissing)?;
    let kind = match &geometry.kind {
        Some(Value::String(kind)) => kind.as_str(),
        other => {
            let found = other.as_ref().map_or_else(|| "missing".into(), Value::to_string);
            return Err(Refusal::GeometryUnsupported(found));
        }
    };
    let coordinates = &geometry.coordinates;
    match kind {
        "Polygon" | "MultiPolygon" => {
            let polygonal = polygonal(kind, coordinates, repairs)?;
            let is_wide = polygonal.width() >= HALF_TURN;
            let shape = Shape::Polygon(polygonal);
            if is_wide && !reads_back(&shape) {
                return Err(Refusal::TooWide("coordinates".into()));
            }
            Ok(shape)
        }
        "Point" => {
            let center = rings::point(coordinates)?;
            let circle =
                length_m(properties, "Point", "radius_m", |radius| Circle::new(center, radius))?;
            clear_of_poles(Shape::Circle(circle), "radius_m")
        }
        "LineString" => {
            let line = rings::line(coordinates, repairs)?;
            if line.len() > VERTICES_MAX {
                return Err(Refusal::TooManyVertices(line.len()));
            }
            let corridor = length_m(properties, "LineString", "half_width_m", |half_width| {
                Corridor::new(line.clone(), half_width)
            })?;
            clear_of_poles(Shape::Corridor(corridor), "half_width_m")
        }
        other => Err(Refusal::GeometryUnsupported(format!("{other:?}"))),
    }
}

fn polygonal(
    kind: &str,
    coordinates: &Coordinates,
    repairs: &mut Vec<Repair>,
) -> Result<Polygonal, Refusal> {
    let is_one = kind == "Polygon";
    let path = |part: usize| {
        if is_one { "coordinates".to_owned() } else { format!("coordinates[{part}]") }
    };
    let parts = if is_one {
        vec![rings::part(coordinates, &path(0), repairs)?]
    } else {
        let list = rings::array(coordinates, "coordinates", "an array of polygons is needed")?;
        let part = |(i, value)| rings::part(value, &path(i), repairs);
        list.iter().enumerate().map(part).collect::<Result<_, _>>()?
    };
    let vertices = parts.iter().flat_map(Part::rings).map(Ring::len).sum();
    if vertices > VERTICES_MAX {
        return Err(Refusal::TooManyVertices(vertices));
    }
    let (polygonal, mends) = Polygonal::new(parts).map_err(|unusable| match unusable {
        Unusable::ZeroArea => Refusal::ZeroArea,
        Unusable::Tangled => Refusal::NotRepairable,
    })?;
    repairs.extend(told(mends, &path));
    Ok(polygonal)
}

/// Whether the shape as it is written is read as what it is: not so where
/// parts that were joined go round the world.
fn reads_back(shape: &Shape) -> bool {
    let mut text = Vec::new();
    write_shape(shape, &mut text);
    let Ok(geometry) = serde_json::from_slice::<Geometry>(&text) else { return false };
    let kind = geometry.kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut repairs = Vec::new();
    let read = polygonal(kind, &geometry.coordinates, &mut repairs).map(Shape::Polygon);
    repairs.is_empty() && read.as_ref() == Ok(shape)
}

/// One remark per kind and ring, however many places it has.
fn told(mut mends: Vec<Mend>, path: &impl Fn(usize) -> String) -> Vec<Repair> {
    let ring = |id: RingId| format!("{}[{}]", path(id.part), id.ring);
    mends.sort_unstable();
    mends
        .chunk_by(|a, b| subject(a) == subject(b))
        .map(|places| {
            let more = match places.len() - 1 {
                0 => String::new(),
                more => format!(" and at {more} more places"),
            };
            match places[0] {
                Mend::SelfCrossing { ring: id, at } => {
                    Repair::SelfCrossing { ring: ring(id), at: degrees(at), more }
                }
                Mend::RingsCross { rings: (a, b), at } => {
                    Repair::RingsCross { ring: ring(a), other: ring(b), at: degrees(at), more }
                }
                Mend::PartsOverlap { part, at } => {
                    Repair::PartsOverlap { ring: path(part), at: degrees(at) }
                }
                Mend::RingIdle { ring: id, at } => {
                    Repair::RingIdle { ring: ring(id), at: degrees(at) }
                }
                Mend::Spike { ring: id, at } => Repair::Spike { ring: ring(id), at: degrees(at) },
            }
        })
        .collect()
}

/// What a remark is about: its kind and rings, not its place.
fn subject(mend: &Mend) -> Mend {
    let at = Vertex { x: 0, y: 0 };
    match *mend {
        Mend::SelfCrossing { ring, .. } => Mend::SelfCrossing { ring, at },
        Mend::RingsCross { rings, .. } => Mend::RingsCross { rings, at },
        Mend::PartsOverlap { part, .. } => Mend::PartsOverlap { part, at },
        Mend::RingIdle { ring, .. } => Mend::RingIdle { ring, at },
        Mend::Spike { ring, .. } => Mend::Spike { ring, at },
    }
}

fn degrees(at: Vertex) -> String {
    let lon = (at.x + TURN / 2).rem_euclid(TURN) - TURN / 2;
    format!("({}, {})", lon as f64 / E7, at.y as f64 / E7)
}

/// `shape`, made with the length in `property`, if no pole is in it. There all
/// longitudes are one place, and in the plane of a longitude they are not.
fn clear_of_poles(shape: Shape, property: &'static str) -> Result<Shape, Refusal> {
    let mut poles = [-90.0, 90.0].into_iter().filter_map(|lat| Position::from_degrees(lat, 0.0));
    if poles.any(|pole| shape.contains(pole)) {
        Err(Refusal::ReachesAPole { property })
    } else {
        Ok(shape)
    }
}

/// A shape made from the length in `properties`.
fn length_m<T>(
    properties: &Map<String, Value>,
    geometry: &'static str,
    property: &'static str,
    make: impl Fn(f64) -> Option<T>,
) -> Result<T, Refusal> {
    match properties.get(property) {
        None | Some(Value::Null) => Err(Refusal::RadiusMissing { geometry, property }),
        Some(value) => value
            .as_f64()
            .and_then(make)
            .ok_or_else(|| Refusal::RadiusInvalid { property, value: value.to_string() }),
    }
}
