//! `GET /v1/explain`: why there is an event, and why there is none, read from
//! the journal like the command does it.
//!
//! Nothing of it touches a shard: the journal's objects are read on a thread
//! of their own, one question at a time, and reading ends when nobody waits
//! for the answer any more.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answer::Refusal;
use super::thread::on_thread;
use super::time::hint;
use crate::explain::{About, Failure, Question, explain, parse_event_id, parse_time};
use crate::journal::Store;

/// Questions answered at the same time: each reads a whole journal.
const QUESTIONS_MAX: usize = 1;

/// The handler's state.
pub(super) struct Explainer {
    journal: Store,
    /// A shard of this process, whose journal is there.
    own: u32,
    places: Arc<Semaphore>,
}

impl Explainer {
    pub(super) fn new(journal: Store, own: u32) -> Self {
        Self { journal, own, places: Arc::new(Semaphore::new(QUESTIONS_MAX)) }
    }
}

/// The question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    vehicle: Option<String>,
    event: Option<String>,
    fence: Option<String>,
    at: Option<String>,
}

impl ExplainQuery {
    fn question(self) -> Result<Question, Refusal> {
        let unclear = |message: String| Refusal::unreadable("question_unclear", message);
        let Some(vehicle) = self.vehicle.filter(|vehicle| !vehicle.is_empty()) else {
            return Err(unclear("name the vehicle: ?vehicle=ID".into()));
        };
        let about = match (self.event, self.fence, self.at) {
            (Some(id), None, None) => {
                let id = parse_event_id(&id).map_err(|error| unclear(format!("event: {error}")))?;
                About::Event { id }
            }
            (None, Some(id), Some(at)) => {
                let at = parse_time(&at)
                    .map_err(|error| unclear(format!("at: {error}{}", hint(&at))))?;
                About::Fence { id, at }
            }
            _ => return Err(unclear("ask about event=ID, or about fence=ID and at=TIME".into())),
        };
        Ok(Question { vehicle, about })
    }
}

/// The handler of `GET /v1/explain`.
pub(super) async fn get(
    State(explainer): State<Arc<Explainer>>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query?;
    let question = query.question()?;
    let place = Arc::clone(&explainer.places).try_acquire_owned().map_err(|_| {
        let message = "another question is being answered, one is at a time; ask again, or use \
                       `fleetstream explain`, which reads beside the worker";
        Refusal::too_many("explain_busy", message)
    })?;
    let (journal, own) = (explainer.journal.clone(), explainer.own);
    let given_up = CancellationToken::new();
    let stop = given_up.clone().drop_guard();
    let handle = Handle::current();
    let explained = on_thread(move || {
        // The place is free when the reading has ended, whoever still waits.
        let _place = place;
        handle.block_on(explain(&journal, own, &question, &given_up))
    })
    .await?;
    drop(stop);
    Ok(Json(explained?).into_response())
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound { code, message } => Self::new(StatusCode::NOT_FOUND, code, message),
            Failure::GivenUp => Self::unavailable("given_up", "nobody waited for the answer"),
            Failure::Unreadable(error) => {
                let message = format!("the journal cannot be read: {error:#}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "journal_unreadable", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn query(text: &str) -> Result<Query<ExplainQuery>, QueryRejection> {
        Query::try_from_uri(&format!("/v1/explain?{text}").parse().unwrap())
    }

    #[test]
    fn a_plus_that_became_a_blank_is_told() {
        let ask = |at: &str| {
            let Query(query) = query(&format!("vehicle=v&fence=f&at={at}")).unwrap();
            query.question()
        };
        assert!(ask("2026-03-01T12:00:00%2B01:00").is_ok());
        let refused = ask("2026-03-01T12:00:00+01:00").unwrap_err();
        assert!(refused.message.ends_with("in a URL write %2B for +"), "{}", refused.message);
        assert!(!ask("noon").unwrap_err().message.contains("%2B"));
    }

    #[tokio::test]
    async fn one_question_at_a_time() {
        let explainer = Arc::new(Explainer::new(Store::shared(Arc::new(InMemory::new())), 0));
        let ask = || async {
            let question = query("vehicle=v&fence=f&at=2026-03-01T12:00:00Z");
            get(State(Arc::clone(&explainer)), question).await.unwrap_err()
        };
        let place = Arc::clone(&explainer.places).acquire_owned().await.unwrap();
        let busy = ask().await;
        assert_eq!((busy.status, busy.code), (StatusCode::TOO_MANY_REQUESTS, "explain_busy"));
        assert_eq!(busy.retry_after_s, Some(1));
        drop(place);
        let refused = ask().await;
        assert_eq!(refused.code, "journal_unreadable");
        assert!(refused.message.contains("there is no journal here"), "{}", refused.message);
        assert_eq!(explainer.places.available_permits(), 1, "the place is free again");
    }
}
