//! What is published: pings in parts, each in any order, some of them
//! twice, late or ancient, and messages that nobody can read.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use protos::telemetry::VehiclePing;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::cloud;

/// One ping in so many comes with the next part, behind newer ones.
const LATE_EVERY: usize = 11;
/// One in so many comes twice.
const TWICE_EVERY: usize = 7;
const REFUSED_EACH: usize = 20;
const ANCIENT_EACH: usize = 5;
/// Further back than anything is judged.
const ANCIENT_US: i64 = 40 * 86_400 * 1_000_000;

pub(crate) struct Input {
    /// Each vehicle's pings in order, the ancient ones left out.
    pub(crate) drives: Vec<Vec<VehiclePing>>,
    pub(crate) parts: Vec<Part>,
}

#[derive(Default)]
pub(crate) struct Part {
    pings: Vec<VehiclePing>,
    ancient: Vec<VehiclePing>,
    number: usize,
}

impl Input {
    pub(crate) fn new(vehicles: usize, count: usize) -> Self {
        let drives = cloud::drives("bus", vehicles);
        let mut parts: Vec<_> =
            (0..count).map(|number| Part { number, ..Part::default() }).collect();
        for drive in &drives {
            let length = drive.len().div_ceil(count);
            for (step, ping) in drive.iter().enumerate() {
                let late = usize::from((step + 1).is_multiple_of(LATE_EVERY));
                parts[(step / length + late).min(count - 1)].pings.push(ping.clone());
            }
        }
        for part in &mut parts {
            part.ancient = part.pings.iter().take(ANCIENT_EACH).map(ancient).collect();
        }
        Self { drives, parts }
    }

    /// Ids of the pings of the first `parts`.
    pub(crate) fn distinct(&self, parts: usize) -> BTreeSet<String> {
        let pings = self.parts[..parts].iter().flat_map(|it| it.pings.iter().chain(&it.ancient));
        pings.map(|ping| ping.ping_id.clone().unwrap()).collect()
    }

    /// How many ancient pings there are.
    pub(crate) fn ancient(&self) -> usize {
        self.parts.iter().map(|part| part.ancient.len()).sum()
    }

    /// Where each vehicle is after the first `parts`: time and latitude.
    pub(crate) fn newest(&self, parts: usize) -> BTreeMap<String, (Timestamp, f64)> {
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
    pub(crate) fn pings(&self) -> Vec<Message> {
        let all = self.pings.iter().chain(&self.ancient);
        let twice = self.pings.iter().step_by(TWICE_EVERY);
        let mut messages: Vec<_> = all.chain(twice).map(cloud::message).collect();
        messages.shuffle(&mut StdRng::seed_from_u64(self.number as u64));
        messages
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = Message> {
        let number = self.number;
        (0..REFUSED_EACH).map(move |n| poison(&format!("{number} {n}"), n))
    }
}

/// A message that can never be accepted, of one `kind` or another.
pub(crate) fn poison(text: &str, kind: usize) -> Message {
    match kind % 4 {
        0 => Message::new().set_data(format!("{{junk {text}")),
        // Longer than any ping may be.
        1 => Message::new().set_data(format!("{text}{}", "x".repeat(70_000))),
        2 => typed(text, "text/html"),
        _ => typed(text, "application/json"),
    }
}

fn typed(text: &str, content_type: &str) -> Message {
    Message::new().set_data(text.to_owned()).set_attributes([("content-type", content_type)])
}

fn ancient(ping: &VehiclePing) -> VehiclePing {
    VehiclePing {
        ping_id: ping.ping_id.as_ref().map(|id| format!("ancient-{id}")),
        event_time_us: ping.event_time_us - ANCIENT_US,
        ..ping.clone()
    }
}
