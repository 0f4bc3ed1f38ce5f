//! Which request goes where, and what every answer has in common.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, http};
use bytes::Bytes;
use sinks::positions::PositionStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use super::answer::Refusal;
use super::events::{self, EventStreams};
use super::explain::{self, Explainer};
use super::feed::EventFeed;
use super::fences::{self, Fences};
use super::health::{self, Health, RECOVERING, RECOVERING_MESSAGE, Readiness, livez, readyz};
use super::ingest::{Ingest, Ingestion, post_pings};
use super::positions::{self, Positions};
use super::tags::{self, Tags};
use super::unread::read_rest;
use super::{HttpLimits, map};
use crate::fences::Editor;
use crate::journal::Store;
use crate::metrics;
use crate::tags::Tagger;

/// Renders the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the routes need of the rest of the process.
#[derive(Clone)]
pub struct Services {
    /// For `POST /v1/pings`.
    pub ingest: Ingest,
    /// For `GET /v1/positions`.
    pub positions: PositionStore,
    /// For `GET /v1/events`.
    pub events: EventFeed,
    /// For `GET /v1/explain`: where the journals are, to be read.
    pub journal: Store,
    /// For `GET /v1/fences`: the newest set as GeoJSON.
    pub fences: watch::Receiver<Bytes>,
    /// For single fences and their change.
    pub fence_editor: Editor,
    /// For the tags of vehicles and their change.
    pub tagger: Tagger,
    /// File with the token that lets its bearer change fences and tags; without
    /// one nobody can.
    pub token_file: Option<PathBuf>,
    /// For `/readyz`.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: RenderMetrics,
}

/// All routes. Cancelling `stop` ends the event streams.
pub(super) fn routes(services: Services, limits: &HttpLimits, stop: CancellationToken) -> Router {
    let intake = services.ingest.intake.clone();
    let owned = intake.owned().clone();
    let readiness = Arc::new(Readiness { health: services.health, intake });
    let tags = Arc::new(Tags {
        owned: owned.clone(),
        tagger: services.tagger,
        clock: Arc::clone(&services.ingest.clock),
        token_file: services.token_file.clone(),
        limits: limits.clone(),
    });
    let ingestion = Arc::new(Ingestion::new(services.ingest, limits.clone()));
    let positions = Arc::new(Positions::new(services.positions, owned.clone()));
    let (streams_max, keep_alive) = (limits.event_streams_max, limits.keep_alive);
    let streams = Arc::new(EventStreams::new(services.events, streams_max, keep_alive, stop));
    let explainer = Arc::new(Explainer::new(services.journal, owned.numbers()[0]));
    let fences = Arc::new(Fences {
        owned,
        editor: services.fence_editor,
        token_file: services.token_file,
        limits: limits.clone(),
    });
    let one_fence = get(fences::get).put(fences::put).delete(fences::delete);
    let router = Router::new()
        .route("/v1/pings", post(post_pings).with_state(ingestion))
        .route("/v1/positions", get(positions::list).with_state(Arc::clone(&positions)))
        .route("/v1/positions/{vehicle}", get(positions::get).with_state(positions))
        .route("/v1/events", get(events::stream).with_state(streams))
        .route("/v1/explain", get(explain::get).with_state(explainer))
        .route("/v1/fences", get(fences::list).with_state(services.fences))
        .route("/v1/fences/{id}", one_fence.with_state(Arc::clone(&fences)))
        .route("/v1/fences/{id}/versions", get(fences::versions).with_state(fences))
        .route("/v1/vehicles/{id}/tags", get(tags::get).put(tags::put).with_state(tags))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render_metrics).with_state(services.metrics))
        .route("/", get(map::page))
        .route("/map.js", get(map::script))
        .route("/map.css", get(map::style))
        .route("/icon.svg", get(map::icon))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    with_common(router, limits)
}

/// What is answered while the worker stands by or recovers: that it lives, and
/// that it takes nothing yet.
pub(super) fn while_recovering(limits: &HttpLimits) -> Router {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(health::recovering))
        .fallback(recovering);
    with_common(router, limits)
}

fn with_common(router: Router, limits: &HttpLimits) -> Router {
    router
        .layer(from_fn(read_rest))
        .layer(from_fn_with_state(limits.answer_timeout, answer_in_time))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn(count_and_guard))
}

async fn render_metrics(State(render): State<RenderMetrics>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
}

async fn recovering() -> Refusal {
    Refusal::unavailable(RECOVERING, RECOVERING_MESSAGE)
}

async fn method_not_allowed(method: http::Method, uri: http::Uri) -> Refusal {
    let message = format!("{} does not take {method}", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

async fn not_found(uri: http::Uri) -> Refusal {
    let message = format!("there is nothing at {}", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// Bounds the time to an answer's head; streams go on after it.
async fn answer_in_time(
    State(timeout): State<Duration>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let what_to_do = match *request.method() {
        http::Method::POST => {
            "pings that were sent may still become durable: send them again, duplicates are \
             recognised"
        }
        http::Method::PUT | http::Method::DELETE => {
            "the change may still be made: send it again, what is so already is no change"
        }
        _ => "ask again, or for less at a time",
    };
    tokio::time::timeout(timeout, next.run(request)).await.map_err(|_| {
        Refusal::unavailable("timed_out", format!("no answer within {timeout:?}; {what_to_do}"))
    })
}

/// A bug in one request must not take others with it. The panic hook has
/// logged it; clients are not told what it said.
fn answer_panic(_panic: Box<dyn Any + Send>) -> Response {
    let message = "the request hit a bug; the log of the worker has the details";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).into_response()
}

/// Counts every request by route, and sets the headers every answer has.
async fn count_and_guard(request: Request, next: Next) -> Response {
    // By route and never by path: paths hold vehicle ids.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    let start = Instant::now();
    let mut response = next.run(request).await;
    let status = response.status();
    let labels = [route, status.as_str()];
    metrics::HTTP_REQUESTS.counter(&labels).increment(1);
    metrics::HTTP_ANSWER.histogram(&labels).record(start.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn never() {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_too_late_says_what_to_do_about_it() {
        let limit = from_fn_with_state(Duration::from_secs(30), answer_in_time);
        let router = Router::new().route("/", get(never).put(never).post(never)).layer(limit);
        let service = TowerToHyperService::new(router);
        for (method, hint) in
            [("POST", "pings that were sent"), ("PUT", "the change may"), ("GET", "ask again")]
        {
            let request = Request::builder().method(method).body(Body::empty()).unwrap();
            let answer = service.call(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{method}");
            let body = to_bytes(answer.into_body(), 1024).await.unwrap();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(body.contains("timed_out") && body.contains(hint), "{method}: {body}");
        }
    }
}
