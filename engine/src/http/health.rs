//! `/livez` and `/readyz`: whether the process runs, and whether it can take
//! pings and make them durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::intake::Intake;

/// Input that waits longer than this for its commit makes the worker unready.
pub const COMMIT_AGE_MAX: Duration = Duration::from_secs(30);

/// How long a new task may wait for its first turn before the process counts
/// as stuck.
const TURN_MAX: Duration = Duration::from_secs(2);

/// What the shards say of themselves. Clonable; each shard reports, `/readyz`
/// reads.
#[derive(Clone, Debug)]
pub struct Health {
    /// By number.
    shards: Arc<BTreeMap<u32, Mutex<ShardHealth>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ShardHealth {
    claimed: bool,
    /// Since when the oldest input waits for its commit.
    waiting_since: Option<Instant>,
}

impl Health {
    /// Of the shards with these numbers, which own nothing yet.
    #[must_use]
    pub fn new(shards: impl IntoIterator<Item = u32>) -> Self {
        let unclaimed = |shard| (shard, Mutex::default());
        Self { shards: Arc::new(shards.into_iter().map(unclaimed).collect()) }
    }

    /// `shard` owns its journal from here on.
    pub fn claimed(&self, shard: u32) {
        self.report(shard, |health| health.claimed = true);
    }

    /// `shard` holds input that waits for a commit since `since`; an earlier
    /// wait that has not ended stands.
    pub fn commit_awaited(&self, shard: u32, since: Instant) {
        self.report(shard, |health| {
            health.waiting_since.get_or_insert(since);
        });
    }

    /// `shard` has committed; `still_waiting_since` is when the oldest input
    /// after that commit came in, if there is any.
    pub fn committed(&self, shard: u32, still_waiting_since: Option<Instant>) {
        self.report(shard, |health| health.waiting_since = still_waiting_since);
    }

    /// What keeps the worker from being ready at `now`; empty when it is.
    #[must_use]
    pub fn hindrances(&self, now: Instant) -> Vec<Hindrance> {
        let mut hindrances = Vec::new();
        for (shard, health) in self.shards.iter() {
            let health = *health.lock().unwrap_or_else(PoisonError::into_inner);
            if !health.claimed {
                let message = format!("shard {shard} does not own its journal yet");
                hindrances.push(Hindrance { code: "not_claimed", message });
            }
            let age = health
                .waiting_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            if age >= COMMIT_AGE_MAX {
                let message = format!("shard {shard} waits {} s for a commit", age.as_secs());
                hindrances.push(Hindrance { code: "commit_overdue", message });
            }
        }
        hindrances
    }

    fn report(&self, shard: u32, change: impl FnOnce(&mut ShardHealth)) {
        change(&mut self.shards[&shard].lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Why a worker is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hindrance {
    /// Stable code.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// The handler of `/livez`. A new task gets its turn: the runtime runs.
pub(super) async fn livez() -> Response {
    let turn = tokio::spawn(std::future::ready(()));
    match tokio::time::timeout(TURN_MAX, turn).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "tasks get no turn\n").into_response(),
    }
}

/// Code of the reason while no journal is this process's yet.
pub(super) const RECOVERING: &str = "recovering";
/// The same for people.
pub(super) const RECOVERING_MESSAGE: &str =
    "the worker stands by or recovers its journal: nothing is taken or served yet";

/// What `/readyz` says.
#[derive(Serialize)]
struct Body {
    ready: bool,
    reasons: Vec<Hindrance>,
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}

/// The handler of `/readyz` before there is anything to ask.
pub(super) async fn recovering() -> Response {
    let reason = Hindrance { code: RECOVERING, message: RECOVERING_MESSAGE.to_owned() };
    Body { ready: false, reasons: vec![reason] }.into_response()
}

/// The state of `/readyz`.
pub(super) struct Readiness {
    pub(super) health: Health,
    pub(super) intake: Intake,
}

/// The handler of `/readyz`.
pub(super) async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let mut reasons = readiness.health.hindrances(Instant::now());
    if let Some(reason) = readiness.intake.paused() {
        reasons.push(Hindrance { code: reason.code(), message: reason.to_string() });
    }
    Body { ready: reasons.is_empty(), reasons }.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(health: &Health, now: Instant) -> Vec<&'static str> {
        health.hindrances(now).iter().map(|hindrance| hindrance.code).collect()
    }

    #[test]
    fn ready_when_every_shard_is_claimed() {
        let health = Health::new([3, 5]);
        let now = Instant::now();
        assert_eq!(codes(&health, now), ["not_claimed", "not_claimed"]);
        health.claimed(5);
        assert_eq!(codes(&health, now), ["not_claimed"]);
        assert!(health.hindrances(now)[0].message.contains("shard 3"));
        health.claimed(3);
        assert!(codes(&health, now).is_empty());
    }

    #[test]
    fn unready_from_exactly_30_s_of_waiting_until_the_commit() {
        let health = Health::new([0]);
        health.claimed(0);
        let start = Instant::now();
        health.commit_awaited(0, start);
        health.commit_awaited(0, start + Duration::from_secs(20));
        let just_before = start + COMMIT_AGE_MAX - Duration::from_millis(1);
        assert!(codes(&health, just_before).is_empty());
        assert_eq!(codes(&health, start + COMMIT_AGE_MAX), ["commit_overdue"]);
        health.committed(0, Some(start + Duration::from_secs(20)));
        assert!(codes(&health, start + COMMIT_AGE_MAX).is_empty());
        assert_eq!(codes(&health, start + Duration::from_secs(50)), ["commit_overdue"]);
        health.committed(0, None);
        assert!(codes(&health, start + Duration::from_secs(5_000)).is_empty());
    }
}
