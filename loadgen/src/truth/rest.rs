//! Stationary and idle episodes.

use super::{Expect, Kind, Out, TrueFix};

/// The rest a vehicle is in.
#[derive(Clone, Debug, Default)]
pub(super) struct RestTruth {
    rest: Option<Span>,
    idle: Option<Span>,
    /// An idle stretch of this rest was cut by a gap.
    idle_broken: bool,
}

/// From a first to a last fix.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// When it really began, or the first fix if that was before the first look.
    began_ms: i64,
    first_ms: i64,
    last_ms: i64,
    sure: bool,
}

impl RestTruth {
    pub(super) fn step(
        &mut self,
        expect: &Expect,
        fix: &TrueFix,
        last_ms: Option<i64>,
        out: &mut Out<'_>,
    ) {
        let same = |span: &Span| fix.standing_since_ms.is_some_and(|since| since <= span.last_ms);
        if let Some(rest) = self.rest.filter(|rest| !same(rest)) {
            let until_ms = fix.stood_until_ms.unwrap_or(fix.t_ms);
            self.end_idle(expect, until_ms, out);
            tell(
                expect.stationary_after_ms,
                expect.slack_ms,
                rest,
                Some(until_ms),
                STATIONARY,
                out,
            );
            self.rest = None;
            self.idle_broken = false;
        }
        let Some(since_ms) = fix.standing_since_ms else { return };
        let first_look = last_ms.is_none();
        let began = |since_ms: i64| if first_look { fix.t_ms } else { since_ms };
        let rest = self.rest.get_or_insert(Span {
            began_ms: began(since_ms),
            first_ms: fix.t_ms,
            last_ms: fix.t_ms,
            sure: true,
        });
        rest.last_ms = fix.t_ms;
        let stood_from_ms = rest.began_ms;
        self.step_idle(expect, fix, stood_from_ms, out);
    }

    fn step_idle(&mut self, expect: &Expect, fix: &TrueFix, stood_from_ms: i64, out: &mut Out<'_>) {
        let Some((on, since_ms)) = fix.engine else { return };
        if let Some(idle) = self.idle
            && fix.t_ms - idle.last_ms > expect.idle_gap_ms
        {
            // Nobody looked: the engine may have been off meanwhile, and whoever
            // looks ends the episode there.
            self.idle = Some(Span { sure: false, ..idle });
            self.end_idle(expect, idle.last_ms, out);
            self.idle_broken = true;
        }
        match (&mut self.idle, on) {
            (Some(idle), true) => idle.last_ms = fix.t_ms,
            (None, true) => {
                let began_ms = since_ms.max(stood_from_ms);
                let sure = !self.idle_broken;
                self.idle = Some(Span { began_ms, first_ms: fix.t_ms, last_ms: fix.t_ms, sure });
            }
            (Some(_), false) => self.end_idle(expect, since_ms, out),
            (None, false) => self.idle_broken = false,
        }
    }

    fn end_idle(&mut self, expect: &Expect, until_ms: i64, out: &mut Out<'_>) {
        if let Some(idle) = self.idle.take() {
            tell(expect.idle_after_ms, expect.slack_ms, idle, Some(until_ms), IDLE, out);
        }
    }

    pub(super) fn end(&mut self, expect: &Expect, out: &mut Out<'_>) {
        if let Some(idle) = self.idle.take() {
            tell(expect.idle_after_ms, expect.slack_ms, idle, None, IDLE, out);
        }
        if let Some(rest) = self.rest.take() {
            tell(expect.stationary_after_ms, expect.slack_ms, rest, None, STATIONARY, out);
        }
    }
}

const STATIONARY: (Kind, Kind) = (Kind::StationaryStart, Kind::StationaryEnd);
const IDLE: (Kind, Kind) = (Kind::IdleStart, Kind::IdleEnd);

/// Tells an episode if it lasted from fix to fix. An open one has no end.
fn tell(
    after_ms: i64,
    slack_ms: i64,
    span: Span,
    until_ms: Option<i64>,
    (start, end): (Kind, Kind),
    out: &mut Out<'_>,
) {
    let lasted_ms = span.last_ms - span.first_ms;
    // Fixes are exact in time: only what may be lost or delayed needs slack.
    let slack_ms = if slack_ms <= 2 { 0 } else { slack_ms };
    if lasted_ms < after_ms - slack_ms {
        return;
    }
    let required = span.sure && lasted_ms >= after_ms + slack_ms;
    out.push(start, span.began_ms, required);
    if let Some(until_ms) = until_ms {
        out.push(end, until_ms, required);
    }
}
