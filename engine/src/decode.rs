//! From the bytes of a message to pings.
//!
//! Cuts the wire formats (protobuf ping, protobuf batch, JSON object or array,
//! NDJSON) into pings and gives, for each, its canonical payload: one encoded
//! `VehiclePing`, which is what the journal records and the archive reads, and
//! which is read in place. Judges no value: that is admission's, which
//! [`entry`] adds.
//!
//! JSON keys are the names of `VehiclePing`. The event time is `event_time`
//! (an RFC 3339 string) or `event_time_ms` or `event_time_us` (whole numbers
//! since 1970), one of them. Unknown keys are ignored and `null` means absent. A
//! byte order mark before a text is ignored, as it is in a file.
//!
//! A batch is cut into its pings without copying or encoding anything again,
//! so fields this version does not know stay in the payload.

pub mod entry;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod pieces;
#[cfg(test)]
mod tests;
mod wire;

use bytes::Bytes;
use pieces::{Pieces, without_byte_order_mark};
use protos::PingView;

/// Largest message of one ping, and largest ping of a batch, bytes.
pub const PING_BYTES_MAX: usize = 64 * 1024;
/// Most pings in one batch.
pub const PINGS_PER_BATCH_MAX: usize = 1_000;

/// What the bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// One encoded `VehiclePing`.
    Ping,
    /// One encoded `VehiclePingBatch`.
    Batch,
    /// One JSON object, or an array of them.
    Json,
    /// One JSON object a line; blank lines do not count.
    Ndjson,
}

impl ContentType {
    /// The content type that the `content-type` of a message names, whatever
    /// its letters' case and its parameters. `application/x-protobuf` and
    /// `application/protobuf` mean a ping, or a batch with the parameter
    /// `messageType=fleet.telemetry.v1.VehiclePingBatch`.
    ///
    /// ```
    /// use engine::decode::ContentType;
    /// assert_eq!(ContentType::named("application/json; charset=utf-8"), Some(ContentType::Json));
    /// assert_eq!(ContentType::named(ContentType::Batch.name()), Some(ContentType::Batch));
    /// assert_eq!(ContentType::named("text/html"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let mut parts = name.split(';').map(str::trim);
        match parts.next()? {
            "application/x-protobuf" | "application/protobuf" => {
                let batch = parts
                    .filter_map(|parameter| parameter.strip_prefix("messagetype="))
                    .any(|message| message.trim_matches('"').ends_with("vehiclepingbatch"));
                Some(if batch { Self::Batch } else { Self::Ping })
            }
            "application/json" | "text/json" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
                Some(Self::Ndjson)
            }
            _ => None,
        }
    }

    /// The name written to dead letters; [`ContentType::named`] reads it back.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "application/x-protobuf",
            Self::Batch => {
                "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch"
            }
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What one ping of such a message is by itself.
    #[must_use]
    pub fn of_one_ping(self) -> Self {
        match self {
            Self::Ping | Self::Batch => Self::Ping,
            Self::Json | Self::Ndjson => Self::Json,
        }
    }
}

/// Why bytes are no ping. The code is stable; the message says what to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or not of this message.
    #[error("not a protobuf {message}: {detail}")]
    Protobuf {
        /// The message that was expected.
        message: &'static str,
        /// What the decoder says.
        detail: String,
    },
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but neither an object nor, in a whole message, an array.
    #[error("a ping is a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// A value of the wrong type.
    #[error("{field} is {found}; expected {expected}")]
    WrongType {
        /// Name of the field.
        field: &'static str,
        /// What was there.
        found: &'static str,
        /// What can be.
        expected: &'static str,
    },
    /// Text that does not parse, or a number out of its range.
    #[error("{field} is {found}; expected {expected}")]
    BadText {
        /// Name of the field.
        field: &'static str,
        /// What was there, quoted.
        found: String,
        /// What can be.
        expected: &'static str,
    },
    /// One point in time under two names.
    #[error("{field} repeats a time that was given before; give it once")]
    TimeGivenTwice {
        /// The field that came second.
        field: &'static str,
    },
    /// A field that no ping can do without.
    #[error("{field} is missing")]
    Missing {
        /// Name of the field.
        field: &'static str,
    },
    /// A row of a file that has no structure to read fields from.
    #[error("{0}")]
    Row(String),
    /// No event time, or 0.
    #[error(
        "event_time is missing (event_time, event_time_ms or event_time_us; \
         event_time_us in protobuf)"
    )]
    EventTimeMissing,
    /// Over [`PING_BYTES_MAX`].
    #[error("{bytes} bytes; a ping has at most {PING_BYTES_MAX}")]
    TooLarge {
        /// Size that was met.
        bytes: usize,
    },
    /// Over [`PINGS_PER_BATCH_MAX`].
    #[error("{pings} pings; a batch has at most {PINGS_PER_BATCH_MAX}")]
    TooMany {
        /// Pings that were met.
        pings: usize,
    },
}

