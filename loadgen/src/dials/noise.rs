//! Errors of positions: white, correlated, jumps, and devices that claim an
//! accuracy they do not have.

use geofence::Position;
use serde::{Deserialize, Serialize};

use crate::draws::{Draws, key};
use crate::geometry::Scale;

/// The 68 % radius of a Gaussian in the plane, over its standard deviation.
const RADIUS_OF_SIGMA: f64 = 1.515;
/// Correlated errors turn into others within this time.
const KNOT_MS: i64 = 30_000;
/// What a lying device claims, metres.
const CLAIMED_M: f64 = 1.7;

/// `[noise]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation along each axis of errors that change from fix to
    /// fix, metres.
    pub white_m: f64,
    /// The same of errors that last for half a minute or so, metres.
    pub correlated_m: f64,
    /// Share of fixes that are off by a jump.
    pub jumps: f64,
    /// Shortest and longest jump, metres.
    pub jump_m: (f64, f64),
    /// Share of jumps that claim to be exact.
    pub lying: f64,
}

impl Noise {
    /// Standard deviation along each axis of both errors together, metres.
    #[must_use]
    pub fn sigma_m(&self) -> f64 {
        (self.white_m * self.white_m + self.correlated_m * self.correlated_m).sqrt()
    }

    /// What honest devices report, metres: at least 1.
    #[must_use]
    pub fn accuracy_m(&self) -> f64 {
        ((RADIUS_OF_SIGMA * self.sigma_m() * 10.0).round() / 10.0).max(1.0)
    }

    /// Where the device believes it is, and the accuracy it claims, metres.
    #[must_use]
    pub fn read(
        &self,
        seed: u64,
        (vehicle, seq, t_ms): (u32, u32, i64),
        p: Position,
        scale: Scale,
    ) -> (Position, f64) {
        if *self == Self::default() {
            return (p, 1.0);
        }
        let id = u64::from(vehicle) << 32 | u64::from(seq);
        let mut draws = Draws::new(key(seed, "noise", id));
        let white = draws.normal_pair();
        let slow = correlated(seed, vehicle, t_ms);
        let mut east_m = white.0 * self.white_m + slow.0 * self.correlated_m;
        let mut north_m = white.1 * self.white_m + slow.1 * self.correlated_m;
        let mut accuracy_m = self.accuracy_m();
        if self.jumps > 0.0 && draws.chance(self.jumps) {
            let length_m = self.jump_m.0 + draws.unit() * (self.jump_m.1 - self.jump_m.0);
            let (sin, cos) = libm::sincos(std::f64::consts::TAU * draws.unit());
            east_m += length_m * cos;
            north_m += length_m * sin;
            accuracy_m = if draws.chance(self.lying) { CLAIMED_M } else { length_m.round() };
        }
        let moved = |unit: i32, by_m: f64, per_unit: f64| unit + (by_m / per_unit).round() as i32;
        let read = Position {
            lat: moved(p.lat, north_m, scale.north_m),
            lon: moved(p.lon, east_m, scale.east_m),
        };
        (read, accuracy_m)
    }
}

/// A pair of errors of variance 1 that glides from one draw to the next.
fn correlated(seed: u64, vehicle: u32, t_ms: i64) -> (f64, f64) {
    let knot = t_ms.div_euclid(KNOT_MS);
    let share = t_ms.rem_euclid(KNOT_MS) as f64 / KNOT_MS as f64;
    let at = |knot: i64| {
        let id = u64::from(vehicle) << 32 | (knot as u64 & 0xFFFF_FFFF);
        Draws::new(key(seed, "slow-noise", id)).normal_pair()
    };
    let (from, to) = (at(knot), at(knot + 1));
    // Between two independent draws the variance sinks; this holds it at 1.
    let norm = (share * share + (1.0 - share) * (1.0 - share)).sqrt();
    let mix = |a: f64, b: f64| ((1.0 - share) * a + share * b) / norm;
    (mix(from.0, to.0), mix(from.1, to.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position { lat: 481_000_000, lon: 115_000_000 };

    fn errors(noise: &Noise, fixes: u32) -> Vec<(f64, f64, f64)> {
        let scale = Scale::at(HERE.lat);
        let read = |seq| noise.read(1, (7, seq, i64::from(seq) * 1000), HERE, scale);
        (0..fixes)
            .map(read)
            .map(|(p, accuracy_m)| {
                let (east, north) = scale.offset_m(HERE, p);
                (east, north, accuracy_m)
            })
            .collect()
    }

    #[test]
    fn without_noise_positions_are_true() {
        assert!(errors(&Noise::default(), 10).iter().all(|e| *e == (0.0, 0.0, 1.0)));
    }

    #[test]
    fn white_and_correlated_errors_have_their_deviation() {
        for noise in [
            Noise { white_m: 5.0, ..Noise::default() },
            Noise { correlated_m: 5.0, ..Noise::default() },
        ] {
            let errors = errors(&noise, 60_000);
            let squares: f64 = errors.iter().map(|e| e.0 * e.0 + e.1 * e.1).sum();
            let sigma = (squares / 2.0 / errors.len() as f64).sqrt();
            assert!((sigma - 5.0).abs() < 0.25, "{sigma}");
            assert!(errors.iter().all(|e| e.2 == 7.6));
            let within = errors.iter().filter(|e| e.0.hypot(e.1) <= e.2).count();
            let share = within as f64 / errors.len() as f64;
            assert!((share - 0.68).abs() < 0.03, "{share}");
        }
    }

    #[test]
    fn correlated_errors_change_slowly() {
        let errors = errors(&Noise { correlated_m: 5.0, ..Noise::default() }, 1_000);
        assert!(errors.windows(2).all(|pair| (pair[0].0 - pair[1].0).abs() < 2.0));
    }

    #[test]
    fn jumps_have_their_share_and_length_and_some_lie() {
        let noise = Noise { jumps: 0.1, jump_m: (150.0, 400.0), lying: 0.5, ..Noise::default() };
        let errors = errors(&noise, 10_000);
        let jumps: Vec<_> = errors.iter().filter(|e| e.0.hypot(e.1) > 1.0).collect();
        assert!((900..1_100).contains(&jumps.len()), "{}", jumps.len());
        assert!(jumps.iter().all(|e| (149.9..400.1).contains(&e.0.hypot(e.1))));
        let lying = jumps.iter().filter(|e| e.2 == CLAIMED_M).count();
        assert!((400..600).contains(&lying), "{lying}");
    }
}
