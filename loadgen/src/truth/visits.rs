//! Enters, exits, passes and dwells.

use super::step::{Passage, Step};
use super::{Expect, Kind, Out, Record, TrueFix};
use crate::fences::{Fence, Fences};

/// How deep a single fix must be inside to be believed at once, metres, beside
/// the blur: three standard deviations of a fix of 1 m.
const SURE_DEPTH_M: f64 = 2.0;
/// Shortest way through a fence that counts as a pass, metres.
const CROSS_M_MIN: f64 = 5.0;
/// An absence of this length ends a visit, however near the vehicle keeps.
const ABSENCE_MS: i64 = 120_000;
/// One fix so far outside ends a visit, metres.
const FAR_M: f64 = 500.0;
/// Most that the accuracy adds to the margin, metres.
const ACCURACY_M_MAX: f64 = 100.0;

/// The fences a vehicle is in, or may be.
#[derive(Clone, Debug, Default)]
pub(super) struct VisitsTruth {
    open: Vec<Visit>,
}

#[derive(Clone, Debug)]
struct Visit {
    fence: u32,
    enter_ms: i64,
    last_inside_ms: i64,
    fixes: u32,
    deepest_m: f64,
    /// The enter has been told.
    told: bool,
    /// An absence that may or may not have ended it lies behind.
    uncertain: bool,
    /// The largest dwell threshold told, seconds.
    dwelt_s: u32,
    absence: Option<Absence>,
    /// It ended on the step at hand.
    over: bool,
}

/// The fixes outside since the last one inside.
#[derive(Clone, Debug)]
struct Absence {
    left_ms: i64,
    first_ms: i64,
    last_ms: i64,
    fixes: u32,
    farthest_m: f64,
    nearest_m: f64,
}

/// Whether an absence ended the visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    No,
    Perhaps,
    Yes,
}

impl VisitsTruth {
    /// Takes the way from the fix at `from_ms` to `fix`.
    pub(super) fn step(
        &mut self,
        (fences, expect): (&Fences, &Expect),
        step: &Step,
        first: bool,
        from_ms: i64,
        fix: &TrueFix,
        out: &mut Out<'_>,
    ) {
        let world = World { fences, expect };
        let carried = self.open.len();
        for visit in &mut self.open {
            let passage = step.at(visit.fence);
            visit.over = !world.carry_on(visit, passage, fix, out);
        }
        for passage in step.passages() {
            // A visit that this step ended was still open on the way.
            if self.open[..carried].iter().any(|visit| visit.fence == passage.fence) {
                continue;
            }
            if passage.ended_inside {
                let enter_ms = if first { fix.t_ms } else { passage.last_in_ms.unwrap_or(from_ms) };
                self.open.push(world.begin(passage.fence, enter_ms, fix, out));
            } else if !passage.began_inside {
                world.pass(passage, fix.t_ms - from_ms, out);
            }
        }
        self.open.retain(|visit| !visit.over);
    }

    pub(super) fn end(&mut self, (fences, expect): (&Fences, &Expect), out: &mut Out<'_>) {
        let world = World { fences, expect };
        for mut visit in self.open.drain(..) {
            if let Some(absence) = &visit.absence
                && world.gone(fences.get(visit.fence), absence) == Gone::Perhaps
            {
                out.push_at(Kind::Exit, Some(visit.fence), absence.left_ms, false);
                out.push_at(Kind::Visit, Some(visit.fence), absence.left_ms, false);
            }
            world.close(&mut visit, out);
        }
    }
}

struct World<'a> {
    fences: &'a Fences,
    expect: &'a Expect,
}

