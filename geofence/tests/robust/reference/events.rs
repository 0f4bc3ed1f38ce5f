//! Ways in and out, stays, and the events that tell of them.

use geofence::Ping;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceVisit, Reason};

use super::accuracy;
use super::versions::Version;

#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) reason: Reason,
    pub(super) time: i64,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// A stay that has begun, told or not.
pub(super) struct Stay<'a> {
    pub(super) way: Way,
    /// The version and the ping that the enter speaks of.
    pub(super) version: &'a Version<'a>,
    pub(super) first: &'a Ping,
    pub(super) inside: Vec<&'a Ping>,
    /// Already told at this mark, because a fence change decided it.
    pub(super) told: bool,
}

pub(super) fn at_once(t: i64, reason: Reason) -> Way {
    Way { reason, time: t, not_before: t, not_after: t }
}

pub(super) fn figures(stay: &Stay<'_>, way: Way) -> Detail {
    let times: Vec<i64> = stay.inside.iter().map(|ping| ping.event_time.0).collect();
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    Detail::GeofenceVisit(GeofenceVisit {
        enter_time_ms: stay.way.time,
        duration_s: seconds(way.time - stay.way.time),
        certain_s: seconds(span),
        possible_s: seconds(way.not_after - stay.way.not_before),
        max_gap_s: seconds(times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)),
        pings: times.len() as u64,
    })
}

pub(super) fn event(version: &Version<'_>, ping: &Ping, way: Way, detail: Detail) -> FleetEvent {
    event_at(version, version, ping, way, detail)
}

/// An event of `version` whose cause was judged by `seen`.
pub(super) fn event_at(
    version: &Version<'_>,
    seen: &Version<'_>,
    ping: &Ping,
    way: Way,
    detail: Detail,
) -> FleetEvent {
    let fence = seen.drawn.unwrap();
    FleetEvent {
        vehicle_id: ping.vehicle_id.clone(),
        fence_id: fence.id.as_str().into(),
        fence_version: version.number,
        event_time_ms: way.time,
        not_before_ms: way.not_before,
        not_after_ms: way.not_after,
        lat: Some(ping.position.lat_deg()),
        lon: Some(ping.position.lon_deg()),
        distance_m: Some(fence.shape.signed_distance_m(ping.position)),
        accuracy_m: ping.accuracy_m,
        confidence: Some(fence.shape.confidence(ping.position, accuracy(ping))),
        reason: way.reason.into(),
        schema_version: 1,
        detail: Some(detail),
        ..FleetEvent::default()
    }
}
