//! The answer for an event.

use geofence::TimeMs;
use geofence::trace::{Decision, Moment, Presence, Step};
use protos::event_json::{is_by_arrival, reason_name};
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id, Op, Reason};

use super::answer::{Asked, At, Explanation, Operation, Told, Verdict, content};
use super::conclude::{Conclusion, at_fence, headline};
use super::focus::View;
use super::reading::Reading;
use super::words::{counted, metres, span, time};
use super::{Failure, not_found};

/// Events named where one is asked about that is not there.
const SUGGESTED: usize = 5;

/// Why there is, or was, the event with this id.
pub(super) fn explain(reading: &Reading, id: Id) -> Result<Explanation, Failure> {
    let mut operations: Vec<&FleetEvent> =
        reading.operations.iter().filter(|event| event.event_id == id).collect();
    operations.sort_by_key(|event| event.revision);
    let Some(last) = operations.last().copied() else { return Err(unknown(reading, id)) };

    let (trail, _) = reading.trail(TimeMs(last.not_before_ms));
    let decided = trail.decisions().into_iter().find(|decision| decision.event.event_id == id);
    let holds = last.op() != Op::Retract;
    let fence = (!last.fence_id.is_empty()).then_some(last.fence_id.as_str());
    let view = View::about(reading, fence, &focus(last, decided.as_ref()))?;
    let confirmed =
        decided.as_ref().is_some_and(|decision| content(&decision.event) == content(last));
    let confirmed = is_by_arrival(last) || confirmed == holds;

    let at = TimeMs(last.event_time_ms);
    let conclusion = if holds {
        let deciding = decided.as_ref().and_then(|decision| {
            let decides = |step: &&Step| step.events.iter().any(|event| event.event_id == id);
            let step = view.steps.iter().map(|said| &said.step).find(decides);
            Some((decision.at, step?))
        });
        let at = decided.as_ref().map(|decision| decision.at);
        let mut text = describe(last, at, deciding.map(|(_, step)| step));
        if !confirmed {
            text.push_str(
                "; judging what is left of the history again does not lead to the same event",
            );
        }
        Conclusion { answer: Verdict::Event, rule: None, text }
    } else {
        retracted(reading, &view, last, at)
    };
    let told = Told {
        content: content(last),
        confirmed,
        decided_at: decided.map(|decision| At(decision.at)),
        operations: operations.into_iter().map(Operation::new).collect(),
    };
    let asked = Asked::Event { event_id: id.to_string() };
    Ok(Explanation { event: Some(told), ..view.explanation(reading, asked, at, conclusion) })
}

/// The moments that an event hangs on.
fn focus(event: &FleetEvent, decided: Option<&Decision>) -> Vec<TimeMs> {
    let cause = [event.not_before_ms, event.event_time_ms, event.not_after_ms].map(TimeMs);
    let mut focus: Vec<TimeMs> = cause.into_iter().filter(|t| t.0 != 0).collect();
    focus.extend(decided.map(|decision| decision.at));
    focus
}

/// The event that was told, and why it no longer holds.
fn retracted(reading: &Reading, view: &View<'_>, last: &FleetEvent, at: TimeMs) -> Conclusion {
    let instead = reading
        .operations
        .iter()
        .filter(|event| event.replaces == last.event_id)
        .max_by_key(|event| event.revision)
        .map(|event| format!("; in its place came {} ({})", headline(event), event.event_id));
    let now = view.fence.map(|fence| {
        let found = at_fence(view, &reading.vehicle, fence, at);
        format!("; what holds now: {}", found.text)
    });
    Conclusion {
        answer: Verdict::Retracted,
        rule: None,
        text: format!(
            "{} was taken back in segment {}: what became known later led to another result{}{}",
            headline(last),
            last.revision,
            instead.unwrap_or_default(),
            now.unwrap_or_default()
        ),
    }
}

fn unknown(reading: &Reading, id: Id) -> Failure {
    let mut newest: Vec<&FleetEvent> = Vec::new();
    for event in reading.operations.iter().rev() {
        if newest.iter().all(|known| known.event_id != event.event_id) {
            newest.push(event);
        }
        if newest.len() == SUGGESTED {
            break;
        }
    }
    let list: Vec<String> =
        newest.iter().map(|event| format!("\n  {}  {}", event.event_id, headline(event))).collect();
    let known = if list.is_empty() {
        "; it has no events there".to_owned()
    } else {
        format!("; its newest events there:{}", list.concat())
    };
    let vehicle = &reading.vehicle;
    let message = format!("no event {id} of vehicle {vehicle:?} in {}{known}", reading.place());
    not_found("event_unknown", message)
}