impl World<'_> {
    fn begin(&self, fence: u32, enter_ms: i64, fix: &TrueFix, out: &mut Out<'_>) -> Visit {
        let mut visit = Visit {
            fence,
            enter_ms,
            last_inside_ms: fix.t_ms,
            fixes: 0,
            deepest_m: f64::NEG_INFINITY,
            told: false,
            uncertain: false,
            dwelt_s: 0,
            absence: None,
            over: false,
        };
        self.count_inside(&mut visit, fix, out);
        visit
    }

    /// Returns whether the visit goes on.
    fn carry_on(
        &self,
        visit: &mut Visit,
        passage: Option<&Passage>,
        fix: &TrueFix,
        out: &mut Out<'_>,
    ) -> bool {
        let fence = self.fences.get(visit.fence);
        if passage.is_some_and(|passage| passage.ended_inside) {
            if let Some(absence) = visit.absence.take() {
                let entered_ms = passage.and_then(|p| p.last_in_ms).unwrap_or(fix.t_ms);
                self.come_back(visit, &absence, entered_ms, fix, out);
            }
            self.count_inside(visit, fix, out);
            return true;
        }
        let outside_m = -fence.region.depth_m(fix.position);
        let absence = visit.absence.get_or_insert_with(|| Absence {
            left_ms: passage.and_then(|p| p.first_out_ms).unwrap_or(fix.t_ms),
            first_ms: fix.t_ms,
            last_ms: fix.t_ms,
            fixes: 0,
            farthest_m: 0.0,
            nearest_m: f64::INFINITY,
        });
        absence.fixes += 1;
        absence.last_ms = fix.t_ms;
        absence.farthest_m = absence.farthest_m.max(outside_m);
        absence.nearest_m = absence.nearest_m.min(outside_m);
        if self.gone(fence, absence) != Gone::Yes {
            return true;
        }
        let left_ms = absence.left_ms;
        let sure = self.close(visit, out);
        out.push_at(Kind::Exit, Some(visit.fence), left_ms, sure);
        out.push_at(Kind::Visit, Some(visit.fence), left_ms, sure && !visit.uncertain);
        false
    }

    /// The absence did not end the visit, or cannot be known not to have.
    fn come_back(
        &self,
        visit: &mut Visit,
        absence: &Absence,
        entered_ms: i64,
        fix: &TrueFix,
        out: &mut Out<'_>,
    ) {
        let fence = self.fences.get(visit.fence);
        // An enter that was not sure does not outlast a fix that is surely
        // outside: what follows is another stay.
        let sharp_m = fence.margin_m + self.expect.accuracy_m - self.expect.blur_m;
        let begun_anew = !visit.told && absence.farthest_m > sharp_m;
        if !begun_anew && self.gone(fence, absence) == Gone::No {
            return;
        }
        if begun_anew {
            self.close(visit, out);
        }
        out.push_at(Kind::Exit, Some(visit.fence), absence.left_ms, false);
        out.push_at(Kind::Visit, Some(visit.fence), absence.left_ms, false);
        if begun_anew {
            visit.enter_ms = entered_ms;
            visit.fixes = 0;
            visit.deepest_m = f64::NEG_INFINITY;
            visit.dwelt_s = 0;
            visit.last_inside_ms = fix.t_ms;
        } else {
            out.push_at(Kind::Enter, Some(visit.fence), entered_ms, false);
            visit.uncertain = true;
        }
    }

    fn count_inside(&self, visit: &mut Visit, fix: &TrueFix, out: &mut Out<'_>) {
        let fence = self.fences.get(visit.fence);
        visit.fixes += 1;
        visit.last_inside_ms = fix.t_ms;
        if !visit.told {
            visit.deepest_m = visit.deepest_m.max(fence.region.depth_m(fix.position));
            if self.is_sure(visit, fence) {
                visit.told = true;
                out.push_at(Kind::Enter, Some(visit.fence), visit.enter_ms, true);
            }
        }
        self.tell_dwells(visit, visit.enter_ms, fix.t_ms - self.expect.slack_ms, visit.told, out);
    }

    /// Whether nobody who looks can miss the stay: one fix well inside, or two
    /// where edges are sharp; and past the fence's shortest stay.
    fn is_sure(&self, visit: &Visit, fence: &Fence) -> bool {
        let blur_m = self.expect.blur_m;
        let deep = visit.deepest_m >= SURE_DEPTH_M + blur_m;
        let twice = visit.fixes >= 2 && blur_m < 1.0;
        let least_ms = i64::from(fence.min_inside_s.unwrap_or(0)) * 1000;
        let stayed_ms = visit.last_inside_ms - visit.enter_ms;
        (deep || twice) && (least_ms == 0 || stayed_ms >= least_ms + self.expect.slack_ms)
    }

    /// Tells the dwells of a stay from `enter_ms` that are reached by `by_ms`;
    /// those still open at the end of a visit are judged by its last fix.
    fn tell_dwells(
        &self,
        visit: &mut Visit,
        enter_ms: i64,
        by_ms: i64,
        required: bool,
        out: &mut Out<'_>,
    ) {
        let fence = self.fences.get(visit.fence);
        let thresholds = fence.dwell_s.as_ref().unwrap_or(&self.expect.dwell_s);
        let told_s = visit.dwelt_s;
        for &threshold_s in thresholds.iter().filter(|&&threshold| threshold > told_s) {
            let reached_ms = enter_ms + i64::from(threshold_s) * 1000;
            // With no bound, the question is whether it may have been reached.
            let perhaps = visit.last_inside_ms + self.expect.slack_ms;
            if reached_ms > by_ms.min(perhaps) {
                return;
            }
            visit.dwelt_s = threshold_s;
            out.push_record(Record {
                vehicle: 0,
                kind: Kind::Dwell,
                fence: Some(visit.fence),
                t_ms: reached_ms,
                required: required && !visit.uncertain,
                detail_ms: i64::from(threshold_s) * 1000,
            });
        }
    }

    /// Tells what is left to tell of a visit that is over, or that the run ends
    /// in. Returns whether its enter was sure.
    fn close(&self, visit: &mut Visit, out: &mut Out<'_>) -> bool {
        let sure = visit.told;
        if !sure {
            out.push_at(Kind::Enter, Some(visit.fence), visit.enter_ms, false);
        }
        self.tell_dwells(visit, visit.enter_ms, i64::MAX, false, out);
        sure
    }

    /// A pass between two fixes outside, `gap_ms` apart.
    fn pass(&self, passage: &Passage, gap_ms: i64, out: &mut Out<'_>) {
        let (Some(in_ms), Some(out_ms)) = (passage.first_in_ms, passage.last_out_ms) else {
            return;
        };
        if passage.inside_m < CROSS_M_MIN - self.expect.blur_m
            || gap_ms > self.expect.cross_max_gap_ms
        {
            return;
        }
        out.push_record(Record {
            vehicle: 0,
            kind: Kind::Cross,
            fence: Some(passage.fence),
            t_ms: in_ms,
            required: passage.inside_m >= CROSS_M_MIN + self.expect.blur_m,
            detail_ms: out_ms,
        });
    }

    /// By the specification's rules of an exit, each with the blur on either
    /// side.
    fn gone(&self, fence: &Fence, absence: &Absence) -> Gone {
        let expect = self.expect;
        let confirm = fence.exit_confirm.unwrap_or(2);
        let spent_ms = absence.last_ms - absence.first_ms;
        let decisive_m = fence.margin_m + expect.accuracy_m.min(ACCURACY_M_MAX);
        let far_m = FAR_M + expect.accuracy_m;
        let reached = |blur_m: f64, slack_ms: i64| {
            (absence.fixes >= confirm && absence.farthest_m > decisive_m + blur_m)
                || absence.farthest_m > far_m + blur_m
                || (spent_ms >= ABSENCE_MS + slack_ms && absence.nearest_m >= blur_m)
        };
        if reached(expect.blur_m, expect.slack_ms) {
            Gone::Yes
        } else if reached(-expect.blur_m, -expect.slack_ms) {
            Gone::Perhaps
        } else {
            Gone::No
        }
    }
}
