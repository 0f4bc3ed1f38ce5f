//! Vehicles that drive about the city, a ping each every ten seconds.

use std::f64::consts::TAU;

use bytes::Bytes;
use geofence::{Input, PingRun, TimeMs, admission};
use prost::Message;
use protos::telemetry::VehiclePing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::city::{CORNER, EXTENT};

/// Event time of the first round: 2026-01-05T06:00:00Z.
const START_US: i64 = 1_767_592_800_000_000;
const INTERVAL_US: i64 = 10_000_000;
/// A vehicle moves so far between two pings, degrees of latitude: about 50 m.
const STEP_DEG: f64 = 0.000_45;
/// Every so many-th vehicle stands still.
const STANDING: usize = 6;

/// The fleet between two rounds of pings.
pub struct Fleet {
    random: StdRng,
    vehicles: Vec<Vehicle>,
    round: i64,
}

struct Vehicle {
    id: String,
    /// Degrees (lon, lat), and the way it heads.
    at: (f64, f64),
    heading: f64,
    stands: bool,
}

impl Fleet {
    /// `size` vehicles somewhere in the city.
    #[must_use]
    pub fn new(size: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let vehicle = |index: usize| Vehicle {
            id: format!("veh-{index:07}"),
            at: (
                CORNER.0 + EXTENT.0 * random.random::<f64>(),
                CORNER.1 + EXTENT.1 * random.random::<f64>(),
            ),
            heading: TAU * random.random::<f64>(),
            stands: index.is_multiple_of(STANDING),
        };
        let vehicles = (0..size).map(vehicle).collect();
        Self { random, vehicles, round: 0 }
    }

    /// The next ping of every vehicle.
    pub fn round(&mut self) -> Vec<VehiclePing> {
        let time = START_US + self.round * INTERVAL_US;
        self.round += 1;
        let Self { random, vehicles, round } = self;
        let ping = |vehicle: &mut Vehicle| {
            if !vehicle.stands {
                vehicle.drive(random);
            }
            let speed = if vehicle.stands { 0.0 } else { 5.0 };
            VehiclePing {
                vehicle_id: vehicle.id.clone(),
                seq: Some(*round as u64),
                event_time_us: time,
                lat: vehicle.at.1,
                lon: vehicle.at.0,
                accuracy_m: Some(5.0),
                speed_mps: Some(speed),
                heading_deg: Some(vehicle.heading.to_degrees().rem_euclid(360.0)),
                odometer_m: Some(50.0 * *round as f64),
                ignition: Some(true),
                fuel_percent: Some(61.5),
                ..VehiclePing::default()
            }
        };
        vehicles.iter_mut().map(ping).collect()
    }
}

impl Vehicle {
    fn drive(&mut self, random: &mut StdRng) {
        self.heading += random.random_range(-0.3..0.3);
        let (east, north) = (self.heading.sin(), self.heading.cos());
        self.at.0 += east * STEP_DEG * 1.6;
        self.at.1 += north * STEP_DEG;
        let outside = |at: f64, low: f64, extent: f64| !(low..low + extent).contains(&at);
        if outside(self.at.0, CORNER.0, EXTENT.0) || outside(self.at.1, CORNER.1, EXTENT.1) {
            self.heading += TAU / 2.0;
        }
    }
}

/// Pings as a source that reads a queue would hand them to the core.
///
/// # Panics
/// If one of them is refused.
#[must_use]
pub fn run(pings: &[VehiclePing]) -> Input {
    let admitted = |ping: &VehiclePing| {
        let receive_time = TimeMs(ping.event_time_us.div_euclid(1000));
        admission::admit(ping, receive_time, false).expect("the fleet's pings are in order")
    };
    Input::Pings(PingRun {
        source: 0,
        low_mark: None,
        low_mark_bounds_lateness: false,
        pings: pings.iter().map(admitted).collect(),
    })
}

/// Each ping encoded.
#[must_use]
pub fn payloads(pings: &[VehiclePing]) -> Vec<Bytes> {
    pings.iter().map(|ping| ping.encode_to_vec().into()).collect()
}
