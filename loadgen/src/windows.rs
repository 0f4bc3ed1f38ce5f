//! Stretches of time that concern some vehicles and not others, as functions of
//! the seed: nothing is remembered.

use serde::{Deserialize, Serialize};

use crate::draws::{Draws, key};

/// In every period a share of the vehicles has one stretch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Share of the vehicles, 0 to 1.
    pub share: f64,
    /// The period, seconds, at least 1.
    pub every_s: u32,
    /// Shortest stretch, seconds.
    pub shortest_s: u32,
    /// Longest stretch, seconds; held to the period.
    pub longest_s: u32,
}

impl Windows {
    /// The stretch of `vehicle` that holds `t_ms`: its start and its end, which
    /// is not part of it.
    #[must_use]
    pub fn around(&self, seed: u64, purpose: &str, vehicle: u32, t_ms: i64) -> Option<(i64, i64)> {
        let every_ms = i64::from(self.every_s.max(1)) * 1000;
        let period = t_ms.div_euclid(every_ms);
        let id = u64::from(vehicle) << 32 | (period as u64 & 0xFFFF_FFFF);
        let mut draws = Draws::new(key(seed, purpose, id));
        if !draws.chance(self.share) {
            return None;
        }
        let longest_ms = (i64::from(self.longest_s) * 1000).min(every_ms);
        let shortest_ms = (i64::from(self.shortest_s) * 1000).min(longest_ms);
        let length_ms = draws.within(shortest_ms, longest_ms);
        let start_ms = period * every_ms + draws.within(0, every_ms - length_ms);
        (start_ms..start_ms + length_ms).contains(&t_ms).then_some((start_ms, start_ms + length_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_the_same_from_everywhere_within_it() {
        let windows = Windows { share: 0.5, every_s: 60, shortest_s: 5, longest_s: 20 };
        let mut found = 0;
        for vehicle in 0..200 {
            let looks = (0..60_000).step_by(250);
            let stretches: Vec<(i64, i64)> =
                looks.filter_map(|t| windows.around(1, "gap", vehicle, t)).collect();
            let Some(&(start, end)) = stretches.first() else { continue };
            found += 1;
            assert!(stretches.iter().all(|&other| other == (start, end)));
            assert!((5_000..=20_000).contains(&(end - start)) && start >= 0 && end <= 60_000);
        }
        assert!((70..130).contains(&found), "{found}");
    }
}
