//! Positions, over HTTP or from Firestore: how soon a ping shows, and what
//! stands at the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use geofence::Position as Place;
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::firestore::Collection;
use super::waits::Waits;
use crate::latency::Latencies;
use crate::profile::World;
use crate::send::Progress;
use crate::stream::{Delivery, Ping};
use crate::truth::{Names, vehicle_id, vehicle_number};

/// One vehicle is looked at within this, and all of them, or the look counts
/// for nothing.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const LIST_WITHIN: Duration = Duration::from_secs(15);
/// Longest wait, once a run is over, for pings that are not seen yet: twice what
/// a change may wait for its write to Firestore.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// How many positions match, whatever of them is listed.
const TOTAL_COUNT: &str = "x-total-count";

/// Where positions are.
#[derive(Clone, Debug)]
pub enum Positions {
    /// Of an engine, at its address.
    Http(Client, Url),
    /// In a collection.
    Firestore(Collection),
}

/// A vehicle's position as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The vehicle.
    pub id: String,
    /// Its event time, milliseconds since the epoch.
    pub event_ms: i64,
    /// Where; `None` if it does not say, or names no place.
    pub position: Option<Place>,
}

/// Why positions are not listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// An engine lists no more of them over HTTP, however often it is asked.
    #[error("only {listed} of {total} are listed over HTTP")]
    TooMany {
        /// Positions listed.
        listed: usize,
        /// Positions there are.
        total: usize,
    },
    /// They cannot be read, or not at that moment.
    #[error("{0:#}")]
    Unreadable(#[from] anyhow::Error),
}

/// How some vehicles are watched.
#[derive(Clone, Copy, Debug)]
struct Looks {
    /// Vehicles, spread over the fleet.
    vehicles: u32,
    /// So many of them at a time.
    at_once: u32,
    /// Time between two looks.
    every: Duration,
}

impl Positions {
    /// Each vehicle is looked at five times a second.
    fn looks(&self) -> Looks {
        match self {
            Self::Http(..) => Looks { vehicles: 4, at_once: 1, every: Duration::from_millis(50) },
            Self::Firestore(_) => {
                Looks { vehicles: 20, at_once: 20, every: Duration::from_millis(200) }
            }
        }
    }

    /// Longest wait for the last positions.
    pub(crate) fn settled_within(&self) -> Duration {
        match self {
            // Shown with the commit of their ping.
            Self::Http(..) => Duration::from_secs(15),
            // One that looks like the one before goes out with the heartbeat,
            // each minute.
            Self::Firestore(_) => Duration::from_secs(90),
        }
    }

    /// The positions of these vehicles; nothing of those that have none, or of
    /// all if they cannot be read.
    async fn look(&self, ids: &[String]) -> Vec<Shown> {
        match self {
            Self::Http(client, base) => {
                let mut shown = Vec::new();
                for id in ids {
                    shown.extend(one(client, base, id).await);
                }
                shown
            }
            Self::Firestore(collection) => collection.of_vehicles(ids).await.unwrap_or_default(),
        }
    }

    /// The position of each vehicle of the run, by its number.
    ///
    /// # Errors
    /// They cannot be read, or not all of them.
    pub async fn list(&self, names: &Names) -> Result<HashMap<u32, Shown>, ListError> {
        let mut listed = HashMap::new();
        let mut take = |shown: Shown| {
            if let Some(vehicle) = vehicle_number(&names.prefix, &shown.id) {
                listed.insert(vehicle, shown);
            }
        };
        match self {
            Self::Http(client, base) => all(client, base).await?.into_iter().for_each(take),
            Self::Firestore(collection) => collection.each(&mut take).await?,
        }
        Ok(listed)
    }
}

#[derive(Deserialize)]
struct Position {
    vehicle_id: String,
    event_time: jiff::Timestamp,
    lat: Option<f64>,
    lon: Option<f64>,
}

impl Position {
    fn shown(self) -> Shown {
        let degrees = self.lat.zip(self.lon);
        Shown {
            id: self.vehicle_id,
            event_ms: self.event_time.as_millisecond(),
            position: degrees.and_then(|(lat, lon)| Place::from_degrees(lat, lon)),
        }
    }
}

async fn one(client: &Client, base: &Url, id: &str) -> Option<Shown> {
    let url = base.join(&format!("/v1/positions/{id}")).ok()?;
    let response = client.get(url).timeout(LOOK_WITHIN).send().await.ok()?;
    let body = response.error_for_status().ok()?.bytes().await.ok()?;
    let position: Position = serde_json::from_slice(&body).ok()?;
    Some(position.shown())
}

