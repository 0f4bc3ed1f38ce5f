//! Fences for the tests of those who handle them.

use std::sync::Arc;

use geofence::{FenceSet, parse_fences};

/// A set of one circle with this radius, in metres: sets of different radii are
/// different versions of one fence.
pub(crate) fn circle(radius_m: u32) -> Arc<FenceSet> {
    let text = format!(
        r#"{{"type":"Feature","id":"c","properties":{{"radius_m":{radius_m}}},
        "geometry":{{"type":"Point","coordinates":[10,50]}}}}"#
    );
    Arc::new(parse_fences(text.as_bytes()).expect("GeoJSON").set)
}
