//! `/v1/fences`: the newest set, single fences and their versions, and their
//! change by whoever bears the token.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use bytes::Bytes;
use geofence::{Fence, FenceNote, FenceRefusal, FenceVersion, TimeMs, parse_fences};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_128;

use super::HttpLimits;
use super::answer::Refusal;
use super::body;
use super::cached::tagged;
use super::shards::need_all;
use super::thread::on_thread;
use super::time::{hint, time};
use super::token::authorise;
use crate::fences::{Edit, EditError, Edited, Editor};
use crate::intake::OwnedShards;
use crate::wall_clock::WallClock;

const GEOJSON: &str = "application/geo+json";
/// A change may be announced for so many days ahead: no other one can judge
/// before it, so that a slip of the pen must not last for years.
const AHEAD_MAX_DAYS: i64 = 31;

/// The handlers' state.
pub(super) struct Fences {
    pub(super) owned: OwnedShards,
    pub(super) editor: Editor,
    pub(super) token_file: Option<PathBuf>,
    pub(super) limits: HttpLimits,
}

/// That a list of fences is not narrowed: a parameter passed over would look as if
/// it were.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

/// The handler of `GET /v1/fences`.
pub(super) async fn list(
    State(fences): State<watch::Receiver<Bytes>>,
    query: Result<Query<NoParameters>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    query?;
    let body = fences.borrow().clone();
    Ok(tagged(&headers, GEOJSON, body))
}

/// The handler of `GET /v1/fences/{id}`.
pub(super) async fn get(
    State(fences): State<Arc<Fences>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let set = fences.editor.current();
    let index = set.position_of(&id).ok_or_else(|| no_fence(&id))?;
    let fence = &set.fences()[index as usize];
    Ok(tagged(&headers, GEOJSON, fence.to_canonical_json().into()))
}

/// The handler of `GET /v1/fences/{id}/versions`.
pub(super) async fn versions(
    State(fences): State<Arc<Fences>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Answer {
        id: String,
        versions: Vec<Version>,
    }
    let Path(id) = id?;
    let history = fences.editor.history().await?;
    let versions: Vec<Version> = history.versions_of(&id).iter().map(Version::from).collect();
    if versions.is_empty() {
        return Err(no_fence(&id));
    }
    Ok(Json(Answer { id, versions }).into_response())
}

#[derive(Serialize)]
struct Version {
    version: u32,
    /// `null`: always, or since before what is still known.
    valid_from: Option<String>,
    /// `null`: the newest.
    valid_to: Option<String>,
    /// Of the feature as `GET /v1/fences/{id}` has it.
    hash: String,
}

impl From<&FenceVersion<'_>> for Version {
    fn from(version: &FenceVersion<'_>) -> Self {
        let feature = version.fence.to_canonical_json();
        Self {
            version: version.version,
            valid_from: version.valid_from.and_then(time),
            valid_to: version.valid_to.and_then(time),
            hash: format!("{:032x}", xxh3_128(feature.as_bytes())),
        }
    }
}

/// When a change is to take effect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeQuery {
    valid_from: Option<String>,
}

/// What a change came to.
#[derive(Serialize)]
struct Changed {
    id: String,
    version: Option<u32>,
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    repairs: Vec<Repair>,
}

#[derive(Serialize)]
struct Repair {
    code: &'static str,
    message: String,
}

impl From<FenceNote> for Repair {
    fn from(FenceNote { code, message, .. }: FenceNote) -> Self {
        Self { code, message }
    }
}

/// The handler of `PUT /v1/fences/{id}`.
pub(super) async fn put(
    State(fences): State<Arc<Fences>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ChangeQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    need_all(&fences.owned)?;
    authorise(fences.token_file.as_ref(), request.headers()).await?;
    let Path(id) = id?;
    let valid_from = read_time(query)?;
    let (parts, body) = request.into_parts();
    let body = fences.read_body(&parts, body).await?;
    let named = id.clone();
    let (fence, repairs) = on_thread(move || parse(&named, &body)).await??;
    let edited = fences.editor.change(Edit::Put(Box::new(fence)), valid_from).await?;
    let status = if edited.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Changed::new(id, &edited, repairs))).into_response())
}

