//! Pings of requests, decoded and admitted.

use std::sync::Arc;

use bytes::Bytes;
use geofence::TimeMs;

use super::ingest::EntryDecoder;
use crate::decode::entry::{Entry as DecodedEntry, Envelope};
use crate::decode::{ContentType, decode_part};
use crate::intake::Entry;

/// Name of the source in dead letters.
pub const SOURCE_NAME: &str = "http";

/// The worker's decoder. `allow_null_island` admits position 0, 0.
#[must_use]
pub fn decoder(allow_null_island: bool) -> EntryDecoder {
    Arc::new(move |content_type, bytes, receive_time| {
        decode_entry(content_type, bytes, receive_time, allow_null_island)
    })
}

fn decode_entry(
    content_type: ContentType,
    bytes: Bytes,
    receive_time: TimeMs,
    allow_null_island: bool,
) -> Entry {
    let envelope =
        Envelope { source: SOURCE_NAME, message_id: "", receive_time, allow_null_island };
    match envelope.entry(content_type, decode_part(content_type, bytes)) {
        DecodedEntry::Rejected(letter) => Entry::Rejected(letter),
        DecodedEntry::Ping { ping, payload, message_id, dropped } => {
            for (field, was_dropped) in [
                ("speed_mps", dropped.speed),
                ("heading_deg", dropped.heading),
                ("accuracy_m", dropped.accuracy),
            ] {
                if was_dropped {
                    metrics::counter!("fleetstream_values_dropped_total", "field" => field)
                        .increment(1);
                }
            }
            Entry::Ping { ping, payload, message_id }
        }
    }
}
