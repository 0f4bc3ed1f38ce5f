//! The JSON API, as Google's own Python client speaks it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Buckets;
use super::bucket::{self, Condition, Refused, Stored};
use super::reply;

const LISTED_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Buckets> {
    Router::new()
        .route("/storage/v1/b", post(create_bucket))
        .route("/storage/v1/b/{bucket}", get(bucket_info))
        .route("/storage/v1/b/{bucket}/o", get(list))
        .route("/storage/v1/b/{bucket}/o/{*object}", get(object).delete(delete))
        .route("/download/storage/v1/b/{bucket}/o/{*object}", get(object))
        .route("/upload/storage/v1/b/{bucket}/o", post(upload))
}

struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let Self(status, message) = self;
        let error = json!({ "code": status.as_u16(), "message": message });
        (status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => not_found("object"),
            Refused::Condition => {
                let message = "At least one of the pre-conditions you specified did not hold.";
                Self(StatusCode::PRECONDITION_FAILED, message.to_owned())
            }
        }
    }
}

fn not_found(what: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("no such {what}"))
}

fn bad(message: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.to_owned())
}

fn described(bucket: &str, name: &str, stored: &Stored) -> Value {
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{}", stored.generation),
        "bucket": bucket,
        "name": name,
        "size": stored.bytes.len().to_string(),
        "generation": stored.generation.to_string(),
        "metageneration": "1",
        "contentType": stored.content_type,
        "crc32c": reply::crc32c_text(stored),
        "etag": stored.etag(),
        "timeCreated": stored.updated.to_string(),
        "updated": stored.updated.to_string(),
        "storageClass": "STANDARD",
    })
}

async fn create_bucket(
    State(buckets): State<Buckets>,
    Json(asked): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let name = asked["name"].as_str().ok_or_else(|| bad("a bucket has a name"))?;
    let mut buckets = buckets.lock();
    if buckets.contains_key(name) {
        return Err(Refusal(StatusCode::CONFLICT, "the bucket is there".to_owned()));
    }
    buckets.insert(name.to_owned(), bucket::Bucket::default());
    Ok(Json(json!({ "kind": "storage#bucket", "id": name, "name": name })))
}

async fn bucket_info(
    State(buckets): State<Buckets>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    if !buckets.lock().contains_key(&name) {
        return Err(not_found("bucket"));
    }
    Ok(Json(json!({ "kind": "storage#bucket", "id": name, "name": name })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    prefix: Option<String>,
    delimiter: Option<String>,
    page_token: Option<String>,
    max_results: Option<usize>,
}

async fn list(
    State(buckets): State<Buckets>,
    Path(bucket): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Refusal> {
    let buckets = buckets.lock();
    let found = buckets.get(&bucket).ok_or_else(|| not_found("bucket"))?;
    let page = found.list(&bucket::Query {
        prefix: query.prefix.unwrap_or_default(),
        delimiter: query.delimiter,
        after: query.page_token,
        max: query.max_results.unwrap_or(LISTED_MAX).clamp(1, LISTED_MAX),
    });
    let items: Vec<Value> =
        page.objects.iter().map(|(name, stored)| described(&bucket, name, stored)).collect();
    let mut answer =
        json!({ "kind": "storage#objects", "items": items, "prefixes": page.prefixes });
    if let Some(next) = page.next {
        answer["nextPageToken"] = next.into();
    }
    Ok(Json(answer))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectQuery {
    alt: Option<String>,
    generation: Option<u64>,
    if_generation_match: Option<u64>,
}

async fn object(
    State(buckets): State<Buckets>,
    Path((bucket, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let buckets = buckets.lock();
    let found = buckets.get(&bucket).ok_or_else(|| not_found("bucket"))?;
    let stored = found.get(&name).ok_or_else(|| not_found("object"))?;
    if query.generation.is_some_and(|wanted| wanted != stored.generation) {
        return Err(not_found("generation"));
    }
    if query.if_generation_match.is_some_and(|wanted| wanted != stored.generation) {
        return Err(Refused::Condition.into());
    }
    if query.alt.as_deref() != Some("media") {
        return Ok(Json(described(&bucket, &name, stored)).into_response());
    }
    let range = reply::range(&headers, stored.bytes.len())
        .map_err(|_| Refusal(StatusCode::RANGE_NOT_SATISFIABLE, "no such range".to_owned()))?;
    Ok(reply::object(stored, range))
}

async fn delete(
    State(buckets): State<Buckets>,
    Path((bucket, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
) -> Result<StatusCode, Refusal> {
    let mut buckets = buckets.lock();
    let found = buckets.get_mut(&bucket).ok_or_else(|| not_found("bucket"))?;
    found.delete(&name, Condition::of(query.if_generation_match))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UploadQuery {
    upload_type: String,
    name: Option<String>,
    if_generation_match: Option<u64>,
}

async fn upload(
    State(buckets): State<Buckets>,
    Path(bucket): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (name, kind, bytes) = match query.upload_type.as_str() {
        "media" => (query.name, kind.to_owned(), body),
        "multipart" => {
            let parts = related(kind, &body).ok_or_else(|| bad("two parts are expected"))?;
            let about: Value = serde_json::from_slice(&parts.about)
                .map_err(|error| bad(&format!("the first part: {error}")))?;
            let name = about["name"].as_str().map(str::to_owned).or(query.name);
            let named = about["contentType"].as_str().map(str::to_owned);
            (name, named.unwrap_or(parts.kind), parts.content)
        }
        other => {
            let message = format!("uploadType={other} is not part of this stand-in");
            return Err(Refusal(StatusCode::NOT_IMPLEMENTED, message));
        }
    };
    let name = name.ok_or_else(|| bad("an object has a name"))?;
    let mut buckets = buckets.lock();
    let found = buckets.get_mut(&bucket).ok_or_else(|| not_found("bucket"))?;
    let stored = found.put(&name, bytes, kind, Condition::of(query.if_generation_match))?;
    Ok(Json(described(&bucket, &name, stored)))
}

/// A body of `multipart/related`: what the object is, and its content.
struct Related {
    about: Bytes,
    kind: String,
    content: Bytes,
}

fn related(kind: &str, body: &Bytes) -> Option<Related> {
    let (_, boundary) = kind.split_once("boundary=")?;
    let boundary = boundary.trim_matches(['"', '\'']);
    let line = format!("--{boundary}");
    // The content may hold anything but the boundary on a line of its own.
    let first = find(body, line.as_bytes(), 0)? + line.len();
    let second = find(body, format!("\r\n{line}").as_bytes(), first)?;
    let content = second + 2 + line.len();
    let last = find(body, format!("\r\n{line}--").as_bytes(), content)?;
    let (_, about) = headed(body.slice(first..second))?;
    let (headers, content) = headed(body.slice(content..last))?;
    let kind = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    Some(Related { about, kind: kind.unwrap_or_default(), content })
}

/// A part's headers and what follows them.
fn headed(part: Bytes) -> Option<(String, Bytes)> {
    let end = find(&part, b"\r\n\r\n", 0)?;
    Some((String::from_utf8_lossy(&part[..end]).into_owned(), part.slice(end + 4..)))
}

fn find(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
