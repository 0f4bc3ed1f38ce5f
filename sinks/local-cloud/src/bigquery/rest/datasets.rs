//! `datasets`: list, insert, get, delete.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, RestError, parse};
use crate::bigquery::Shared;

pub(super) async fn list(State(shared): State<Arc<Shared>>, Path(project): Path<String>) -> Answer {
    let datasets: Vec<Value> = shared.warehouse().datasets(&project).cloned().collect();
    Ok(Json(json!({ "kind": "bigquery#datasetList", "datasets": datasets })))
}

pub(super) async fn insert(
    State(shared): State<Arc<Shared>>,
    Path(project): Path<String>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    let dataset = body["datasetReference"]["datasetId"].as_str().unwrap_or_default().to_owned();
    let Value::Object(fields) = body else {
        return Err(RestError::invalid("a dataset is a JSON object"));
    };
    if dataset.is_empty() {
        return Err(RestError::invalid("Required parameter is missing: datasetId"));
    }
    let resource = resource(&project, &dataset, fields);
    let mut warehouse = shared.warehouse();
    Ok(Json(warehouse.insert_dataset(&project, &dataset, resource)?.clone()))
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((project, dataset)): Path<(String, String)>,
) -> Answer {
    Ok(Json(shared.warehouse().dataset(&project, &dataset)?.clone()))
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((project, dataset)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<StatusCode, RestError> {
    let with_tables = query.get("deleteContents").is_some_and(|value| value == "true");
    shared.warehouse().delete_dataset(&project, &dataset, with_tables)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A dataset as it is answered, with what the client set.
pub(crate) fn resource(project: &str, dataset: &str, mut fields: Map<String, Value>) -> Value {
    fields.insert("kind".into(), "bigquery#dataset".into());
    fields.insert("id".into(), format!("{project}:{dataset}").into());
    fields.insert("datasetReference".into(), json!({ "projectId": project, "datasetId": dataset }));
    fields.entry("location").or_insert("US".into());
    Value::Object(fields)
}
