//! `GET /v1/positions` and `/v1/positions/{vehicle}`: the newest position of
//! each vehicle, as committed.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use geofence::LivePosition;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::answer::Refusal;
use super::cached::tagged;
use super::time::rfc3339;

/// Live positions, read while a sink writes them.
pub trait PositionView: Send + Sync + 'static {
    /// The position of one vehicle; `None` if it was never seen.
    fn get(&self, vehicle_id: &str) -> Option<LivePosition>;

    /// Visits every position once, in any order.
    fn visit(&self, visitor: &mut dyn FnMut(&LivePosition));
}

/// Most positions in one answer.
pub const POSITIONS_MAX: usize = 100_000;

/// Lists under way at the same time; each holds its answer in memory.
const LISTS_MAX: usize = 4;

/// How many positions matched, whatever the limit.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// The handlers' state.
pub(super) struct Positions {
    view: Arc<dyn PositionView>,
    lists: Semaphore,
}

impl Positions {
    pub(super) fn new(view: Arc<dyn PositionView>) -> Self {
        Self { view, lists: Semaphore::new(LISTS_MAX) }
    }
}

/// One position in an answer.
#[derive(Serialize)]
struct PositionJson<'p> {
    vehicle_id: &'p str,
    event_time: String,
    lat: f64,
    lon: f64,
    accuracy_m: Option<f64>,
    heading_deg: Option<f64>,
    speed_mps: Option<f64>,
    status: &'static str,
    fences: &'p [String],
    seq: u64,
}

impl<'p> From<&'p LivePosition> for PositionJson<'p> {
    fn from(live: &'p LivePosition) -> Self {
        Self {
            vehicle_id: &live.vehicle_id,
            event_time: rfc3339(live.event_time),
            lat: live.position.lat_deg(),
            lon: live.position.lon_deg(),
            accuracy_m: live.accuracy_m,
            heading_deg: live.heading_deg,
            speed_mps: live.speed_mps,
            status: live.status.as_str(),
            fences: &live.fences,
            seq: live.seq,
        }
    }
}

/// What a list may be narrowed to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    bbox: Option<String>,
    limit: Option<usize>,
}

/// The handler of `GET /v1/positions`.
pub(super) async fn list(
    State(positions): State<Arc<Positions>>,
    query: Result<Query<ListQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(query) =
        query.map_err(|error| Refusal::unreadable("query_unreadable", error.body_text()))?;
    let bbox = query.bbox.as_deref().map(Bbox::parse).transpose()?;
    let limit = query.limit.unwrap_or(POSITIONS_MAX);
    if limit > POSITIONS_MAX {
        let message = format!("limit {limit} is above {POSITIONS_MAX}; narrow the list with bbox");
        return Err(Refusal::unreadable("limit_out_of_range", message));
    }

    let _turn = positions.lists.acquire().await.expect("nobody closes the semaphore");
    let view = Arc::clone(&positions.view);
    // A million vehicles are sorted on a thread of their own.
    let list = tokio::task::spawn_blocking(move || render_list(&*view, bbox, limit)).await;
    let (body, total) = list.map_err(|_| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "list_failed", "listing positions failed")
    })?;
    let mut response = tagged(&headers, "application/json", body);
    response.headers_mut().insert(TOTAL_COUNT, HeaderValue::from(total));
    Ok(response)
}

/// The first `limit` positions by vehicle id, and how many there are in all.
fn render_list(view: &dyn PositionView, bbox: Option<Bbox>, limit: usize) -> (Bytes, usize) {
    let mut list = Vec::new();
    view.visit(&mut |live| {
        let inside = |bbox: Bbox| bbox.contains(live.position.lat_deg(), live.position.lon_deg());
        if bbox.is_none_or(inside) {
            list.push(live.clone());
        }
    });
    let total = list.len();
    list.sort_unstable_by(|a, b| a.vehicle_id.cmp(&b.vehicle_id));
    list.truncate(limit);
    let rows: Vec<PositionJson<'_>> = list.iter().map(PositionJson::from).collect();
    (to_json(&rows), total)
}

/// The handler of `GET /v1/positions/{vehicle}`.
pub(super) async fn get(
    State(positions): State<Arc<Positions>>,
    Path(vehicle_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let live = positions.view.get(&vehicle_id).ok_or_else(|| {
        let message = format!("no position is known of vehicle {vehicle_id:?}");
        Refusal::new(StatusCode::NOT_FOUND, "vehicle_unknown", message)
    })?;
    Ok(tagged(&headers, "application/json", to_json(&PositionJson::from(&live))))
}

fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("strings, finite numbers and lists").into()
}

/// A box of degrees, edges included; `west > east` spans the 180th meridian.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bbox {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Bbox {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        let latitudes = -90.0..=90.0;
        let longitudes = -180.0..=180.0;
        match numbers.as_deref() {
            Ok(&[west, south, east, north])
                if longitudes.contains(&west)
                    && longitudes.contains(&east)
                    && latitudes.contains(&south)
                    && latitudes.contains(&north)
                    && south <= north =>
            {
                Ok(Self { west, south, east, north })
            }
            _ => Err(Refusal::unreadable(
                "bbox_unreadable",
                format!("bbox {text:?} is not west,south,east,north in degrees, south ≤ north"),
            )),
        }
    }

    fn contains(&self, lat: f64, lon: f64) -> bool {
        let in_longitude = if self.west <= self.east {
            (self.west..=self.east).contains(&lon)
        } else {
            lon >= self.west || lon <= self.east
        };
        in_longitude && (self.south..=self.north).contains(&lat)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::inside("10,50,11,51", 50.5, 10.5, true)]
    #[case::on_the_corner("10,50,11,51", 51.0, 11.0, true)]
    #[case::east_of_it("10,50,11,51", 50.5, 11.000_000_1, false)]
    #[case::spans_the_180th_from_the_west("179,-18,-179,-16", -17.0, 179.5, true)]
    #[case::spans_the_180th_from_the_east("179,-18,-179,-16", -17.0, -180.0, true)]
    #[case::behind_the_180th("179,-18,-179,-16", -17.0, 0.0, false)]
    fn bbox_contains(#[case] text: &str, #[case] lat: f64, #[case] lon: f64, #[case] inside: bool) {
        assert_eq!(Bbox::parse(text).unwrap().contains(lat, lon), inside);
    }

    #[rstest]
    #[case("")]
    #[case("1,2,3")]
    #[case("1,2,3,4,5")]
    #[case("1,2,3,x")]
    #[case("1,5,3,4")]
    #[case("1,NaN,3,4")]
    #[case("-181,0,0,1")]
    fn bbox_is_refused(#[case] text: &str) {
        assert_eq!(Bbox::parse(text).unwrap_err().code, "bbox_unreadable");
    }
}
