//! The answer in one sentence.
//!
//! A sentence says what the trace shows: a rule's refusal, or the state that
//! the rules have led to. It applies no rule of its own.

use geofence::TimeMs;
use geofence::trace::{
    Arrival, Change, Fate, Moment, Presence, Refused, Seen, Sight, Step, Thresholds,
};
use protos::event_json::kind;
use protos::events::FleetEvent;
use protos::events::fleet_event::Detail;
use protos::journal::Disposition;

use super::answer::Verdict;
use super::event::describe;
use super::focus::View;
use super::words::{counted, metres, span, speed, time};

/// What happened further than this from the time asked about is not what was
/// asked about, milliseconds.
pub(super) const NEAR_MS: i64 = 5 * 60_000;

/// Turns of a schedule looked through for its next opening. Closed ones may
/// follow one another where its table of hours ends and the next begins.
const TURNS_MAX: usize = 16;

/// The answer in one sentence.
pub(super) struct Conclusion {
    pub(super) answer: Verdict,
    pub(super) rule: Option<&'static str>,
    pub(super) text: String,
}

impl Conclusion {
    fn none(text: String) -> Self {
        Self { answer: Verdict::NoEvent, rule: None, text }
    }

    fn refused(rule: &'static str, text: String) -> Self {
        Self { answer: Verdict::NoEvent, rule: Some(rule), text }
    }
}

/// Something that may be what was asked about.
enum Candidate<'a> {
    Event(&'a FleetEvent, &'a Step),
    Refusal(&'a Refused, usize),
    Unjudged(&'a Arrival),
}

/// What happened at `fence` about `at`, or why nothing did.
pub(super) fn at_fence(view: &View<'_>, vehicle: &str, fence: &str, at: TimeMs) -> Conclusion {
    let candidate = candidates(view, at)
        .into_iter()
        .filter(|(distance, _)| *distance <= NEAR_MS)
        // Of several equally near an event tells most, then a rule.
        .min_by_key(|(distance, candidate)| {
            let rank = match candidate {
                Candidate::Event(..) => 0,
                Candidate::Refusal(..) => 1,
                Candidate::Unjudged(..) => 2,
            };
            (*distance, rank)
        });
    if !matches!(candidate, Some((_, Candidate::Event(..))))
        && let Some(text) = no_fence(view, fence, at)
    {
        return Conclusion::none(text);
    }
    match candidate {
        Some((_, Candidate::Event(event, step))) => Conclusion {
            answer: Verdict::Event,
            rule: None,
            text: describe(event, Some(step.moment.time()), Some(step)),
        },
        Some((_, Candidate::Refusal(refused, index))) => {
            let thresholds = view.trail.thresholds(Some(fence), view.steps[index].at.0);
            Conclusion::refused(refused.rule, refusal(view, index, refused, &thresholds))
        }
        Some((_, Candidate::Unjudged(arrival))) => {
            let rule = geofence::disposition_name(arrival.disposition);
            Conclusion::refused(rule, unjudged(arrival))
        }
        None => Conclusion::none(state(view, vehicle, fence, at)),
    }
}

fn candidates<'a>(view: &'a View<'_>, at: TimeMs) -> Vec<(i64, Candidate<'a>)> {
    let mut found = Vec::new();
    for (index, said) in view.steps.iter().enumerate() {
        let step = &said.step;
        let t = step.moment.time();
        for event in step.events.iter().filter(|event| is_transition(event)) {
            let within = away(at, TimeMs(event.not_before_ms), TimeMs(event.not_after_ms));
            let beside = away(at, TimeMs(event.event_time_ms), TimeMs(event.event_time_ms));
            // On the very step, or else as near as what it is dated at.
            let distance = if within == 0 { 0 } else { beside.min(away(at, t, t)) };
            found.push((distance, Candidate::Event(event, step)));
        }
        for refused in &step.refusals {
            let from = refused_since(step, refused);
            found.push((away(at, from, t), Candidate::Refusal(refused, index)));
        }
    }
    found.extend(view.unjudged.iter().map(|arrival| {
        let t = arrival.ping.event_time;
        (away(at, t, t), Candidate::Unjudged(arrival))
    }));
    found
}

