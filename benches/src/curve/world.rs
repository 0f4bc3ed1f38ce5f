//! Tours with their true crossings, parked vehicles, and the pings that noise
//! makes of them.

use std::f64::consts::TAU;
use std::sync::Arc;

use geofence::{FenceSet, Input, PingRun, TimeMs, admission, parse_fences};
use protos::PingView;
use protos::telemetry::VehiclePing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// 2026-01-05T06:00:00Z.
const START_MS: i64 = 1_767_592_800_000;
/// Middle of the fence's western edge, degrees.
const EDGE: (f64, f64) = (10.0, 50.0);
/// Metres in a degree there.
const EAST_M: f64 = 71_695.0;
const NORTH_M: f64 = 111_229.0;

/// Half the height and the width of the fence, metres.
const HALF_HEIGHT_M: f64 = 500.0;
const WIDTH_M: f64 = 700.0;
/// Vehicles park at most so far from the edge, metres, on either side.
const PARKED_M_MAX: f64 = 30.0;
/// A tour goes from here to there and back, metres east of the edge.
const OUTSIDE_M: f64 = -300.0;
const INSIDE_M: f64 = 350.0;
const SPEED_MPS: f64 = 10.0;
/// It rests so long at either end, seconds.
const REST_S: f64 = 300.0;

/// Of so many pings one is a jump, as reflections make them: so far off,
/// metres, with an accuracy that does not tell.
const JUMP_EVERY: u32 = 200;
const JUMP_M: std::ops::Range<f64> = 100.0..400.0;

/// The 68 % radius that a device states of noise with σ = 1 m in each axis, as
/// the detector reads it (semantics §5).
const ACCURACY_OF_SIGMA: f64 = 1.515;

/// A crossing that took place.
#[derive(Clone, Copy)]
pub(super) struct Crossing {
    pub(super) at_ms: i64,
    pub(super) enters: bool,
}

/// A vehicle that drives in and out.
pub(super) struct Tour {
    pub(super) pings: Vec<VehiclePing>,
    pub(super) crossings: Vec<Crossing>,
}

/// A vehicle that stays where it is.
pub(super) struct Parked {
    pub(super) pings: Vec<VehiclePing>,
    pub(super) inside: bool,
}

/// Vehicles as their pings show them.
pub(super) struct Seen {
    pub(super) fences: Arc<FenceSet>,
    pub(super) tours: Vec<Tour>,
    pub(super) parked: Vec<Parked>,
    pub(super) interval_s: f64,
    /// Hours of all that are parked together.
    pub(super) parked_h: f64,
}

/// A vehicle drives, or is parked, for so long, hours.
const SHIFT_H: u32 = 2;

impl Seen {
    /// So many hours of tours and as many of parking.
    pub(super) fn new(hours: u32, interval_s: f64, sigma_m: f64, seed: u64) -> Self {
        let mut device = Device { interval_s, sigma_m, random: StdRng::seed_from_u64(seed) };
        let count = hours.div_ceil(SHIFT_H).max(1);
        Self {
            fences: Arc::new(fence()),
            tours: (0..count).map(|_| tour(&mut device)).collect(),
            parked: (0..count).map(|_| parked(&mut device)).collect(),
            interval_s,
            parked_h: f64::from(count * SHIFT_H),
        }
    }
}

/// A single ping, received as it was taken.
pub(super) fn run(ping: &VehiclePing) -> Input {
    let receive_time = TimeMs(ping.event_time_us.div_euclid(1000));
    let admitted = admission::admit(&PingView::from(ping), receive_time, false)
        .expect("the pings are in order");
    Input::Pings(PingRun { pings: vec![admitted], ..PingRun::default() })
}

/// What sees a vehicle: noise in each axis, a jump now and then, a ping each
/// interval.
struct Device {
    interval_s: f64,
    sigma_m: f64,
    random: StdRng,
}

