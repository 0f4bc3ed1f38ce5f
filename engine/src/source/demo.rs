//! The input of `fleetstream demo`, carried in the binary: a recorded day of
//! Austin's buses and the city's neighbourhoods. Origin, credit and licence
//! are in `data/austin/README.md`.

use bytes::Bytes;

/// Name of [`pings`] where a file name is wanted.
pub const PINGS_NAME: &str = "austin/buses.csv.zst";

/// The bus positions of 2015-09-06, local time: CSV, compressed with zstd.
#[must_use]
pub fn pings() -> Bytes {
    Bytes::from_static(include_bytes!("../../data/austin/buses.csv.zst"))
}

/// The neighbourhoods: a GeoJSON FeatureCollection.
#[must_use]
pub fn fences() -> &'static str {
    include_str!("../../data/austin/austin_neighborhoods.geojson")
}
