//! `/v1/vehicles/{id}/tags`: the tags of a vehicle, and their change by whoever
//! bears the token.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use geofence::TagRefusal;
use geofence::admission::check_vehicle_id;
use serde::Serialize;

use super::answer::Refusal;
use super::shards::{foreign, need_all};
use super::time::time;
use super::token::authorise;
use super::{HttpLimits, ReceiveClock, body};
use crate::intake::OwnedShards;
use crate::tags::{Tagger, TaggerError, read_tags};

/// Largest body, bytes: a vehicle's tags at their longest fit several times.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The handlers' state.
pub(super) struct Tags {
    pub(super) owned: OwnedShards,
    pub(super) tagger: Tagger,
    pub(super) clock: Arc<ReceiveClock>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) limits: HttpLimits,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
}

/// The handler of `GET /v1/vehicles/{id}/tags`.
pub(super) async fn get(
    State(state): State<Arc<Tags>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = read_id(id)?;
    let tags = state.tagger.of(&id).await?;
    Ok(Json(Answer { id, tags, changed: None, valid_from: None }).into_response())
}

/// The handler of `PUT /v1/vehicles/{id}/tags`.
pub(super) async fn put(
    State(state): State<Arc<Tags>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    need_all(&state.owned)?;
    authorise(state.token_file.as_ref(), request.headers()).await?;
    let id = read_id(id)?;
    let (parts, body) = request.into_parts();
    let encoding = body::Encoding::of(&parts.headers)?;
    let bytes = body::read(body, BODY_BYTES_MAX, state.limits.body_timeout).await?;
    let bytes = body::decompress(bytes, encoding, BODY_BYTES_MAX)?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::unreadable("body_not_json", format!("no JSON: {error}")))?;
    let tags = read_tags(&value).map_err(|problem| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "tags_invalid", problem)
    })?;
    let tagged = state.tagger.put(&id, tags.clone(), state.clock.read()).await?;
    let (changed, valid_from) = (Some(tagged.valid_from.is_some()), tagged.valid_from);
    let valid_from = valid_from.and_then(time);
    Ok(Json(Answer { id, tags, changed, valid_from }).into_response())
}

fn read_id(id: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    let Path(id) = id?;
    check_vehicle_id(&id)
        .map_err(|reject| Refusal::unreadable("vehicle_id_invalid", reject.to_string()))?;
    Ok(id)
}

impl From<TaggerError> for Refusal {
    fn from(error: TaggerError) -> Self {
        let message = error.to_string();
        let code = match error {
            TaggerError::Foreign { shard } => return foreign(shard),
            TaggerError::Busy | TaggerError::NotDurable | TaggerError::Ending => {
                let message = format!(
                    "{message}; where a change was under way it may still stand: send it again, \
                     the same tags are no change"
                );
                return Self::unavailable("not_taken_up", message).retry_after(5);
            }
            TaggerError::Refused(TagRefusal::NotAfter { .. }) => "not_after_newest",
            TaggerError::Refused(TagRefusal::BehindHotWindow { .. }) => "behind_hot_window",
            TaggerError::Refused(TagRefusal::Ahead { .. }) => "dated_ahead",
        };
        Self::new(StatusCode::CONFLICT, code, message)
    }
}
