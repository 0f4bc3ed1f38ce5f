//! Events as the machine decides them, before they become operations.

use std::sync::Arc;

use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id, Op, Reason};
use smol_str::SmolStr;

use crate::number::Number64;
use crate::{Position, TimeMs};

/// Version of the envelope's schema.
const SCHEMA_VERSION: u32 = 1;

/// A fence at one of its versions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FenceRef {
    pub(crate) id: Arc<str>,
    pub(crate) version: u32,
}

impl FenceRef {
    /// Its id as an event has it: a short one lies there, a long one is shared.
    fn name(&self) -> SmolStr {
        if self.id.len() <= SmolStr::INLINE_CAP {
            SmolStr::new(&self.id)
        } else {
            SmolStr::from(Arc::clone(&self.id))
        }
    }
}

/// Where the cause of an event was, and how it lies to the fence (semantics §5)
/// if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) accuracy_m: Number64,
    /// Signed, positive inside. Without a fence there is neither this nor the
    /// confidence.
    pub(crate) distance_m: Number64,
    pub(crate) confidence: Number64,
}

impl Place {
    /// As a message has it, where one of the last two means nothing without the
    /// other.
    pub(crate) fn new(
        position: Position,
        accuracy_m: Option<f64>,
        distance_m: Option<f64>,
        confidence: Option<f64>,
    ) -> Self {
        let (distance_m, confidence) = distance_m.zip(confidence).unzip();
        Self {
            position,
            accuracy_m: accuracy_m.into(),
            distance_m: distance_m.into(),
            confidence: confidence.into(),
        }
    }
}

/// Which events share an id besides their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    None,
    Visit(Id),
    Episode(Id),
}

/// The content of an event: all that the convergence law speaks of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) id: Id,
    pub(crate) detail: Detail,
    pub(crate) fence: Option<FenceRef>,
    pub(crate) group: Group,
    pub(crate) time: TimeMs,
    pub(crate) not_before: TimeMs,
    pub(crate) not_after: TimeMs,
    pub(crate) place: Option<Place>,
    pub(crate) reason: Reason,
}

/// An event with the moment that decided it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decided {
    /// Event time of the ping or timer that decided it.
    pub(crate) at: TimeMs,
    /// Receive time of that ping.
    pub(crate) observed: TimeMs,
    /// Whether an operation that says so has been emitted.
    pub(crate) emitted: bool,
    /// Decided when a late ping had its vehicle judged again.
    pub(crate) late: bool,
    /// Apart from the rest: an event is moved from list to list, and lists that
    /// grow move theirs.
    pub(crate) body: Box<Body>,
}

/// What an operation says besides the event's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emission<'a> {
    pub(crate) op: Op,
    pub(crate) revision: u64,
    pub(crate) vehicle_id: &'a SmolStr,
    pub(crate) observed: TimeMs,
    pub(crate) late: bool,
    pub(crate) replaces: Id,
}

impl Body {
    /// Whether both speak of the same kind and fence, so that one may replace
    /// the other in a correction.
    pub(crate) fn same_subject(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.detail) == std::mem::discriminant(&other.detail)
            && self.fence.as_ref().map(|fence| &fence.id)
                == other.fence.as_ref().map(|fence| &fence.id)
    }

    /// The content of an event on the wire; `None` if it is none of ours.
    pub(crate) fn from_event(event: FleetEvent) -> Option<Self> {
        let group = match (event.visit_id, event.episode_id) {
            (Id::NONE, Id::NONE) => Group::None,
            (Id::NONE, episode) => Group::Episode(episode),
            (visit, _) => Group::Visit(visit),
        };
        let position =
            event.lat.zip(event.lon).and_then(|(lat, lon)| Position::from_degrees(lat, lon));
        Some(Self {
            id: (!event.event_id.is_none()).then_some(event.event_id)?,
            reason: event.reason(),
            detail: event.detail?,
            fence: (!event.fence_id.is_empty()).then(|| FenceRef {
                id: Arc::from(event.fence_id.as_str()),
                version: event.fence_version,
            }),
            group,
            time: TimeMs(event.event_time_ms),
            not_before: TimeMs(event.not_before_ms),
            not_after: TimeMs(event.not_after_ms),
            place: position.map(|position| {
                Place::new(position, event.accuracy_m, event.distance_m, event.confidence)
            }),
        })
    }

    /// The operation on the wire.
    pub(crate) fn emit(&self, emission: Emission<'_>) -> FleetEvent {
        let (visit, episode) = match self.group {
            Group::None => (Id::NONE, Id::NONE),
            Group::Visit(id) => (id, Id::NONE),
            Group::Episode(id) => (Id::NONE, id),
        };
        FleetEvent {
            event_id: self.id,
            op: emission.op.into(),
            revision: emission.revision,
            vehicle_id: emission.vehicle_id.clone(),
            fence_id: self.fence.as_ref().map(FenceRef::name).unwrap_or_default(),
            fence_version: self.fence.as_ref().map_or(0, |fence| fence.version),
            visit_id: visit,
            episode_id: episode,
            event_time_ms: self.time.0,
            not_before_ms: self.not_before.0,
            not_after_ms: self.not_after.0,
            observed_at_ms: emission.observed.0,
            lat: self.place.map(|place| place.position.lat_deg()),
            lon: self.place.map(|place| place.position.lon_deg()),
            distance_m: self.place.and_then(|place| place.distance_m.get()),
            accuracy_m: self.place.and_then(|place| place.accuracy_m.get()),
            confidence: self.place.and_then(|place| place.confidence.get()),
            reason: self.reason.into(),
            late: emission.late,
            replaces: emission.replaces,
            schema_version: SCHEMA_VERSION,
            detail: Some(self.detail.clone()),
        }
    }
}
