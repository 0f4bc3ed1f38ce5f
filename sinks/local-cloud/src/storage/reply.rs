//! What both APIs answer alike: an object's bytes, whole or in part.

use std::ops::Range;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::bucket::Stored;

/// Why a range cannot be answered.
pub(super) struct Unsatisfiable;

/// The part of `length` bytes that the request asks for; none for the whole.
pub(super) fn range(
    headers: &HeaderMap,
    length: usize,
) -> Result<Option<Range<usize>>, Unsatisfiable> {
    let Some(text) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    // A range that is not understood is passed over, as HTTP has it.
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => from..to.saturating_add(1).min(length),
        (Ok(from), Err(_)) if to.is_empty() => from..length,
        (Err(_), Ok(last)) if from.is_empty() => length.saturating_sub(last)..length,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Unsatisfiable) } else { Ok(Some(range)) }
}

/// The object, or a part of it, with the headers that describe it.
pub(super) fn object(stored: &Stored, range: Option<Range<usize>>) -> Response<Body> {
    let whole = stored.bytes.len();
    let mut response = Response::builder()
        .header(ETAG, stored.etag())
        .header(LAST_MODIFIED, http_date(stored))
        .header(CONTENT_TYPE, &stored.content_type)
        .header(ACCEPT_RANGES, "bytes")
        .header("x-goog-generation", stored.generation)
        .header("x-goog-metageneration", 1)
        .header("x-goog-stored-content-length", whole)
        .header("x-goog-stored-content-encoding", "identity")
        .header("x-goog-hash", format!("crc32c={}", crc32c_text(stored)));
    let bytes = match range {
        None => stored.bytes.clone(),
        Some(range) => {
            let last = range.end - 1;
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, format!("bytes {}-{last}/{whole}", range.start));
            stored.bytes.slice(range)
        }
    };
    response
        .header(CONTENT_LENGTH, bytes.len())
        .body(Body::from(bytes))
        .expect("every header above is made of visible characters")
}

/// The checksum as both APIs write it: big-endian, in base 64.
pub(super) fn crc32c_text(stored: &Stored) -> String {
    BASE64_STANDARD.encode(stored.crc32c().to_be_bytes())
}

fn http_date(stored: &Stored) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&stored.updated)
        .expect("today's year has four digits")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of_ten(text: &'static str) -> Option<Option<Range<usize>>> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static(text));
        range(&headers, 10).ok()
    }

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(of_ten("bytes=0-3"), Some(Some(0..4)));
        assert_eq!(of_ten("bytes=4-"), Some(Some(4..10)));
        assert_eq!(of_ten("bytes=-3"), Some(Some(7..10)));
        assert_eq!(of_ten("bytes=-30"), Some(Some(0..10)));
        assert_eq!(of_ten("bytes=8-99"), Some(Some(8..10)));
        assert_eq!(of_ten("bytes=10-"), None, "nothing is there");
        assert_eq!(of_ten("bytes=5-4"), None);
        assert_eq!(of_ten("lines=1-2"), Some(None), "passed over");
    }
}
