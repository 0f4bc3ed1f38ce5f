//! Serves the live map with made-up vehicles, to work on the page without a
//! worker behind it:
//!
//! ```text
//! cargo run -p engine --example map_preview -- FENCES.geojson [PORT]
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use engine::fences::Editor;
use engine::http::{
    EventFeed, FeedLimits, Health, HttpLimits, HttpServer, Ingest, ReceiveClock, Services, decoder,
};
use engine::intake::{Intake, OwnedShards, QueueLimits};
use engine::journal::Store;
use engine::tags::Tagger;
use geofence::{FenceSet, LivePosition, Position, Status, TimeMs};
use object_store::memory::InMemory;
use protos::events::fleet_event::Detail;
use protos::events::{self, FleetEvent, Id, Op, Reason};
use protos::journal::Segment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinks::positions::PositionStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const VEHICLES: usize = 240;
const STEP: Duration = Duration::from_secs(1);
/// Noon of 25 November 2016; a second here is a minute there.
const START_MS: i64 = 1_480_075_200_000;
const STEP_MS: i64 = 60_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else { bail!("usage: map_preview FENCES.geojson [PORT]") };
    let port: u16 = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let fences = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    let area = Area::of(&serde_json::from_slice(&fences)?).context("no fence has coordinates")?;

    let owned = OwnedShards::all(1);
    let limits = QueueLimits { max_pings: 1_000, max_bytes: 1 << 24 };
    let (intake, _queues) = Intake::new(owned.clone(), limits);
    let (_sender, fences) = watch::channel(Bytes::from(fences));
    let positions = PositionStore::new();
    let feed = EventFeed::new(FeedLimits::default());
    let services = Services {
        ingest: Ingest {
            intake,
            source: 0,
            decode: decoder(false),
            clock: Arc::new(ReceiveClock::wall(TimeMs(0))),
        },
        positions: positions.clone(),
        events: feed.clone(),
        journal: Store::shared(Arc::new(InMemory::new())),
        fences,
        fence_editor: Editor::new(Arc::new(FenceSet::empty())).0,
        tagger: Tagger::new(owned, Vec::new()),
        token_file: None,
        health: Health::new([0]),
        metrics: Arc::new(String::new),
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stop = CancellationToken::new();
    let server = HttpServer::bind(address, HttpLimits::default(), stop.clone()).await?;
    server.door().open(services);
    println!("the map is at http://{}/", server.address());
    let serving = tokio::spawn(server.serve());
    let mut fleet = Fleet::new(area);
    loop {
        let (live, segment) = fleet.step();
        positions.update(live);
        feed.publish(&segment);
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    stop.cancel();
    serving.await.context("the server failed")
}

/// Where the fences lie, and what they are called.
struct Area {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
    fence_ids: Vec<String>,
}

impl Area {
    fn of(collection: &serde_json::Value) -> Option<Self> {
        let features = collection["features"].as_array()?;
        let mut area = Self {
            west: f64::INFINITY,
            south: f64::INFINITY,
            east: f64::NEG_INFINITY,
            north: f64::NEG_INFINITY,
            fence_ids: features.iter().filter_map(|f| f["id"].as_str()).map(Into::into).collect(),
        };
        features.iter().for_each(|feature| area.grow(&feature["geometry"]["coordinates"]));
        (area.west <= area.east && !area.fence_ids.is_empty()).then_some(area)
    }

    fn grow(&mut self, coordinates: &serde_json::Value) {
        let Some(list) = coordinates.as_array() else { return };
        if let (Some(lon), Some(lat)) =
            (list.first().and_then(|v| v.as_f64()), list.get(1).and_then(|v| v.as_f64()))
        {
            (self.west, self.east) = (self.west.min(lon), self.east.max(lon));
            (self.south, self.north) = (self.south.min(lat), self.north.max(lat));
        } else {
            list.iter().for_each(|inner| self.grow(inner));
        }
    }
}

struct Fleet {
    area: Area,
    random: StdRng,
    vehicles: Vec<Vehicle>,
    seq: u64,
}

struct Vehicle {
    lat: f64,
    lon: f64,
    heading_deg: f64,
    status: Status,
    fence: Option<String>,
}

impl Fleet {
    fn new(area: Area) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let vehicles = (0..VEHICLES)
            .map(|i| Vehicle {
                // The sum of two is denser in the middle, as cities are.
                lat: area.south
                    + (area.north - area.south) * (random.random::<f64>() + random.random::<f64>())
                        / 2.0,
                lon: area.west
                    + (area.east - area.west) * (random.random::<f64>() + random.random::<f64>())
                        / 2.0,
                heading_deg: 15.0 + 90.0 * random.random_range(0..4) as f64,
                status: match i % 20 {
                    0..=12 => Status::Moving,
                    13..=16 => Status::Stationary,
                    17..=18 => Status::Idle,
                    _ => Status::Offline,
                },
                fence: None,
            })
            .collect();
        Self { area, random, vehicles, seq: 0 }
    }

    /// A minute of driving: every position, and the events of a few vehicles.
    fn step(&mut self) -> (Vec<LivePosition>, Segment) {
        self.seq += 1;
        let now_ms = START_MS + STEP_MS * self.seq as i64;
        let mut events = Vec::new();
        for (number, vehicle) in self.vehicles.iter_mut().enumerate() {
            if vehicle.status == Status::Moving {
                vehicle.drive(&mut self.random, &self.area);
            }
            if self.random.random_bool(0.008) {
                let fence = self.random.random_range(0..self.area.fence_ids.len());
                let event = vehicle.event(&self.area.fence_ids[fence], &mut self.random);
                events.push(FleetEvent {
                    vehicle_id: name(number).into(),
                    event_time_ms: now_ms,
                    event_id: Id::new(u128::from(self.seq) * 1_000 + number as u128),
                    op: Op::Assert.into(),
                    lat: Some(vehicle.lat),
                    lon: Some(vehicle.lon),
                    schema_version: 1,
                    ..event
                });
            }
        }
        let live = self.vehicles.iter().enumerate();
        let live = live.map(|(number, vehicle)| vehicle.live(number, now_ms, self.seq)).collect();
        (live, Segment { seq: self.seq, events, ..Segment::default() })
    }
}

