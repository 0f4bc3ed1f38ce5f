//! The step between two neighbouring fixes: how long, how fast, and when it
//! passed an edge.

use super::transitions::Crossing;
use crate::fix::{Fix, Sighting};
use crate::plane::{Plane, short_way};
use crate::{Position, Settings, Shape, TimeMs};

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
        time_between(self.from.t, self.to.t, fraction)
    }

    /// How the step, whose end is inside, came into `shape`: on the last way in.
    /// `valid_from` is when the shape came into force, if that was on the way.
    pub(super) fn way_in(
        &self,
        shape: &Shape,
        valid_from: Option<TimeMs>,
        settings: &Settings,
    ) -> Crossing {
        let mut crossing = self.crossing_at_end(valid_from, settings);
        if self.is_straight(settings) {
            let [from, to] = [self.from, self.to.sighting()].map(|fix| (fix.t, fix.position));
            crossing.time = passed_at(Way::In, shape, from, to).max(crossing.not_before);
        }
        crossing
    }

    /// The same as if the shape was passed at the step's end.
    pub(super) fn crossing_at_end(
        &self,
        valid_from: Option<TimeMs>,
        settings: &Settings,
    ) -> Crossing {
        let mut crossing = Crossing::at(self.to.t, Some(self.from.t), settings);
        if let Some(valid_from) = valid_from {
            crossing.time = crossing.time.max(valid_from);
            crossing.not_before = crossing.not_before.max(valid_from);
        }
        crossing
    }

    /// Whether the vehicle is taken to have gone straight from one fix to the
    /// other, so that the step tells when it passed an edge.
    pub(super) fn is_straight(&self, settings: &Settings) -> bool {
        self.gap_ms() <= settings.max_gap_ms && self.is_slow_enough()
    }
}

/// When the straight step between two fixes, each by its time and place, went
/// over the edge of `shape`: on the last way in, or the first way out.
pub(super) fn passed_at(
    way: Way,
    shape: &Shape,
    (begun, from): (TimeMs, Position),
    (ended, to): (TimeMs, Position),
) -> TimeMs {
    let stretches = shape.stretches_to(from, to, matches!(way, Way::In));
    let fraction = match way {
        Way::In => stretches.last().map(|stretch| stretch.0),
        Way::Out => stretches.first().map(|stretch| stretch.1),
    };
    fraction.map_or(ended, |fraction| time_between(begun, ended, fraction))
}

/// The time at a fraction of the way from one to the other, to the nearest
/// millisecond.
fn time_between(from: TimeMs, to: TimeMs, fraction: f64) -> TimeMs {
    from.plus((fraction * to.since(from) as f64).round() as i64)
}