impl DecodeError {
    /// Stable code for dead letters, answers and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => "too_large",
            Self::EventTimeMissing => "event_time_missing",
            Self::Protobuf { .. }
            | Self::Json(_)
            | Self::NotAnObject(_)
            | Self::WrongType { .. }
            | Self::BadText { .. }
            | Self::TimeGivenTwice { .. }
            | Self::Missing { .. }
            | Self::Row(_) => "undecodable",
        }
    }
}

/// One ping's part of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The bytes of this part, a slice of the message.
    pub original: Bytes,
    /// The ping of a text as an encoded `VehiclePing`, or why it is no ping;
    /// `None` where the original is to be an encoded `VehiclePing` itself.
    pub encoded: Option<Result<Bytes, DecodeError>>,
}

impl Item {
    /// What stands for the ping from here on: one encoded `VehiclePing`, to be
    /// read with [`view`].
    ///
    /// # Errors
    /// It is a text that says no ping.
    pub fn payload(&self) -> Result<&Bytes, &DecodeError> {
        self.encoded.as_ref().map_or(Ok(&self.original), Result::as_ref)
    }

    fn protobuf(original: Bytes) -> Self {
        Self { original, encoded: None }
    }
}

/// The pings of one message, in its order.
pub type Decoded = Vec<Item>;

/// Cuts a message into its pings.
///
/// # Errors
/// When the message as such cannot be read, or has more than
/// [`PINGS_PER_BATCH_MAX`] pings; nothing of it may be used then. A message
/// that can be read, one of whose pings cannot, is no error: see
/// [`Item::payload()`] and [`view`].
pub fn decode(content_type: ContentType, bytes: &Bytes) -> Result<Decoded, DecodeError> {
    match content_type {
        ContentType::Ping => Ok(vec![Item::protobuf(bytes.clone())]),
        ContentType::Batch => Ok(cut_batch(bytes)?.into_iter().map(Item::protobuf).collect()),
        ContentType::Json => json::decode_message(&without_byte_order_mark(bytes)),
        ContentType::Ndjson => json::decode_lines(&without_byte_order_mark(bytes)),
    }
}

/// The one ping of a message that was cut into its pings already, where
/// each is one encoded `VehiclePing` or one JSON object, as
/// [`ContentType::of_one_ping`] says.
#[must_use]
pub fn decode_part(content_type: ContentType, original: Bytes) -> Item {
    match content_type.of_one_ping() {
        ContentType::Json | ContentType::Ndjson => json::item(original),
        ContentType::Ping | ContentType::Batch => Item::protobuf(original),
    }
}

/// Reads an encoded `VehiclePing` in place; its values are not yet judged.
///
/// # Errors
/// The bytes are no `VehiclePing`, too many, or have no event time.
pub fn view(payload: &[u8]) -> Result<PingView<'_>, DecodeError> {
    let mut view = PingView::default();
    read(payload, &mut view)?;
    Ok(view)
}

/// [`view()`] into one that says nothing yet.
///
/// # Errors
/// Those of [`view()`].
fn read<'a>(payload: &'a [u8], view: &mut PingView<'a>) -> Result<(), DecodeError> {
    check_size(payload.len())?;
    view.merge(payload).map_err(|error| DecodeError::Protobuf {
        message: "VehiclePing",
        detail: error.to_string(),
    })?;
    // Without presence on the wire, 0 is what a ping without a time reads as.
    if view.event_time_us == 0 {
        return Err(DecodeError::EventTimeMissing);
    }
    Ok(())
}

pub(crate) fn check_size(bytes: usize) -> Result<(), DecodeError> {
    if bytes > PING_BYTES_MAX { Err(DecodeError::TooLarge { bytes }) } else { Ok(()) }
}

/// The pings of a message, if it has no more than it may.
fn all_of(pieces: Pieces) -> Result<Vec<Bytes>, DecodeError> {
    let Pieces { kept, count: pings } = pieces;
    if pings > kept.len() { Err(DecodeError::TooMany { pings }) } else { Ok(kept) }
}

/// The pings of an encoded `VehiclePingBatch`, each a slice of it.
fn cut_batch(bytes: &Bytes) -> Result<Vec<Bytes>, DecodeError> {
    let pieces = pieces::cut_batch(bytes, PINGS_PER_BATCH_MAX);
    all_of(pieces.map_err(|error| DecodeError::Protobuf {
        message: "VehiclePingBatch",
        detail: error.to_string(),
    })?)
}
