//! The Storage Write API to the letter, by its generated client.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use local_cloud::bigquery::proto::append_rows_request::{ArrowData, Rows};
use local_cloud::bigquery::proto::append_rows_response::Response;
use local_cloud::bigquery::proto::big_query_write_client::BigQueryWriteClient;
use local_cloud::bigquery::proto::storage_error::StorageErrorCode;
use local_cloud::bigquery::proto::write_stream::Type;
use local_cloud::bigquery::proto::{
    AppendRowsRequest, AppendRowsResponse, ArrowRecordBatch, ArrowSchema,
    BatchCommitWriteStreamsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest,
    FlushRowsRequest, GetWriteStreamRequest, StorageError, WriteStream, WriteStreamView, rpc,
};
use local_cloud::bigquery::{Call, Code, Fault, Standin};
use prost::Message;
use serde_json::json;
use support::{TABLE, batch, located, seqs, serialized, standin, within};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

type Client = BigQueryWriteClient<Channel>;

async fn client(standin: &Standin) -> Client {
    let endpoint = Channel::from_shared(standin.storage_endpoint()).unwrap();
    BigQueryWriteClient::new(endpoint.connect().await.unwrap())
}

async fn create(client: &mut Client, kind: Type) -> String {
    let write_stream = Some(WriteStream { r#type: kind.into(), ..Default::default() });
    let request = CreateWriteStreamRequest { parent: TABLE.to_owned(), write_stream };
    client.create_write_stream(request).await.unwrap().into_inner().name
}

async fn finalize(client: &mut Client, name: &str) -> Result<i64, Status> {
    let request = FinalizeWriteStreamRequest { name: name.to_owned() };
    Ok(client.finalize_write_stream(request).await?.into_inner().row_count)
}

fn request(
    stream: &str,
    rows: &RecordBatch,
    offset: Option<i64>,
    with_schema: bool,
) -> AppendRowsRequest {
    let (schema, rows) = serialized(rows);
    let data = ArrowData {
        writer_schema: with_schema.then(|| ArrowSchema { serialized_schema: schema.into() }),
        rows: Some(ArrowRecordBatch { serialized_record_batch: rows.into(), ..Default::default() }),
    };
    AppendRowsRequest {
        write_stream: stream.to_owned(),
        offset,
        rows: Some(Rows::ArrowRows(data)),
        ..Default::default()
    }
}

/// An `AppendRows` call, request by request.
struct Connection {
    requests: mpsc::Sender<AppendRowsRequest>,
    answers: Streaming<AppendRowsResponse>,
}

impl Connection {
    async fn open(client: &mut Client) -> Self {
        let (requests, stream) = mpsc::channel(8);
        let answers = client.append_rows(ReceiverStream::new(stream)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn ask(&mut self, request: AppendRowsRequest) -> Result<AppendRowsResponse, Status> {
        self.requests.send(request).await.unwrap();
        Ok(within(self.answers.message()).await?.expect("an answer to each request"))
    }
}

fn offset(answer: &AppendRowsResponse) -> Option<i64> {
    match &answer.response {
        Some(Response::AppendResult(result)) => result.offset,
        other => panic!("not appended: {other:?}"),
    }
}

fn error(answer: &AppendRowsResponse) -> (tonic::Code, StorageErrorCode) {
    match &answer.response {
        Some(Response::Error(status)) => (status.code.into(), storage_code(status)),
        other => panic!("not refused: {other:?}"),
    }
}

fn storage_code(status: &rpc::Status) -> StorageErrorCode {
    let detail = status.details.first().map(|any| StorageError::decode(&any.value[..]).unwrap());
    detail.map_or(StorageErrorCode::Unspecified, |error| error.code())
}

fn status_code(status: &Status) -> (tonic::Code, StorageErrorCode) {
    let details = rpc::Status::decode(status.details()).unwrap();
    (status.code(), storage_code(&details))
}

#[tokio::test]
async fn offsets_admit_each_row_once_and_refusals_leave_the_connection() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let mut connection = Connection::open(&mut client).await;
    let first = connection.ask(request(&stream, &batch(0..3), Some(0), true)).await.unwrap();
    assert_eq!((offset(&first), first.write_stream.as_str()), (Some(0), stream.as_str()));

    let again = connection.ask(request("", &batch(0..3), Some(0), false)).await.unwrap();
    assert_eq!(error(&again), (tonic::Code::AlreadyExists, StorageErrorCode::OffsetAlreadyExists));
    let gap = connection.ask(request("", &batch(9..10), Some(9), false)).await.unwrap();
    assert_eq!(error(&gap), (tonic::Code::OutOfRange, StorageErrorCode::OffsetOutOfRange));
    let Some(Response::Error(status)) = gap.response else { unreachable!() };
    assert!(status.message.contains("expected offset 3, received 9"), "{}", status.message);

    let next = connection.ask(request("", &batch(3..5), Some(3), false)).await.unwrap();
    assert_eq!(offset(&next), Some(3));
    let unasked = connection.ask(request("", &batch(5..6), None, false)).await.unwrap();
    assert_eq!(offset(&unasked), Some(5));
    assert_eq!(seqs(&standin, "d.pings"), (0..6).collect::<Vec<_>>());

    assert_eq!(finalize(&mut client, &stream).await.unwrap(), 6);
    assert_eq!(finalize(&mut client, &stream).await.unwrap(), 6);
    let late = connection.ask(request("", &batch(6..7), Some(6), false)).await.unwrap();
    assert_eq!(error(&late), (tonic::Code::InvalidArgument, StorageErrorCode::StreamFinalized));
    assert_eq!(standin.calls(Call::AppendRows), 6);
}

#[tokio::test]
async fn the_default_stream_takes_no_offset() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = format!("{TABLE}/streams/_default");
    let mut connection = Connection::open(&mut client).await;
    for seq in 0..3 {
        let answer = connection.ask(request(&stream, &batch([seq]), None, seq == 0)).await.unwrap();
        assert_eq!(offset(&answer), None);
    }
    let refused = connection.ask(request(&stream, &batch([3]), Some(3), false)).await.unwrap();
    assert_eq!(error(&refused).0, tonic::Code::InvalidArgument);
    assert_eq!(seqs(&standin, "d.pings"), [0, 1, 2]);
    let found = client
        .get_write_stream(GetWriteStreamRequest {
            name: stream.clone(),
            view: WriteStreamView::Full.into(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.r#type(), Type::Committed);
    let columns: Vec<_> = found.table_schema.unwrap().fields.into_iter().map(|f| f.name).collect();
    assert_eq!(columns, ["vehicle_id", "seq", "location", "note"]);
    assert_eq!(
        status_code(&finalize(&mut client, &stream).await.unwrap_err()).1,
        StorageErrorCode::InvalidStreamType
    );
}

#[tokio::test]
async fn buffered_rows_are_visible_once_flushed() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Buffered).await;
    let mut connection = Connection::open(&mut client).await;
    connection.ask(request(&stream, &batch(0..4), Some(0), true)).await.unwrap();
    connection.ask(request(&stream, &batch(4..8), Some(4), false)).await.unwrap();
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);
    let flush = |offset| FlushRowsRequest { write_stream: stream.clone(), offset: Some(offset) };
    for (to, visible) in [(4, 5), (4, 5), (2, 5), (7, 8)] {
        let answer = client.flush_rows(flush(to)).await.unwrap().into_inner();
        assert_eq!(answer.offset, to);
        assert_eq!(seqs(&standin, "d.pings"), (0..visible).collect::<Vec<_>>());
    }
    let beyond = client.flush_rows(flush(8)).await.unwrap_err();
    assert_eq!(beyond.code(), tonic::Code::OutOfRange);
}

#[tokio::test]
async fn pending_streams_are_committed_together_or_not_at_all() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let mut streams = Vec::new();
    for part in 0..2 {
        let stream = create(&mut client, Type::Pending).await;
        let mut connection = Connection::open(&mut client).await;
        let rows = batch(part * 10..part * 10 + 3);
        connection.ask(request(&stream, &rows, Some(0), true)).await.unwrap();
        streams.push(stream);
    }
    assert_eq!(finalize(&mut client, &streams[0]).await.unwrap(), 3);
    let commit = |streams: &[String]| BatchCommitWriteStreamsRequest {
        parent: TABLE.to_owned(),
        write_streams: streams.to_vec(),
    };
    let refused = client.batch_commit_write_streams(commit(&streams)).await.unwrap().into_inner();
    assert_eq!(refused.commit_time, None);
    let codes: Vec<_> = refused.stream_errors.iter().map(|e| (e.code(), &e.entity)).collect();
    assert_eq!(codes, [(StorageErrorCode::InvalidStreamState, &streams[1])]);
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);

    finalize(&mut client, &streams[1]).await.unwrap();
    let done = client.batch_commit_write_streams(commit(&streams)).await.unwrap().into_inner();
    assert!(done.commit_time.is_some() && done.stream_errors.is_empty());
    assert_eq!(seqs(&standin, "d.pings"), [0, 1, 2, 10, 11, 12]);
    let twice = client.batch_commit_write_streams(commit(&streams)).await.unwrap().into_inner();
    let codes: Vec<_> = twice.stream_errors.iter().map(StorageError::code).collect();
    assert_eq!(codes, [StorageErrorCode::StreamAlreadyCommitted; 2]);
}

