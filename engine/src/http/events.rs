//! `GET /v1/events`: committed events as server-sent events.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::answer::Refusal;
use super::feed::{EventFeed, FeedEvent, FeedId, FeedItem, Subscription};

/// Every kind of event there is.
pub const KINDS: [&str; 13] = [
    "geofence_enter",
    "geofence_exit",
    "geofence_cross",
    "geofence_dwell",
    "geofence_visit",
    "stationary_start",
    "stationary_end",
    "idle_start",
    "idle_end",
    "vehicle_offline",
    "vehicle_online",
    "source_stalled",
    "source_recovered",
];

/// How long a client whose stream ended waits before it comes back.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// The handler's state.
pub(super) struct EventStreams {
    feed: EventFeed,
    places: Arc<Semaphore>,
    keep_alive: Duration,
    /// Ends every stream.
    stop: CancellationToken,
}

impl EventStreams {
    pub(super) fn new(
        feed: EventFeed,
        streams_max: usize,
        keep_alive: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self { feed, places: Arc::new(Semaphore::new(streams_max)), keep_alive, stop }
    }
}

/// The parameters of a query, in its order.
pub(super) type EventsQuery = Vec<(String, String)>;

/// What a stream may be narrowed to.
const FILTERS: [&str; 3] = ["kind", "vehicle", "fence"];

/// The handler of `GET /v1/events`.
pub(super) async fn stream(
    State(streams): State<Arc<EventStreams>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(query) = query?;
    let filter = Filter::new(&query)?;
    let after = last_event_id(&headers)?;
    let place = Arc::clone(&streams.places).try_acquire_owned().map_err(|_| {
        Refusal::unavailable("too_many_streams", "no more event streams are served now")
            .retry_after(30)
    })?;
    let reader = Reader {
        subscription: streams.feed.subscribe(after),
        filter,
        stop: streams.stop.clone(),
        greeted: false,
        _place: place,
    };
    let events = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(streams.keep_alive).text("keep-alive");
    // Proxies that gather answers would hold events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response())
}

/// Browsers send it when they come back.
fn last_event_id(headers: &HeaderMap) -> Result<Option<FeedId>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    text.parse().map(Some).map_err(|error| {
        Refusal::unreadable("last_event_id_unreadable", format!("Last-Event-ID {text:?}: {error}"))
    })
}

struct Filter {
    kinds: BTreeSet<String>,
    vehicles: BTreeSet<String>,
    fences: BTreeSet<String>,
}

impl Filter {
    fn new(query: &EventsQuery) -> Result<Self, Refusal> {
        if let Some((unknown, _)) = query.iter().find(|(name, _)| !FILTERS.contains(&&**name)) {
            let message =
                format!("there is no parameter {unknown:?}; there are {}", FILTERS.join(", "));
            return Err(Refusal::unreadable("query_unreadable", message));
        }
        let [kinds, vehicles, fences] = FILTERS.map(|name| names(query, name));
        if let Some(unknown) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            let message = format!("no event is of kind {unknown:?}; kinds: {}", KINDS.join(", "));
            return Err(Refusal::unreadable("kind_unknown", message));
        }
        Ok(Self { kinds, vehicles, fences })
    }

    fn passes(&self, event: &FeedEvent) -> bool {
        let in_list =
            |list: &BTreeSet<String>, value: &str| list.is_empty() || list.contains(value);
        in_list(&self.kinds, event.kind)
            && in_list(&self.vehicles, &event.vehicle_id)
            && in_list(&self.fences, &event.fence_id)
    }
}

/// What `parameter` names. Given once it is a list separated by commas; given
/// again, each is one name as it stands, commas and all. Empty ones name
/// nothing, and where nothing is named everything passes.
fn names(query: &EventsQuery, parameter: &str) -> BTreeSet<String> {
    let given: Vec<&str> =
        query.iter().filter(|(name, _)| name == parameter).map(|(_, value)| &**value).collect();
    let names = match given[..] {
        [list] => list.split(',').map(str::trim).collect(),
        _ => given,
    };
    names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// One stream; its place is free again when it is dropped.
struct Reader {
    subscription: Subscription,
    filter: Filter,
    stop: CancellationToken,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// What to send next; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Sent at once, so that a client knows that it is connected.
            return Some(Event::default().comment("committed events").retry(RECONNECT_AFTER));
        }
        loop {
            let item = tokio::select! {
                () = self.stop.cancelled() => return None,
                item = self.subscription.next() => item,
            };
            match item {
                FeedItem::Gap => return Some(Event::default().event("gap").data(GAP)),
                FeedItem::Lagged(missed) => {
                    let data = format!("{{\"missed\":{missed}}}");
                    return Some(Event::default().event("lagged").data(data));
                }
                FeedItem::Event(event) if self.filter.passes(&event) => {
                    let id = event.id.to_string();
                    return Some(Event::default().id(id).event(event.kind).data(&event.json));
                }
                FeedItem::Event(_) => tokio::task::consume_budget().await,
            }
        }
    }
}

/// Data of the event `gap`.
const GAP: &str = "{\"message\":\"the event after Last-Event-ID is no longer in memory; events may \
be missing before the next one, the event log has them\"}";

#[cfg(test)]
mod tests {
    use protos::event_json;
    use protos::events::FleetEvent;
    use protos::events::fleet_event::Detail;

    use super::KINDS;

    #[test]
    fn kinds_are_those_that_events_have() {
        let kinds = [
            Detail::GeofenceEnter(Default::default()),
            Detail::GeofenceExit(Default::default()),
            Detail::GeofenceCross(Default::default()),
            Detail::GeofenceDwell(Default::default()),
            Detail::GeofenceVisit(Default::default()),
            Detail::StationaryStart(Default::default()),
            Detail::StationaryEnd(Default::default()),
            Detail::IdleStart(Default::default()),
            Detail::IdleEnd(Default::default()),
            Detail::VehicleOffline(Default::default()),
            Detail::VehicleOnline(Default::default()),
            Detail::SourceStalled(Default::default()),
            Detail::SourceRecovered(Default::default()),
        ];
        let kinds = kinds.map(|detail| {
            event_json::kind(&FleetEvent { detail: Some(detail), ..FleetEvent::default() })
        });
        assert_eq!(kinds, KINDS);
    }
}
