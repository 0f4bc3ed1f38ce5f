//! Positions over HTTP: how soon a ping shows, and what stands at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::latency::Latencies;
use crate::profile::World;
use crate::send::Progress;
use crate::truth::{Names, vehicle_id, vehicle_number};

/// Vehicles that are watched, one after another.
const WATCHED: u32 = 4;
/// Time between two looks: what a latency is exact to.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct Position {
    vehicle_id: String,
    event_time: jiff::Timestamp,
}

/// Watches the positions of some vehicles.
pub struct Watcher {
    /// The target.
    pub base: Url,
    /// What it is asked with.
    pub client: Client,
    /// The run.
    pub world: Arc<World>,
    /// Its names.
    pub names: Names,
    /// What tells the time.
    pub progress: Arc<Progress>,
}

impl Watcher {
    /// Looks until told to stop. Returns the latencies from a ping's intended
    /// send time to the first look that shows it, each up to one round of looks
    /// too long.
    pub async fn run(self, stop: CancellationToken) -> Latencies {
        let mut latencies = Latencies::default();
        let mut shown = [i64::MIN; WATCHED as usize];
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for turn in (0..WATCHED).cycle() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            // Spread over the fleet.
            let vehicle = turn * (self.world.plan.vehicles / WATCHED).max(1);
            let clock = self.world.clock_of(vehicle);
            if vehicle >= self.world.plan.vehicles || !clock.is_usable() {
                continue;
            }
            let Some(event_ms) = self.look(vehicle).await else { continue };
            let shown = &mut shown[turn as usize];
            if *shown != i64::MIN && event_ms > *shown {
                let due_ms = event_ms - self.names.start_ms - clock.offset_ms();
                latencies.record(self.progress.now_us() - due_ms * 1000);
            }
            *shown = event_ms.max(*shown);
        }
        latencies
    }

    async fn look(&self, vehicle: u32) -> Option<i64> {
        let id = vehicle_id(&self.names.prefix, vehicle);
        let url = self.base.join(&format!("/v1/positions/{id}")).ok()?;
        let response = self.client.get(url).send().await.ok()?.error_for_status().ok()?;
        let position: Position = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        Some(position.event_time.as_millisecond())
    }
}

/// The event time of each vehicle's position, milliseconds since the start. The
/// target lists at most 100,000.
///
/// # Errors
/// The target does not answer.
pub async fn list(client: &Client, base: &Url, names: &Names) -> anyhow::Result<HashMap<u32, i64>> {
    let response = client.get(base.join("/v1/positions")?).send().await;
    let body = response.and_then(reqwest::Response::error_for_status).context("positions")?;
    let positions: Vec<Position> =
        serde_json::from_slice(&body.bytes().await.context("positions")?).context("positions")?;
    let of_run = positions.into_iter().filter_map(|position| {
        let vehicle = vehicle_number(&names.prefix, &position.vehicle_id)?;
        Some((vehicle, position.event_time.as_millisecond() - names.start_ms))
    });
    Ok(of_run.collect())
}
