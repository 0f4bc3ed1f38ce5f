//! What a test in another process asks of the stand-in, as JSON:
//!
//! ```text
//! POST   /standin/faults            {"call": "append_rows", "fault": {"status": "UNAVAILABLE"}, "times": 3}
//!                                   faults: {"status": CODE} {"answer": CODE} {"row_errors": [0, 7]}
//!                                   "cut_before" "cut_after" {"http": 429}
//! POST   /standin/delays            {"call": "rest", "milliseconds": 2000}
//! DELETE /standin/faults            no more faults and delays
//! POST   /standin/streams/finalize  {"stream": "projects/…/streams/…"}
//! POST   /standin/streams/drop      {"stream": "projects/…/streams/…"}
//! GET    /standin/tables            rows and streams of each table
//! POST   /standin/parquet           writes the output directory
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Answer, RestError};
use crate::bigquery::faults::{Call, Fault};
use crate::bigquery::refusal::Refusal;
use crate::bigquery::{Shared, export};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Injection {
    call: Call,
    fault: Fault,
    #[serde(default = "once")]
    times: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    call: Call,
    milliseconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    stream: String,
}

fn once() -> u32 {
    1
}

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/faults", post(inject).delete(clear))
        .route("/delays", post(delay))
        .route("/streams/finalize", post(finalize))
        .route("/streams/drop", post(drop_stream))
        .route("/tables", get(tables))
        .route("/parquet", post(parquet))
}

async fn inject(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let Injection { call, fault, times } = read(&body)?;
    let injected = shared.faults().inject(call, fault, times);
    injected.map_err(|misfit| RestError::invalid(misfit.to_string()))?;
    Ok(Json(json!({})))
}

async fn clear(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.faults().clear();
    Json(json!({}))
}

async fn delay(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let Delay { call, milliseconds } = read(&body)?;
    shared.faults().delay(call, Duration::from_millis(milliseconds));
    Ok(Json(json!({})))
}

async fn finalize(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let Stream { stream } = read(&body)?;
    let rows = shared.warehouse().finalize_stream(&stream).map_err(refused)?;
    Ok(Json(json!({ "rows": rows })))
}

async fn drop_stream(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let Stream { stream } = read(&body)?;
    shared.warehouse().drop_stream(&stream).map_err(refused)?;
    Ok(Json(json!({})))
}

async fn tables(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let warehouse = shared.warehouse();
    let tables = warehouse.tables().map(|(name, table)| {
        let streams = table.streams.iter().map(|(id, stream)| {
            json!({
                "stream": format!("{}/streams/{id}", name.resource()),
                "type": stream.kind.as_str_name(),
                "rows": stream.rows,
                "visible": stream.visible_to(),
                "finalized": stream.finalized,
            })
        });
        json!({
            "table": name.to_string(),
            "rows": table.rows.rows(),
            "streams": streams.collect::<Vec<_>>(),
        })
    });
    Json(json!({ "tables": tables.collect::<Vec<_>>() }))
}

async fn parquet(State(shared): State<Arc<Shared>>) -> Answer {
    let directory = shared.out.as_ref();
    let directory = directory.ok_or_else(|| {
        RestError::invalid("the stand-in was started without an output directory")
    })?;
    let files = export::parquet(&shared.warehouse(), directory)
        .map_err(|error| RestError::invalid(format!("cannot write Parquet: {error}")))?;
    Ok(Json(json!({ "files": files })))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, RestError> {
    serde_json::from_slice(body).map_err(|error| RestError::invalid(error.to_string()))
}

fn refused(refusal: Refusal) -> RestError {
    RestError::invalid(refusal.status().message())
}