/// Visits and dwells follow from these.
fn is_transition(event: &FleetEvent) -> bool {
    matches!(
        event.detail,
        Some(Detail::GeofenceEnter(_) | Detail::GeofenceExit(_) | Detail::GeofenceCross(_))
    )
}

/// How far `t` is from a span, milliseconds.
pub(super) fn away(t: TimeMs, from: TimeMs, through: TimeMs) -> i64 {
    if t < from {
        from.since(t)
    } else if t > through {
        t.since(through)
    } else {
        0
    }
}

/// When that began which a step refused.
fn refused_since(step: &Step, refused: &Refused) -> TimeMs {
    let t = step.moment.time();
    let Moment::Ping(seen) = &step.moment else { return t };
    match (refused.rule, step.before) {
        ("teleport", _) => seen.held.map_or(t, |held| held.event_time),
        (_, Presence::PendingOut { first_outside, .. }) => first_outside,
        (_, Presence::PendingIn { since, .. }) => since,
        ("accuracy_too_low", _) => t,
        _ => seen.step.map_or(t, |leg| leg.from),
    }
}

/// Says so if the fence did not exist at `at`.
fn no_fence(view: &View<'_>, fence: &str, at: TimeMs) -> Option<String> {
    let fences = view.trail.fences();
    let versions = fences.versions_of(fence);
    let holds = |from: Option<TimeMs>, to: Option<TimeMs>| {
        from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to)
    };
    if versions.iter().any(|version| holds(version.valid_from, version.valid_to)) {
        return None;
    }
    let next = versions.iter().filter_map(|version| version.valid_from).find(|from| *from > at);
    let last = versions.iter().filter_map(|version| version.valid_to).rfind(|to| *to <= at);
    Some(match (last, next) {
        (None, Some(next)) => {
            format!("no event: fence {fence} did not exist before {}", time(next))
        }
        (Some(last), None) => format!("no event: fence {fence} was deleted at {}", time(last)),
        (Some(last), Some(next)) => {
            format!("no event: fence {fence} did not exist from {} to {}", time(last), time(next))
        }
        (None, None) => format!("no event: fence {fence} did not exist then"),
    })
}

/// Why the rule of `refused` said no at the step with this index.
fn refusal(view: &View<'_>, index: usize, refused: &Refused, thresholds: &Thresholds) -> String {
    let step = &view.steps[index].step;
    let t = time(step.moment.time());
    let Moment::Ping(seen) = &step.moment else {
        return format!("no event: what was pending is void, {} at {t}", turned(step));
    };
    let leg = seen.step;
    let passed = metres(refused.inside_m.unwrap_or_default());
    let on_step = leg.map_or_else(String::new, |leg| {
        format!(
            "on the step from {} to {t}, which passes {passed} through the fence",
            time(leg.from)
        )
    });
    match refused.rule {
        "cross_gap" => format!(
            "no cross: the gap of {} {on_step}, exceeds cross_max_gap {}",
            span(leg.map_or(0, |leg| leg.gap_ms)),
            span(thresholds.cross_max_gap_ms)
        ),
        "cross_too_fast" => format!(
            "no cross: {} {on_step}, is faster than {}",
            speed(leg.map_or(0.0, |leg| leg.speed_mps())),
            speed(thresholds.speed_mps_max)
        ),
        "cross_too_short" => format!(
            "no cross: {passed} inside is less than {}, {on_step}",
            metres(thresholds.cross_m_min)
        ),
        "teleport" => teleport(view, index, seen, thresholds),
        "accuracy_too_low" => format!(
            "no event: the ping at {t} takes no part, its accuracy of {} is worse than {} \
             (accuracy_too_low)",
            metres(seen.accuracy_m),
            metres(thresholds.accuracy_m_max)
        ),
        "exit_void" => format!(
            "no exit: {}; voided by the inside ping at {t} (exit_void)",
            run_outside(view, index, thresholds)
        ),
        "stay_too_short" => format!(
            "no enter: the stay ended before an inside ping at or after the enter + min_inside \
             {}; the run of outside pings up to {t} ends it (stay_too_short)",
            span(thresholds.min_inside_ms)
        ),
        "pending_voided" => pending_voided(step, thresholds),
        rule => format!("no event: refused by {rule} at {t}"),
    }
}

