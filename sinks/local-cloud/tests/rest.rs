//! Tables, views and queries by `gcp-bigquery-client`, as `bigquery ensure`
//! uses them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::error::BQError;
use gcp_bigquery_client::model::clustering::Clustering;
use gcp_bigquery_client::model::dataset::Dataset;
use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::get_query_results_parameters::GetQueryResultsParameters;
use gcp_bigquery_client::model::query_request::QueryRequest;
use gcp_bigquery_client::model::query_response::ResultSet;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_row::TableRow;
use gcp_bigquery_client::model::table_schema::TableSchema;
use gcp_bigquery_client::model::time_partitioning::TimePartitioning;
use gcp_bigquery_client::model::view_definition::ViewDefinition;
use gcp_bigquery_client::table::ListOptions;
use gcp_bigquery_client::{Client, client_builder::ClientBuilder};
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_bigquery::client::Write;
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};
use local_cloud::bigquery::{Call, Fault, Options, Standin, TableName};
use serde_json::json;
use support::{TABLE, batch, serialized, within};

#[derive(Clone)]
struct Anybody;

#[async_trait]
impl Authenticator for Anybody {
    async fn access_token(&self) -> Result<String, BQError> {
        Ok("none".to_owned())
    }
}

async fn client(standin: &Standin) -> Client {
    ClientBuilder::new()
        .with_v2_base_url(format!("{}/bigquery/v2", standin.rest_endpoint()))
        .with_client(reqwest_0_12::Client::new())
        .build_from_authenticator(Arc::new(Anybody))
        .await
        .unwrap()
}

fn pings() -> Table {
    let required = |name: &str, kind| TableFieldSchema {
        mode: Some("REQUIRED".to_owned()),
        ..TableFieldSchema::new(name, kind)
    };
    let schema = TableSchema::new(vec![
        required("vehicle_id", FieldType::String),
        required("seq", FieldType::Int64),
        required("day", FieldType::Date),
        TableFieldSchema::new("location", FieldType::Geography),
    ]);
    Table::new("p", "d", "pings", schema)
        .time_partitioning(TimePartitioning::per_day().field("day"))
        .clustering(Clustering { fields: Some(vec!["vehicle_id".to_owned()]) })
        .description("Pings.")
}

/// Appends rows that fit to `d.pings`, by its default stream.
async fn append(standin: &Standin, seqs: std::ops::Range<i64>) {
    let client = Write::builder()
        .with_endpoint(standin.storage_endpoint())
        .with_credentials(Anonymous::new().build())
        .build()
        .await
        .unwrap();
    let (schema, rows) = serialized(&batch(seqs));
    let schema = ArrowSchema::new().set_serialized_schema(schema);
    let writer = client.open_default_stream(TABLE).build_arrow(schema).await.unwrap();
    let rows = ArrowRecordBatch::new().set_serialized_record_batch(rows);
    within(writer.append(rows).send()).await.unwrap();
}

fn status(error: BQError) -> i64 {
    match error {
        BQError::ResponseError { error } => error.error.code,
        other => panic!("not an answer: {other}"),
    }
}

