//! Positions on the 1e-7 degree grid.

/// A WGS 84 position rounded to 1e-7 degree (about 11 mm), half away from
/// zero. Everything downstream of decoding uses these integers, so that
/// predicates are exact and equal on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Latitude, 1e-7 degrees, -900,000,000 to 900,000,000.
    pub lat: i32,
    /// Longitude, 1e-7 degrees, -1,800,000,000 to 1,800,000,000.
    pub lon: i32,
}

/// Units in a degree.
pub const E7: f64 = 1e7;

impl Position {
    /// Rounds degrees to the grid. `None` if a value is not finite or lies
    /// outside ±90 (latitude) or ±180 (longitude).
    #[must_use]
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let valid = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        valid.then(|| Self { lat: (lat * E7).round() as i32, lon: (lon * E7).round() as i32 })
    }

    /// Latitude in degrees.
    #[must_use]
    pub fn lat_deg(self) -> f64 {
        f64::from(self.lat) / E7
    }

    /// Longitude in degrees.
    #[must_use]
    pub fn lon_deg(self) -> f64 {
        f64::from(self.lon) / E7
    }
}