/// What a step without a ping changed at the fence.
fn turned(step: &Step) -> &'static str {
    match (&step.moment, step.after) {
        (Moment::Turn { change: Change::Fences, .. }, Presence::NoFence) => "the fence was deleted",
        (Moment::Turn { change: Change::Fences, .. }, _) => {
            "the fence changed so that it is no longer borne out"
        }
        (Moment::Turn { change: Change::Tags, .. }, _) => {
            "the fence ceased to concern the vehicle, whose tags changed"
        }
        (Moment::Turn { change: Change::Hours, .. }, _) => "the fence closed",
        (Moment::Ping(_) | Moment::Silence { .. }, _) => "nothing bore it out",
    }
}

fn teleport(view: &View<'_>, index: usize, seen: &Seen, thresholds: &Thresholds) -> String {
    let Some(held) = seen.held else { return "no event: a ping was dropped (teleport)".into() };
    let needed = view.steps[..index].iter().rev().find_map(|said| match &said.step.moment {
        Moment::Ping(before) if before.event_time == held.event_time => before.step,
        _ => None,
    });
    let needed = needed.map_or_else(
        || "it is too far from the ping before it".to_owned(),
        |leg| format!("it needs {} from {}", speed(leg.speed_mps_min()), time(leg.from)),
    );
    format!(
        "no event: the ping at {} does not count: {needed}, more than {}, and the next ping, at \
         {}, does not bear it out (teleport)",
        time(held.event_time),
        speed(thresholds.speed_mps_max),
        time(seen.event_time)
    )
}

/// The run of outside pings that stood before the step with this index.
fn run_outside(view: &View<'_>, index: usize, thresholds: &Thresholds) -> String {
    let Presence::PendingOut { first_outside, pings, .. } = view.steps[index].step.before else {
        return "the run of outside pings was not confirmed".into();
    };
    let before = view.steps[..index].iter().rev();
    let sights: Vec<&Sight> = before
        .take_while(|said| said.at.0 >= first_outside)
        .filter_map(|said| said.step.sight.as_ref())
        .filter(|sight| !sight.inside)
        .collect();
    outside_so_far(first_outside, pings, &sights, thresholds)
}

fn outside_so_far(
    first_outside: TimeMs,
    pings: u32,
    sights: &[&Sight],
    thresholds: &Thresholds,
) -> String {
    let run = format!(
        "the run of outside pings from {} has {}",
        time(first_outside),
        counted(pings.into(), "ping")
    );
    let decisive = sights.iter().find(|sight| sight.decisive);
    let farthest = sights.iter().min_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
    match (decisive, farthest) {
        (Some(sight), _) => format!(
            "{run} where {} are needed, one decisive ({})",
            thresholds.exit_confirm,
            against_margin(sight)
        ),
        (None, Some(sight)) => format!("{run}, not decisive ({})", against_margin(sight)),
        (None, None) => run,
    }
}

/// `12 m outside ≤ 20 m + 5 m`.
fn against_margin(sight: &Sight) -> String {
    let sign = if sight.decisive { ">" } else { "≤" };
    format!(
        "{} outside {sign} {} + {} accuracy",
        metres(-sight.distance_m),
        metres(sight.margin_m),
        metres(sight.accuracy_share_m)
    )
}

