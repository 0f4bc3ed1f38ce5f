//! The order of events (semantics §6): of one vehicle by event time, then the
//! cause's time, then kind, fence id and event id.

use protos::events::FleetEvent;
use protos::events::fleet_event::Detail;

/// Key by which events of one vehicle are sorted in files.
///
/// The cause's own time is the end of the interval for events that happen on
/// a step between two pings, and the event time for all others.
pub fn order_key(event: &FleetEvent) -> impl Ord + '_ {
    let cause_ms = match event.detail {
        Some(
            Detail::GeofenceEnter(_)
            | Detail::GeofenceExit(_)
            | Detail::GeofenceVisit(_)
            | Detail::GeofenceCross(_),
        ) => event.not_after_ms,
        _ => event.event_time_ms,
    };
    (event.event_time_ms, cause_ms, rank(event), &event.fence_id, &event.event_id)
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