#[tokio::test]
async fn a_row_that_does_not_fit_is_named_and_keeps_the_others_out() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let mut connection = Connection::open(&mut client).await;
    let bad = located(0..4, |seq| match seq {
        1 => "POINT(16 95)".to_owned(),
        3 => "nowhere".to_owned(),
        _ => "POINT(16 48)".to_owned(),
    });
    let answer = connection.ask(request(&stream, &bad, Some(0), true)).await.unwrap();
    assert_eq!(error(&answer).0, tonic::Code::InvalidArgument);
    let rows: Vec<_> = answer.row_errors.iter().map(|error| error.index).collect();
    assert_eq!(rows, [1, 3]);
    assert!(answer.row_errors[0].message.contains("'location'"), "{:?}", answer.row_errors);
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);

    standin.inject(Call::AppendRows, Fault::RowErrors(vec![0, 9]), 1).unwrap();
    let answer = connection.ask(request(&stream, &batch(0..2), Some(0), false)).await.unwrap();
    let rows: Vec<_> = answer.row_errors.iter().map(|error| error.index).collect();
    assert_eq!(rows, [0]);

    let rest = connection.ask(request(&stream, &batch([0, 2]), Some(0), false)).await.unwrap();
    assert_eq!(offset(&rest), Some(0));
    assert_eq!(seqs(&standin, "d.pings"), [0, 2]);
}