/// The handler of `DELETE /v1/fences/{id}`.
pub(super) async fn delete(
    State(fences): State<Arc<Fences>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ChangeQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    need_all(&fences.owned)?;
    authorise(fences.token_file.as_ref(), &headers).await?;
    let Path(id) = id?;
    let valid_from = read_time(query)?;
    let edited = fences.editor.change(Edit::Delete(id.clone()), valid_from).await;
    match edited {
        Ok(edited) => Ok(Json(Changed::new(id, &edited, Vec::new())).into_response()),
        Err(EditError::NotFound) => Err(no_fence(&id)),
        Err(error) => Err(error.into()),
    }
}

impl Fences {
    async fn read_body(&self, head: &http::request::Parts, body: Body) -> Result<Bytes, Refusal> {
        let max = self.limits.fence_bytes_max;
        let encoding = body::Encoding::of(&head.headers)?;
        let too_large = || {
            let message = format!("the fence is larger than {max} bytes; simplify it or split it");
            Refusal::too_large("body_too_large", message)
        };
        let read = body::read(body, max, self.limits.body_timeout).await;
        let bytes = read.map_err(|refusal| match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => refusal,
        })?;
        body::decompress(bytes, encoding, max).map_err(|refusal| match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => refusal,
        })
    }
}

impl Changed {
    fn new(id: String, edited: &Edited, repairs: Vec<Repair>) -> Self {
        Self {
            id,
            version: edited.version,
            changed: edited.valid_from.is_some(),
            valid_from: edited.valid_from.and_then(time),
            repairs,
        }
    }
}

/// The fence in `body`, under the id of the path.
fn parse(id: &str, body: &[u8]) -> Result<(Fence, Vec<Repair>), Refusal> {
    let mut feature: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::unreadable("body_not_json", format!("no JSON: {error}")))?;
    let unusable = |code, message: String| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).of_fence(id)
    };
    if feature.get("type").and_then(Value::as_str) != Some("Feature") {
        return Err(unusable("feature_invalid", "the body is no GeoJSON Feature".to_owned()));
    }
    let own = [feature.get("id"), feature.pointer("/properties/id")];
    if let Some(own) = own.into_iter().flatten().find(|own| !own.is_null()) {
        // A number names a fence as it is written.
        let name = own.as_str().map_or_else(|| own.to_string(), str::to_owned);
        if name != id {
            let message = format!("the feature's id is {own}, that in the path {id:?}");
            return Err(unusable("id_mismatch", message));
        }
    }
    feature["id"] = id.into();
    let parsed = parse_fences(feature.to_string().as_bytes())
        .map_err(|error| unusable("feature_invalid", error.to_string()))?;
    if let Some(FenceNote { code, message, .. }) = parsed.refusals.into_iter().next() {
        return Err(unusable(code, message));
    }
    let fence = parsed.set.fences().first().cloned();
    let fence = fence.expect("one feature is a fence or a refusal");
    Ok((fence, parsed.repairs.into_iter().map(Repair::from).collect()))
}

fn read_time(query: Result<Query<ChangeQuery>, QueryRejection>) -> Result<Option<TimeMs>, Refusal> {
    let Query(query) = query?;
    let Some(text) = query.valid_from else { return Ok(None) };
    let time: Timestamp = text.parse().map_err(|_| {
        let hint = hint(&text);
        let message = format!("valid_from {text:?} is no time like 2026-03-01T12:00:00Z{hint}");
        Refusal::unreadable("valid_from_invalid", message)
    })?;
    let at = TimeMs(time.as_millisecond());
    if at.since(WallClock::read()) > AHEAD_MAX_DAYS * 24 * 3_600_000 {
        let message = format!(
            "valid_from {text:?} is more than {AHEAD_MAX_DAYS} days ahead: until then no other \
             change could be made"
        );
        return Err(Refusal::unreadable("valid_from_invalid", message));
    }
    Ok(Some(at))
}

fn no_fence(id: &str) -> Refusal {
    let message = format!("there is no fence {id:?}; GET /v1/fences lists them");
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", error.to_string()),
            EditError::Refused(refusal) => {
                let code = match refusal {
                    FenceRefusal::NotAfter { .. } => "not_after_newest",
                    FenceRefusal::BehindHotWindow { .. } => "behind_hot_window",
                };
                let earliest = time(refusal.earliest());
                let hint = earliest.map(|at| format!("; the earliest valid_from is {at}"));
                let message = format!("{refusal}{}", hint.unwrap_or_default());
                Self::new(StatusCode::CONFLICT, code, message)
            }
            EditError::Unavailable(why) => {
                let message = format!(
                    "{why}; where the change was under way it may still stand: send it again, \
                     the same fence is no new version"
                );
                Self::unavailable("not_taken_up", message).retry_after(5)
            }
        }
    }
}
