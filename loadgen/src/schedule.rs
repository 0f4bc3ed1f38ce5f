//! When pings are due: an exact schedule from a curve of rates.
//!
//! Whole numbers throughout: in each millisecond the rate of that millisecond
//! is added up in thousandths of a ping, and a ping is due when a whole one is
//! there. So the number of pings up to any time is the integral of the curve,
//! rounded down, and the same on every machine.

use serde::{Deserialize, Serialize};

/// A rate at a time; between two points the rate changes evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Seconds since the start.
    pub at_s: u32,
    /// Pings a second.
    pub rate: u32,
}

/// Times of several times the rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// From the start of one to the start of the next, seconds, above 0; the
    /// first begins after as long.
    pub every_s: u32,
    /// Length of one, seconds.
    pub length_s: u32,
    /// By how much the rate is multiplied.
    pub factor: u32,
}

/// The curve of rates of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    points: Vec<Point>,
    bursts: Option<Bursts>,
    length_ms: i64,
}

impl Curve {
    /// Of points in order of time, at least one; before the first and after the
    /// last the rate stays as it is there.
    #[must_use]
    pub fn new(points: Vec<Point>, bursts: Option<Bursts>, length_ms: i64) -> Option<Self> {
        let in_order = points.windows(2).all(|pair| pair[0].at_s < pair[1].at_s);
        let usable = bursts.is_none_or(|bursts| bursts.every_s > 0);
        (in_order && usable && !points.is_empty()).then_some(Self { points, bursts, length_ms })
    }

    /// Pings a second at `t_ms`.
    #[must_use]
    pub fn rate(&self, t_ms: i64) -> u64 {
        let next = self.points.partition_point(|point| i64::from(point.at_s) * 1000 <= t_ms);
        let base = match (next.checked_sub(1).map(|i| self.points[i]), self.points.get(next)) {
            (Some(from), Some(to)) => {
                let (from_ms, to_ms) = (i64::from(from.at_s) * 1000, i64::from(to.at_s) * 1000);
                let change = i64::from(to.rate) - i64::from(from.rate);
                (i64::from(from.rate) + change * (t_ms - from_ms) / (to_ms - from_ms)) as u64
            }
            (Some(only), None) => u64::from(only.rate),
            (None, _) => u64::from(self.points[0].rate),
        };
        base * u64::from(self.burst_factor(t_ms))
    }

    fn burst_factor(&self, t_ms: i64) -> u32 {
        let Some(bursts) = self.bursts else { return 1 };
        let every_ms = i64::from(bursts.every_s) * 1000;
        let in_burst = t_ms >= every_ms && t_ms % every_ms < i64::from(bursts.length_s) * 1000;
        if in_burst { bursts.factor } else { 1 }
    }

    /// How long the run lasts, milliseconds.
    #[must_use]
    pub fn length_ms(&self) -> i64 {
        self.length_ms
    }

    /// Pings in all.
    #[must_use]
    pub fn pings(&self) -> u64 {
        (0..self.length_ms).map(|t_ms| self.rate(t_ms)).sum::<u64>() / 1000
    }

    /// The largest rate there is.
    #[must_use]
    pub fn rate_max(&self) -> u64 {
        (0..self.length_ms).step_by(100).map(|t_ms| self.rate(t_ms)).max().unwrap_or(0)
    }

    /// The times at which pings are due, milliseconds since the start, never
    /// falling.
    pub fn due_times(&self) -> DueTimes<'_> {
        DueTimes { curve: self, t_ms: 0, thousandths: self.rate(0) }
    }
}

/// See [`Curve::due_times`].
#[derive(Clone, Debug)]
pub struct DueTimes<'c> {
    curve: &'c Curve,
    t_ms: i64,
    thousandths: u64,
}

impl Iterator for DueTimes<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        while self.t_ms < self.curve.length_ms {
            if self.thousandths >= 1000 {
                self.thousandths -= 1000;
                return Some(self.t_ms);
            }
            self.t_ms += 1;
            self.thousandths += self.curve.rate(self.t_ms);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u32, u32)], bursts: Option<Bursts>, length_s: i64) -> Curve {
        let points = points.iter().map(|&(at_s, rate)| Point { at_s, rate }).collect();
        Curve::new(points, bursts, length_s * 1000).unwrap()
    }

    #[test]
    fn a_constant_rate_is_met_in_every_second() {
        let curve = curve(&[(0, 5_100)], None, 10);
        let due: Vec<i64> = curve.due_times().collect();
        assert_eq!(due.len() as u64, curve.pings());
        for second in 0..10 {
            let within = due.iter().filter(|&&t| t / 1000 == second).count();
            assert_eq!(within, 5_100);
        }
        assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_slow_rate_is_spaced_evenly() {
        let due: Vec<i64> = curve(&[(0, 4)], None, 2).due_times().collect();
        assert_eq!(due, [249, 499, 749, 999, 1249, 1499, 1749, 1999]);
    }

    #[test]
    fn a_wave_rises_and_falls_between_its_points() {
        let wave = curve(&[(0, 1_600), (60, 5_100), (120, 1_600)], None, 120);
        assert_eq!([0, 30_000, 60_000, 90_000].map(|t| wave.rate(t)), [1_600, 3_350, 5_100, 3_350]);
        assert_eq!(wave.rate_max(), 5_100);
        assert_eq!(wave.due_times().count() as u64, wave.pings());
    }

    #[test]
    fn a_burst_multiplies_the_rate_for_its_length() {
        let bursts = Bursts { every_s: 10, length_s: 2, factor: 3 };
        let curve = curve(&[(0, 100)], Some(bursts), 30);
        assert_eq!(
            [0, 9_999, 10_000, 11_999, 12_000, 20_000].map(|t| curve.rate(t)),
            [100, 100, 300, 300, 100, 300]
        );
    }
}
