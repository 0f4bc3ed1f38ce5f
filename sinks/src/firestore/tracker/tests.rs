//! The pacing and the guard, on a clock of the test's own.

mod guard;
mod model;
mod pacing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use geofence::{LivePosition, Status};
use prost_types::Timestamp;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::{Due, Guard, Pace, Read, Room, Tracker, Write, Written};
use crate::firestore::Layout;
use crate::testing::live_position;

const ROOM: Room = Room { reads: 500, writes: 500, bytes: 8 << 20 };

/// A tracker with a store that answers at once, and a clock in milliseconds.
struct World {
    tracker: Tracker,
    start: Instant,
    now_ms: u64,
    /// Documents: when they were last written, and what they hold.
    stored: BTreeMap<String, (Timestamp, BTreeMap<SmolStr, LivePosition>)>,
    /// Time, document and positions of every write, in order.
    writes: Vec<(u64, String, Vec<LivePosition>)>,
    reads: u64,
    clock_of_store: i64,
}

impl World {
    fn new(layout: Layout, min_interval_ms: u64) -> Self {
        Self::with_patience(layout, min_interval_ms, 0)
    }

    /// Where a write may be up to `max_delay_ms` late.
    fn with_patience(layout: Layout, min_interval_ms: u64, max_delay_ms: u64) -> Self {
        let [min_interval, max_delay] = [min_interval_ms, max_delay_ms].map(Duration::from_millis);
        Self {
            tracker: Tracker::new(layout, 3, Pace::new(min_interval, max_delay), 0),
            start: Instant::now(),
            now_ms: 0,
            stored: BTreeMap::new(),
            writes: Vec::new(),
            reads: 0,
            clock_of_store: 0,
        }
    }

    /// Documents of vehicles, 1 s apart at the least.
    fn plain() -> Self {
        Self::new(Layout::Document, 1000)
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    /// The first whole millisecond that is not before `at`.
    fn ms(&self, at: Instant) -> u64 {
        u64::try_from((at - self.start).as_nanos().div_ceil(1_000_000)).unwrap()
    }

    fn offer(&mut self, position: LivePosition) {
        let now = self.now();
        self.tracker.offer(Arc::new(position), now);
    }

    /// Goes on to `ms`, doing everything when it falls due.
    fn run_until(&mut self, ms: u64) {
        loop {
            let due = self.tracker.next_due().map(|at| self.ms(at).max(self.now_ms));
            let Some(due) = due.filter(|due| *due <= ms) else { break };
            self.now_ms = due;
            self.settle();
        }
        self.now_ms = self.now_ms.max(ms);
    }

    /// Does everything that is due now.
    fn settle(&mut self) {
        loop {
            let Due { reads, writes } = self.tracker.take(self.now(), ROOM);
            if reads.is_empty() && writes.is_empty() {
                return;
            }
            for id in reads {
                self.reads += 1;
                let read = self.read(&id);
                self.tracker.read(&id, read, self.now());
            }
            for write in writes {
                let written = self.write(&write);
                self.tracker.written(write, written, self.now());
            }
        }
    }

    fn read(&self, id: &str) -> Read {
        match self.stored.get(id) {
            None => Read::Missing,
            Some((at, vehicles)) => Read::Found(*at, vehicles.values().cloned().collect()),
        }
    }

    /// Writes as Firestore does: under the precondition, entry by entry.
    fn write(&mut self, write: &Write) -> Written {
        let guard = self.stored.get(&*write.id).map_or(Guard::Missing, |(at, _)| Guard::At(*at));
        if guard != write.guard {
            return Written::Conflict;
        }
        self.clock_of_store += 1;
        let at = Timestamp { seconds: self.clock_of_store, nanos: 0 };
        let document = self.stored.entry(write.id.to_string()).or_default();
        document.0 = at;
        let mut positions = Vec::new();
        for position in &write.positions {
            document.1.insert(position.vehicle_id.clone(), LivePosition::clone(position));
            positions.push(LivePosition::clone(position));
        }
        self.writes.push((self.now_ms, write.id.to_string(), positions));
        Written::Done(Some(at))
    }

    /// When each write was made.
    fn times(&self) -> Vec<u64> {
        self.writes.iter().map(|(at, ..)| *at).collect()
    }

    fn shown(&self, vehicle_id: &str) -> Option<&LivePosition> {
        self.stored.values().find_map(|(_, vehicles)| vehicles.get(vehicle_id))
    }
}

/// Vehicle `v` `metres` north of a place.
fn at(metres: f64, seq: u64) -> LivePosition {
    live_position("v", 50.0 + metres / 111_132.0, 10.0, seq)
}

fn idle(position: LivePosition) -> LivePosition {
    LivePosition { status: Status::Idle, ..position }
}
