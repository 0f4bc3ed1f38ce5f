//! The order of events (semantics §6): of one vehicle by event time, then the
//! cause's time, then kind, fence id and event id.

use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Reason};

/// Key by which events of one vehicle are sorted in files.
pub fn order_key(event: &FleetEvent) -> impl Ord + '_ {
    let (time, cause) = (event.event_time_ms, cause_ms(event));
    (time, cause, is_by_ping(event), rank(event), &event.fence_id, event.event_id)
}

/// Event time of the cause, as the interval tells it: events on a step hang on
/// the ping at its end, ends of episodes on the ping that ended them, a dwell
/// on what its enter hangs on.
fn cause_ms(event: &FleetEvent) -> i64 {
    match &event.detail {
        Some(
            Detail::GeofenceEnter(_)
            | Detail::GeofenceExit(_)
            | Detail::GeofenceVisit(_)
            | Detail::GeofenceCross(_)
            | Detail::StationaryEnd(_),
        ) => event.not_after_ms,
        Some(Detail::IdleEnd(_)) if event.reason() != Reason::Gap => event.not_after_ms,
        Some(Detail::GeofenceDwell(dwell)) => {
            event.not_after_ms.saturating_sub(i64::from(dwell.threshold_s) * 1000)
        }
        _ => event.event_time_ms,
    }
}

/// A version of a fence that comes into force at the time of a ping decides
/// before that ping does, and so do its events come first.
fn is_by_ping(event: &FleetEvent) -> bool {
    !matches!(
        event.reason(),
        Reason::FenceCreated
            | Reason::FenceChanged
            | Reason::FenceDeleted
            | Reason::ScheduleOpened
            | Reason::ScheduleClosed
            | Reason::AssignmentChanged
    )
}

fn rank(event: &FleetEvent) -> u8 {
    match event.detail {
        Some(Detail::GeofenceExit(_)) => 0,
        Some(Detail::GeofenceVisit(_)) => 1,
        Some(Detail::GeofenceCross(_)) => 2,
        Some(Detail::GeofenceEnter(_)) => 3,
        Some(Detail::GeofenceDwell(_)) => 4,
        Some(Detail::IdleEnd(_)) => 5,
        Some(Detail::StationaryEnd(_)) => 6,
        Some(Detail::StationaryStart(_)) => 7,
        Some(Detail::IdleStart(_)) => 8,
        Some(
            Detail::VehicleOffline(_)
            | Detail::VehicleOnline(_)
            | Detail::SourceStalled(_)
            | Detail::SourceRecovered(_),
        )
        | None => 9,
    }
}
