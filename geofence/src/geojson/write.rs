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
pub(crate) fn write_fences<'a>(fences: impl Iterator<Item = &'a Fence>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pieces(fences, |piece| bytes.extend_from_slice(piece));
    bytes
}

/// Hands the canonical bytes of `fences` on fence by fence.
pub(crate) fn write_pieces<'a>(
    fences: impl Iterator<Item = &'a Fence>,
    mut write: impl FnMut(&[u8]),
) {
    let mut text = br#"{"type":"FeatureCollection","features":["#.to_vec();
    for (i, fence) in fences.enumerate() {
        text.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        write_feature(fence, &mut text);
        write(&text);
        text.clear();
    }
    text.extend_from_slice(b"\n]}\n");
    write(&text);
}

/// The canonical feature of `fence`, as it stands in [`write_fences`].
pub(crate) fn write_fence(fence: &Fence) -> String {
    let mut text = Vec::new();
    write_feature(fence, &mut text);
    String::from_utf8(text).expect("names are UTF-8, the rest is ASCII")
}

fn write_feature(fence: &Fence, text: &mut Vec<u8>) {
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
    text.extend_from_slice(br#"{"type":"Feature","id":"#);
    text.extend_from_slice(json!(fence.id).to_string().as_bytes());
    text.extend_from_slice(br#","properties":"#);
    text.extend_from_slice(Value::Object(properties).to_string().as_bytes());
    text.extend_from_slice(br#","geometry":"#);
    write_shape(&fence.shape, text);
    text.push(b'}');
}

pub(super) fn write_shape(shape: &Shape, text: &mut Vec<u8>) {
    let kind = |text: &mut Vec<u8>, kind: &str| {
        text.extend_from_slice(br#"{"type":""#);
        text.extend_from_slice(kind.as_bytes());
        text.extend_from_slice(br#"","coordinates":"#);
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
    text.push(b'}');
}

fn write_part(part: &Part, text: &mut Vec<u8>) {
    let rings: Vec<&Ring> = part.rings().collect();
    write_list(&rings, text, |ring, text| {
        let closed: Vec<Vertex> = ring.iter().chain(ring.first()).copied().collect();
        write_list(&closed, text, write_vertex);
    });
}

fn write_list<T>(items: &[T], text: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    text.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        write(item, text);
    }
    text.push(b']');
}

fn write_vertex(vertex: &Vertex, text: &mut Vec<u8>) {
    text.push(b'[');
    write_degrees((vertex.x + HALF_TURN).rem_euclid(TURN) - HALF_TURN, text);
    text.push(b',');
    write_degrees(vertex.y, text);
    text.push(b']');
}

/// The two digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Exactly `units` / 1e7, in decimal.
fn write_degrees(units: i64, text: &mut Vec<u8>) {
    let size = u32::try_from(units.unsigned_abs()).expect("within a turn");
    let (whole, fraction) = (size / 10_000_000, size % 10_000_000);
    if units < 0 {
        text.push(b'-');
    }
    let pair = |number: u32| PAIRS[number as usize];
    match whole {
        0..10 => text.push(b'0' + whole as u8),
        10..100 => text.extend_from_slice(&pair(whole)),
        _ => {
            text.push(b'0' + (whole / 100) as u8);
            text.extend_from_slice(&pair(whole % 100));
        }
    }
    if fraction == 0 {
        return;
    }
    let [[a, b], [c, d], [e, f]] =
        [fraction / 100_000, fraction / 1_000 % 100, fraction / 10 % 100].map(pair);
    let digits = [b'.', a, b, c, d, e, f, b'0' + (fraction % 10) as u8];
    let end = digits.iter().rposition(|digit| *digit != b'0').expect("the point is none");
    text.extend_from_slice(&digits[..=end]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_degrees;

    proptest! {
        #[test]
        fn degrees_are_written_as_they_are(
            units in prop_oneof![
                -1_800_000_000..=1_800_000_000_i64,
                (-180..=180_i64, 0..7_u32).prop_map(|(whole, by)| whole * 10_i64.pow(by)),
            ],
        ) {
            let mut text = Vec::new();
            write_degrees(units, &mut text);
            let sign = if units < 0 { "-" } else { "" };
            let all = format!("{sign}{}.{:07}", units.abs() / 10_000_000, units.abs() % 10_000_000);
            let short = all.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(String::from_utf8(text).unwrap(), short);
        }
    }
}
