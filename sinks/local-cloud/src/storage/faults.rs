//! What goes wrong on request: refusals, delays, lost answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::stream;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answered with this status; nothing is done.
    Refused(u16),
    /// Done and answered, but not before this time has passed.
    Slow(Duration),
    /// Done, and answered 503 all the same: a client that tries again meets
    /// its own work.
    AnswerLost,
    /// Done, and the connection is cut in the middle of the answer's body.
    Cut,
}

/// Which requests meet what.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Requests of this method only.
    pub method: Method,
    /// Requests whose path, percent-decoded as far as slashes go, contains
    /// this.
    pub path: String,
    /// So many of them.
    pub times: u32,
    /// What they meet.
    pub trouble: Trouble,
}

/// The faults to come; clones are handles on the same ones.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Adds a fault; of several that fit a request, the oldest counts.
    pub fn add(&self, fault: Fault) {
        self.with(|faults| faults.push(fault));
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.with(Vec::clear);
    }

    /// Requests that are still to meet something.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.with(|faults| faults.iter().map(|fault| fault.times).sum())
    }

    fn take(&self, method: &Method, path: &str) -> Option<Trouble> {
        self.with(|faults| {
            let fits = |fault: &&mut Fault| {
                fault.times > 0 && fault.method == *method && path.contains(&fault.path)
            };
            let fault = faults.iter_mut().find(fits)?;
            fault.times -= 1;
            Some(fault.trouble.clone())
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Fault>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets a request meet the fault that is meant for it.
pub(super) async fn trouble(
    State(faults): State<Faults>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().replace("%2F", "/").replace("%2D", "-");
    match faults.take(request.method(), &path) {
        None => next.run(request).await,
        Some(Trouble::Refused(status)) => refusal(status),
        Some(Trouble::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            next.run(request).await
        }
        Some(Trouble::AnswerLost) => {
            next.run(request).await;
            refusal(503)
        }
        Some(Trouble::Cut) => cut(next.run(request).await).await,
    }
}

fn refusal(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, "injected by a test").into_response()
}

/// The answer up to the middle of its body, then an error instead of the rest.
async fn cut(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else { return refusal(500) };
    let half = whole.slice(..whole.len() / 2);
    let rest = Err(std::io::Error::other("cut by a test"));
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half), rest])))
}
