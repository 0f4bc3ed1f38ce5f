//! Dead letters: refused input, whole, as one JSON line each.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protos::journal::{Cursor, DeadLetter, Segment};
use protos::json::Object;
use xxhash_rust::xxh3::xxh3_128;

use crate::ndjson::{self, Lines, NdjsonLog};
use crate::{Sink, SinkError};

/// Name of the sink in cursors, metrics and logs.
pub const NAME: &str = "dead_letters";

/// The id of refused input that has none of its own: a hash of its bytes, 32
/// hexadecimal digits. The same bytes have the same id.
#[must_use]
pub fn content_id(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// What the engine has put out and a target refuses for good, as a dead letter.
pub(crate) fn of_output(
    source: &str,
    reason: &str,
    content_type: &str,
    payload: &[u8],
    receive_time_ms: i64,
    detail: String,
) -> DeadLetter {
    DeadLetter {
        reason: reason.to_owned(),
        detail,
        source: source.to_owned(),
        // Not that of the message or the event, which others may have, too.
        source_message_id: content_id(payload),
        receive_time_ms,
        payload: payload.to_vec().into(),
        content_type: content_type.to_owned(),
    }
}

/// The file of one shard in `directory`, whether it is there or not.
#[must_use]
pub fn path(directory: &Path, shard: u32) -> PathBuf {
    ndjson::path(directory, shard)
}

/// Opens `<directory>/shard-<shard>.ndjson`. Blocks.
///
/// # Errors
/// The file cannot be opened or cut back, or is shorter than its cursor says.
pub fn open(
    directory: &Path,
    shard: u32,
    cursor: Option<&Cursor>,
) -> Result<impl Sink + use<>, SinkError> {
    NdjsonLog::open(DeadLetterLines::default(), directory, shard, cursor)
}

/// `reason`, `detail`, `source`, `source_message_id`, `receive_time`,
/// `content_type`, `payload_base64`, `shard`, `journal_seq`; empty texts are
/// left out, but for the payload, which may have been empty.
#[derive(Default)]
pub(crate) struct DeadLetterLines {
    /// Used again for every payload.
    base64: String,
}

impl Lines for DeadLetterLines {
    const NAME: &'static str = NAME;

    type Item = DeadLetter;

    fn items(segment: &Segment) -> &[DeadLetter] {
        &segment.dead_letters
    }

    fn append(&mut self, segment: &Segment, letter: &DeadLetter, out: &mut Vec<u8>) {
        self.base64.clear();
        STANDARD.encode_string(&letter.payload, &mut self.base64);
        let mut object = Object::open(out);
        object
            .text("reason", &letter.reason)
            .text_unless_empty("detail", &letter.detail)
            .text_unless_empty("source", &letter.source)
            .text_unless_empty("source_message_id", &letter.source_message_id)
            .time("receive_time", letter.receive_time_ms)
            .text_unless_empty("content_type", &letter.content_type)
            .text("payload_base64", &self.base64)
            .integer("shard", segment.shard.into())
            .integer("journal_seq", segment.seq);
        object.close();
        out.push(b'\n');
    }
}