impl Device {
    /// The pings of a shift, given how far east of the edge the vehicle is at
    /// each second of it. The first comes at a phase of its own.
    fn pings(&mut self, east_m: impl Fn(f64) -> f64) -> Vec<VehiclePing> {
        let phase = self.random.random::<f64>();
        let count = (f64::from(SHIFT_H) * 3600.0 / self.interval_s) as usize;
        let ping = |index: usize| {
            let at_s = self.interval_s * (index as f64 + phase);
            let (jump_east, jump_north) = jump(&mut self.random);
            let (noise_east, noise_north) = normal_pair(&mut self.random);
            let east_m = east_m(at_s) + jump_east + self.sigma_m * noise_east;
            let north_m = jump_north + self.sigma_m * noise_north;
            VehiclePing {
                vehicle_id: "v".into(),
                event_time_us: millis(at_s) * 1000,
                lon: EDGE.0 + east_m / EAST_M,
                lat: EDGE.1 + north_m / NORTH_M,
                accuracy_m: Some(self.sigma_m * ACCURACY_OF_SIGMA),
                ..VehiclePing::default()
            }
        };
        (0..count).map(ping).collect()
    }
}

fn parked(device: &mut Device) -> Parked {
    let east_m = device.random.random_range(-PARKED_M_MAX..PARKED_M_MAX);
    Parked { pings: device.pings(|_| east_m), inside: east_m >= 0.0 }
}

fn tour(device: &mut Device) -> Tour {
    let way_s = (INSIDE_M - OUTSIDE_M) / SPEED_MPS;
    let there_s = way_s + REST_S;
    // Where a vehicle is, so long after it left outside.
    let of_tour = move |at_s: f64| {
        if at_s < there_s {
            OUTSIDE_M + SPEED_MPS * at_s.min(way_s)
        } else {
            INSIDE_M - SPEED_MPS * (at_s - there_s).min(way_s)
        }
    };
    let round_s = 2.0 * there_s;
    let pings = device.pings(|at_s| of_tour(at_s % round_s));
    let last_ms = pings.last().map_or(i64::MIN, |ping| ping.event_time_us / 1000);
    let in_s = -OUTSIDE_M / SPEED_MPS;
    let out_s = there_s + INSIDE_M / SPEED_MPS;
    let crossings = (0..)
        .flat_map(|round| {
            let begins_s = f64::from(round) * round_s;
            [
                Crossing { at_ms: millis(begins_s + in_s), enters: true },
                Crossing { at_ms: millis(begins_s + out_s), enters: false },
            ]
        })
        // What is decided by pings that are not there any more does not count.
        .take_while(|crossing| crossing.at_ms + 300_000 < last_ms)
        .collect();
    Tour { pings, crossings }
}

fn millis(seconds: f64) -> i64 {
    START_MS + (seconds * 1000.0).round() as i64
}

/// Metres east and north; mostly none.
fn jump(random: &mut StdRng) -> (f64, f64) {
    if !random.random_ratio(1, JUMP_EVERY) {
        return (0.0, 0.0);
    }
    let (angle, length) = (TAU * random.random::<f64>(), random.random_range(JUMP_M));
    (length * angle.cos(), length * angle.sin())
}

/// Two independent standard normal numbers (Box and Muller, 1958).
fn normal_pair(random: &mut StdRng) -> (f64, f64) {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = TAU * random.random::<f64>();
    (radius * angle.cos(), radius * angle.sin())
}

fn fence() -> FenceSet {
    let west = EDGE.0;
    let east = EDGE.0 + WIDTH_M / EAST_M;
    let (south, north) = (EDGE.1 - HALF_HEIGHT_M / NORTH_M, EDGE.1 + HALF_HEIGHT_M / NORTH_M);
    let text = format!(
        r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","id":"depot",
        "properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[[{west},{south}],
        [{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}]}}"#
    );
    parse_fences(text.as_bytes()).expect("a rectangle is a fence").set
}