#[tokio::test]
async fn tables_and_views_are_made_changed_and_listed() {
    let standin = Standin::start(Options::default()).await.unwrap();
    let client = client(&standin).await;
    let tables = client.table();
    assert_eq!(status(client.dataset().get("p", "d").await.unwrap_err()), 404);
    assert_eq!(status(tables.create(pings()).await.unwrap_err()), 404);
    client.dataset().create(Dataset::new("p", "d")).await.unwrap();
    assert_eq!(status(tables.get("p", "d", "pings", None).await.unwrap_err()), 404);
    tables.create(pings()).await.unwrap();
    assert_eq!(status(tables.create(pings()).await.unwrap_err()), 409);

    let mut table = tables.get("p", "d", "pings", None).await.unwrap();
    assert_eq!(table.r#type.as_deref(), Some("TABLE"));
    assert_eq!(table.time_partitioning.as_ref().unwrap().field.as_deref(), Some("day"));
    assert_eq!(table.description.as_deref(), Some("Pings."));
    let fields = table.schema.fields.as_mut().unwrap();
    assert!(matches!(fields[1].r#type, FieldType::Integer), "{:?}", fields[1]);
    fields.push(TableFieldSchema::new("note", FieldType::String));
    let patched = tables.patch("p", "d", "pings", table.clone()).await.unwrap();
    assert_eq!(patched.schema.field_count(), 5);

    let fields = table.schema.fields.as_mut().unwrap();
    fields[1].r#type = FieldType::String;
    assert_eq!(status(tables.patch("p", "d", "pings", table).await.unwrap_err()), 400);

    let view = |name: &str, query: &str| {
        Table::new("p", "d", name, TableSchema { fields: None }).view(ViewDefinition {
            query: query.to_owned(),
            use_legacy_sql: Some(false),
            ..Default::default()
        })
    };
    let missing = tables.create(view("v", "SELECT 1 FROM `p.d.ping`")).await.unwrap_err();
    assert_eq!(status(missing), 404);
    tables.create(view("v", "SELECT 1 FROM `p.d.pings`")).await.unwrap();
    tables.patch("p", "d", "v", view("v", "SELECT 2 FROM `p.d.pings`")).await.unwrap();
    let found = tables.get("p", "d", "v", None).await.unwrap();
    assert_eq!(found.view.unwrap().query, "SELECT 2 FROM `p.d.pings`");
    let listed = tables.list("p", "d", ListOptions::default()).await.unwrap();
    let listed: Vec<_> = listed.tables.unwrap().into_iter().map(|t| t.r#type.unwrap()).collect();
    assert_eq!(listed, ["TABLE", "VIEW"]);
    tables.delete("p", "d", "v").await.unwrap();
    assert_eq!(status(tables.get("p", "d", "v", None).await.unwrap_err()), 404);
}

#[tokio::test]
async fn tables_that_cannot_be_are_refused() {
    let standin = Standin::start(Options::default()).await.unwrap();
    standin.create_dataset("p", "d").unwrap();
    let columns = json!([{ "name": "a", "type": "STRING" }, { "name": "b", "type": "FLOAT" }]);
    for (case, table) in [
        ("an unknown type", json!({ "schema": { "fields": [{ "name": "a", "type": "INT" }] } })),
        ("a record", json!({ "schema": { "fields": [{ "name": "a", "type": "RECORD" }] } })),
        ("a column twice", json!({ "schema": { "fields": [columns[0], columns[0]] } })),
        (
            "partitions by text",
            json!({ "schema": { "fields": columns }, "timePartitioning": { "field": "a" } }),
        ),
        (
            "partitions by nothing",
            json!({ "schema": { "fields": columns }, "timePartitioning": { "field": "x" } }),
        ),
        (
            "clusters by floats",
            json!({ "schema": { "fields": columns }, "clustering": { "fields": ["b"] } }),
        ),
        ("a view with columns", json!({ "schema": { "fields": columns }, "view": {} })),
    ] {
        let refused = standin.create_table(&TableName::new("p", "d", "t"), &table);
        assert!(refused.is_err(), "{case}");
    }
}

#[tokio::test]
async fn queries_count_what_is_visible() {
    let standin = support::standin().await;
    append(&standin, 0..1_000).await;
    let client = client(&standin).await;
    let ask = async |sql: &str| -> Result<ResultSet, BQError> {
        let answer = client.job().query("p", QueryRequest::new(sql)).await?;
        Ok(ResultSet::new_from_query_response(answer))
    };
    let mut answer =
        ask("SELECT COUNT(*) AS n, MAX(seq) AS top, COUNT(DISTINCT vehicle_id) AS vehicles \
         FROM `p.d.pings` WHERE seq >= 100 AND vehicle_id != 'bus-0'")
        .await
        .unwrap();
    assert!(answer.next_row());
    let column = |name: &str| answer.get_i64_by_name(name).unwrap();
    assert_eq!((column("n"), column("top"), column("vehicles")), (Some(772), Some(999), Some(6)));
    let mut none = ask("SELECT COUNT(*), MAX(seq) FROM d.pings WHERE seq > 5000").await.unwrap();
    assert!(none.next_row());
    assert_eq!((none.get_i64(0).unwrap(), none.get_i64(1).unwrap()), (Some(0), None));
    for (sql, expected) in [
        ("SELECT vehicle_id, COUNT(*) FROM d.pings", 400),
        ("SELECT MIN(location) FROM d.pings", 400),
        ("SELECT seq FROM d.pings WHERE location = 'POINT(16.37 48.21)'", 400),
        ("SELECT COUNT(*) FROM d.pings WHERE seq = 'x'", 400),
        ("SELECT COUNT(*) FROM d.pings WHERE speed = 1", 400),
        ("SELECT COUNT(*) FROM d.other", 404),
    ] {
        assert_eq!(status(ask(sql).await.unwrap_err()), expected, "{sql}");
    }
}

#[tokio::test]
async fn rows_come_page_by_page() {
    let standin = support::standin().await;
    append(&standin, 0..1_000).await;
    let client = client(&standin).await;
    let sql = "SELECT seq, vehicle_id AS v, location FROM d.pings WHERE seq >= 10";
    let mut request = QueryRequest::new(sql);
    request.max_results = Some(400);
    let first = client.job().query("p", request).await.unwrap();
    assert_eq!(first.total_rows.as_deref(), Some("990"));
    let job = first.job_reference.as_ref().and_then(|job| job.job_id.clone()).unwrap();
    let seqs = |rows: Option<Vec<TableRow>>| -> Vec<i64> {
        let rows = rows.unwrap_or_default().into_iter();
        let seq = |row: TableRow| {
            let columns = row.columns.unwrap();
            let text = |column: usize| columns[column].value.as_ref().unwrap().as_str().unwrap();
            assert_eq!(text(2), "POINT(16.37 48.21)");
            text(0).parse().unwrap()
        };
        rows.map(seq).collect()
    };
    let (mut found, mut token) = (seqs(first.rows), first.page_token);
    while let Some(page_token) = token {
        assert!(found.len().is_multiple_of(400));
        let parameters = GetQueryResultsParameters {
            page_token: Some(page_token),
            max_results: Some(400),
            ..GetQueryResultsParameters::default()
        };
        let page = client.job().get_query_results("p", &job, parameters).await.unwrap();
        found.extend(seqs(page.rows));
        token = page.page_token;
    }
    assert_eq!(found, (10..1_000).collect::<Vec<_>>());
    let past = GetQueryResultsParameters {
        page_token: Some("990".to_owned()),
        ..GetQueryResultsParameters::default()
    };
    assert_eq!(status(client.job().get_query_results("p", &job, past).await.unwrap_err()), 400);
}

#[tokio::test]
async fn rest_fails_and_waits_on_request() {
    let standin = support::standin().await;
    let client = client(&standin).await;
    let get = || client.table().get("p", "d", "pings", None);
    standin.inject(Call::Rest, Fault::Http(429), 1).unwrap();
    standin.inject(Call::Rest, Fault::Http(503), 2).unwrap();
    for expected in [429, 503, 503] {
        assert_eq!(status(get().await.unwrap_err()), expected);
    }
    get().await.unwrap();
    standin.delay(Call::Rest, Duration::from_millis(150));
    let started = std::time::Instant::now();
    get().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(150));
    standin.inject(Call::Rest, Fault::Http(500), 5).unwrap();
    standin.clear_faults();
    get().await.unwrap();
    assert_eq!(standin.calls(Call::Rest), 6);
}
