//! The order of events (semantics §6): of one vehicle by event time, then the
//! cause's time, then kind, fence id and event id.

use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Reason};

/// Key by which events of one vehicle are sorted in files.
pub fn order_key(event: &FleetEvent) -> impl Ord + '_ {
    let (time, cause) = (event.event_time_ms, cause_ms(event));
    (time, cause, is_by_ping(event), rank(event), &event.fence_id, &event.event_id)
}

/// Appends bytes that sort as vehicle id, then [`order_key`], then revision.
pub fn push_sort_key(out: &mut Vec<u8>, event: &FleetEvent) {
    push_text(out, &event.vehicle_id);
    push_i64(out, event.event_time_ms);
    push_i64(out, cause_ms(event));
    out.push(is_by_ping(event).into());
    out.push(rank(event));
    push_text(out, &event.fence_id);
    push_text(out, &event.event_id);
    out.extend_from_slice(&event.revision.to_be_bytes());
}

/// Ends with two zeros; a zero inside is followed by 255, so that no text is
/// taken for the start of a longer one.
fn push_text(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(u8::MAX);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Big-endian with the sign turned over: negative numbers come first.
fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&(value ^ i64::MIN).to_be_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use protos::events::{GeofenceEnter, IdleStart};

    fn event() -> impl Strategy<Value = FleetEvent> {
        let text = "[\\x00ab]{0,3}";
        (text, -2_i64..2, -2_i64..2, any::<bool>(), text, text, 0_u64..3).prop_map(
            |(vehicle_id, time, not_after, enter, fence_id, event_id, revision)| FleetEvent {
                vehicle_id,
                event_time_ms: time,
                not_after_ms: not_after,
                fence_id,
                event_id,
                revision,
                detail: Some(match enter {
                    true => Detail::GeofenceEnter(GeofenceEnter {}),
                    false => Detail::IdleStart(IdleStart {}),
                }),
                ..FleetEvent::default()
            },
        )
    }

    proptest! {
        #[test]
        fn bytes_sort_as_the_keys_do(a in event(), b in event()) {
            let bytes = |event: &FleetEvent| {
                let mut out = Vec::new();
                push_sort_key(&mut out, event);
                out
            };
            let keys = a
                .vehicle_id
                .cmp(&b.vehicle_id)
                .then_with(|| order_key(&a).cmp(&order_key(&b)))
                .then_with(|| a.revision.cmp(&b.revision));
            prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), keys);
        }
    }
}
