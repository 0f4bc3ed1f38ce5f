//! From the bytes of a batch to admitted pings.

use std::hint::black_box;

use bytes::Bytes;
use engine::decode::ContentType;
use engine::decode::entry::Envelope;
use engine::intake::Entry;
use geofence::TimeMs;
use prost::Message as _;
use protos::telemetry::VehiclePingBatch;
use serde::{Deserialize, Serialize};

use super::case::Who;
use super::load::{BATCH_PINGS, Load};
use super::sample::Sample;
use crate::usage::thread_cpu;

/// Batches decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decode {
    pub(super) who: Who,
    pub(super) batches: u32,
}

impl Decode {
    pub(super) fn run(&self) -> anyhow::Result<Sample> {
        let arrival = Load::new(BATCH_PINGS as u32, 0).next();
        let bytes = &arrival.batches[0];
        let mut entries = Vec::new();
        let begun = thread_cpu();
        for _ in 0..self.batches {
            let bytes = black_box(bytes);
            match self.who {
                Who::Ours => {
                    entries.clear();
                    entries_of(arrival.now, bytes, &mut entries);
                    assert_eq!(entries.len(), BATCH_PINGS);
                }
                Who::Naive => {
                    black_box(VehiclePingBatch::decode(bytes.as_ref())?);
                }
                Who::Floor => {
                    black_box(sum_of_words(bytes));
                }
            }
        }
        let cpu_s = (thread_cpu() - begun).as_secs_f64();
        let operations = u64::from(self.batches) * BATCH_PINGS as u64;
        Ok(Sample { operations, cpu_s, ..Sample::default() }.with_own_memory())
    }
}

/// Appends what the batch `bytes`, received at `now`, holds.
pub(super) fn entries_of(now: TimeMs, bytes: &Bytes, entries: &mut Vec<Entry>) {
    let envelope = Envelope {
        source: "bench",
        message_id: "",
        receive_time: now,
        allow_null_island: false,
        owned: None,
    };
    envelope.entries(ContentType::Batch, bytes, entries);
}

fn sum_of_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    words.chain(rest.iter().map(|byte| u64::from(*byte))).fold(0, u64::wrapping_add)
}
