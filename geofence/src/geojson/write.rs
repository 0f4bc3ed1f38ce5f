//! Canonical GeoJSON: one text per set of fences, whatever it was read from.
//!
//! Features in order of id, one a line, members in a fixed order; rings closed,
//! exteriors counter-clockwise and holes clockwise, each from its smallest
//! vertex; coordinates in degrees with as many of seven decimals as needed, a
//! ring over the antimeridian stepping across it.

use serde_json::{Map, Value, json};

use crate::plane::{HALF_TURN, TURN};
use crate::shape::{Part, Ring, Shape, Vertex};
use crate::{Fence, Position};

/// The canonical bytes of `fences`, which are sorted by id.
pub(crate) fn write_fences(fences: &[Fence]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pieces(fences, |piece| bytes.extend_from_slice(piece.as_bytes()));
    bytes
}

/// Hands the canonical bytes of `fences` on fence by fence.
pub(crate) fn write_pieces(fences: &[Fence], mut write: impl FnMut(&str)) {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for (i, fence) in fences.iter().enumerate() {
        text.push_str(if i == 0 { "\n" } else { ",\n" });
        write_feature(fence, &mut text);
        write(&text);
        text.clear();
    }
    text.push_str("\n]}\n");
    write(&text);
}

/// The canonical feature of `fence`, as it stands in [`write_fences`].
pub(crate) fn write_fence(fence: &Fence) -> String {
    let mut text = String::new();
    write_feature(fence, &mut text);
    text
}

fn write_feature(fence: &Fence, text: &mut String) {
    let mut properties = Map::new();
    let settings = &fence.settings;
    let mut set = |property: &str, value: Option<Value>| {
        if let Some(value) = value {
            properties.insert(property.into(), value);
        }
    };
    set("name", Some(json!(fence.name)));
    set("tags", (!fence.tags.is_empty()).then(|| json!(fence.tags)));
    set("schedule", fence.schedule.as_ref().map(|schedule| schedule.to_json()));
    set("dwell_s", settings.dwell_s.as_ref().map(|seconds| json!(seconds)));
    set("exit_confirm", settings.exit_confirm.map(|pings| json!(pings)));
    set("min_inside_s", settings.min_inside_s.map(|seconds| json!(seconds)));
    match &fence.shape {
        Shape::Polygon(_) => {}
        Shape::Circle(circle) => set("radius_m", Some(json!(circle.radius_m()))),
        Shape::Corridor(corridor) => set("half_width_m", Some(json!(corridor.half_width_m()))),
    }
    // A map is written in key order, with or without serde_json's feature to
    // keep the order of insertion.
    properties.sort_keys();
    text.push_str("{\"type\":\"Feature\",\"id\":");
    text.push_str(&json!(fence.id).to_string());
    text.push_str(",\"properties\":");
    text.push_str(&Value::Object(properties).to_string());
    text.push_str(",\"geometry\":");
    write_shape(&fence.shape, text);
    text.push('}');
}

fn write_shape(shape: &Shape, text: &mut String) {
    let kind = |text: &mut String, kind: &str| {
        text.push_str("{\"type\":\"");
        text.push_str(kind);
        text.push_str("\",\"coordinates\":");
    };
    match shape {
        Shape::Polygon(polygonal) => match polygonal.parts() {
            [part] => {
                kind(text, "Polygon");
                write_part(part, text);
            }
            parts => {
                kind(text, "MultiPolygon");
                write_list(parts, text, write_part);
            }
        },
        Shape::Circle(circle) => {
            kind(text, "Point");
            let Position { lat, lon } = circle.center();
            write_vertex(&Vertex { x: lon.into(), y: lat.into() }, text);
        }
        Shape::Corridor(corridor) => {
            kind(text, "LineString");
            write_list(corridor.line(), text, write_vertex);
        }
    }
    text.push('}');
}

fn write_part(part: &Part, text: &mut String) {
    let rings: Vec<&Ring> = part.rings().collect();
    write_list(&rings, text, |ring, text| {
        let closed: Vec<Vertex> = ring.iter().chain(ring.first()).copied().collect();
        write_list(&closed, text, write_vertex);
    });
}

fn write_list<T>(items: &[T], text: &mut String, write: impl Fn(&T, &mut String)) {
    text.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(']');
}

fn write_vertex(vertex: &Vertex, text: &mut String) {
    text.push('[');
    write_degrees((vertex.x + HALF_TURN).rem_euclid(TURN) - HALF_TURN, text);
    text.push(',');
    write_degrees(vertex.y, text);
    text.push(']');
}

/// Exactly `units` / 1e7, in decimal.
fn write_degrees(units: i64, text: &mut String) {
    // A sign, three digits, the point, seven digits; written from the end.
    let mut digits = [b'0'; 12];
    let (mut whole, mut fraction) = (units.abs() / 10_000_000, units.abs() % 10_000_000);
    let mut end = 4;
    for place in (5..12).rev() {
        let digit = (fraction % 10) as u8;
        digits[place] = b'0' + digit;
        fraction /= 10;
        if digit > 0 && end == 4 {
            end = place + 1;
        }
    }
    digits[4] = b'.';
    let mut first = 4;
    while first == 4 || whole > 0 {
        first -= 1;
        digits[first] = b'0' + (whole % 10) as u8;
        whole /= 10;
    }
    if units < 0 {
        first -= 1;
        digits[first] = b'-';
    }
    text.push_str(std::str::from_utf8(&digits[first..end]).expect("digits are ASCII"));
}
