//! The step between two neighbouring fixes: how long, how fast, and when it
//! passed an edge.

use super::transitions::Crossing;
use crate::fix::{Fix, Sighting};
use crate::plane::{Plane, short_way};
use crate::{Settings, Shape, TimeMs};

/// Fastest speed that a vehicle is believed, metres per second.
pub(super) const SPEED_MPS_MAX: f64 = 70.0;
/// A 1e-7 degree is at most this long: of latitude at the poles, 6,399,594 m
/// of radius, and less of longitude anywhere.
const METRES_PER_E7_MAX: f64 = 0.011_17;

/// From one fix to the next of the same vehicle.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) from: Sighting,
    pub(super) to: &'a Fix,
}

/// Which way an edge is passed.
#[derive(Clone, Copy)]
pub(super) enum Way {
    In,
    Out,
}

impl Step<'_> {
    pub(super) fn gap_ms(&self) -> i64 {
        self.to.t.since(self.from.t)
    }

    /// Length in the plane at the later fix, metres.
    pub(super) fn length_m(&self) -> f64 {
        Plane::at(self.to.position).distance_m(self.from.position)
    }

    /// No less than the length, metres, and cheap.
    pub(super) fn length_m_max(&self) -> f64 {
        let (from, to) = (self.from.position, self.to.position);
        let east = short_way(i64::from(to.lon) - i64::from(from.lon)).abs();
        let north = (i64::from(to.lat) - i64::from(from.lat)).abs();
        (east + north) as f64 * METRES_PER_E7_MAX
    }

    /// Whether the vehicle can have come from one fix to the other, if each is
    /// as far off as its accuracy allows.
    #[inline(always)]
    pub(super) fn is_possible(&self) -> bool {
        let reach_m = self.reach_m();
        self.length_m_max() <= reach_m
            || self.length_m() - self.from.accuracy_m() - self.to.accuracy_m() <= reach_m
    }

    /// Whether the implied speed is one that a vehicle has.
    pub(super) fn is_slow_enough(&self) -> bool {
        let reach_m = self.reach_m();
        self.length_m_max() <= reach_m || self.length_m() <= reach_m
    }

    fn reach_m(&self) -> f64 {
        SPEED_MPS_MAX * self.gap_ms() as f64 / 1000.0
    }

    /// The time at a fraction of the step, to the nearest millisecond.
    pub(super) fn time_at(&self, fraction: f64) -> TimeMs {
        self.from.t.plus((fraction * self.gap_ms() as f64).round() as i64)
    }

    /// How the step, whose end is inside after the way in and outside after the
    /// way out, went over to the other side of `shape`: an enter takes the
    /// last way in, an exit the first way out. `valid_from` is when the shape
    /// came into force, if that was on the way.
    pub(super) fn crossing(
        &self,
        way: Way,
        shape: &Shape,
        valid_from: Option<TimeMs>,
        settings: &Settings,
    ) -> Crossing {
        let mut crossing = Crossing::at(self.to.t, Some(self.from.t), settings);
        if self.gap_ms() <= settings.max_gap_ms && self.is_slow_enough() {
            let inside = matches!(way, Way::In);
            let stretches = shape.stretches_to(self.from.position, self.to.position, inside);
            let fraction = match way {
                Way::In => stretches.last().map(|stretch| stretch.0),
                Way::Out => stretches.first().map(|stretch| stretch.1),
            };
            crossing.time = fraction.map_or(self.to.t, |fraction| self.time_at(fraction));
        }
        if let Some(valid_from) = valid_from {
            crossing.time = crossing.time.max(valid_from);
            crossing.not_before = crossing.not_before.max(valid_from);
        }
        crossing
    }
}
