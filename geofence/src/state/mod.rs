//! The core's state as bytes, for snapshots. What comes back is equal to what
//! went in: the same inputs then have the same effects.

mod machine;
mod vehicle;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use protos::journal::{
    CoreEpoch, CoreFenceVersion, CoreSource, CoreState, CoreTagChange, CoreVehicle,
    CoreVehicleTags, CoreWaiting,
};

use crate::detector::{Detector, Waiting};
use crate::roster::{Roster, TagChange};
use crate::timeline::{Epoch, Timeline};
use crate::vehicle::Rules;
use crate::{FenceSet, Settings, TimeMs};

/// Why a state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are no encoded state.
    #[error("the core's state does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The settings in it are none.
    #[error("the detection settings in the core's state do not parse: {0}")]
    Settings(#[from] serde_json::Error),
    /// It refers to a fence set that is not there.
    #[error("the core's state refers to fence set {0}, which is not there")]
    FencesMissing(String),
    /// A part that must be there is not, or does not fit the others.
    #[error("the core's state lacks a valid {0}")]
    Malformed(&'static str),
}

impl Detector {
    /// Hashes of the fence sets that the state refers to.
    #[must_use]
    pub fn fence_hashes(&self) -> Vec<String> {
        self.timeline.epochs().iter().map(|epoch| epoch.set.hash().to_owned()).collect()
    }

    /// The whole state, to be read back by [`Detector::decode_state`]. Taken
    /// after an apply: corrections that [`Detector::reconcile`] has left to
    /// the next one are not in it.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        let mut position = vec![0; self.vehicles.len()];
        let mut count = 0;
        for (vehicle, position) in self.vehicles.iter().zip(&mut position) {
            *position = count;
            count += u32::from(vehicle.is_some());
        }
        let waiting = self.waiting.iter().filter_map(|waiting| {
            let vehicle = self.vehicles[waiting.vehicle as usize].as_ref()?;
            (waiting.through > vehicle.judged).then(|| CoreWaiting {
                due_ms: waiting.due.0,
                vehicle: position[waiting.vehicle as usize],
                through_ms: waiting.through.0,
            })
        });
        let before_vehicles = CoreState {
            settings: serde_json::to_string(&self.settings)
                .expect("settings are plain data with string keys"),
            first_epoch: self.timeline.first(),
            epochs: self.timeline.epochs().iter().map(encode_epoch).collect(),
            latest_versions: self
                .timeline
                .latest()
                .iter()
                .map(|(id, version)| CoreFenceVersion {
                    fence_id: id.to_string(),
                    version: *version,
                })
                .collect(),
            sources: self
                .sources
                .iter()
                .map(|(number, source)| CoreSource {
                    source: number,
                    low_mark_ms: source.low_mark.map(|mark| mark.0),
                    bounds_lateness: source.bounds_lateness,
                    lateness_mark_ms: source.lateness_mark.map(|mark| mark.0),
                    silence_mark_ms: source.silence_mark.map(|mark| mark.0),
                })
                .collect(),
            waiting: waiting.collect(),
            now_ms: self.now.0,
            end_ms: self.end.map(|end| end.0),
            event_time_max_ms: self.event_time_max.map(|max| max.0),
            forgotten_at_ms: self.forgotten_at.0,
            ..CoreState::default()
        };
        let after_vehicles = CoreState {
            tags_since_ms: self.roster.since().map(|since| since.0),
            tags: encode_tags(&self.roster),
            ..CoreState::default()
        };
        let mut state = before_vehicles.encode_to_vec();
        for vehicle in self.vehicles.iter().flatten() {
            // One at a time: as messages they are many times their bytes.
            prost::encoding::message::encode(VEHICLES, &vehicle::encode(vehicle), &mut state);
        }
        state.extend(after_vehicles.encode_to_vec());
        state
    }

    /// Reads a state back. `fences` finds a fence set by its hash.
    ///
    /// # Errors
    /// If the bytes are no state, or refer to a fence set that `fences` does
    /// not find. Nothing of a state that fails may be used.
    pub fn decode_state(
        bytes: impl Into<Bytes>,
        mut fences: impl FnMut(&str) -> Option<Arc<FenceSet>>,
    ) -> Result<Self, StateError> {
        let Parts { vehicles, rest } = Parts::of(&bytes.into())?;
        let state = CoreState::decode(rest.as_slice())?;
        let settings: Settings = serde_json::from_str(&state.settings)?;
        let mut detector = Self::new(settings);
        detector.timeline = decode_timeline(&state, &mut fences)?;
        detector.roster = decode_roster(&state);
        for source in &state.sources {
            let restored = detector.sources.get_mut(source.source);
            restored.low_mark = source.low_mark_ms.map(TimeMs);
            restored.lateness_mark = source.lateness_mark_ms.map(TimeMs);
            restored.silence_mark = source.silence_mark_ms.map(TimeMs);
            restored.bounds_lateness = source.bounds_lateness;
        }
        detector.now = TimeMs(state.now_ms);
        detector.end = state.end_ms.map(TimeMs);
        detector.event_time_max = state.event_time_max_ms.map(TimeMs);
        detector.forgotten_at = TimeMs(state.forgotten_at_ms);
        let Detector { settings, timeline, roster, .. } = &detector;
        let rules = Rules::at(detector.now, settings, timeline, roster, detector.end);
        detector.in_force = rules.in_force;
        detector.vehicles.reserve(vehicles.len());
        for vehicle in vehicles {
            let vehicle = vehicle::decode(CoreVehicle::decode(vehicle)?, &detector.timeline)?;
            detector.window_fixes += vehicle.window.len() as u64;
            detector.adopt(vehicle);
        }
        let count = detector.vehicles.len() as u32;
        for waiting in state.waiting {
            if waiting.vehicle >= count {
                return Err(StateError::Malformed("waiting vehicle"));
            }
            detector.waiting.push_back(Waiting {
                due: TimeMs(waiting.due_ms),
                vehicle: waiting.vehicle,
                through: TimeMs(waiting.through_ms),
            });
        }
        Ok(detector)
    }
}

