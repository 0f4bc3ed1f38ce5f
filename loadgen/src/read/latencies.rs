//! From a ping to what came of it.

use google_cloud_pubsub::model::Message;
use protos::event_json::{self, reason_name};
use protos::events::{self, FleetEvent};

use crate::dials::ClockFault;
use crate::latency::Latencies;
use crate::profile::World;
use crate::truth::Kind;

use super::Event;

/// How soon events came; corrections, what is learnt late and what happened
/// while the run was warming up are left out.
///
/// Enters, passes and exits count from the intended send time of the ping that
/// shows them to their arrival here. That ping is the one at the end of the
/// event's interval: the first on the new side. So an enter's and a pass's
/// latency holds the target's reorder delay, and an exit's its confirmation too.
#[derive(Clone, Debug, Default)]
pub struct EventLatencies {
    /// Enters and passes.
    pub entry: Latencies,
    /// Exits.
    pub exit: Latencies,
    /// From a ping's publishing to its event's, by the service's own clock; of
    /// events that a ping decided in order.
    pub published: Latencies,
    /// From a ping's receipt by the target, by its clock, to its event's arrival
    /// here; of events that a ping decided in order.
    pub received: Latencies,
}

/// How long an event took from the ping that decided it, as far as that is known,
/// microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SincePing {
    /// From the ping's publishing to the event's.
    pub publishing_us: Option<i64>,
    /// From the ping's receipt to here.
    pub received_us: Option<i64>,
}

impl EventLatencies {
    /// Takes an event that arrived `now_us` microseconds after the start.
    pub fn take(&mut self, world: &World, event: &Event, now_us: i64, since_ping: SincePing) {
        let (Some(kind), Some(vehicle), Some((not_before, not_after))) =
            (event.kind, event.vehicle, event.interval_ms)
        else {
            return;
        };
        let ClockFault::Skewed(offset_ms) = world.clock_of(vehicle) else { return };
        // Without an interval, as for a vehicle first seen, the ping is the
        // event's own.
        if event.late || event.op != super::Op::Assert || not_before > not_after {
            return;
        }
        let shown_ms = not_after - offset_ms;
        if shown_ms < i64::from(world.profile.load.warm_up_s) * 1000 {
            return;
        }
        let SincePing { publishing_us, received_us } = since_ping;
        publishing_us.into_iter().for_each(|us| self.published.record(us));
        received_us.into_iter().for_each(|us| self.received.record(us));
        let latency_us = now_us - shown_ms * 1000;
        match kind {
            Kind::Enter | Kind::Cross => self.entry.record(latency_us),
            Kind::Exit => self.exit.record(latency_us),
            _ => {}
        }
    }
}

/// From the publishing of the ping that decided `event` to the publishing of
/// the event, which came in `message`: microseconds, to a millisecond, by the
/// clock of the service alone.
///
/// Neither the way to the topic of pings is in it nor that from the topic of
/// events, and nothing of this process; the target's reorder delay is. `None`
/// for what no ping decided in order, or perhaps none.
pub(super) fn publishing_us(event: &FleetEvent, message: &Message) -> Option<i64> {
    let of_a_ping = is_of_a_ping(
        Kind::named(event_json::kind(event)),
        reason_name(event.reason),
        event.op() == events::Op::Assert && !event.late,
    );
    if !of_a_ping || event.observed_at_ms == 0 {
        return None;
    }
    let published = message.publish_time.as_ref()?;
    let published_us = published.seconds() * 1_000_000 + i64::from(published.nanos() / 1_000);
    Some(published_us - event.observed_at_ms * 1_000)
}

/// Whether it was the ping received last that decided an event: of this kind, for
/// this reason, and `in_order`, neither corrected nor learnt late.
///
/// Of dwells silence is a reason too, of the ends of rests a gap, and the moment at
/// which a fence opens is no ping's. Corrections, and what is learnt late, stand for
/// an older ping.
pub(super) fn is_of_a_ping(kind: Option<Kind>, reason: &str, in_order: bool) -> bool {
    let of_a_kind = matches!(kind, Some(Kind::Enter | Kind::Exit | Kind::Cross | Kind::Visit));
    of_a_kind && in_order && matches!(reason, "crossed" | "first_seen" | "reappeared")
}

