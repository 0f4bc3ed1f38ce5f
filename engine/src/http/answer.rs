//! Answers other than success: one JSON shape, a stable code, and what to do.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::intake::{IntakeError, NoVerdict, PauseReason};

/// A refusal, sent as `{"code": …, "message": …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Stable, for programs.
    pub(super) code: &'static str,
    /// What was wrong and what to do, for people.
    pub(super) message: String,
    /// Seconds after which the same request may be answered differently.
    pub(super) retry_after_s: Option<u32>,
    /// The fence that cannot be used.
    pub(super) fence: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_s: None, fence: None }
    }

    /// 400: the request cannot be read.
    pub(super) fn unreadable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 413: more than one request may carry.
    pub(super) fn too_large(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message)
    }

    /// 415: not a format or encoding that is read.
    pub(super) fn unsupported(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, message)
    }

    /// 429: too much at once from all clients together.
    pub(super) fn too_many(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message).retry_after(1)
    }

    /// 503: not now.
    pub(super) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Names the fence concerned.
    pub(super) fn of_fence(self, id: &str) -> Self {
        Self { fence: Some(id.to_owned()), ..self }
    }
}

impl From<PathRejection> for Refusal {
    fn from(error: PathRejection) -> Self {
        Self::unreadable("path_unreadable", error.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(error: QueryRejection) -> Self {
        Self::unreadable("query_unreadable", error.body_text())
    }
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Self {
        let message = error.to_string();
        match error {
            IntakeError::Full { .. } => Self::unavailable("queue_full", message),
            IntakeError::TooLarge { .. } => Self::too_large("batch_exceeds_queue", message),
            IntakeError::Closed { .. } => {
                Self::unavailable(PauseReason::Draining.code(), message).retry_after(5)
            }
            IntakeError::Paused(reason) => {
                let seconds = match reason {
                    PauseReason::Draining | PauseReason::CommitStuck => 5,
                    PauseReason::DiskNearlyFull => 30,
                };
                Self::unavailable(reason.code(), message).retry_after(seconds)
            }
        }
    }
}

impl From<NoVerdict> for Refusal {
    fn from(error: NoVerdict) -> Self {
        let message = format!("{error}; send the request again, duplicates are recognised");
        Self::unavailable("not_committed", message).retry_after(5)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            code: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            fence: Option<String>,
        }
        let body = Body { code: self.code, message: self.message, fence: self.fence };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
