//! A vehicle as a message.

use prost::Message as _;
use protos::events::{FleetEvent, Id, Op};
use protos::journal::{CoreCheckpoint, CoreDecided, CoreLiveness, CoreShown, CoreVehicle};
use smol_str::SmolStr;

use super::machine::{self, decode_fix, decode_id, encode_id};
use super::{StateError, decode_each, window};
use crate::decided::{Body, Decided, Emission};
use crate::liveness::Liveness;
use crate::shown::{Shown, ShownFix};
use crate::timeline::Timeline;
use crate::vehicle::{Checkpoint, Checkpoints, Vehicle};
use crate::window::Window;
use crate::{Identity, Position, TimeMs};

/// Appends the vehicle as a `CoreVehicle`.
pub(super) fn encode(vehicle: &Vehicle, timeline: &Timeline, out: &mut Vec<u8>) {
    let without_window = CoreVehicle {
        id: vehicle.id.to_string(),
        newest_ms: vehicle.newest.0,
        hot_from_ms: vehicle.hot_from.0,
        source: vehicle.source,
        window: Vec::new(),
        machine: Some(machine::encode(&vehicle.machine, timeline)),
        judged_ms: vehicle.judged.0,
        checkpoints: vehicle
            .checkpoints
            .all()
            .iter()
            .map(|checkpoint| CoreCheckpoint {
                at_ms: checkpoint.at.0,
                machine: Some(machine::encode(checkpoint.machine(), timeline)),
            })
            .collect(),
        since_checkpoint: vehicle.since_checkpoint,
        decided: vehicle.decided.iter().map(encode_decided).collect(),
        assumed: vehicle.assumed.iter().map(encode_decided).collect(),
        liveness: Some(CoreLiveness {
            last_arrival_ms: vehicle.liveness.last_arrival.0,
            last_ping: encode_id(vehicle.liveness.last_ping.0),
            interval_ms: vehicle.liveness.interval_ms.into(),
            offline: vehicle.liveness.offline,
            check_after_ms: vehicle.liveness.check_after.0,
            seen_ms: vehicle.liveness.seen.0,
            silences: vehicle.liveness.silences,
            last_sequence: vehicle.liveness.last_sequence,
        }),
        shown: Some(encode_shown(&vehicle.shown)),
    };
    out.extend(without_window.encode_to_vec());
    window::encode(&vehicle.window, out);
}

pub(super) fn decode(vehicle: CoreVehicle, timeline: &Timeline) -> Result<Vehicle, StateError> {
    let liveness = vehicle.liveness.ok_or(StateError::Malformed("liveness"))?;
    let liveness = Liveness {
        last_arrival: TimeMs(liveness.last_arrival_ms),
        last_ping: Identity(decode_id(&liveness.last_ping)?),
        seen: TimeMs(liveness.seen_ms),
        interval_ms: u32::try_from(liveness.interval_ms)
            .map_err(|_| StateError::Malformed("arrival interval"))?,
        offline: liveness.offline,
        check_after: TimeMs(liveness.check_after_ms),
        silences: liveness.silences,
        last_sequence: liveness.last_sequence,
    };
    let mut restored = Vehicle::new(vehicle.id.into(), vehicle.source, liveness);
    restored.newest = TimeMs(vehicle.newest_ms);
    restored.hot_from = TimeMs(vehicle.hot_from_ms);
    restored.window = Window::restore(decode_each(vehicle.window, decode_fix)?);
    let head = vehicle.machine.ok_or(StateError::Malformed("machine"))?;
    restored.machine = machine::decode(head, timeline)?;
    restored.judged = TimeMs(vehicle.judged_ms);
    let checkpoints = decode_each(vehicle.checkpoints, |checkpoint: CoreCheckpoint| {
        let machine = checkpoint.machine.ok_or(StateError::Malformed("checkpoint"))?;
        let machine = machine::decode(machine, timeline)?;
        Ok(Checkpoint::restore(TimeMs(checkpoint.at_ms), machine))
    })?;
    restored.checkpoints =
        Checkpoints::restore(checkpoints).ok_or(StateError::Malformed("first checkpoint"))?;
    restored.since_checkpoint = vehicle.since_checkpoint;
    restored.decided = decode_each(vehicle.decided, decode_decided)?;
    restored.set_assumed(decode_each(vehicle.assumed, decode_decided)?);
    restored.settled = restored.decided.len() as u32;
    let shown = vehicle.shown.ok_or(StateError::Malformed("live position"))?;
    let seq = shown.seq;
    restored.shown = decode_shown(shown);
    // Status and fences follow from the machine.
    let offline = restored.liveness.offline;
    restored.shown.refresh(&restored.machine, true, offline, timeline, seq);
    restored.shown.seq = seq;
    Ok(restored)
}

fn encode_decided(decided: &Decided) -> CoreDecided {
    let emission = Emission {
        op: Op::Assert,
        revision: 0,
        vehicle_id: &SmolStr::default(),
        observed: decided.observed,
        late: decided.late,
        replaces: Id::NONE,
    };
    CoreDecided {
        at_ms: decided.at.0,
        late: decided.late,
        event: Some(decided.body.emit(emission)),
    }
}

fn decode_decided(decided: CoreDecided) -> Result<Decided, StateError> {
    let event: FleetEvent = decided.event.ok_or(StateError::Malformed("decided event"))?;
    Ok(Decided {
        at: TimeMs(decided.at_ms),
        observed: TimeMs(event.observed_at_ms),
        emitted: true,
        late: decided.late,
        body: Body::from_event(event)
            .map(Box::new)
            .ok_or(StateError::Malformed("decided event"))?,
    })
}

fn encode_shown(shown: &Shown) -> CoreShown {
    CoreShown {
        t_ms: shown.fix.map(|fix| fix.t.0),
        lat_e7: shown.fix.map_or(0, |fix| fix.position.lat),
        lon_e7: shown.fix.map_or(0, |fix| fix.position.lon),
        accuracy_m: shown.fix.and_then(|fix| fix.accuracy_m.get()),
        heading_deg: shown.fix.and_then(|fix| fix.heading_deg.get()),
        speed_mps: shown.fix.and_then(|fix| fix.speed_mps.get()),
        seq: shown.seq,
    }
}

fn decode_shown(shown: CoreShown) -> Shown {
    let fix = shown.t_ms.map(|t| ShownFix {
        t: TimeMs(t),
        position: Position { lat: shown.lat_e7, lon: shown.lon_e7 },
        accuracy_m: shown.accuracy_m.into(),
        heading_deg: shown.heading_deg.into(),
        speed_mps: shown.speed_mps.into(),
    });
    Shown { fix, ..Shown::default() }
}
