//! Whether a vehicle that is seen outside has left (semantics §6, exit).

use std::f64::consts::PI;

use super::step::{Way, passed_at};
use super::transitions::Crossing;
use crate::decided::Place;
use crate::fix::Fix;
use crate::{Fence, Identity, Position, Settings, Shape, TimeMs};

/// A run of outside fixes that spans this long ends a visit, however close to
/// the edge they are, milliseconds.
pub(super) const SPAN_MS: i64 = 120_000;
/// One outside fix ends a visit beyond this and its accuracy, metres.
pub(super) const FAR_M: f64 = 500.0;
/// Bounds of the margin that grows with the fence, metres.
const MARGIN_M_MIN: f64 = 20.0;
const MARGIN_M_MAX: f64 = 50.0;
/// The margin as a share of the radius of a circle of the fence's area.
const MARGIN_OF_RADIUS: f64 = 0.1;
/// Most that the accuracy of a fix adds to the margin, metres.
const ACCURACY_M_MAX: f64 = 100.0;

/// The outside fixes since the last inside one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaving {
    /// The first of them, where it was, and the version that judged it.
    pub(crate) first: Identity,
    /// Without a margin until that is measured.
    pub(crate) place: Place,
    pub(crate) version: u32,
    /// On the step from the last inside fix to the first outside one, which
    /// is where it ends. Its time is that of the end until it is measured.
    pub(crate) crossing: Crossing,
    pub(crate) unmeasured: Option<Unmeasured>,
    pub(crate) pings: u32,
    /// One of them is decisive.
    pub(crate) decisive: bool,
}

/// What measures how a vehicle left. That asks the outline for more than the
/// rules do, and most runs are voided before anybody wants to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unmeasured {
    /// 68 % radius of the first outside fix, metres, unrounded.
    pub(crate) accuracy_m: f64,
    /// The last inside fix, if the step from there is taken for straight.
    pub(crate) from: Option<(TimeMs, Position)>,
}

impl Leaving {
    /// Measures place and crossing, unless that has been done. `shape` is that of
    /// the fence at the version that judged the first of the fixes.
    pub(crate) fn measure(&mut self, shape: &Shape) {
        self.crossing.time = self.time(shape);
        if let Some(Unmeasured { accuracy_m, .. }) = self.unmeasured.take() {
            let (distance_m, confidence) =
                shape.margin_on_side(self.place.position, accuracy_m, false);
            self.place.distance_m = Some(distance_m).into();
            self.place.confidence = Some(confidence).into();
        }
    }

    /// The time of the crossing, measured if need be; for `shape` see
    /// [`Self::measure`].
    pub(crate) fn time(&self, shape: &Shape) -> TimeMs {
        let Some(from) = self.unmeasured.and_then(|unmeasured| unmeasured.from) else {
            return self.crossing.time;
        };
        let to = (self.crossing.not_after, self.place.position);
        passed_at(Way::Out, shape, from, to).max(self.crossing.not_before)
    }

    /// Takes a further outside fix into the run; `is_beyond` says whether it is
    /// more than so many metres from the fence's edge, and is asked for no more
    /// than need be. Says whether the visit is over.
    pub(super) fn take(
        &mut self,
        fix: &Fix,
        is_beyond: impl Fn(f64) -> bool,
        fence: &Fence,
        settings: &Settings,
    ) -> bool {
        self.pings = self.pings.saturating_add(1);
        self.decisive = self.decisive || is_beyond(decisive_m(fix, fence));
        (self.decisive && self.pings >= exit_confirm(fence, settings))
            || fix.t.since(self.crossing.not_after) >= SPAN_MS
            // What is far is decisive.
            || (self.decisive && is_beyond(FAR_M + fix.accuracy_m()))
    }
}

/// Outside fixes that confirm an exit from `fence`.
pub(super) fn exit_confirm(fence: &Fence, settings: &Settings) -> u32 {
    fence.settings.exit_confirm.unwrap_or(settings.exit_confirm)
}

/// How far outside a fix cannot be a matter of accuracy any more, metres.
pub(super) fn decisive_m(fix: &Fix, fence: &Fence) -> f64 {
    margin_m(fence) + accuracy_share_m(fix)
}

/// The part of the margin that is the fence's.
pub(super) fn margin_m(fence: &Fence) -> f64 {
    // Beyond these the margin is one of its bounds.
    let area_m2 = fence.shape.area_m2_within(
        area_of_margin_m2(MARGIN_M_MIN * 0.99),
        area_of_margin_m2(MARGIN_M_MAX * 1.01),
    );
    let radius_m = (area_m2 / PI).sqrt();
    (MARGIN_OF_RADIUS * radius_m).clamp(MARGIN_M_MIN, MARGIN_M_MAX)
}

/// The area of a fence whose part of the margin is this, were it not bounded.
fn area_of_margin_m2(margin_m: f64) -> f64 {
    let radius_m = margin_m / MARGIN_OF_RADIUS;
    PI * radius_m * radius_m
}

/// The part of the margin that is the fix's.
pub(super) fn accuracy_share_m(fix: &Fix) -> f64 {
    fix.accuracy_m().min(ACCURACY_M_MAX)
}
