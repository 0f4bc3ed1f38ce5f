//! A fleet's pings as they arrive at the core: encoded batches, a share late.

use bytes::Bytes;
use geofence::TimeMs;
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fleet::Fleet;

/// Pings of a batch.
pub(super) const BATCH_PINGS: usize = 1_000;
/// Longest way of a late ping, rounds of ten seconds: ten minutes.
const LATE_ROUNDS_MAX: usize = 60;

/// Rounds without end.
pub(super) struct Load {
    fleet: Fleet,
    random: StdRng,
    late: f64,
    /// Late pings by the round they arrive in, which goes round in a circle.
    held: Vec<Vec<VehiclePing>>,
    round: usize,
}

/// What arrives in one round.
pub(super) struct Arrival {
    pub(super) now: TimeMs,
    pub(super) batches: Vec<Bytes>,
    pub(super) pings: u64,
}

impl Load {
    /// Of `vehicles`, of whose pings `late_percent` of a hundred are up to ten
    /// minutes late.
    pub(super) fn new(vehicles: u32, late_percent: u32) -> Self {
        Self {
            fleet: Fleet::new(vehicles as usize, 5),
            random: StdRng::seed_from_u64(7),
            late: f64::from(late_percent) / 100.0,
            held: vec![Vec::new(); LATE_ROUNDS_MAX + 1],
            round: 0,
        }
    }

    pub(super) fn next(&mut self) -> Arrival {
        let pings = self.fleet.round();
        let now = TimeMs(pings[0].event_time_us.div_euclid(1000));
        let places = self.held.len();
        let mut arriving = std::mem::take(&mut self.held[self.round % places]);
        for ping in pings {
            if self.late > 0.0 && self.random.random_bool(self.late) {
                let due = self.round + self.random.random_range(1..=LATE_ROUNDS_MAX);
                self.held[due % places].push(ping);
            } else {
                arriving.push(ping);
            }
        }
        self.round += 1;
        Arrival { now, pings: arriving.len() as u64, batches: batches(arriving) }
    }
}

/// Pings as encoded batches, in their order.
fn batches(pings: Vec<VehiclePing>) -> Vec<Bytes> {
    let mut pings = pings.into_iter().peekable();
    let mut batches = Vec::new();
    while pings.peek().is_some() {
        let batch = VehiclePingBatch { pings: pings.by_ref().take(BATCH_PINGS).collect() };
        batches.push(batch.encode_to_vec().into());
    }
    batches
}