#[tokio::test]
async fn what_ends_the_call() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let missing_stream = format!("{TABLE}/streams/gone");
    let missing_table = "projects/p/datasets/d/tables/other/streams/_default".to_owned();
    use tonic::Code::{InvalidArgument, NotFound};
    for (case, request, expected) in [
        (
            "no schema",
            request(&stream, &batch(0..1), None, false),
            (InvalidArgument, StorageErrorCode::Unspecified),
        ),
        (
            "no stream",
            request("", &batch(0..1), None, true),
            (InvalidArgument, StorageErrorCode::Unspecified),
        ),
        (
            "a stream that is gone",
            request(&missing_stream, &batch(0..1), None, true),
            (NotFound, StorageErrorCode::StreamNotFound),
        ),
        (
            "a table that is missing",
            request(&missing_table, &batch(0..1), None, true),
            (NotFound, StorageErrorCode::TableNotFound),
        ),
    ] {
        let mut connection = Connection::open(&mut client).await;
        let status = connection.ask(request).await.unwrap_err();
        assert_eq!(status_code(&status), expected, "{case}: {status}");
    }
}

#[tokio::test]
async fn columns_that_the_table_does_not_have_are_refused() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let mut connection = Connection::open(&mut client).await;
    for (column, expected) in [
        ("speed", StorageErrorCode::SchemaMismatchExtraFields),
        ("vehicle_id", StorageErrorCode::Unspecified),
    ] {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![0]));
        let rows = RecordBatch::try_from_iter([(column, numbers)]).unwrap();
        let answer = connection.ask(request(&stream, &rows, None, true)).await.unwrap();
        assert_eq!(error(&answer), (tonic::Code::InvalidArgument, expected), "{column}");
    }
    let answer = connection.ask(request(&stream, &batch([0]), None, true)).await.unwrap();
    assert_eq!(offset(&answer), Some(0));
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let mut connection = Connection::open(&mut client).await;
    let huge = located(0..1, |_| format!("POLYGON(({}))", " ".repeat(10 * 1024 * 1024)));
    let answer = connection.ask(request(&stream, &huge, Some(0), true)).await.unwrap();
    let Some(Response::Error(status)) = &answer.response else { panic!("{answer:?}") };
    assert_eq!(status.code, i32::from(tonic::Code::InvalidArgument));
    assert!(status.message.contains("request too large"), "{}", status.message);
    let fits = located(0..1, |_| format!("POLYGON(({}))", " ".repeat(10 * 1024 * 1024 - 4096)));
    let answer = connection.ask(request(&stream, &fits, Some(0), false)).await.unwrap();
    assert_eq!(offset(&answer), Some(0));
}

