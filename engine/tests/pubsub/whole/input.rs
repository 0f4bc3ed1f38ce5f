//! What is published: pings in three parts, each in any order, some of them
//! twice, late or ancient, and messages that nobody can read.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use protos::telemetry::VehiclePing;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::cloud;

const PARTS: usize = 3;
/// One ping in so many comes with the next part, behind newer ones.
const LATE_EVERY: usize = 11;
/// One in so many comes twice.
const TWICE_EVERY: usize = 7;
const REFUSED_EACH: usize = 20;
const ANCIENT_EACH: usize = 5;
/// Further back than anything is judged.
const ANCIENT_US: i64 = 40 * 86_400 * 1_000_000;

pub(super) struct Input {
    /// Each vehicle's pings in order, the ancient ones left out.
    pub(super) drives: Vec<Vec<VehiclePing>>,
    pub(super) parts: Vec<Part>,
}

#[derive(Default)]
pub(super) struct Part {
    pings: Vec<VehiclePing>,
    ancient: Vec<VehiclePing>,
    number: usize,
}

impl Input {
    pub(super) fn new(vehicles: usize) -> Self {
        let drives = cloud::drives("bus", vehicles);
        let mut parts: Vec<_> =
            (0..PARTS).map(|number| Part { number, ..Part::default() }).collect();
        for drive in &drives {
            let length = drive.len().div_ceil(PARTS);
            for (step, ping) in drive.iter().enumerate() {
                let late = usize::from((step + 1).is_multiple_of(LATE_EVERY));
                parts[(step / length + late).min(PARTS - 1)].pings.push(ping.clone());
            }
        }
        for part in &mut parts {
            part.ancient = part.pings.iter().take(ANCIENT_EACH).map(ancient).collect();
        }
        Self { drives, parts }
    }

    /// Ids of the pings of the first `parts`.
    pub(super) fn distinct(&self, parts: usize) -> BTreeSet<String> {
        let pings = self.parts[..parts].iter().flat_map(|it| it.pings.iter().chain(&it.ancient));
        pings.map(|ping| ping.ping_id.clone().unwrap()).collect()
    }

    /// How many ancient pings there are.
    pub(super) fn ancient(&self) -> usize {
        self.parts.iter().map(|part| part.ancient.len()).sum()
    }

    /// Where each vehicle is after the first `parts`: time and latitude.
    pub(super) fn newest(&self, parts: usize) -> BTreeMap<String, (Timestamp, f64)> {
        let mut newest = BTreeMap::new();
        for ping in self.parts[..parts].iter().flat_map(|part| &part.pings) {
            let time = Timestamp::from_microsecond(ping.event_time_us).unwrap();
            let known = newest.entry(ping.vehicle_id.clone()).or_insert((time, ping.lat));
            *known = (time.max(known.0), ping.lat);
        }
        newest
    }
}

impl Part {
    /// Every ping, some twice, in any order.
    pub(super) fn pings(&self) -> Vec<Message> {
        let all = self.pings.iter().chain(&self.ancient);
        let twice = self.pings.iter().step_by(TWICE_EVERY);
        let mut messages: Vec<_> = all.chain(twice).map(cloud::message).collect();
        messages.shuffle(&mut StdRng::seed_from_u64(self.number as u64));
        messages
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = Message> {
        let number = self.number;
        (0..REFUSED_EACH).map(move |n| Message::new().set_data(format!("{{junk {number} {n}")))
    }
}

fn ancient(ping: &VehiclePing) -> VehiclePing {
    VehiclePing {
        ping_id: ping.ping_id.as_ref().map(|id| format!("ancient-{id}")),
        event_time_us: ping.event_time_us - ANCIENT_US,
        ..ping.clone()
    }
}
