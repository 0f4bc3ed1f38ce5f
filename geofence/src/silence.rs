//! Events that receive time decides (semantics §9): vehicles that fall silent
//! and return, and sources that do. No later ping changes them.

use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, Id, Op, Reason, SourceRecovered, SourceStalled, VehicleOffline, VehicleOnline,
};
use smol_str::SmolStr;

use crate::decided::{Body, Emission, Group, Place};
use crate::detector::Detector;
use crate::hash::{Cause, event_id};
use crate::liveness::Liveness;
use crate::vehicle::Vehicle;
use crate::{Effects, Ping, Settings, SourceState, TimeMs};

/// How a ping came in.
#[derive(Clone, Copy)]
pub(crate) struct Receipt {
    /// It made its vehicle.
    pub(crate) is_first: bool,
    /// Its vehicle's window holds it.
    pub(crate) in_window: bool,
}

impl Detector {
    /// Counts an arrival, and says so if it ends a silence.
    pub(crate) fn arrive(
        &mut self,
        index: u32,
        ping: &Ping,
        receipt: Receipt,
        seq: u64,
        effects: &mut Effects,
    ) {
        let vehicle = self.vehicles[index as usize].as_mut().expect("indexed vehicles exist");
        let received = ping.receive_time;
        vehicle.liveness.hang_on(ping.identity, receipt.in_window);
        if !receipt.is_first
            && let Some(silence_ms) = vehicle.liveness.arrive(received, self.now)
        {
            let silence_s = silence_ms as f64 / 1000.0;
            let online = Silence {
                kind: "vehicle_online",
                detail: Detail::VehicleOnline(VehicleOnline { silence_s }),
                not_before: received,
                time: received,
            };
            let body = online.body(&self.world.settings, vehicle);
            effects.events.extend(vehicle.tell(&body, self.now, seq, &mut self.amended));
        }
        let due = vehicle.liveness.due(&self.world.settings);
        if due < vehicle.liveness.check_after {
            self.sources.check(vehicle, index, due);
        }
    }

    /// Raises a source's low mark, and finds the vehicles that it shows to be
    /// silent for too long, or long enough to have dwelt. Returns whether there
    /// are any: an event then tells so.
    pub(crate) fn raise_low_mark(
        &mut self,
        source: u32,
        mark: TimeMs,
        seq: u64,
        effects: &mut Effects,
    ) -> bool {
        let state = self.sources.get_mut(source);
        // Whether it was told before must not matter: that may be in no segment.
        state.low_mark = state.low_mark.max(Some(mark));
        let rules = self.world.rules(self.now);
        let mut concluded = false;
        while let Some(index) = self.sources.next_check(source, mark) {
            // Rules are borrowed from beside it.
            if let Some(capture) = &mut self.capture {
                capture.take(index, &self.vehicles, &self.world.timeline);
            }
            let vehicle = self.vehicles[index as usize].as_mut().expect("checked vehicles exist");
            let offline_due = vehicle.liveness.due(&self.world.settings);
            let is_offline = !vehicle.liveness.offline && offline_due < mark;
            let has_dwelt = vehicle.dwell_check(rules, TimeMs::MIN) < mark;
            if is_offline {
                vehicle.liveness.fall_silent();
                let body = offline(vehicle, &rules.world.settings, offline_due);
                effects.events.extend(vehicle.tell(&body, self.now, seq, &mut self.amended));
            }
            if is_offline || has_dwelt {
                self.touched.add(index);
                concluded = true;
            }
            let next = if vehicle.liveness.offline { TimeMs::MAX } else { offline_due };
            match next.min(vehicle.dwell_check(rules, mark)) {
                TimeMs::MAX => self.sources.forget(vehicle, index),
                next => self.sources.check(vehicle, index, next),
            }
        }
        concluded
    }

    /// A source's own silence, or the end of it.
    pub(crate) fn source_event(&self, state: &SourceState, seq: u64) -> FleetEvent {
        let source = state.name.clone();
        let (kind, detail) = if state.stalled {
            ("source_stalled", Detail::SourceStalled(SourceStalled { source }))
        } else {
            ("source_recovered", Detail::SourceRecovered(SourceRecovered { source }))
        };
        let cause = Cause::Moment(state.at);
        let body = Body {
            id: event_id(&self.world.settings.tenant, "", kind, &state.name, cause, 0),
            detail,
            fence: None,
            group: Group::None,
            time: state.at,
            not_before: state.at,
            not_after: state.at,
            place: None,
            reason: Reason::Unspecified,
        };
        body.emit(Emission {
            op: Op::Assert,
            revision: seq,
            vehicle_id: &SmolStr::default(),
            observed: self.now,
            late: false,
            replaces: Id::NONE,
        })
    }
}

/// That the vehicle has been silent since before `due`.
fn offline(vehicle: &Vehicle, settings: &Settings, due: TimeMs) -> Body {
    let threshold_s = vehicle.liveness.threshold_ms(settings) as f64 / 1000.0;
    let offline = Silence {
        kind: "vehicle_offline",
        detail: Detail::VehicleOffline(VehicleOffline { threshold_s }),
        not_before: vehicle.liveness.last_arrival,
        time: due,
    };
    offline.body(settings, vehicle)
}

/// A vehicle's silence, or the end of it.
struct Silence {
    kind: &'static str,
    detail: Detail,
    not_before: TimeMs,
    time: TimeMs,
}

impl Silence {
    fn body(self, settings: &Settings, vehicle: &Vehicle) -> Body {
        let place = vehicle.shown.fix.map(|fix| {
            let accuracy_m = fix.accuracy_m.get().map(|m| (m * 1000.0).round() / 1000.0);
            Place::new(fix.position, accuracy_m, None, None)
        });
        let Liveness { last_ping, last_sequence, .. } = vehicle.liveness;
        let cause = Cause::Ping(last_ping);
        Body {
            id: event_id(&settings.tenant, &vehicle.id, self.kind, "", cause, last_sequence),
            detail: self.detail,
            fence: None,
            group: Group::None,
            time: self.time,
            not_before: self.not_before,
            not_after: self.time,
            place,
            reason: Reason::Unspecified,
        }
    }
}
