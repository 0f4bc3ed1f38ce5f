//! The body of a ping request: what it is, read whole within bounds, and
//! decompressed within bounds.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::answer::Refusal;
use crate::decode::ContentType;

/// How pings are laid out in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One object, or an array of them.
    Json,
    /// One object on each line.
    Ndjson,
    /// A `VehiclePingBatch`.
    ProtobufBatch,
    /// One `VehiclePing`, as a dead letter holds it.
    ProtobufPing,
}

/// How a body was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Layout {
    /// What each ping of such a body is by itself.
    pub(super) fn of_one_ping(self) -> ContentType {
        match self {
            Self::Json | Self::Ndjson => ContentType::Json,
            Self::ProtobufBatch | Self::ProtobufPing => ContentType::Ping,
        }
    }

    /// Reads `content-type`. A missing one is refused too: naming the format
    /// also keeps other sites' pages from posting through a browser.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap_or("?"));
        let value = value.to_ascii_lowercase();
        let mut parts = value.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        match media_type {
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/ndjson" => Ok(Self::Ndjson),
            "application/x-protobuf" | "application/protobuf" => {
                let one = parts
                    .filter_map(|parameter| parameter.strip_prefix("messagetype="))
                    .any(|message| message.trim_matches('"').ends_with("vehicleping"));
                Ok(if one { Self::ProtobufPing } else { Self::ProtobufBatch })
            }
            _ => Err(Refusal::unsupported(
                "content_type_unsupported",
                format!(
                    "content-type {media_type:?} is not read here; send application/json, \
                     application/x-ndjson or application/x-protobuf (a VehiclePingBatch, or with \
                     messageType=fleet.telemetry.v1.VehiclePing one ping)"
                ),
            )),
        }
    }
}

impl Encoding {
    /// Reads `content-encoding`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let value = values.next().map_or("", |v| v.to_str().unwrap_or("?")).trim();
        match (value.to_ascii_lowercase().as_str(), values.next()) {
            ("" | "identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("zstd", None) => Ok(Self::Zstd),
            _ => Err(Refusal::unsupported(
                "content_encoding_unsupported",
                format!("content-encoding {value:?} is not read here; send gzip, zstd or none"),
            )),
        }
    }
}

/// The declared length of the body, if there is one.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body of more than `max` bytes.
pub(super) fn body_too_large(max: usize) -> Refusal {
    let message = format!("the body is larger than {max} bytes; send fewer pings at a time");
    Refusal::too_large("body_too_large", message)
}

/// Reads the whole body: at most `max` bytes, within `timeout`.
pub(super) async fn read(body: Body, max: usize, timeout: Duration) -> Result<Bytes, Refusal> {
    let read = read_unhurried(body, max);
    tokio::time::timeout(timeout, read).await.unwrap_or_else(|_| {
        let message = format!("the body did not arrive within {timeout:?}");
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message))
    })
}

async fn read_unhurried(body: Body, max: usize) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            Refusal::unreadable("body_incomplete", format!("the body broke off: {error}"))
        })?;
        if whole.len() + chunk.len() > max {
            return Err(body_too_large(max));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Decompresses `body` to at most `max` bytes; stops there, however much more
/// a small body would expand to.
pub(super) fn decompress(body: Bytes, encoding: Encoding, max: usize) -> Result<Bytes, Refusal> {
    let plain = match encoding {
        Encoding::Identity => return Ok(body),
        Encoding::Gzip => read_capped(flate2::read::MultiGzDecoder::new(&body[..]), max),
        Encoding::Zstd => {
            zstd::stream::read::Decoder::with_buffer(&body[..]).and_then(|mut zstd| {
                // The window a frame asks for is memory it makes us spend.
                zstd.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                read_capped(zstd, max)
            })
        }
    };
    match plain {
        Ok(plain) if plain.len() > max => Err(Refusal::too_large(
            "decoded_body_too_large",
            format!("the body expands to more than {max} bytes; send fewer pings at a time"),
        )),
        Ok(plain) => Ok(plain.into()),
        Err(error) => Err(Refusal::unreadable(
            "body_not_decompressed",
            format!("the body is not valid {encoding:?}: {error}"),
        )),
    }
}

/// 8 MiB, what a decoder must support at the least (RFC 8878 §3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// At most one byte more than `max`, which tells that there was more.
fn read_capped(reader: impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    reader.take(max as u64 + 1).read_to_end(&mut plain)?;
    Ok(plain)
}
