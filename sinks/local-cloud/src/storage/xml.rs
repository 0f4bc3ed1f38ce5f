//! The XML API, as `object_store` speaks it.

use std::fmt::Write as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use serde::Deserialize;

use super::Buckets;
use super::bucket::{self, Condition, Page, Refused};
use super::reply;

/// Names in one part of a listing, unless asked for fewer; the service's
/// limit.
const LISTED_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Buckets> {
    Router::new().route("/{bucket}", get(list)).route("/{bucket}/{*object}", any(object))
}

/// A refusal in the service's words.
struct Refusal(StatusCode, &'static str);

const NO_BUCKET: Refusal = Refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
const NO_KEY: Refusal = Refusal(StatusCode::NOT_FOUND, "NoSuchKey");
const NOT_BUILT: Refusal = Refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let Self(status, code) = self;
        let text =
            format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>");
        (status, [(CONTENT_TYPE, "application/xml; charset=UTF-8")], text).into_response()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => NO_KEY,
            Refused::Condition => Self(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        }
    }
}

#[derive(Deserialize)]
struct ObjectQuery {
    generation: Option<u64>,
    #[serde(rename = "uploadId")]
    upload_id: Option<String>,
    uploads: Option<String>,
}

async fn object(
    State(buckets): State<Buckets>,
    method: Method,
    Path((bucket, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Refusal> {
    let is_copy = headers.contains_key("x-goog-copy-source");
    if is_copy || query.upload_id.is_some() || query.uploads.is_some() {
        return Err(NOT_BUILT);
    }
    let condition = condition(&headers)?;
    let mut buckets = buckets.lock();
    let bucket = buckets.get_mut(&bucket).ok_or(NO_BUCKET)?;
    match method {
        Method::PUT => {
            let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let kind = kind.unwrap_or("application/octet-stream").to_owned();
            let stored = bucket.put(&name, body, kind, condition)?.clone();
            let mut response = reply::object(&stored, None);
            // The object's headers, and nothing of its content.
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
            Ok(response)
        }
        // HEAD is GET whose body the server leaves out.
        Method::GET | Method::HEAD => {
            let stored = bucket.get(&name).ok_or(NO_KEY)?;
            if query.generation.is_some_and(|wanted| wanted != stored.generation) {
                return Err(NO_KEY);
            }
            let range = reply::range(&headers, stored.bytes.len())
                .map_err(|_| Refusal(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"))?;
            Ok(reply::object(stored, range))
        }
        Method::DELETE => {
            bucket.delete(&name, condition)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(NOT_BUILT),
    }
}

fn condition(headers: &HeaderMap) -> Result<Condition, Refusal> {
    let Some(value) = headers.get("x-goog-if-generation-match") else { return Ok(Condition::None) };
    let generation = value.to_str().ok().and_then(|text| text.parse().ok());
    let generation = generation.ok_or(Refusal(StatusCode::BAD_REQUEST, "InvalidArgument"))?;
    Ok(Condition::of(Some(generation)))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ListQuery {
    prefix: Option<String>,
    delimiter: Option<String>,
    continuation_token: Option<String>,
    start_after: Option<String>,
    max_keys: Option<usize>,
}

async fn list(
    State(buckets): State<Buckets>,
    Path(bucket): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response<Body>, Refusal> {
    let buckets = buckets.lock();
    let found = buckets.get(&bucket).ok_or(NO_BUCKET)?;
    let page = found.list(&bucket::Query {
        prefix: query.prefix.unwrap_or_default(),
        delimiter: query.delimiter,
        after: query.continuation_token.or(query.start_after),
        max: query.max_keys.unwrap_or(LISTED_MAX).clamp(1, LISTED_MAX),
    });
    let text = listing(&bucket, &page);
    Ok(([(CONTENT_TYPE, "application/xml; charset=UTF-8")], text).into_response())
}

fn listing(bucket: &str, page: &Page) -> String {
    let mut text = String::from("<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>");
    let mut field = |name: &str, value: &str| {
        write!(text, "<{name}>{}</{name}>", escaped(value)).expect("writing to a string works");
    };
    field("Name", bucket);
    field("IsTruncated", if page.next.is_some() { "true" } else { "false" });
    if let Some(next) = &page.next {
        field("NextContinuationToken", next);
    }
    for (name, stored) in &page.objects {
        write!(
            text,
            "<Contents><Key>{}</Key><Generation>{}</Generation><LastModified>{}</LastModified>\
             <ETag>{}</ETag><Size>{}</Size></Contents>",
            escaped(name),
            stored.generation,
            stored.updated,
            escaped(&stored.etag()),
            stored.bytes.len(),
        )
        .expect("writing to a string works");
    }
    for prefix in &page.prefixes {
        write!(text, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(prefix))
            .expect("writing to a string works");
    }
    text + "</ListBucketResult>"
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
