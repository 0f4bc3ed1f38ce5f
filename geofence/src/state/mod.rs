//! The core's state as bytes, for snapshots. What comes back is equal to what
//! went in: the same inputs then have the same effects.

mod capture;
mod machine;
mod vehicle;
mod window;

use std::sync::Arc;

use bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use protos::journal::{
    CoreEpoch, CoreFenceVersion, CoreSource, CoreState, CoreTagChange, CoreVehicle, CoreVehicleTags,
};

use crate::detector::{Detector, Waiting};
use crate::roster::{Roster, TagChange};
use crate::sources::Source;
use crate::threads::{self, Cores};
use crate::timeline::Timeline;
use crate::vehicle::Vehicle;
use crate::world::World;
use crate::{FenceEpoch, FenceSet, Settings, TimeMs};

pub(crate) use capture::Capture;

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
        self.world.timeline.epochs().iter().map(|epoch| epoch.set.hash().to_owned()).collect()
    }

    /// The whole state, to be read back by [`Detector::decode_state`]. Taken
    /// after an apply: corrections that [`Detector::reconcile`] has left to
    /// the next one are not in it.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        let mut capture = Capture::begin(self);
        capture.take_some(&self.vehicles, &self.world.timeline, usize::MAX);
        capture.finish()
    }

    /// Begins to take the state down as it stands now, which
    /// [`Self::capture`] goes on with. An earlier capture is given up.
    pub fn begin_capture(&mut self) {
        self.capture = Some(Box::new(Capture::begin(self)));
    }

    /// Goes on with the capture that was begun, for about `bytes` more of what it
    /// comes to; applies may lie between. Returns what has been taken down since
    /// the last call: all parts together are what [`Self::encode_state`] would have
    /// been when it was begun (vehicles in another order, which means nothing).
    /// `None` without a capture.
    pub fn capture(&mut self, bytes: usize) -> Option<Captured> {
        let capture = self.capture.as_mut()?;
        if !capture.take_some(&self.vehicles, &self.world.timeline, bytes) {
            return Some(Captured { bytes: capture.take_encoded(), is_last: false });
        }
        let capture = self.capture.take()?;
        Some(Captured { bytes: capture.finish(), is_last: true })
    }

    /// The vehicle in slot `index` is about to change.
    #[inline]
    pub(crate) fn before_change(&mut self, index: u32) {
        if let Some(capture) = &mut self.capture {
            capture.take(index, &self.vehicles, &self.world.timeline);
        }
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
        let timeline = decode_timeline(&state, &mut fences)?;
        detector.world.roster = decode_roster(&state);
        for source in &state.sources {
            let restored = detector.sources.get_mut(source.source);
            restored.low_mark = source.low_mark_ms.map(TimeMs);
            restored.lateness_mark = source.lateness_mark_ms.map(TimeMs);
            restored.silence_mark = source.silence_mark_ms.map(TimeMs);
            restored.bounds_lateness = source.bounds_lateness;
            restored.stalled = source.stalled;
        }
        detector.now = TimeMs(state.now_ms);
        detector.world.end = state.end_ms.map(TimeMs);
        detector.event_time_max = state.event_time_max_ms.map(TimeMs);
        detector.forgotten_at = TimeMs(state.forgotten_at_ms);
        detector.vehicles.reserve(vehicles.len());
        detector.index.reserve(vehicles.len());
        let decode = |(): &mut (), _, vehicle: &Bytes| {
            vehicle::decode(CoreVehicle::decode(vehicle.clone())?, &timeline)
        };
        let mut decoded = Vec::new();
        for part in vehicles.chunks(DECODED_AHEAD) {
            let before = std::mem::take(&mut decoded);
            let adopt = || detector.adopt_all(before);
            let adopted;
            (decoded, adopted) = threads::map_beside(Cores::All, part, || (), decode, adopt);
            adopted?;
        }
        detector.adopt_all(decoded)?;
        detector.world.timeline = timeline;
        detector.in_force = detector.in_force_now();
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

    /// Takes in vehicles that have come back, unless one has not.
    fn adopt_all(&mut self, vehicles: Vec<Result<Vehicle, StateError>>) -> Result<(), StateError> {
        for vehicle in vehicles {
            let vehicle = vehicle?;
            self.window_fixes += vehicle.window.len() as u64;
            self.adopt(vehicle);
        }
        Ok(())
    }
}

