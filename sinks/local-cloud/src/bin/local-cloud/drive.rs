//! Vehicles on a ring road, each with a ping a second: through the fences of
//! `examples/local-cloud/fences.geojson` in turn.

use std::f64::consts::TAU;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use google_cloud_pubsub::model::Message;
use jiff::Timestamp;
use local_cloud::PubsubClient;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

/// The ring's middle.
const LAT: f64 = 50.11;
const LON: f64 = 8.68;
/// Metres; and once round in so many seconds, which is 75 km/h.
const RADIUS_M: f64 = 500.0;
const ROUND_S: f64 = 150.0;
const METRES_PER_DEGREE: f64 = 111_320.0;

/// What is driven, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Drive {
    /// Pub/Sub emulator, HOST:PORT
    #[arg(long, env = "PUBSUB_EMULATOR_HOST")]
    host: String,
    /// Full name of the topic
    #[arg(long, env = "PINGS_TOPIC")]
    topic: String,
    /// Vehicles, each with a ping a second
    #[arg(long, default_value_t = 200)]
    vehicles: u32,
    /// For so long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Drive {
    /// Publishes, and says how many pings there were.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = PubsubClient::connect(&format!("http://{}", self.host)).await?;
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for second in 0..self.seconds {
            ticks.tick().await;
            let now = Timestamp::now();
            let pings = (0..self.vehicles).map(|vehicle| self.ping(vehicle, second, now));
            client.publish(&self.topic, pings).await.context("publishing pings")?;
        }
        println!("published {} pings of {} vehicles", self.vehicles * self.seconds, self.vehicles);
        Ok(())
    }

    /// Where `vehicle` is after `second`: evenly spread over the ring.
    fn ping(&self, vehicle: u32, second: u32, now: Timestamp) -> Message {
        let start = f64::from(vehicle) / f64::from(self.vehicles);
        let angle = TAU * (start + f64::from(second) / ROUND_S);
        let north = RADIUS_M * angle.cos() / METRES_PER_DEGREE;
        let east = RADIUS_M * angle.sin() / (METRES_PER_DEGREE * LAT.to_radians().cos());
        let ping = json!({
            "vehicle_id": format!("van-{vehicle:04}"),
            "ping_id": format!("{vehicle}-{second}"),
            "event_time": now.to_string(),
            "lat": LAT + north,
            "lon": LON + east,
            "speed_mps": TAU * RADIUS_M / ROUND_S,
            // The way goes clockwise: a quarter ahead of the bearing.
            "heading_deg": (angle.to_degrees() + 90.0) % 360.0,
            "ignition": true,
        });
        Message::new()
            .set_data(ping.to_string())
            .set_attributes([("content-type", "application/json")])
    }
}
