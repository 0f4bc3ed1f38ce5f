//! `GET /v1/positions` and `/v1/positions/{vehicle}`: the newest position of
//! each vehicle, as committed.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use geofence::Position;
use serde::Deserialize;
use sinks::positions::{Area, PositionStore, push_position};
use tokio::sync::Semaphore;

use super::answer::Refusal;
use super::cached::tagged;
use super::shards::need_shard_of;
use super::thread::on_thread;
use crate::intake::OwnedShards;

/// Most positions in one answer.
pub const POSITIONS_MAX: usize = 100_000;

/// Lists under way at the same time; each holds its answer in memory.
const LISTS_MAX: usize = 4;

/// How many positions matched, whatever the limit.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// The handlers' state.
pub(super) struct Positions {
    store: PositionStore,
    owned: OwnedShards,
    lists: Semaphore,
}

impl Positions {
    pub(super) fn new(store: PositionStore, owned: OwnedShards) -> Self {
        Self { store, owned, lists: Semaphore::new(LISTS_MAX) }
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
    let Query(query) = query?;
    let area = query.bbox.as_deref().map(parse_bbox).transpose()?;
    let limit = query.limit.unwrap_or(POSITIONS_MAX);
    if limit > POSITIONS_MAX {
        let message = format!("limit {limit} is above {POSITIONS_MAX}; narrow the list with bbox");
        return Err(Refusal::unreadable("limit_out_of_range", message));
    }

    let _turn = positions.lists.acquire().await.expect("nobody closes the semaphore");
    let store = positions.store.clone();
    // A million vehicles are sorted on a thread of their own.
    let (body, total) = on_thread(move || render_list(&store, area, limit)).await?;
    let mut response = tagged(&headers, "application/json", body);
    response.headers_mut().insert(TOTAL_COUNT, HeaderValue::from(total));
    Ok(response)
}

/// The first `limit` positions by vehicle id, and how many there are in all.
fn render_list(store: &PositionStore, area: Option<Area>, limit: usize) -> (Bytes, usize) {
    let listing = store.list(area, limit);
    let mut json = vec![b'['];
    for (number, live) in listing.positions.iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        push_position(&mut json, live);
    }
    json.push(b']');
    (json.into(), listing.matched)
}

/// The handler of `GET /v1/positions/{vehicle}`.
pub(super) async fn get(
    State(positions): State<Arc<Positions>>,
    vehicle_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(vehicle_id) = vehicle_id?;
    need_shard_of(&positions.owned, &vehicle_id)?;
    let live = positions.store.get(&vehicle_id).ok_or_else(|| {
        let message = format!("no position is known of vehicle {vehicle_id:?}");
        Refusal::new(StatusCode::NOT_FOUND, "vehicle_unknown", message)
    })?;
    let mut json = Vec::new();
    push_position(&mut json, &live);
    Ok(tagged(&headers, "application/json", json.into()))
}

/// Reads `west,south,east,north` in degrees, edges included; `west > east`
/// spans the 180th meridian.
fn parse_bbox(text: &str) -> Result<Area, Refusal> {
    let degrees: Result<Vec<f64>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    let area = match degrees.as_deref() {
        Ok(&[west, south, east, north]) if south <= north => {
            let corners =
                Position::from_degrees(south, west).zip(Position::from_degrees(north, east));
            corners.map(|(south_west, north_east)| Area { south_west, north_east })
        }
        _ => None,
    };
    area.ok_or_else(|| {
        let message =
            format!("bbox {text:?} is not west,south,east,north in degrees, south ≤ north");
        Refusal::unreadable("bbox_unreadable", message)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn bbox_names_its_corners_west_south_first() {
        let area = parse_bbox("179, -18,-179.5,-16").expect("in range");
        assert_eq!(area.south_west, Position { lat: -180_000_000, lon: 1_790_000_000 });
        assert_eq!(area.north_east, Position { lat: -160_000_000, lon: -1_795_000_000 });
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
        assert_eq!(parse_bbox(text).unwrap_err().code, "bbox_unreadable");
    }
}
