//! Vehicles on a ring road, through the fences of
//! `examples/local-cloud/fences.geojson` in turn.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use futures::future::try_join_all;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use local_cloud::PubsubClient;
use prost::Message as _;
use protos::telemetry::VehiclePing;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// The ring's middle.
const LAT: f64 = 50.11;
const LON: f64 = 8.68;
/// Metres; and once round in so many seconds, which is 75 km/h.
const RADIUS_M: f64 = 500.0;
const ROUND_S: f64 = 150.0;
const METRES_PER_DEGREE: f64 = 111_320.0;
/// Pings go out so often a second.
const TICKS: u64 = 10;
/// Ticks that may be under way: behind them driving waits, and says so.
const UNDER_WAY_MAX: usize = 8;

/// What is driven, and for how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct Drive {
    /// Pub/Sub emulator, HOST:PORT
    #[arg(long, env = "PUBSUB_EMULATOR_HOST")]
    host: String,
    /// Full name of the topic
    #[arg(long, env = "PINGS_TOPIC")]
    topic: String,
    /// Vehicles, that report in turn
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    vehicles: u64,
    /// Pings a second of all vehicles [default: one of each]
    #[arg(long)]
    rate: Option<u64>,
    /// For so long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// So many more pings a second that nobody can accept: 91° north
    #[arg(long, default_value_t = 0)]
    refused: u64,
}

impl Drive {
    /// Publishes, and says how many pings there were and how long they took.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = PubsubClient::connect(&format!("http://{}", self.host)).await?;
        let publisher = client.publisher(&self.topic).await?;
        let begin = Instant::now();
        let mut ticks = interval(Duration::from_secs(1) / TICKS as u32);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let permits = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let mut under_way = JoinSet::new();
        for tick in 0..self.seconds * TICKS {
            ticks.tick().await;
            let permit = permits.clone().acquire_owned().await.context("it is never closed")?;
            let (drive, publisher) = (self.clone(), publisher.clone());
            under_way.spawn(async move {
                let published = drive.publish(&publisher, tick).await;
                drop(permit);
                published
            });
            while let Some(published) = under_way.try_join_next() {
                published??;
            }
        }
        while let Some(published) = under_way.join_next().await {
            published??;
        }
        let (pings, refused) = (self.rate() * self.seconds, self.refused * self.seconds);
        println!(
            "published {} pings of {} vehicles, {refused} of them out of range, in {:.1} s",
            pings + refused,
            self.vehicles,
            begin.elapsed().as_secs_f64(),
        );
        Ok(())
    }

    fn rate(&self) -> u64 {
        self.rate.unwrap_or(self.vehicles)
    }

    /// What is due at `tick`, until the emulator has it.
    async fn publish(&self, publisher: &Publisher, tick: u64) -> anyhow::Result<()> {
        let due = |rate: u64| tick * rate / TICKS..(tick + 1) * rate / TICKS;
        let now = Timestamp::now();
        let pings = due(self.rate()).map(|nth| self.ping(nth, now));
        let refused = due(self.refused).map(|nth| {
            let lat = 91.0;
            let ping_id = Some(format!("refused-{nth}"));
            VehiclePing { ping_id, lat, ..self.ping(nth, now) }
        });
        let messages = pings
            .chain(refused)
            .map(|ping| publisher.publish(Message::new().set_data(ping.encode_to_vec())));
        let published: Vec<_> = messages.collect();
        publisher.flush().await;
        try_join_all(published).await.context("publishing pings")?;
        Ok(())
    }

    /// The `nth` ping of all: the vehicles are evenly spread over the ring.
    fn ping(&self, nth: u64, now: Timestamp) -> VehiclePing {
        let vehicle = nth % self.vehicles;
        let start = vehicle as f64 / self.vehicles as f64;
        let second = nth as f64 / self.rate() as f64;
        let angle = TAU * (start + second / ROUND_S);
        let north = RADIUS_M * angle.cos() / METRES_PER_DEGREE;
        let east = RADIUS_M * angle.sin() / (METRES_PER_DEGREE * LAT.to_radians().cos());
        VehiclePing {
            vehicle_id: vehicle_id(vehicle),
            ping_id: Some(format!("ping-{nth}")),
            event_time_us: now.as_microsecond(),
            lat: LAT + north,
            lon: LON + east,
            speed_mps: Some(TAU * RADIUS_M / ROUND_S),
            // The way goes clockwise: a quarter ahead of the bearing.
            heading_deg: Some((angle.to_degrees() + 90.0) % 360.0),
            ignition: Some(true),
            ..VehiclePing::default()
        }
    }
}

/// The name of a vehicle.
pub(crate) fn vehicle_id(vehicle: u64) -> String {
    format!("van-{vehicle:04}")
}
