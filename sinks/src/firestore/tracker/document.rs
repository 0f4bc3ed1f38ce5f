//! One document: its vehicles, what is known of the stored one, and when it
//! is to be read, written or forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use geofence::LivePosition;
use prost_types::Timestamp;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::demand::Demand;
use super::vehicle::{Offered, Vehicle};
use super::{IDLE, Pace, SET_ASIDE};
use crate::firestore::codec;

/// What a write may take for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::firestore) enum Guard {
    /// Nothing: the document must be read first.
    Unread,
    /// There is no such document.
    Missing,
    /// It was last written at this time.
    At(Timestamp),
}

#[derive(Debug)]
pub(super) struct Document {
    /// Sorted by id. With one document for each vehicle there is one.
    vehicles: Vec<Vehicle>,
    pub(super) guard: Guard,
    /// A read or a write is under way.
    pub(super) busy: bool,
    /// When the last write began.
    begun: Option<Instant>,
    /// The one before, should it turn out that nothing was written.
    begun_before: Option<Instant>,
    /// Not to be touched before, after a failure.
    paused_until: Option<Instant>,
    /// Failures since the last success.
    failures: u32,
    /// When it was last touched.
    touched: Instant,
    demand: Demand,
}

/// By what the tracker finds a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// When to read, write or forget it; none while it is busy.
    pub(super) timer: Option<Instant>,
    pub(super) visible_since: Option<Instant>,
    pub(super) seq: Option<u64>,
}

impl Document {
    pub(super) fn new(guard: Guard, now: Instant) -> Self {
        Self {
            // Most hold one vehicle for good, and a first push makes room for
            // four.
            vehicles: Vec::with_capacity(1),
            guard,
            busy: false,
            begun: None,
            begun_before: None,
            paused_until: None,
            failures: 0,
            touched: now,
            demand: Demand::default(),
        }
    }

    pub(super) fn offer(
        &mut self,
        position: Arc<LivePosition>,
        now: Instant,
        pace: Pace,
    ) -> Offered {
        let found = self.vehicles.binary_search_by(|it| it.id().cmp(&position.vehicle_id));
        let (index, offered) = match found {
            Ok(index) => (index, self.vehicles[index].offer(position, now)),
            Err(index) => {
                self.vehicles.insert(index, Vehicle::new(position, now));
                (index, Offered::Waits)
            }
        };
        // What a vehicle asks for may come later than it was, too; only of many
        // is it not worth asking them all.
        if offered == Offered::Refused || self.vehicles.len() == 1 {
            self.ask(pace);
        } else {
            self.demand = self.demand.and(self.vehicles[index].demand(self.begun, pace));
        }
        offered
    }

    /// What a write that begins now takes along.
    pub(super) fn send(&mut self, now: Instant, pace: Pace) -> Vec<Arc<LivePosition>> {
        self.busy = true;
        self.begun_before = self.begun.replace(now);
        let positions = self.vehicles.iter_mut().filter_map(Vehicle::send).collect();
        self.ask(pace);
        positions
    }

    /// What a write takes in a request, at the most.
    pub(super) fn bytes_waiting(&self) -> usize {
        let waiting = self.vehicles.iter().filter_map(Vehicle::waiting);
        codec::DOCUMENT_BYTES + waiting.map(codec::position_bytes).sum::<usize>()
    }

    /// A write of `positions` is done. Without a time of its own the stored
    /// document must be read before the next.
    pub(super) fn written(&mut self, positions: Vec<Arc<LivePosition>>, at: Option<Timestamp>) {
        let begun = self.begun.expect("a write has begun before it is done");
        self.guard = at.map_or(Guard::Unread, Guard::At);
        self.failures = 0;
        self.paused_until = None;
        for position in positions {
            if let Some(vehicle) = self.vehicle(&position.vehicle_id) {
                vehicle.written(position, begun);
            }
        }
        // Others keep the document in mind for as long as they move. One that
        // comes back is written anew, under the guard of all.
        if let Some(before) = begun.checked_sub(IDLE) {
            self.vehicles.retain(|vehicle| !vehicle.is_settled_since(before));
        }
    }

