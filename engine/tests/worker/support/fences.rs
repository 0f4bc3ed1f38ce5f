//! Files of fences.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Squares of 0.02° round the points given by id and longitude, as a file.
pub(crate) fn fences(dir: &Path, squares: &[(&str, f64)]) -> PathBuf {
    let features: Vec<Value> = squares
        .iter()
        .map(|&(id, lon)| {
            let (w, e, s, n) = (lon - 0.01, lon + 0.01, 49.99, 50.01);
            json!({
                "type": "Feature",
                "id": id,
                "properties": {},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]],
                },
            })
        })
        .collect();
    let path = dir.join("fences.geojson");
    let collection = json!({ "type": "FeatureCollection", "features": features });
    fs::write(&path, collection.to_string()).unwrap();
    path
}
