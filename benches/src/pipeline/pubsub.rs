//! Messages of Pub/Sub through journal and core to Pub/Sub and Parquet.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message as _;
use protos::telemetry::VehiclePing;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::case::Who;
use super::naive_service;
use super::parquet::ensure_archived;
use super::program;
use super::sample::Sample;
use super::scratch::Scratch;
use super::service::Service;
use super::standin::{EVENTS, LETTERS, PubsubMessage, ReceivedMessage, SUBSCRIPTION, Standin};
use crate::fleet::Fleet;

/// Length of an ack id of Google's service, about.
const ACK_ID_BYTES: usize = 180;
/// From the measurement of a ping to its publishing, microseconds.
const ON_ITS_WAY_US: i64 = 500_000;

/// Rounds of a fleet over Pub/Sub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pubsub {
    pub(super) who: Who,
    pub(super) vehicles: u32,
    pub(super) fences: u32,
    pub(super) rounds: u32,
}

impl Pubsub {
    pub(super) fn run(&self, scratch: &Scratch) -> anyhow::Result<Sample> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let host = listener.local_addr()?.to_string();
        let standin = Standin::new(self.messages());
        runtime.spawn(standin.clone().serve(listener));

        let fences = scratch.city(self.fences)?;
        let out = TempDir::new_in(scratch.path())?;
        let mut command = match self.who {
            Who::Ours => {
                let mut command = program::command()?;
                command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(out.path());
                command.arg("--set").arg(format!("fences={}", fences.display()));
                for setting in [
                    "journal.min_free_percent=1",
                    "pubsub.expected_rate=100000",
                    "pubsub.expected_bytes=512B",
                    "pubsub.streams=8",
                    &format!("pubsub.subscription={SUBSCRIPTION}"),
                    &format!("pubsub.events_topic={EVENTS}"),
                    &format!("pubsub.dead_letter_topic={LETTERS}"),
                ] {
                    command.arg("--set").arg(setting);
                }
                command
            }
            Who::Naive => naive_service::command("pubsub", Some(&fences), out.path())?,
            Who::Floor => naive_service::command("pubsub", None, out.path())?,
        };
        command.env("PUBSUB_EMULATOR_HOST", &host);
        let mut service = Service::start(command)?;
        service.wait("done with the messages", |_| standin.is_drained().then_some(()))?;
        if self.who == Who::Ours {
            service.wait("done with its sinks", |service| {
                (service.metric("fleetstream_release_lag_seconds")? == 0.0).then_some(())
            })?;
            ensure!(standin.published() > 0, "no event was published:\n{}", service.log());
        }
        let pings = u64::from(self.vehicles) * u64::from(self.rounds);
        let sample = service.end(pings).context("the service at the stand-in")?;
        runtime.shutdown_background();
        if self.who == Who::Ours {
            ensure_archived(out.path(), pings)?;
        }
        Ok(sample)
    }

    /// A message for each ping, published soon after it was measured.
    fn messages(&self) -> Vec<Bytes> {
        let mut fleet = Fleet::new(self.vehicles as usize, 5);
        let pings = (0..self.rounds).flat_map(|_| fleet.round());
        pings.enumerate().map(|(number, ping)| message(number, &ping)).collect()
    }
}

fn message(number: usize, ping: &VehiclePing) -> Bytes {
    let published_us = ping.event_time_us + ON_ITS_WAY_US;
    let received = ReceivedMessage {
        ack_id: format!("{number:0ACK_ID_BYTES$}"),
        message: Some(PubsubMessage {
            data: ping.encode_to_vec().into(),
            message_id: format!("{number:016}"),
            publish_time: Some(prost_types::Timestamp {
                seconds: published_us.div_euclid(1_000_000),
                nanos: (published_us.rem_euclid(1_000_000) * 1000) as i32,
            }),
        }),
    };
    received.encode_to_vec().into()
}
