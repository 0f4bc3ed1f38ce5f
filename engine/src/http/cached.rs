//! Answers that a client may keep and ask to have confirmed.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// `body` with an entity tag, or 304 if the request holds the same. `no-cache`
/// lets clients keep it and makes them ask each time.
pub(super) fn tagged(request: &HeaderMap, content_type: &'static str, body: Bytes) -> Response {
    let tag = format!("\"{:016x}\"", xxh3_64(&body));
    let fresh = request.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value.to_str().is_ok_and(|list| list.split(',').any(|known| known.trim() == tag))
    });
    let tag = HeaderValue::try_from(tag).expect("hexadecimal digits in quotes");
    let headers =
        [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if fresh {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
