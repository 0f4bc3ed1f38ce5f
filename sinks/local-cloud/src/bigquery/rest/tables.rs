//! `tables`: list, insert, get, patch, update, delete. Views are tables with a
//! query.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Answer, RestError, parse};
use crate::bigquery::Shared;
use crate::bigquery::name::TableName;

type TablePath = Path<(String, String, String)>;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path((project, dataset)): Path<(String, String)>,
) -> Answer {
    let warehouse = shared.warehouse();
    warehouse.dataset(&project, &dataset)?;
    let within = |name: &TableName| name.project == project && name.dataset == dataset;
    let tables: Vec<Value> = warehouse
        .tables()
        .filter(|(name, _)| within(name))
        .map(|(_, table)| table.summary())
        .collect();
    Ok(Json(json!({
        "kind": "bigquery#tableList",
        "totalItems": tables.len(),
        "tables": tables,
    })))
}

pub(super) async fn insert(
    State(shared): State<Arc<Shared>>,
    Path((project, dataset)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    let table = body["tableReference"]["tableId"].as_str().unwrap_or_default();
    let valid = |c: char| c.is_alphanumeric() || "_- ".contains(c);
    if table.is_empty() || !table.chars().all(valid) {
        return Err(RestError::invalid(format!("Invalid table ID \"{table}\".")));
    }
    let name = TableName::new(project, dataset, table);
    Ok(Json(shared.warehouse().insert_table(&name, &body)?.resource()))
}

pub(super) async fn get(State(shared): State<Arc<Shared>>, Path(path): TablePath) -> Answer {
    Ok(Json(shared.warehouse().table(&name(path))?.resource()))
}

pub(super) async fn patch(
    State(shared): State<Arc<Shared>>,
    Path(path): TablePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    change(&shared, &name(path), &headers, &body, false)
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Path(path): TablePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    change(&shared, &name(path), &headers, &body, true)
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path(path): TablePath,
) -> Result<StatusCode, RestError> {
    shared.warehouse().delete_table(&name(path))?;
    Ok(StatusCode::NO_CONTENT)
}

fn change(
    shared: &Shared,
    name: &TableName,
    headers: &HeaderMap,
    body: &Bytes,
    replace: bool,
) -> Answer {
    let body = parse(body)?;
    let etag = headers.get(IF_MATCH).and_then(|value| value.to_str().ok());
    let mut warehouse = shared.warehouse();
    Ok(Json(warehouse.change_table(name, &body, replace, etag)?.resource()))
}

fn name((project, dataset, table): (String, String, String)) -> TableName {
    TableName::new(project, dataset, table)
}
