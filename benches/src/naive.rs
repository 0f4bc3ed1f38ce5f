//! What one would build in an afternoon from the usual parts: an R-tree of
//! envelopes, `geo`'s predicate, a concurrent map by vehicle id.

use dashmap::DashMap;
use geo::{Contains as _, LineString, Point, Polygon};
use protos::telemetry::VehiclePing;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::city::Ring;

type Entry = GeomWithData<Rectangle<[f64; 2]>, usize>;

/// Fences in an R-tree, each asked with [`geo::Contains`].
pub struct NaiveIndex {
    tree: RTree<Entry>,
    polygons: Vec<Polygon<f64>>,
}

impl NaiveIndex {
    /// Over `rings`, numbered in their order.
    #[must_use]
    pub fn new(rings: &[Ring]) -> Self {
        let entry = |(index, ring): (usize, &Ring)| {
            let corners: Vec<[f64; 2]> = ring.iter().map(|&(lon, lat)| [lon, lat]).collect();
            let bounds = AABB::from_points(corners.iter());
            GeomWithData::new(Rectangle::from_aabb(bounds), index)
        };
        let polygon = |ring: &Ring| Polygon::new(LineString::from(ring.clone()), Vec::new());
        Self {
            tree: RTree::bulk_load(rings.iter().enumerate().map(entry).collect()),
            polygons: rings.iter().map(polygon).collect(),
        }
    }

    /// Replaces `out` with the ascending numbers of the fences that hold the
    /// place, degrees.
    pub fn containing(&self, lon: f64, lat: f64, out: &mut Vec<usize>) {
        out.clear();
        let point = Point::new(lon, lat);
        for entry in self.tree.locate_all_at_point([lon, lat]) {
            if self.polygons[entry.data].contains(&point) {
                out.push(entry.data);
            }
        }
        out.sort_unstable();
    }
}

/// A vehicle's enter and exit events by comparing with its last fences.
pub struct NaiveDetector {
    index: NaiveIndex,
    vehicles: DashMap<String, Vehicle>,
    inside: Vec<usize>,
}

#[derive(Default)]
struct Vehicle {
    time_us: i64,
    fences: Vec<usize>,
    /// Since when it has not moved.
    still_since_us: i64,
    at: (f64, f64),
}

/// What [`NaiveDetector`] says.
pub struct NaiveEvent {
    /// Which vehicle.
    pub vehicle_id: String,
    /// Which fence, or none when it stood still for five minutes.
    pub fence: Option<usize>,
    /// Entered, or left.
    pub enter: bool,
    /// When, microseconds.
    pub time_us: i64,
}

/// Still for this long is idle.
const IDLE_US: i64 = 300_000_000;

impl NaiveDetector {
    /// With no vehicle known.
    #[must_use]
    pub fn new(index: NaiveIndex) -> Self {
        Self { index, vehicles: DashMap::new(), inside: Vec::new() }
    }

    /// Judges one ping and appends its events to `out`. Late pings are ignored.
    pub fn apply(&mut self, ping: &VehiclePing, out: &mut Vec<NaiveEvent>) {
        self.index.containing(ping.lon, ping.lat, &mut self.inside);
        let mut vehicle = self.vehicles.entry(ping.vehicle_id.clone()).or_default();
        let time_us = ping.event_time_us;
        if time_us <= vehicle.time_us {
            return;
        }
        let mut event = |fence, enter| {
            let vehicle_id = ping.vehicle_id.clone();
            out.push(NaiveEvent { vehicle_id, fence, enter, time_us });
        };
        for &fence in vehicle.fences.iter().filter(|fence| !self.inside.contains(fence)) {
            event(Some(fence), false);
        }
        for &fence in self.inside.iter().filter(|fence| !vehicle.fences.contains(fence)) {
            event(Some(fence), true);
        }
        if vehicle.at != (ping.lon, ping.lat) {
            vehicle.at = (ping.lon, ping.lat);
            vehicle.still_since_us = time_us;
        } else if (vehicle.time_us..time_us).contains(&(vehicle.still_since_us + IDLE_US)) {
            event(None, true);
        }
        vehicle.fences.clone_from(&self.inside);
        vehicle.time_us = time_us;
    }
}