#[tokio::test]
async fn a_changed_table_is_told_once() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    let mut connection = Connection::open(&mut client).await;
    let before = connection.ask(request(&stream, &batch([0]), None, true)).await.unwrap();
    assert_eq!(before.updated_schema, None);

    let mut fields = support::pings()["schema"]["fields"].clone();
    let added = json!({ "name": "driver", "type": "STRING", "description": "Who drove." });
    fields.as_array_mut().unwrap().push(added);
    let url = format!("{}/projects/p/datasets/d/tables/pings", standin.rest_endpoint());
    let body = json!({ "schema": { "fields": fields } }).to_string();
    let patched = tokio::task::spawn_blocking(move || {
        ureq::patch(&url).header("content-type", "application/json").send(body)
    });
    assert_eq!(patched.await.unwrap().unwrap().status(), 200);

    let told = connection.ask(request(&stream, &batch([1]), None, false)).await.unwrap();
    let columns: Vec<_> = told.updated_schema.unwrap().fields.into_iter().map(|f| f.name).collect();
    assert_eq!(columns, ["vehicle_id", "seq", "location", "note", "driver"]);
    let after = connection.ask(request(&stream, &batch([2]), None, false)).await.unwrap();
    assert_eq!(after.updated_schema, None);
    let rows = standin.rows("d.pings").unwrap();
    assert!(rows.iter().all(|batch| batch.num_columns() == 5));
    assert_eq!(seqs(&standin, "d.pings"), [0, 1, 2]);
}

#[tokio::test]
async fn faults_come_as_they_were_asked_for() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;

    standin.inject(Call::AppendRows, Fault::Answer(Code::Internal), 1).unwrap();
    standin.inject(Call::AppendRows, Fault::Status(Code::ResourceExhausted), 1).unwrap();
    let mut connection = Connection::open(&mut client).await;
    let answer = connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap();
    assert_eq!(error(&answer).0, tonic::Code::Internal);
    let ended = connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::ResourceExhausted);
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);

    standin.inject(Call::AppendRows, Fault::CutBefore, 1).unwrap();
    let mut connection = Connection::open(&mut client).await;
    connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap_err();
    assert_eq!(seqs(&standin, "d.pings"), [0i64; 0]);

    standin.inject(Call::AppendRows, Fault::CutAfter, 1).unwrap();
    let mut connection = Connection::open(&mut client).await;
    connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap_err();
    assert_eq!(seqs(&standin, "d.pings"), [0, 1]);
    let mut connection = Connection::open(&mut client).await;
    let again = connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap();
    assert_eq!(error(&again).0, tonic::Code::AlreadyExists);

    standin.inject(Call::FinalizeWriteStream, Fault::Status(Code::Unavailable), 1).unwrap();
    let failed = finalize(&mut client, &stream).await.unwrap_err();
    assert_eq!(failed.code(), tonic::Code::Unavailable);
    assert_eq!(finalize(&mut client, &stream).await.unwrap(), 2);
}

#[tokio::test]
async fn a_stream_ends_or_vanishes_behind_its_clients_back() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let stream = create(&mut client, Type::Committed).await;
    assert_eq!(standin.streams("d.pings").unwrap(), [stream.as_str()]);
    let mut connection = Connection::open(&mut client).await;
    connection.ask(request(&stream, &batch(0..2), Some(0), true)).await.unwrap();
    assert_eq!(standin.finalize_stream(&stream).unwrap(), 2);
    let late = connection.ask(request("", &batch(2..3), Some(2), false)).await.unwrap();
    assert_eq!(error(&late).1, StorageErrorCode::StreamFinalized);
    standin.drop_stream(&stream).unwrap();
    let gone = connection.ask(request("", &batch(2..3), Some(2), false)).await.unwrap_err();
    assert_eq!(status_code(&gone), (tonic::Code::NotFound, StorageErrorCode::StreamNotFound));
    assert_eq!(seqs(&standin, "d.pings"), [0, 1]);
}

#[tokio::test]
async fn stopping_ends_open_connections() {
    let standin = standin().await;
    let mut client = client(&standin).await;
    let mut connection = Connection::open(&mut client).await;
    let stream = format!("{TABLE}/streams/_default");
    connection.ask(request(&stream, &batch(0..2), None, true)).await.unwrap();
    within(standin.stop()).await;
    let ended = within(connection.answers.message()).await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::Unavailable);
}