fn name(number: usize) -> String {
    format!("bus-{}", 2_000 + number)
}

impl Vehicle {
    fn drive(&mut self, random: &mut StdRng, area: &Area) {
        if random.random_bool(0.15) {
            self.heading_deg = (self.heading_deg + 90.0 * random.random_range(1..4) as f64) % 360.0;
        }
        let (sin, cos) = self.heading_deg.to_radians().sin_cos();
        self.lat += 0.0015 * cos;
        self.lon += 0.0018 * sin;
        let inside = (area.south..area.north).contains(&self.lat)
            && (area.west..area.east).contains(&self.lon);
        if !inside {
            self.heading_deg = (self.heading_deg + 180.0) % 360.0;
        }
    }

    fn event(&mut self, fence: &str, random: &mut StdRng) -> FleetEvent {
        let (detail, reason) = match (self.fence.take(), self.status) {
            (_, Status::Idle) => (Detail::IdleStart(events::IdleStart {}), Reason::Unspecified),
            (_, Status::Offline) => {
                let threshold_s = 300.0;
                let detail = Detail::VehicleOffline(events::VehicleOffline { threshold_s });
                (detail, Reason::Unspecified)
            }
            (Some(fence_id), _) => {
                let dwell = random.random_bool(0.3);
                let detail = if dwell {
                    self.fence = Some(fence_id.clone());
                    Detail::GeofenceDwell(events::GeofenceDwell { threshold_s: 300 })
                } else {
                    Detail::GeofenceExit(events::GeofenceExit {})
                };
                let reason = Reason::Crossed.into();
                let fence_id = fence_id.into();
                return FleetEvent { fence_id, detail: Some(detail), reason, ..Default::default() };
            }
            (None, _) => {
                self.fence = Some(fence.to_owned());
                (Detail::GeofenceEnter(events::GeofenceEnter {}), Reason::Crossed)
            }
        };
        FleetEvent {
            fence_id: self.fence.as_deref().unwrap_or_default().into(),
            detail: Some(detail),
            reason: reason.into(),
            ..FleetEvent::default()
        }
    }

    fn live(&self, number: usize, now_ms: i64, seq: u64) -> LivePosition {
        let moving = self.status == Status::Moving;
        LivePosition {
            vehicle_id: name(number).into(),
            event_time: TimeMs(now_ms),
            position: Position::from_degrees(self.lat, self.lon).expect("inside the area"),
            accuracy_m: Some(8.0),
            heading_deg: moving.then_some(self.heading_deg),
            speed_mps: Some(if moving { 11.0 } else { 0.0 }),
            status: self.status,
            fences: self.fence.iter().cloned().collect(),
            seq,
        }
    }
}