fn pending_voided(step: &Step, thresholds: &Thresholds) -> String {
    let t = step.moment.time();
    let Presence::PendingIn { since, last, .. } = step.before else {
        return format!("no event: what was pending was voided at {} (pending_voided)", time(t));
    };
    let late = t.since(last);
    let by = match step.sight {
        Some(sight) if sight.decisive && late <= thresholds.confirm_ttl_ms => {
            format!("the outside ping at {} is decisive ({})", time(t), against_margin(&sight))
        }
        _ if late > thresholds.confirm_ttl_ms => format!(
            "the next ping that could tell, at {}, came {} later, over confirm_ttl {}",
            time(t),
            span(late),
            span(thresholds.confirm_ttl_ms)
        ),
        _ => format!(
            "the fence closed, changed or ceased to concern the vehicle before the ping at {}",
            time(t)
        ),
    };
    format!(
        "no enter: the inside ping at {} left it open (chance of being inside below {}), and {by} \
         (pending_voided)",
        time(since),
        thresholds.confidence_min
    )
}

/// Why a ping was not judged at all.
fn unjudged(arrival: &Arrival) -> String {
    let Arrival { ping, disposition, newest, hot_from, .. } = arrival;
    let (t, r) = (time(ping.event_time), time(ping.receive_time));
    match disposition {
        Disposition::TooLate => {
            let window = match hot_from {
                Some(hot_from) if *hot_from > ping.event_time => {
                    format!("before the hot window, which then began at {}", time(*hot_from))
                }
                _ => "before the hot window, which had given way for want of memory".to_owned(),
            };
            let newest =
                newest.map_or(String::new(), |newest| format!(" (newest ping: {})", time(newest)));
            format!(
                "no event: the ping at {t}, received at {r}, is too late: its time lies {window}\
                 {newest}; it is archived and not judged (too_late)"
            )
        }
        Disposition::Superseded => format!(
            "no event by this ping: another ping of the same time, {t}, stands in its place \
             (superseded)"
        ),
        Disposition::Future => format!(
            "no event: the ping at {t} lies in the future of its receipt at {r}; it is archived \
             and not judged (future)"
        ),
        Disposition::Ancient | Disposition::RolloverSuspected => format!(
            "no event: the ping at {t} is far too old for its receipt at {r}; it is archived and \
             not judged ({})",
            geofence::disposition_name(*disposition)
        ),
        Disposition::OnTime | Disposition::Late | Disposition::Unspecified => {
            format!("no event: the ping at {t} was not judged")
        }
    }
}

