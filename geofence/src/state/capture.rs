//! The state as it stood after some apply, taken down while others follow.
//!
//! To write down a large fleet at once would hold every ping up for seconds.
//! So vehicles are taken down few at a time, between applies; one that an
//! apply is about to change before its turn is taken down right before that.
//! Whoever was heard last is mostly heard last again: those come last, so that
//! few applies find any whose turn is still to come. What comes out is the
//! state of one moment, as if it had stood still.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use protos::journal::{CoreState, CoreWaiting};

use super::{VEHICLES, vehicle};
use crate::TimeMs;
use crate::detector::{Detector, Waiting};
use crate::timeline::Timeline;
use crate::vehicle::Vehicle;

/// A state on its way to bytes.
#[derive(Debug)]
pub(crate) struct Capture {
    /// All but vehicles, who waits, and tags.
    head: CoreState,
    /// Tags.
    tail: CoreState,
    waiting: Vec<Waiting>,
    /// By slot of that moment.
    slots: Vec<Slot>,
    /// Slots of vehicles whose turn is still to come, the next one last.
    turns: Vec<u32>,
    /// Vehicles taken down and not handed out yet, as the encoded state has them.
    encoded: Vec<u8>,
    count: u32,
    /// The one being taken down.
    vehicle: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Vacant,
    /// To be taken down.
    Due,
    /// Taken down as the vehicle of this number, judged up to this time.
    Taken {
        number: u32,
        judged: TimeMs,
    },
}

impl Capture {
    /// Of the state as it stands now.
    pub(super) fn begin(detector: &Detector) -> Self {
        let mut slots = vec![Slot::Vacant; detector.vehicles.len()];
        let mut heard = Vec::with_capacity(detector.index.len());
        for (index, vehicle) in (0..).zip(&detector.vehicles) {
            if let Some(vehicle) = vehicle {
                slots[index as usize] = Slot::Due;
                heard.push((vehicle.liveness.seen, index));
            }
        }
        heard.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            head: super::encode_head(detector),
            tail: super::encode_tail(detector),
            waiting: detector.waiting.iter().copied().collect(),
            slots,
            turns: heard.into_iter().map(|(_, index)| index).collect(),
            encoded: Vec::new(),
            count: 0,
            vehicle: Vec::new(),
        }
    }

    /// Takes the vehicle in slot `index` down, unless that has been done or it
    /// was not there.
    pub(crate) fn take(&mut self, index: u32, vehicles: &[Option<Vehicle>], timeline: &Timeline) {
        let Some(slot @ Slot::Due) = self.slots.get_mut(index as usize) else { return };
        let vehicle = vehicles[index as usize].as_ref().expect("only those there are due");
        *slot = Slot::Taken { number: self.count, judged: vehicle.judged };
        self.count += 1;
        // One at a time: as messages they are many times their bytes.
        self.vehicle.clear();
        vehicle::encode(vehicle, timeline, &mut self.vehicle);
        encode_key(VEHICLES, WireType::LengthDelimited, &mut self.encoded);
        encode_varint(self.vehicle.len() as u64, &mut self.encoded);
        self.encoded.extend_from_slice(&self.vehicle);
    }

    /// Takes vehicles down until about `bytes` more are written. Returns
    /// whether all of them are.
    pub(super) fn take_some(
        &mut self,
        vehicles: &[Option<Vehicle>],
        timeline: &Timeline,
        bytes: usize,
    ) -> bool {
        let enough = self.encoded.len().saturating_add(bytes);
        while self.encoded.len() < enough
            && let Some(index) = self.turns.pop()
        {
            self.take(index, vehicles, timeline);
        }
        self.turns.is_empty()
    }

    /// What has been encoded since it was last asked for.
    pub(super) fn take_encoded(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.encoded)
    }

    /// The rest of the encoded state, once every vehicle is taken down.
    pub(super) fn finish(self) -> Vec<u8> {
        let Self { mut head, tail, waiting, slots, encoded, .. } = self;
        let waiting =
            waiting.into_iter().filter_map(|Waiting { due, vehicle, through }| {
                match slots[vehicle as usize] {
                    Slot::Taken { number, judged } if through > judged => {
                        Some(CoreWaiting { due_ms: due.0, vehicle: number, through_ms: through.0 })
                    }
                    _ => None,
                }
            });
        head.waiting = waiting.collect();
        let mut state = encoded;
        state.extend(head.encode_to_vec());
        state.extend(tail.encode_to_vec());
        state
    }
}