fn encode_tags(roster: &Roster) -> Vec<CoreVehicleTags> {
    let change =
        |change: &TagChange| CoreTagChange { from_ms: change.from.0, tags: change.tags.clone() };
    let of_vehicle = |(vehicle_id, changes): (&String, &Vec<TagChange>)| CoreVehicleTags {
        vehicle_id: vehicle_id.clone(),
        changes: changes.iter().map(change).collect(),
    };
    roster.vehicles().iter().map(of_vehicle).collect()
}

fn decode_roster(state: &CoreState) -> Roster {
    let change = |change: &CoreTagChange| TagChange {
        from: TimeMs(change.from_ms),
        tags: change.tags.clone(),
    };
    let vehicles = state
        .tags
        .iter()
        .map(|tags| (tags.vehicle_id.clone(), tags.changes.iter().map(change).collect()))
        .collect();
    Roster::restore(state.tags_since_ms.map(TimeMs), vehicles)
}

/// The field `vehicles` of `CoreState`.
const VEHICLES: u32 = 11;

/// An encoded state, taken apart without reading its vehicles: as messages,
/// those of a large fleet are many times their bytes.
struct Parts {
    /// Each an encoded `CoreVehicle`, whose own bytes are then slices of it.
    vehicles: Vec<Bytes>,
    /// The state without them.
    rest: Vec<u8>,
}

impl Parts {
    fn of(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut state = &bytes[..];
        let mut parts = Self { vehicles: Vec::new(), rest: Vec::new() };
        while !state.is_empty() {
            let field = state;
            let (tag, wire_type) = decode_key(&mut state)?;
            let value = state;
            skip_field(wire_type, tag, &mut state, DecodeContext::default())?;
            if tag == VEHICLES && wire_type == WireType::LengthDelimited {
                let mut vehicle = &value[..value.len() - state.len()];
                decode_varint(&mut vehicle)?;
                parts.vehicles.push(bytes.slice_ref(vehicle));
            } else {
                parts.rest.extend_from_slice(&field[..field.len() - state.len()]);
            }
        }
        Ok(parts)
    }
}

/// The encoded state without the vehicles other than `vehicle_id`, of which
/// only one at a time is held, and without what refers to them.
pub(crate) fn of_one_vehicle(state: &Bytes, vehicle_id: &str) -> Result<Vec<u8>, DecodeError> {
    let Parts { vehicles, rest } = Parts::of(state)?;
    let mut kept = CoreState::decode(rest.as_slice())?;
    kept.waiting.clear();
    for vehicle in vehicles {
        let vehicle = CoreVehicle::decode(vehicle)?;
        if vehicle.id == vehicle_id {
            kept.vehicles.push(vehicle);
        }
    }
    Ok(kept.encode_to_vec())
}

fn encode_epoch(epoch: &Epoch) -> CoreEpoch {
    CoreEpoch {
        valid_from_ms: epoch.valid_from.0,
        fences_hash: epoch.set.hash().to_owned(),
        versions: epoch.versions.clone(),
    }
}

fn decode_timeline(
    state: &CoreState,
    fences: &mut impl FnMut(&str) -> Option<Arc<FenceSet>>,
) -> Result<Timeline, StateError> {
    let mut epochs = Vec::with_capacity(state.epochs.len());
    for epoch in &state.epochs {
        let set = fences(&epoch.fences_hash)
            .ok_or_else(|| StateError::FencesMissing(epoch.fences_hash.clone()))?;
        if set.fences().len() != epoch.versions.len() {
            return Err(StateError::Malformed("list of fence versions"));
        }
        let ids = set.fences().iter().map(|fence| Arc::from(fence.id.as_str())).collect();
        epochs.push(Epoch {
            valid_from: TimeMs(epoch.valid_from_ms),
            set,
            versions: epoch.versions.clone(),
            ids,
        });
    }
    let latest: BTreeMap<Arc<str>, u32> = state
        .latest_versions
        .iter()
        .map(|latest| (Arc::from(latest.fence_id.as_str()), latest.version))
        .collect();
    Timeline::restore(state.first_epoch, epochs, latest).ok_or(StateError::Malformed("fence epoch"))
}
