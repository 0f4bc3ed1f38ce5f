//! A `FleetEvent` as one JSON object: the envelope's names in the order of its
//! specification, then the kind's own fields; what is absent or empty is left
//! out.
//!
//! The event log, the stream over HTTP and the folded events of a replay all
//! come from here, so that they cannot differ.

use crate::events::fleet_event::Detail;
use crate::events::{FleetEvent, Op, Reason};
use crate::json::Object;

/// What of an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Everything: an operation as it was emitted.
    Full,
    /// Without `op`, `revision`, `observed_at`, `late` and `replaces`, which
    /// say how the event was learnt: the same whatever the order of arrival.
    Folded,
}

/// Appends `event` to `out` as one JSON object, without a line break.
///
/// Times are RFC 3339 in UTC with milliseconds, numbers have the fewest digits
/// that read back as the same value. `not_before`, `not_after` and
/// `observed_at` are left out when 0, `fence_version` likewise.
pub fn push_event(out: &mut Vec<u8>, event: &FleetEvent, rendering: Rendering) {
    let full = rendering == Rendering::Full;
    let mut object = Object::open(out);
    object.id("event_id", event.event_id);
    if full {
        object.word_unless_empty("op", op_name(event.op)).integer("revision", event.revision);
    }
    object
        .word_unless_empty("kind", kind(event))
        .text_unless_empty("vehicle_id", &event.vehicle_id)
        .text_unless_empty("fence_id", &event.fence_id);
    if event.fence_version != 0 {
        object.integer("fence_version", event.fence_version.into());
    }
    object
        .id_if_any("visit_id", event.visit_id)
        .id_if_any("episode_id", event.episode_id)
        .time("event_time", event.event_time_ms);
    time_unless_zero(&mut object, "not_before", event.not_before_ms);
    time_unless_zero(&mut object, "not_after", event.not_after_ms);
    if full {
        time_unless_zero(&mut object, "observed_at", event.observed_at_ms);
    }
    object
        .number_if_known("lat", event.lat)
        .number_if_known("lon", event.lon)
        .number_if_known("distance_m", event.distance_m)
        .number_if_known("accuracy_m", event.accuracy_m)
        .number_if_known("confidence", event.confidence)
        .word_unless_empty("reason", reason_name(event.reason));
    if full {
        object.flag("late", event.late).id_if_any("replaces", event.replaces);
    }
    object.integer("schema_version", event.schema_version.into());
    if let Some(detail) = &event.detail {
        push_detail(&mut object, detail);
    }
    object.close();
}

fn push_detail(object: &mut Object<'_>, detail: &Detail) {
    match detail {
        Detail::GeofenceEnter(_)
        | Detail::GeofenceExit(_)
        | Detail::StationaryStart(_)
        | Detail::IdleStart(_) => {}
        Detail::GeofenceCross(cross) => {
            object.time("out_time", cross.out_time_ms).number("inside_m", cross.inside_m);
        }
        Detail::GeofenceDwell(dwell) => {
            object.integer("threshold_s", dwell.threshold_s.into());
        }
        Detail::GeofenceVisit(visit) => {
            object
                .time("enter_time", visit.enter_time_ms)
                .number("duration_s", visit.duration_s)
                .number("certain_s", visit.certain_s)
                .number("possible_s", visit.possible_s)
                .number("max_gap_s", visit.max_gap_s)
                .integer("pings", visit.pings);
        }
        Detail::StationaryEnd(end) => {
            object.number("duration_s", end.duration_s);
        }
        Detail::IdleEnd(end) => {
            object.number("duration_s", end.duration_s);
        }
        Detail::VehicleOffline(offline) => {
            object.number("threshold_s", offline.threshold_s);
        }
        Detail::VehicleOnline(online) => {
            object.number("silence_s", online.silence_s);
        }
        Detail::SourceStalled(stalled) => {
            object.text("source", &stalled.source);
        }
        Detail::SourceRecovered(recovered) => {
            object.text("source", &recovered.source);
        }
    }
}

fn time_unless_zero(object: &mut Object<'_>, key: &'static str, ms: i64) {
    if ms != 0 {
        object.time(key, ms);
    }
}

/// The event's kind, such as `geofence_enter`; empty when it has no detail,
/// which no event of the engine lacks.
#[must_use]
pub fn kind(event: &FleetEvent) -> &'static str {
    match &event.detail {
        None => "",
        Some(Detail::GeofenceEnter(_)) => "geofence_enter",
        Some(Detail::GeofenceExit(_)) => "geofence_exit",
        Some(Detail::GeofenceCross(_)) => "geofence_cross",
        Some(Detail::GeofenceDwell(_)) => "geofence_dwell",
        Some(Detail::GeofenceVisit(_)) => "geofence_visit",
        Some(Detail::StationaryStart(_)) => "stationary_start",
        Some(Detail::StationaryEnd(_)) => "stationary_end",
        Some(Detail::IdleStart(_)) => "idle_start",
        Some(Detail::IdleEnd(_)) => "idle_end",
        Some(Detail::VehicleOffline(_)) => "vehicle_offline",
        Some(Detail::VehicleOnline(_)) => "vehicle_online",
        Some(Detail::SourceStalled(_)) => "source_stalled",
        Some(Detail::SourceRecovered(_)) => "source_recovered",
    }
}

/// Whether arrivals decide the event, by receive time, and no ping's place: of a
/// vehicle or a source that falls silent, or is heard again.
#[must_use]
pub fn is_by_arrival(event: &FleetEvent) -> bool {
    matches!(
        event.detail,
        Some(
            Detail::VehicleOffline(_)
                | Detail::VehicleOnline(_)
                | Detail::SourceStalled(_)
                | Detail::SourceRecovered(_)
        )
    )
}

/// Name of a value of [`Op`]; empty for none and for one this version does
/// not know.
#[must_use]
pub fn op_name(op: i32) -> &'static str {
    match Op::try_from(op) {
        Err(_) | Ok(Op::Unspecified) => "",
        Ok(Op::Assert) => "assert",
        Ok(Op::Amend) => "amend",
        Ok(Op::Retract) => "retract",
    }
}

/// Name of a value of [`Reason`]; empty for none and for one this version
/// does not know.
#[must_use]
pub fn reason_name(reason: i32) -> &'static str {
    match Reason::try_from(reason) {
        Err(_) | Ok(Reason::Unspecified) => "",
        Ok(Reason::Crossed) => "crossed",
        Ok(Reason::FirstSeen) => "first_seen",
        Ok(Reason::Reappeared) => "reappeared",
        Ok(Reason::FenceCreated) => "fence_created",
        Ok(Reason::FenceChanged) => "fence_changed",
        Ok(Reason::FenceDeleted) => "fence_deleted",
        Ok(Reason::ScheduleOpened) => "schedule_opened",
        Ok(Reason::ScheduleClosed) => "schedule_closed",
        Ok(Reason::AssignmentChanged) => "assignment_changed",
        Ok(Reason::Moved) => "moved",
        Ok(Reason::IgnitionOff) => "ignition_off",
        Ok(Reason::EngineUnknown) => "engine_unknown",
        Ok(Reason::Gap) => "gap",
    }
}

#[cfg(test)]
mod tests;
