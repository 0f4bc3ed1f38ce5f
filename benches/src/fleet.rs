//! Vehicles that drive about the city, a ping each every few seconds.

use std::f64::consts::TAU;

use bytes::Bytes;
use geofence::{Input, PingRun, TimeMs, admission};
use prost::Message;
use protos::PingView;
use protos::telemetry::VehiclePing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::city::{CORNER, EXTENT};

/// Event time of the first round: 2026-01-05T06:00:00Z.
const START_US: i64 = 1_767_592_800_000_000;
/// Seconds from one ping of a vehicle to the next, unless asked otherwise.
const INTERVAL_S: i64 = 10;
/// A vehicle moves so far in a second, degrees of latitude: about 5 m.
const STEP_DEG: f64 = 0.000_045;
/// Every so many-th vehicle stands still.
const STANDING: usize = 6;

/// The fleet between two rounds of pings.
pub struct Fleet {
    random: StdRng,
    vehicles: Vec<Vehicle>,
    interval_s: i64,
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
    /// `size` vehicles somewhere in the city, a ping each every ten seconds.
    #[must_use]
    pub fn new(size: usize, seed: u64) -> Self {
        Self::every(size, INTERVAL_S, seed)
    }

    /// `size` vehicles somewhere in the city, a ping each every `interval_s`
    /// seconds.
    #[must_use]
    pub fn every(size: usize, interval_s: i64, seed: u64) -> Self {
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
        Self { random, vehicles, interval_s, round: 0 }
    }

    /// The next ping of every vehicle.
    pub fn round(&mut self) -> Vec<VehiclePing> {
        let time = START_US + self.round * self.interval_s * 1_000_000;
        self.round += 1;
        let Self { random, vehicles, interval_s, round } = self;
        let step_deg = STEP_DEG * *interval_s as f64;
        let ping = |vehicle: &mut Vehicle| {
            if !vehicle.stands {
                vehicle.drive(step_deg, random);
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
                odometer_m: Some((5 * *interval_s * *round) as f64),
                ignition: Some(true),
                fuel_percent: Some(61.5),
                ..VehiclePing::default()
            }
        };
        vehicles.iter_mut().map(ping).collect()
    }
}

impl Vehicle {
    fn drive(&mut self, step_deg: f64, random: &mut StdRng) {
        self.heading += random.random_range(-0.3..0.3);
        let (east, north) = (self.heading.sin(), self.heading.cos());
        self.at.0 += east * step_deg * 1.6;
        self.at.1 += north * step_deg;
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
        admission::admit(&PingView::from(ping), receive_time, false)
            .expect("the fleet's pings are in order")
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
