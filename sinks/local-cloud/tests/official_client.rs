//! Google's Rust client against the stand-in: Arrow rows on committed and
//! default streams, as the archive writes them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_bigquery::client::Write;
use google_cloud_bigquery::error::AppendError;
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};
use google_cloud_bigquery::write::CommittedWriter;
use google_cloud_bigquery::write::format::Arrow;
use google_cloud_gax::error::rpc::Code as RpcCode;
use local_cloud::bigquery::{Call, Code, Fault, Standin};
use support::{TABLE, batch, located, seqs, serialized, standin, within};

async fn client(standin: &Standin) -> Write {
    Write::builder()
        .with_endpoint(standin.storage_endpoint())
        .with_credentials(Anonymous::new().build())
        .build()
        .await
        .unwrap()
}

fn rows(batch: &arrow_array::RecordBatch) -> ArrowRecordBatch {
    ArrowRecordBatch::new().set_serialized_record_batch(serialized(batch).1)
}

fn schema() -> ArrowSchema {
    ArrowSchema::new().set_serialized_schema(serialized(&batch([])).0)
}

fn code(error: &AppendError) -> Option<RpcCode> {
    match error {
        AppendError::Rpc { source, .. } => source.status().map(|status| status.code),
        _ => None,
    }
}

#[tokio::test]
async fn a_committed_stream_survives_its_connection() {
    let standin = standin().await;
    let client = client(&standin).await;
    let writer: CommittedWriter<Arrow> =
        client.create_stream(TABLE).build_arrow(schema()).await.unwrap();
    let stream = writer.write_stream().to_owned();
    let append = |writer: &CommittedWriter<Arrow>, seqs: std::ops::Range<i64>| {
        within(writer.append(rows(&batch(seqs.clone()))).set_offset(seqs.start).send())
    };
    assert_eq!(append(&writer, 0..100).await.unwrap().offset, Some(0));
    let again = append(&writer, 0..100).await.unwrap_err();
    assert_eq!(code(&again), Some(RpcCode::AlreadyExists));
    let gap = append(&writer, 500..600).await.unwrap_err();
    assert_eq!(code(&gap), Some(RpcCode::OutOfRange));

    // The rows are taken, the answer is lost: the writer is dead, and its
    // successor learns that they are there.
    standin.inject(Call::AppendRows, Fault::CutAfter, 1).unwrap();
    append(&writer, 100..200).await.unwrap_err();
    let writer: CommittedWriter<Arrow> =
        client.attach_to_stream(&stream).build_arrow(schema()).await.unwrap();
    let known = append(&writer, 100..200).await.unwrap_err();
    assert_eq!(code(&known), Some(RpcCode::AlreadyExists));
    assert_eq!(append(&writer, 200..300).await.unwrap().offset, Some(200));
    assert_eq!(writer.finalize().await.unwrap().row_count, 300);
    assert_eq!(seqs(&standin, "d.pings"), (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_default_stream_is_retried_by_the_client() {
    let standin = standin().await;
    let client = client(&standin).await;
    let writer = client.open_default_stream(TABLE).build_arrow(schema()).await.unwrap();
    standin.inject(Call::AppendRows, Fault::Status(Code::Unavailable), 1).unwrap();
    standin.inject(Call::AppendRows, Fault::Answer(Code::Internal), 1).unwrap();
    let answer = within(writer.append(rows(&batch(0..10))).send()).await.unwrap();
    assert_eq!(answer.offset, None);
    assert_eq!(standin.calls(Call::AppendRows), 3);
    assert_eq!(seqs(&standin, "d.pings"), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn row_errors_reach_the_caller_by_index() {
    let standin = standin().await;
    let client = client(&standin).await;
    let writer = client.open_default_stream(TABLE).build_arrow(schema()).await.unwrap();
    let bad = located(0..3, |seq| format!("POINT(0 {})", seq * 90));
    let refused = within(writer.append(rows(&bad)).send()).await.unwrap_err();
    let AppendError::RowErrors { row_errors, .. } = refused else { panic!("{refused:?}") };
    let indices: Vec<_> = row_errors.iter().map(|error| error.index).collect();
    assert_eq!(indices, [2]);
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);
}

#[tokio::test]
async fn a_missing_table_is_not_found() {
    let standin = standin().await;
    let client = client(&standin).await;
    let created: Result<CommittedWriter<Arrow>, _> =
        client.create_stream("projects/p/datasets/d/tables/other").build_arrow(schema()).await;
    let error = created.expect_err("there is no such table").to_string();
    assert!(error.contains("not found"), "{error}");
}