/// Why there is this event. `step` is the one that decides it, at `decided`.
pub(super) fn describe(event: &FleetEvent, decided: Option<TimeMs>, step: Option<&Step>) -> String {
    let why = match &event.detail {
        Some(Detail::GeofenceEnter(_)) => enter(event),
        Some(Detail::GeofenceExit(_)) => exit(event, step),
        Some(Detail::GeofenceCross(cross)) => format!(
            "outside at {} and at {}, and the straight line between them passes {} through the \
             fence, until {}",
            time(TimeMs(event.not_before_ms)),
            time(TimeMs(event.not_after_ms)),
            metres(cross.inside_m),
            time(TimeMs(cross.out_time_ms))
        ),
        Some(Detail::GeofenceDwell(dwell)) => dwelt(dwell.threshold_s, step),
        Some(Detail::GeofenceVisit(visit)) => format!(
            "the visit since {} is closed by an exit ({}): {} inside, {} certain",
            time(TimeMs(visit.enter_time_ms)),
            reason_name(event.reason),
            counted(visit.pings, "ping"),
            seconds(visit.certain_s)
        ),
        Some(Detail::StationaryStart(_)) => {
            "the first ping of a run that stays in one place for long enough".to_owned()
        }
        Some(Detail::IdleStart(_)) => {
            "the first ping of a stretch in one place with the engine on for long enough".to_owned()
        }
        Some(Detail::StationaryEnd(end)) => ended(event, end.duration_s),
        Some(Detail::IdleEnd(end)) => ended(event, end.duration_s),
        Some(Detail::VehicleOffline(offline)) => format!(
            "nothing has arrived for more than {} since {}, while others were heard",
            seconds(offline.threshold_s),
            time(TimeMs(event.not_before_ms))
        ),
        Some(Detail::VehicleOnline(online)) => {
            format!("a ping has arrived after {} of silence", seconds(online.silence_s))
        }
        Some(Detail::SourceStalled(_) | Detail::SourceRecovered(_)) | None => String::new(),
    };
    let cause = TimeMs(event.not_after_ms.max(event.event_time_ms));
    let confirmed = decided
        .filter(|decided| *decided > cause && is_confirmed_later(event))
        .map(|decided| format!("; confirmed by the ping at {}", time(decided)));
    format!("{}: {why}{}", headline(event), confirmed.unwrap_or_default())
}

/// Fences, their hours and tags decide at once.
fn is_confirmed_later(event: &FleetEvent) -> bool {
    let by_pings =
        matches!(event.reason(), Reason::FirstSeen | Reason::Crossed | Reason::Reappeared);
    by_pings && matches!(event.detail, Some(Detail::GeofenceEnter(_) | Detail::GeofenceExit(_)))
}

fn enter(event: &FleetEvent) -> String {
    let inside = side(event, "inside");
    match event.reason() {
        Reason::FirstSeen => format!("the first ping that counts is {inside}"),
        Reason::Reappeared => format!(
            "outside at {}, then {inside}, after a gap too long to date the crossing between them",
            time(TimeMs(event.not_before_ms))
        ),
        Reason::Crossed => format!(
            "outside at {}, then {inside}: the crossing is dated {}",
            time(TimeMs(event.not_before_ms)),
            if event.event_time_ms < event.not_after_ms {
                "between the two"
            } else {
                "by the second"
            }
        ),
        _ => by_fence(event, "inside"),
    }
}

fn exit(event: &FleetEvent, step: Option<&Step>) -> String {
    let outside = side(event, "outside");
    let run = step.and_then(|step| match (step.before, &step.moment) {
        (Presence::PendingOut { pings, first_outside, decisive, .. }, Moment::Ping(seen)) => {
            let decisive = decisive || step.sight.is_some_and(|sight| sight.decisive);
            Some(format!(
                "; the run of outside pings has {} over {}, {}",
                counted(u64::from(pings) + 1, "ping"),
                span(seen.event_time.since(first_outside)),
                if decisive { "at least one decisive" } else { "none decisive" }
            ))
        }
        _ => None,
    });
    match event.reason() {
        Reason::Crossed | Reason::Reappeared => format!(
            "last inside at {}, then {outside}{}",
            time(TimeMs(event.not_before_ms)),
            run.unwrap_or_default()
        ),
        _ => by_fence(event, "outside"),
    }
}

fn by_fence(event: &FleetEvent, side: &str) -> String {
    let version = event.fence_version;
    match event.reason() {
        Reason::FenceCreated => format!(
            "version {version} of the fence came into force then, and the last ping before lies in it"
        ),
        Reason::FenceDeleted => {
            "the fence was deleted then, while the vehicle was inside".to_owned()
        }
        Reason::FenceChanged => format!(
            "version {version} of the fence came into force then, and the last ping before lies \
             {side} it"
        ),
        _ => format!("{} then", reason_name(event.reason)),
    }
}

fn dwelt(threshold_s: u32, step: Option<&Step>) -> String {
    let due = format!("the enter + {}", span(i64::from(threshold_s) * 1000));
    match step {
        Some(Step { moment: Moment::Silence { .. }, .. }) => format!(
            "nothing has been heard of the vehicle up to {due}, which is taken for staying \
             (on_silence)"
        ),
        Some(Step { after: Presence::Inside { .. } | Presence::PendingOut { .. }, .. }) | None => {
            format!("an inside ping lies at or after {due}")
        }
        Some(_) => format!("the visit is closed by an exit at or after {due}"),
    }
}

fn ended(event: &FleetEvent, duration_s: f64) -> String {
    format!("the episode lasted {}, and ended ({})", seconds(duration_s), reason_name(event.reason))
}

/// `12 m inside at …, chance of being inside 0.98`.
fn side(event: &FleetEvent, side: &str) -> String {
    let far = event.distance_m.map_or(String::new(), |m| format!("{} ", metres(m.abs())));
    let chance = event
        .confidence
        .map_or(String::new(), |chance| format!(" (chance of being inside {chance})"));
    format!("{far}{side} at {}{chance}", time(TimeMs(event.not_after_ms)))
}

fn seconds(s: f64) -> String {
    span((s * 1000.0) as i64)
}
