//! `GET /`: the live map, one page that needs nothing from anywhere else.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::cached::tagged;

/// Nothing is loaded from or sent to another place, nothing inline runs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The handler of `GET /`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    let page = Bytes::from_static(include_bytes!("map/index.html"));
    let policy = [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)];
    (policy, tagged(&headers, "text/html; charset=utf-8", page)).into_response()
}

/// The handler of `GET /map.js`.
pub(super) async fn script(headers: HeaderMap) -> Response {
    let script = Bytes::from_static(include_bytes!("map/map.js"));
    tagged(&headers, "text/javascript; charset=utf-8", script)
}

/// The handler of `GET /map.css`.
pub(super) async fn style(headers: HeaderMap) -> Response {
    let style = Bytes::from_static(include_bytes!("map/map.css"));
    tagged(&headers, "text/css; charset=utf-8", style)
}

/// The handler of `GET /icon.svg`.
pub(super) async fn icon(headers: HeaderMap) -> Response {
    tagged(&headers, "image/svg+xml", Bytes::from_static(include_bytes!("map/icon.svg")))
}
