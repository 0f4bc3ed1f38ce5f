//! The machine and its parts as messages.

use bytes::Bytes;
use protos::events::{Id, Reason};
use protos::journal::{
    CoreArrival, CoreFix, CoreIdle, CoreLeaving, CoreMachine, CorePlace, CoreRest, CoreVisit,
};

use super::{StateError, decode_each};
use crate::decided::Place;
use crate::fix::{Fix, Sighting};
use crate::hash::Cause;
use crate::machine::{Arrival, Crossing, IdleRun, Leaving, Machine, Rest, Visit};
use crate::timeline::Timeline;
use crate::{Identity, Position, TimeMs};

pub(super) fn encode(machine: &Machine, timeline: &Timeline) -> CoreMachine {
    let machine = machine.measured(timeline);
    CoreMachine {
        last: machine.last.map(encode_sighting),
        epoch: machine.epoch,
        assigned_ms: machine.assigned.get().map(|from| from.0),
        wakes_ms: Some(machine.wakes.0).filter(|_| machine.wakes < TimeMs::MAX),
        visits: machine.visits.iter().map(encode_visit).collect(),
        arrivals: machine.arrivals.iter().map(encode_arrival).collect(),
        suspect: machine.suspect.as_deref().map(encode_fix),
        engine_on: machine.engine_on,
        engine_ms: machine.engine_t.0,
        rest: machine.rest.as_ref().map(|rest| CoreRest {
            anchor: Some(encode_fix(&rest.anchor)),
            not_before_ms: rest.not_before.0,
            last_ms: rest.last.0,
            episode: rest.episode,
            idle: rest.idle.as_ref().map(|idle| CoreIdle {
                first: Some(encode_fix(&idle.first)),
                last: Some(encode_fix(&idle.last)),
                not_before_ms: idle.not_before.0,
                episode: idle.episode,
            }),
        }),
    }
}

pub(super) fn decode(machine: CoreMachine, timeline: &Timeline) -> Result<Machine, StateError> {
    let last = machine.last.map(decode_fix).transpose()?.map(|fix| fix.sighting());
    let kept = timeline.first()..timeline.first() + timeline.epochs().len() as u32;
    if last.is_some() && !kept.contains(&machine.epoch) {
        return Err(StateError::Malformed("fence epoch of a vehicle"));
    }
    let visits = decode_each(machine.visits, decode_visit)?;
    let arrivals = decode_each(machine.arrivals, decode_arrival)?;
    // Both are in order of fences.
    let fence = visits.last().map(|visit| visit.fence);
    let arrived = arrivals.last().map(|arrival| arrival.visit.fence);
    if let Some(fence) = fence.max(arrived)
        && (last.is_none() || fence as usize >= timeline.epoch(machine.epoch).set.fences().len())
    {
        return Err(StateError::Malformed("fence of a visit"));
    }
    Ok(Machine {
        last,
        epoch: machine.epoch,
        assigned: machine.assigned_ms.map(TimeMs).into(),
        wakes: machine.wakes_ms.map_or(TimeMs::MAX, TimeMs),
        visits,
        arrivals: arrivals.into(),
        suspect: machine.suspect.map(decode_fix).transpose()?.map(Box::new),
        engine_on: machine.engine_on,
        engine_t: TimeMs(machine.engine_ms),
        rest: machine.rest.map(decode_rest).transpose()?.map(Box::new),
    })
}

fn decode_rest(rest: CoreRest) -> Result<Rest, StateError> {
    let idle = |idle: CoreIdle| {
        Ok::<_, StateError>(IdleRun {
            first: decode_fix(idle.first.ok_or(StateError::Malformed("idle run"))?)?,
            last: decode_fix(idle.last.ok_or(StateError::Malformed("idle run"))?)?,
            not_before: TimeMs(idle.not_before_ms),
            episode: idle.episode,
        })
    };
    Ok(Rest {
        anchor: decode_fix(rest.anchor.ok_or(StateError::Malformed("stationary run"))?)?,
        not_before: TimeMs(rest.not_before_ms),
        last: TimeMs(rest.last_ms),
        episode: rest.episode,
        idle: rest.idle.map(idle).transpose()?,
    })
}

pub(super) fn encode_fix(fix: &Fix) -> CoreFix {
    CoreFix {
        identity: encode_id(fix.identity.0),
        t_ms: fix.t.0,
        received_after_ms: fix.received.0.wrapping_sub(fix.t.0),
        seq: fix.seq,
        lat_e7: fix.position.lat,
        lon_e7: fix.position.lon,
        accuracy_m: fix.accuracy.get(),
        speed_mps: fix.speed_mps.get(),
        engine: fix.engine,
    }
}

/// As a fix of which no more is known: what was written before has all of it,
/// and its reader asks for an identity.
fn encode_sighting(sighting: Sighting) -> CoreFix {
    CoreFix {
        identity: encode_id(0),
        t_ms: sighting.t.0,
        lat_e7: sighting.position.lat,
        lon_e7: sighting.position.lon,
        accuracy_m: sighting.accuracy.get(),
        ..CoreFix::default()
    }
}