#[cfg(test)]
mod tests {
    use protos::events::fleet_event::Detail;
    use protos::events::{GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, Op, Reason};

    use super::*;
    use crate::profile::Profile;

    #[test]
    fn what_happens_while_a_run_warms_up_is_not_measured() {
        let mut profile = Profile::load("smoke").unwrap();
        profile.load.warm_up_s = 2;
        let world = profile.world(None).unwrap();
        let event = |kind, shown_ms| Event {
            id: 1,
            op: super::super::Op::Assert,
            revision: 1,
            kind: Some(kind),
            vehicle: Some(0),
            fence: None,
            t_ms: 1_000,
            interval_ms: Some((1_000, shown_ms)),
            threshold_ms: 0,
            late: false,
        };
        let mut latencies = EventLatencies::default();
        let since_ping = SincePing { publishing_us: Some(7_000), received_us: Some(9_000) };
        for shown_ms in [1_999, 2_000, 2_001] {
            for kind in [Kind::Enter, Kind::Exit, Kind::Visit] {
                latencies.take(&world, &event(kind, shown_ms), 3_000_000, since_ping);
            }
        }
        let EventLatencies { entry, exit, published, received } = &latencies;
        let all = [entry, exit, published, received].map(Latencies::percentiles);
        assert_eq!(all.map(|it| it.count), [2, 2, 6, 6]);
        assert_eq!(all.map(|it| it.max_ms.round()), [1_000.0, 1_000.0, 7.0, 9.0]);
    }

    const PUBLISHED: &str = "2026-01-05T06:00:02.345678Z";
    /// When the ping was published: 06:00:02, milliseconds.
    const OBSERVED_MS: i64 = 1_767_592_802_000;

    fn enter() -> FleetEvent {
        FleetEvent {
            op: Op::Assert.into(),
            reason: Reason::Crossed.into(),
            observed_at_ms: OBSERVED_MS,
            detail: Some(Detail::GeofenceEnter(GeofenceEnter {})),
            ..FleetEvent::default()
        }
    }

    fn with(detail: Detail) -> FleetEvent {
        FleetEvent { detail: Some(detail), ..enter() }
    }

    fn because(reason: Reason) -> FleetEvent {
        FleetEvent { reason: reason.into(), ..enter() }
    }

    fn published(event: &FleetEvent) -> Option<i64> {
        let mut message = Message::new();
        message.publish_time = Some(PUBLISHED.try_into().unwrap());
        publishing_us(event, &message)
    }

    #[test]
    fn what_a_ping_decided_in_order_counts_from_its_publishing() {
        for event in [
            enter(),
            with(Detail::GeofenceExit(GeofenceExit {})),
            with(Detail::GeofenceCross(Default::default())),
            with(Detail::GeofenceVisit(GeofenceVisit::default())),
            because(Reason::FirstSeen),
            because(Reason::Reappeared),
        ] {
            assert_eq!(published(&event), Some(345_678), "{event:?}");
        }
        let earlier = FleetEvent { observed_at_ms: OBSERVED_MS + 1_000, ..enter() };
        assert_eq!(published(&earlier), Some(-654_322), "clocks that differ are told, not hidden");
    }

    #[test]
    fn what_no_ping_decided_or_an_older_one_does_not_count() {
        for event in [
            FleetEvent { late: true, ..enter() },
            FleetEvent { op: Op::Amend.into(), ..enter() },
            FleetEvent { op: Op::Retract.into(), ..enter() },
            FleetEvent { observed_at_ms: 0, ..enter() },
            FleetEvent { detail: None, ..enter() },
            with(Detail::GeofenceDwell(GeofenceDwell { threshold_s: 10 })),
            with(Detail::IdleEnd(Default::default())),
            with(Detail::StationaryStart(Default::default())),
            with(Detail::VehicleOffline(Default::default())),
            with(Detail::VehicleOnline(Default::default())),
            because(Reason::FenceCreated),
            because(Reason::ScheduleClosed),
            because(Reason::AssignmentChanged),
            because(Reason::Unspecified),
        ] {
            assert_eq!(published(&event), None, "{event:?}");
        }
        assert_eq!(publishing_us(&enter(), &Message::new()), None, "never published");
    }
}
