//! Pings of requests, decoded and admitted.

use std::sync::Arc;

use bytes::Bytes;
use geofence::TimeMs;

use super::ingest::EntryDecoder;
use crate::decode::entry::Envelope;
use crate::decode::{ContentType, decode_part};
use crate::intake::Entry;
use crate::source::count_dropped;

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
    let envelope = Envelope {
        source: SOURCE_NAME,
        message_id: "",
        receive_time,
        allow_null_island,
        owned: None,
    };
    let entry = envelope.entry(content_type, decode_part(content_type, bytes));
    count_dropped(&entry);
    entry
}