pub(super) fn decode_fix(fix: CoreFix) -> Result<Fix, StateError> {
    Ok(Fix {
        identity: Identity(decode_id(&fix.identity)?),
        t: TimeMs(fix.t_ms),
        received: TimeMs(fix.t_ms.wrapping_add(fix.received_after_ms)),
        seq: fix.seq,
        position: Position { lat: fix.lat_e7, lon: fix.lon_e7 },
        accuracy: fix.accuracy_m.into(),
        speed_mps: fix.speed_mps.into(),
        engine: fix.engine,
    })
}

fn encode_visit(visit: &Visit) -> CoreVisit {
    let (cause_ping, cause_version, cause_valid_from_ms) = match visit.cause {
        Cause::Ping(identity) => (encode_id(identity.0), 0, 0),
        Cause::FenceVersion { version, valid_from } => (Bytes::new(), version, valid_from.0),
        Cause::Moment(at) => (Bytes::new(), 0, at.0),
    };
    CoreVisit {
        fence: visit.fence,
        id: encode_id(visit.id.number()),
        cause_ping,
        cause_version,
        cause_valid_from_ms,
        place: Some(encode_place(&visit.place)),
        enter_ms: visit.enter.0,
        enter_not_before_ms: visit.enter_not_before.0,
        enter_not_after_ms: visit.enter_not_after.0,
        first_inside_ms: visit.inside().map(|(first, _)| first.0),
        last_inside_ms: visit.inside().map_or(0, |(_, last)| last.0),
        gap_max_ms: visit.gap_max_ms,
        pings: visit.pings,
        dwelt_s: visit.dwelt_s,
        leaving: visit.leaving.as_deref().map(encode_leaving),
    }
}

fn decode_visit(visit: CoreVisit) -> Result<Visit, StateError> {
    let cause = if visit.cause_ping.is_empty() {
        Cause::FenceVersion {
            version: visit.cause_version,
            valid_from: TimeMs(visit.cause_valid_from_ms),
        }
    } else {
        Cause::Ping(Identity(decode_id(&visit.cause_ping)?))
    };
    if visit.first_inside_ms.is_some() != (visit.pings > 0) {
        return Err(StateError::Malformed("count of fixes inside"));
    }
    Ok(Visit {
        fence: visit.fence,
        id: Id::new(decode_id(&visit.id)?),
        cause,
        place: decode_place(visit.place.ok_or(StateError::Malformed("place of a visit"))?),
        enter: TimeMs(visit.enter_ms),
        enter_not_before: TimeMs(visit.enter_not_before_ms),
        enter_not_after: TimeMs(visit.enter_not_after_ms),
        first_inside: TimeMs(visit.first_inside_ms.unwrap_or_default()),
        last_inside: TimeMs(visit.last_inside_ms),
        gap_max_ms: visit.gap_max_ms,
        pings: visit.pings,
        dwelt_s: visit.dwelt_s,
        leaving: visit.leaving.map(decode_leaving).transpose()?.map(Box::new),
    })
}

fn encode_leaving(leaving: &Leaving) -> CoreLeaving {
    CoreLeaving {
        first: encode_id(leaving.first.0),
        place: Some(encode_place(&leaving.place)),
        version: leaving.version,
        reason: leaving.crossing.reason.into(),
        time_ms: leaving.crossing.time.0,
        not_before_ms: leaving.crossing.not_before.0,
        not_after_ms: leaving.crossing.not_after.0,
        pings: leaving.pings,
        decisive: leaving.decisive,
    }
}

fn decode_leaving(leaving: CoreLeaving) -> Result<Leaving, StateError> {
    Ok(Leaving {
        first: Identity(decode_id(&leaving.first)?),
        version: leaving.version,
        crossing: Crossing {
            reason: leaving.reason(),
            time: TimeMs(leaving.time_ms),
            not_before: TimeMs(leaving.not_before_ms),
            not_after: TimeMs(leaving.not_after_ms),
        },
        unmeasured: None,
        pings: leaving.pings,
        decisive: leaving.decisive,
        place: decode_place(leaving.place.ok_or(StateError::Malformed("place of an exit"))?),
    })
}

fn encode_arrival(arrival: &Arrival) -> CoreArrival {
    CoreArrival {
        visit: Some(encode_visit(&arrival.visit)),
        reason: arrival.reason.into(),
        version: arrival.version,
        sure: arrival.sure,
    }
}

fn decode_arrival(arrival: CoreArrival) -> Result<Arrival, StateError> {
    let reason: Reason = arrival.reason();
    Ok(Arrival {
        visit: decode_visit(arrival.visit.ok_or(StateError::Malformed("arrival"))?)?,
        reason,
        version: arrival.version,
        sure: arrival.sure,
    })
}

fn encode_place(place: &Place) -> CorePlace {
    CorePlace {
        lat_e7: place.position.lat,
        lon_e7: place.position.lon,
        accuracy_m: place.accuracy_m.get(),
        distance_m: place.distance_m.get(),
        confidence: place.confidence.get(),
    }
}

fn decode_place(place: CorePlace) -> Place {
    let position = Position { lat: place.lat_e7, lon: place.lon_e7 };
    Place::new(position, place.accuracy_m, place.distance_m, place.confidence)
}

pub(super) fn encode_id(id: u128) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}

pub(super) fn decode_id(bytes: &[u8]) -> Result<u128, StateError> {
    let bytes = bytes.try_into().map_err(|_| StateError::Malformed("128-bit id"))?;
    Ok(u128::from_be_bytes(bytes))
}
