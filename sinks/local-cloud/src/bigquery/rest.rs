//! The REST interface (v2): datasets, tables, views, queries.

mod control;
pub(crate) mod datasets;
pub(crate) mod jobs;
mod tables;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Shared;
use super::faults::{Call, Fault};
use super::warehouse::CatalogueError;

type Answer = Result<axum::Json<Value>, RestError>;

/// Every route, with and without the prefix that Google's own host has.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/projects/{project}/datasets", get(datasets::list).post(datasets::insert))
        .route(
            "/projects/{project}/datasets/{dataset}",
            get(datasets::get).delete(datasets::delete),
        )
        .route(
            "/projects/{project}/datasets/{dataset}/tables",
            get(tables::list).post(tables::insert),
        )
        .route(
            "/projects/{project}/datasets/{dataset}/tables/{table}",
            get(tables::get).patch(tables::patch).put(tables::update).delete(tables::delete),
        )
        .route("/projects/{project}/queries", post(jobs::query))
        .route("/projects/{project}/queries/{job}", get(jobs::results))
        .route("/projects/{project}/jobs", post(jobs::insert))
        .route("/projects/{project}/jobs/{job}", get(jobs::get));
    Router::new()
        .nest("/bigquery/v2", api.clone())
        .merge(api)
        .fallback(not_served)
        .layer(from_fn_with_state(shared.clone(), go_wrong))
        .nest("/standin", control::router())
        .with_state(shared)
}

/// Counts a call, makes it wait, and fails it when it is meant to.
async fn go_wrong(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match shared.begin(Call::Rest).await {
        Some(Fault::Http(status)) => RestError::injected(status).into_response(),
        _ => next.run(request).await,
    }
}

async fn not_served(method: Method, uri: Uri) -> RestError {
    RestError::new(
        StatusCode::NOT_IMPLEMENTED,
        "notImplemented",
        format!("the stand-in does not serve {method} {}", uri.path()),
    )
}

fn parse(body: &Bytes) -> Result<Value, RestError> {
    serde_json::from_slice(body)
        .map_err(|error| RestError::invalid(format!("Parse Error: {error}")))
}

/// An error, in the shape of all Google APIs of this kind.
#[derive(Debug)]
struct RestError {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

impl RestError {
    fn new(status: StatusCode, reason: &'static str, message: String) -> Self {
        Self { status, reason, message }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message.into())
    }

    fn injected(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = match status.as_u16() {
            403 => "accessDenied",
            429 => "rateLimitExceeded",
            400..500 => "invalid",
            _ => "backendError",
        };
        Self::new(status, reason, "The stand-in was told to fail.".to_owned())
    }
}

impl From<CatalogueError> for RestError {
    fn from(error: CatalogueError) -> Self {
        let (status, reason) = match &error {
            CatalogueError::NotFound(_) => (StatusCode::NOT_FOUND, "notFound"),
            CatalogueError::AlreadyExists(_) => (StatusCode::CONFLICT, "duplicate"),
            CatalogueError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            CatalogueError::EtagDiffers => (StatusCode::PRECONDITION_FAILED, "conditionNotMet"),
            CatalogueError::InUse(_) => (StatusCode::BAD_REQUEST, "resourceInUse"),
        };
        Self::new(status, reason, error.to_string())
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let Self { status, reason, message } = self;
        let name = match status.as_u16() {
            400 => "INVALID_ARGUMENT",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            412 => "FAILED_PRECONDITION",
            429 => "RESOURCE_EXHAUSTED",
            501 => "UNIMPLEMENTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let body = json!({ "error": {
            "code": status.as_u16(),
            "message": message,
            "errors": [{ "message": message, "domain": "global", "reason": reason }],
            "status": name,
        }});
        (status, axum::Json(body)).into_response()
    }
}