/// A part of a state that is being taken down.
#[derive(Clone, Debug)]
pub struct Captured {
    /// What comes after the part before.
    pub bytes: Vec<u8>,
    /// Whether the state is whole with it.
    pub is_last: bool,
}

/// All but vehicles, who waits for judgement, and tags.
fn encode_head(detector: &Detector) -> CoreState {
    let Detector { world: World { settings, timeline, end, .. }, sources, .. } = detector;
    let version =
        |(id, version): (&str, u32)| CoreFenceVersion { fence_id: id.to_owned(), version };
    let source = |(number, source): (u32, &Source)| CoreSource {
        source: number,
        low_mark_ms: source.low_mark.map(|mark| mark.0),
        bounds_lateness: source.bounds_lateness,
        lateness_mark_ms: source.lateness_mark.map(|mark| mark.0),
        silence_mark_ms: source.silence_mark.map(|mark| mark.0),
        stalled: source.stalled,
    };
    CoreState {
        settings: serde_json::to_string(settings)
            .expect("settings are plain data with string keys"),
        first_epoch: timeline.first(),
        epochs: timeline.epochs().iter().map(encode_epoch).collect(),
        latest_versions: timeline.latest().into_iter().map(version).collect(),
        sources: sources.iter().map(source).collect(),
        now_ms: detector.now.0,
        end_ms: end.map(|end| end.0),
        event_time_max_ms: detector.event_time_max.map(|max| max.0),
        forgotten_at_ms: detector.forgotten_at.0,
        ..CoreState::default()
    }
}

/// The tags of vehicles.
fn encode_tail(detector: &Detector) -> CoreState {
    CoreState {
        tags_since_ms: detector.world.roster.since().map(|since| since.0),
        tags: encode_tags(&detector.world.roster),
        ..CoreState::default()
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

/// Vehicles that are decoded while those before them are taken in: enough for
/// threads to be worth it, and few enough for their memory to serve again; of
/// more the system would clear it anew each time.
const DECODED_AHEAD: usize = 1 << 12;

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

/// What `decode` makes of each of `messages`, in a list with room for no more:
/// collected, it would stay where they were, which is many times as large.
fn decode_each<M, T>(
    messages: Vec<M>,
    decode: impl Fn(M) -> Result<T, StateError>,
) -> Result<Vec<T>, StateError> {
    let mut decoded = Vec::with_capacity(messages.len());
    for message in messages {
        decoded.push(decode(message)?);
    }
    Ok(decoded)
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

fn encode_epoch(epoch: &FenceEpoch) -> CoreEpoch {
    CoreEpoch {
        valid_from_ms: epoch.valid_from.0,
        fences_hash: epoch.set.hash().to_owned(),
        versions: epoch.versions().collect(),
    }
}

fn decode_timeline(
    state: &CoreState,
    fences: &mut impl FnMut(&str) -> Option<Arc<FenceSet>>,
) -> Result<Timeline, StateError> {
    let mut epochs: Vec<FenceEpoch> = Vec::with_capacity(state.epochs.len());
    let none = FenceEpoch::empty();
    for CoreEpoch { valid_from_ms, fences_hash, versions } in &state.epochs {
        let set =
            fences(fences_hash).ok_or_else(|| StateError::FencesMissing(fences_hash.clone()))?;
        if set.fences().len() != versions.len() {
            return Err(StateError::Malformed("list of fence versions"));
        }
        let before = epochs.last().unwrap_or(&none);
        let version = |index: u32, _| versions[index as usize];
        epochs.push(FenceEpoch::after(before, set, TimeMs(*valid_from_ms), version));
    }
    let latest = state.latest_versions.iter();
    let latest = latest.map(|latest| (Arc::from(latest.fence_id.as_str()), latest.version));
    Timeline::restore(state.first_epoch, epochs, latest).ok_or(StateError::Malformed("fence epoch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_takes_no_more_room_than_it_needs() {
        let mut messages = Vec::with_capacity(4);
        messages.extend([[1_u64; 60], [2; 60]]);
        let decoded = decode_each(messages, |message| Ok(message[0])).unwrap();
        assert_eq!((decoded.as_slice(), decoded.capacity()), (&[1, 2][..], 2));
        let fails = decode_each(vec![1, 2], |_: i32| Err::<(), _>(StateError::Malformed("it")));
        assert!(matches!(fails, Err(StateError::Malformed("it"))));
    }
}