async fn all(client: &Client, base: &Url) -> Result<Vec<Shown>, ListError> {
    let (positions, total) = listed(client, base).await?;
    let listed = positions.len();
    if let Some(total) = total.filter(|&total| total > listed) {
        return Err(ListError::TooMany { listed, total });
    }
    Ok(positions.into_iter().map(Position::shown).collect())
}

/// The positions listed, and how many there are.
async fn listed(client: &Client, base: &Url) -> anyhow::Result<(Vec<Position>, Option<usize>)> {
    let response = client.get(base.join("/v1/positions")?).timeout(LIST_WITHIN).send().await;
    let response = response.and_then(reqwest::Response::error_for_status)?;
    let total = response.headers().get(TOTAL_COUNT).and_then(|it| it.to_str().ok()?.parse().ok());
    Ok((serde_json::from_slice(&response.bytes().await?)?, total))
}

/// The pings of the vehicles that are watched: who makes them tells of them,
/// who watches takes them.
#[derive(Clone, Debug)]
pub struct Watched(Arc<Mutex<Waits>>);

impl Watched {
    /// A message is due, now or soon.
    pub fn due(&self, delivery: &Delivery) {
        self.lock().due(delivery);
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the positions of some vehicles.
pub struct Watcher {
    positions: Positions,
    names: Names,
    /// What tells the time, and what is acknowledged.
    progress: Arc<Progress>,
    watched: Watched,
    ids: Vec<String>,
}

impl Watcher {
    /// Of the vehicles of a run.
    #[must_use]
    pub fn new(positions: Positions, world: &World, names: Names, progress: Arc<Progress>) -> Self {
        let vehicles = watched(world, positions.looks().vehicles);
        let ids = vehicles.iter().map(|&vehicle| vehicle_id(&names.prefix, vehicle)).collect();
        // An engine shows each commit over HTTP.
        let alike_is_shown = matches!(positions, Positions::Firestore(_));
        let waits = Waits::new(&vehicles, alike_is_shown, world.profile.load.warm_up_s);
        let watched = Watched(Arc::new(Mutex::new(waits)));
        Self { positions, names, progress, watched, ids }
    }

    /// Where pings are to be told of.
    #[must_use]
    pub fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Looks until told to stop, and then until everything is seen or that takes
    /// too long. Returns how long acknowledged pings waited from their intended
    /// send time, each up to one round of looks too long; see [`Waits`].
    pub async fn run(self, stop: CancellationToken) -> Latencies {
        let looks = self.positions.looks();
        let mut ticks = interval(looks.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turns = self.ids.chunks(looks.at_once as usize).cycle();
        let mut look = async || {
            let ids = turns.next()?;
            ticks.tick().await;
            self.take(self.positions.look(ids).await);
            Some(())
        };
        while let Some(Some(())) = stop.run_until_cancelled(look()).await {}
        let rest = async { while self.is_waiting() && look().await.is_some() {} };
        // What is not seen by then has waited until then.
        let _ = timeout(SEEN_WITHIN, rest).await;
        let now_us = self.progress.now_us();
        self.watched.lock().finish(now_us, |ping| self.is_acknowledged(ping))
    }

    fn take(&self, found: Vec<Shown>) {
        let now_us = self.progress.now_us();
        let mut waits = self.watched.lock();
        for Shown { id, event_ms, .. } in found {
            if let Some(vehicle) = vehicle_number(&self.names.prefix, &id) {
                waits.looked(vehicle, event_ms - self.names.start_ms, now_us);
            }
        }
        waits.settle(|ping| self.is_acknowledged(ping));
    }

    fn is_waiting(&self) -> bool {
        self.watched.lock().is_waiting(|ping| self.is_acknowledged(ping))
    }

    fn is_acknowledged(&self, ping: &Ping) -> bool {
        self.progress.is_acknowledged(ping.vehicle, ping.seq)
    }
}

/// So many vehicles whose clocks are usable, spread over the fleet, or all.
fn watched(world: &World, count: u32) -> Vec<u32> {
    let all = world.plan.vehicles;
    let step = (all / count).max(1) as usize;
    let usable = |vehicle: &u32| world.clock_of(*vehicle).is_usable();
    (0..all).step_by(step).filter(usable).take(count as usize).collect()
}
