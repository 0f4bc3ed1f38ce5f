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
        valid.then(|| Self { lat: round(lat * E7), lon: round(lon * E7) })
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

/// [`f64::round`] of a number that fits, without the call that it costs where
/// the processor is not known to round.
fn round(value: f64) -> i32 {
    let whole = value as i32;
    let rest = value - f64::from(whole);
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::round;

    proptest! {
        #[test]
        fn rounds_half_away_from_zero(near in -1_800_000_000_i32..=1_800_000_000, by in -2.0..2.0) {
            for value in [f64::from(near) + by, f64::from(near) + 0.5, f64::from(near) * 0.1] {
                prop_assert_eq!(round(value), value.round() as i32);
                prop_assert_eq!(round(value.next_down()), value.next_down().round() as i32);
            }
        }
    }
}