/// Where nothing was refused: the state that `at` falls into.
fn state(view: &View<'_>, vehicle: &str, fence: &str, at: TimeMs) -> String {
    let pings: Vec<(&Step, &Seen)> = view
        .steps
        .iter()
        .filter_map(|said| match &said.step.moment {
            Moment::Ping(seen) => Some((&said.step, seen)),
            _ => None,
        })
        .collect();
    let split = pings.partition_point(|(_, seen)| seen.event_time <= at);
    let (before, after) = (split.checked_sub(1).map(|i| pings[i]), pings.get(split).copied());
    let Some((step, seen)) = before else {
        return match after {
            None => format!("no event: vehicle {vehicle} has no ping that counts near that time"),
            Some((_, seen)) => format!(
                "no event: vehicle {vehicle} has no ping near that time: the first that counts is \
                 at {}",
                time(seen.event_time)
            ),
        };
    };
    let thresholds = view.trail.thresholds(Some(fence), at);
    let here = place(step, seen);
    let until = after.map(|(step, seen)| place(step, seen));
    let gap = silence(vehicle, seen, after.map(|(_, seen)| seen), at, &thresholds);
    let told = match (step.after, seen.fate) {
        (_, Fate::Held) => format!(
            "no event yet: the ping at {} needs {}, more than {}: it is held until the next one \
             bears it out",
            time(seen.event_time),
            speed(seen.step.map_or(0.0, |leg| leg.speed_mps_min())),
            speed(thresholds.speed_mps_max)
        ),
        (Presence::Unknown | Presence::NoFence, _) => {
            format!("no event: no ping of vehicle {vehicle} has met fence {fence} by then")
        }
        (Presence::Outside, _) => {
            if let Some(why) = no_concern(view, fence, step, seen) {
                return format!("no enter: {here}, and {why}");
            }
            let also = until.map_or(String::new(), |until| format!(", and {until}"));
            format!("no event: outside all along: {here}{also}")
        }
        (Presence::Inside { since, .. }, _) => {
            let also = until.map_or(String::new(), |until| format!(", and {until}"));
            format!("no event: inside since {}: {here}{also}", time(since))
        }
        (Presence::PendingIn { since, sure: true, .. }, _) => format!(
            "no enter yet: inside since {}, and min_inside {} is not over at any inside ping",
            time(since),
            span(thresholds.min_inside_ms)
        ),
        (Presence::PendingIn { since, .. }, _) => format!(
            "no enter yet: the inside ping at {} leaves it open (chance of being inside below {}), \
             and a second one within confirm_ttl {} is waited for",
            time(since),
            thresholds.confidence_min,
            span(thresholds.confirm_ttl_ms)
        ),
        (Presence::PendingOut { first_outside, pings: n, .. }, _) => {
            let sights = pings[..split].iter().filter(|(_, seen)| seen.event_time >= first_outside);
            let sights: Vec<&Sight> = sights.filter_map(|(step, _)| step.sight.as_ref()).collect();
            format!("no exit yet: {}", outside_so_far(first_outside, n, &sights, &thresholds))
        }
    };
    format!("{told}{gap}")
}

/// Why a fence that a ping lies in was none to the vehicle.
fn no_concern(view: &View<'_>, fence: &str, step: &Step, seen: &Seen) -> Option<String> {
    let sight = step.sight.filter(|sight| sight.inside)?;
    let drawn = view.trail.fence_at(fence, seen.event_time)?;
    if !sight.assigned {
        let had = view.trail.tags_at(seen.event_time).join(", ");
        let asked = drawn.tags.join(", ");
        return Some(format!(
            "the fence asks for one of the tags [{asked}], the vehicle had [{had}]"
        ));
    }
    if sight.open {
        return None;
    }
    let opens = drawn.schedule.as_ref().and_then(|schedule| {
        let next = |t: &TimeMs| Some(schedule.still_until(*t));
        let turns = std::iter::successors(next(&seen.event_time), next);
        turns.take(TURNS_MAX).find(|t| schedule.is_open(*t))
    });
    let opens = opens.map_or(String::new(), |t| format!(" (it opens at {})", time(t)));
    Some(format!("the fence was closed{opens}"))
}

/// `12 m outside at …`.
fn place(step: &Step, seen: &Seen) -> String {
    let t = time(seen.event_time);
    match step.sight {
        None => format!("without the fence at {t}"),
        Some(sight) if sight.inside => format!("{} inside at {t}", metres(sight.distance_m)),
        Some(sight) => format!("{} outside at {t}", metres(-sight.distance_m)),
    }
}

/// Says so if the vehicle was silent about `at`.
fn silence(
    vehicle: &str,
    before: &Seen,
    after: Option<&Seen>,
    at: TimeMs,
    thresholds: &Thresholds,
) -> String {
    match after {
        None if at.since(before.event_time) > NEAR_MS => format!(
            "; vehicle {vehicle} has no ping near that time: its last one is at {}",
            time(before.event_time)
        ),
        Some(after) if after.event_time.since(before.event_time) > thresholds.max_gap_ms => {
            format!(
                "; between them lies a gap of {}",
                span(after.event_time.since(before.event_time))
            )
        }
        _ => String::new(),
    }
}

/// `geofence_enter at …`.
pub(super) fn headline(event: &FleetEvent) -> String {
    format!("{} at {}", kind(event), time(TimeMs(event.event_time_ms)))
}