    /// A read or a write was not done.
    pub(super) fn failed(&mut self, pause: Option<Duration>, now: Instant) {
        if let Some(pause) = pause {
            self.failures = self.failures.saturating_add(1);
            self.paused_until = Some(now + pause);
        }
        self.begun = self.begun_before;
        self.vehicles.iter_mut().for_each(Vehicle::not_written);
    }

    /// The store will never take `positions`. They are taken for stored: the
    /// next change may be to its liking, but not at once.
    pub(super) fn set_aside(&mut self, positions: Vec<Arc<LivePosition>>, now: Instant) {
        self.written(positions, None);
        self.failed(Some(SET_ASIDE), now);
    }

    /// What is stored was read: `stored` of vehicles, in any order. Returns
    /// how many positions are refused for what is stored.
    pub(super) fn found(&mut self, guard: Guard, stored: Vec<LivePosition>, now: Instant) -> u64 {
        self.guard = guard;
        let mut stored: HashMap<SmolStr, LivePosition> =
            stored.into_iter().map(|it| (it.vehicle_id.clone(), it)).collect();
        let vehicles = self.vehicles.iter_mut();
        let refused = vehicles.filter_map(|vehicle| {
            let position = stored.remove(vehicle.id());
            vehicle.found(position, now).then_some(())
        });
        refused.count() as u64
    }

    /// Failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Works out anew what the vehicles ask for.
    pub(super) fn ask(&mut self, pace: Pace) {
        let demands = self.vehicles.iter().map(|vehicle| vehicle.demand(self.begun, pace));
        self.demand = demands.fold(Demand::default(), Demand::and);
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.touched = now;
    }

    /// Nothing waits or is under way: the document may be forgotten.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy && self.demand.seq.is_none()
    }

    pub(super) fn keys(&self) -> Keys {
        let pause = self.paused_until;
        let due = self.demand.due.map(|due| pause.map_or(due, |pause| due.max(pause)));
        let timer = due.or_else(|| self.is_idle().then(|| self.touched + IDLE));
        Keys {
            timer: timer.filter(|_| !self.busy),
            visible_since: self.demand.visible_since,
            seq: self.demand.seq,
        }
    }

    fn vehicle(&mut self, vehicle_id: &str) -> Option<&mut Vehicle> {
        let index = self.vehicles.binary_search_by(|it| it.id().cmp(vehicle_id)).ok()?;
        Some(&mut self.vehicles[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firestore::tracker::FLOOR;
    use crate::testing::live_position;

    const PACE: Pace = Pace { min_interval: FLOOR, patience: FLOOR, closing: false };

    impl Document {
        /// Offers a position of each of `vehicles` and writes what waits.
        fn write(&mut self, vehicles: &[&str], seq: u64, now: Instant) -> Vec<Arc<LivePosition>> {
            for vehicle in vehicles {
                self.offer(Arc::new(live_position(vehicle, 50.0, 10.0, seq)), now, PACE);
            }
            let sent = self.send(now, PACE);
            self.busy = false;
            self.written(sent.clone(), Some(Timestamp::default()));
            self.ask(PACE);
            sent
        }

        fn ids(&self) -> Vec<&str> {
            self.vehicles.iter().map(Vehicle::id).collect()
        }
    }

    #[test]
    fn a_vehicle_that_is_gone_is_forgotten_while_others_move() {
        let start = Instant::now();
        let mut document = Document::new(Guard::Unread, start);
        document.found(Guard::Missing, Vec::new(), start);
        document.write(&["a", "b"], 1, start);
        document.write(&["b"], 2, start + IDLE / 2);
        assert_eq!(document.ids(), ["a", "b"]);
        document.write(&["b"], 3, start + IDLE);
        assert_eq!(document.ids(), ["b"]);
        let back = document.write(&["a"], 4, start + 2 * IDLE);
        assert_eq!(back.iter().map(|it| &it.vehicle_id[..]).collect::<Vec<_>>(), ["a"]);
        assert_eq!(document.ids(), ["a"], "the other one has stood for as long");
    }
}
