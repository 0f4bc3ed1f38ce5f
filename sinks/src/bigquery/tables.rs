//! What the two tables add to their Parquet files: the input behind a row, as
//! a dead letter has it.

use prost::Message;
use protos::journal::{DeadLetter, Segment, input};
use xxhash_rust::xxh3::xxh3_128;

use super::{EVENTS, PINGS};
use crate::archive::{self, PingTable};
use crate::event_files::EventTable;
use crate::rolling::Table;

/// Reason of a dead letter that was taken in, and then refused by BigQuery.
const REASON: &str = "bigquery_refused";

/// A table of a dataset.
pub(super) trait DatasetTable: Table + Default + Sync {
    /// Name of its sink.
    const SINK: &'static str;

    /// The row of `segment` at `index` as a dead letter.
    fn dead_letter(segment: &Segment, index: usize, detail: String) -> DeadLetter;
}

impl DatasetTable for PingTable {
    const SINK: &'static str = PINGS;

    fn dead_letter(segment: &Segment, mut index: usize, detail: String) -> DeadLetter {
        for input in &segment.inputs {
            let Some(input::Input::Pings(run)) = &input.input else { continue };
            if index < run.payload_lengths.len() {
                let ping = archive::ping_of(run, index);
                let id = ping.as_ref().and_then(|ping| ping.message_id).unwrap_or_default();
                let payload = ping.as_ref().map_or(&[][..], |ping| ping.payload);
                let received = ping.as_ref().map_or(segment.now_ms, |ping| ping.receive_time_ms);
                return letter(payload, id, received, "application/x-protobuf", detail);
            }
            index -= run.payload_lengths.len();
        }
        letter(&[], "", segment.now_ms, "application/x-protobuf", detail)
    }
}

impl DatasetTable for EventTable {
    const SINK: &'static str = EVENTS;

    fn dead_letter(segment: &Segment, index: usize, detail: String) -> DeadLetter {
        let event = segment.events.get(index).cloned().unwrap_or_default();
        let content = "application/x-protobuf; messageType=\"fleet.events.v1.FleetEvent\"";
        letter(&event.encode_to_vec(), &event.event_id, segment.now_ms, content, detail)
    }
}

fn letter(
    payload: &[u8],
    id: &str,
    receive_time_ms: i64,
    content_type: &str,
    detail: String,
) -> DeadLetter {
    let id = if id.is_empty() { format!("{:032x}", xxh3_128(payload)) } else { id.to_owned() };
    DeadLetter {
        reason: REASON.to_owned(),
        detail,
        source: "bigquery".to_owned(),
        source_message_id: id,
        receive_time_ms,
        payload: payload.to_vec().into(),
        content_type: content_type.to_owned(),
    }
}
