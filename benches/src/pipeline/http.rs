//! Pings over HTTP to Parquet.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use engine::decode::ContentType;
use prost::Message as _;
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::case::Who;
use super::load::BATCH_PINGS;
use super::naive_service;
use super::parquet::ensure_archived;
use super::program;
use super::sample::Sample;
use super::scratch::Scratch;
use super::service::{self, Service};
use crate::fleet::Fleet;

/// Connections, each with the vehicles that are its own, so that their pings
/// come in order.
const CONNECTIONS: usize = 64;
/// A service that is full is asked again after so long.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Rounds of a fleet over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Http {
    pub(super) who: Who,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    pub(super) rounds: u32,
}

impl Http {
    pub(super) fn run(&self, scratch: &Scratch) -> anyhow::Result<Sample> {
        let fences = scratch.city(self.fences)?;
        let out = TempDir::new_in(scratch.path())?;
        let bodies = self.bodies();
        let mut service = match self.who {
            Who::Ours => {
                let mut command = program::command()?;
                command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(out.path());
                // The fleet drove some time ago.
                command.args(["--set", "clock=event", "--set", "journal.min_free_percent=1"]);
                command.arg("--set").arg(format!("fences={}", fences.display()));
                Service::start(command)?
            }
            Who::Naive => {
                Service::start(naive_service::command("http", Some(&fences), out.path())?)?
            }
            Who::Floor => Service::start(naive_service::command("http", None, out.path())?)?,
        };
        send(service.url(), &bodies).with_context(|| service.log())?;
        if self.who == Who::Ours {
            service.wait("done with its sinks", |service| {
                (service.metric("fleetstream_release_lag_seconds")? == 0.0).then_some(())
            })?;
        }
        let pings = u64::from(self.vehicles) * u64::from(self.rounds);
        let sample = service.end(pings)?;
        if self.who == Who::Ours {
            ensure_archived(out.path(), pings)?;
        }
        Ok(sample)
    }

    /// Bodies of about a thousand pings, by connection: some rounds of its
    /// vehicles each.
    fn bodies(&self) -> Vec<Vec<Bytes>> {
        let each = (self.vehicles as usize).div_ceil(CONNECTIONS);
        let connections = (self.vehicles as usize).div_ceil(each);
        let rounds_each = (BATCH_PINGS / each).max(1);
        let mut fleet = Fleet::new(self.vehicles as usize, 5);
        let mut gathered: Vec<Vec<VehiclePing>> = vec![Vec::new(); connections];
        let mut bodies = vec![Vec::new(); connections];
        for round in 1..=self.rounds as usize {
            for (pings, of_connection) in fleet.round().chunks(each).zip(&mut gathered) {
                of_connection.extend_from_slice(pings);
            }
            if round.is_multiple_of(rounds_each) || round == self.rounds as usize {
                for (pings, bodies) in gathered.iter_mut().zip(&mut bodies) {
                    let batch = VehiclePingBatch { pings: std::mem::take(pings) };
                    bodies.push(batch.encode_to_vec().into());
                }
            }
        }
        bodies
    }
}

/// Sends all bodies, those of a connection one after the other.
fn send(url: &str, bodies: &[Vec<Bytes>]) -> anyhow::Result<()> {
    let url = format!("{url}/v1/pings");
    std::thread::scope(|scope| {
        let senders = bodies.iter().map(|bodies| scope.spawn(|| send_in_order(&url, bodies)));
        let senders: Vec<_> = senders.collect();
        senders.into_iter().try_for_each(|sender| sender.join().expect("no sender panics"))
    })
}

fn send_in_order(url: &str, bodies: &[Bytes]) -> anyhow::Result<()> {
    let agent = service::agent();
    for body in bodies {
        loop {
            let request = agent.post(url).content_type(ContentType::Batch.name());
            let request = request.config().http_status_as_error(false).build();
            let mut answer = request.send(&body[..])?;
            // Read to its end, so that the connection can be used again.
            let text = answer.body_mut().read_to_string()?;
            match answer.status().as_u16() {
                202 => break,
                429 | 503 => std::thread::sleep(FULL_PAUSE),
                status => bail!("answered {status}: {text}"),
            }
        }
    }
    Ok(())
}
