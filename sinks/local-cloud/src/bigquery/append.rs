//! One `AppendRows` connection: requests in order, an answer to each in the
//! same order.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost_types::DescriptorProto;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::Shared;
use super::faults::{Call, Fault};
use super::name::StreamName;
use super::proto::append_rows_request::Rows;
use super::proto::append_rows_response::{AppendResult, Response};
use super::proto::{AppendRowsRequest, AppendRowsResponse, RowError};
use super::refusal::Refusal;
use super::rows::{self, Columns, check};
use super::schema::Schema;
use super::wire::Scissors;
use super::write::{Appended, stream_name};

/// Largest request the service takes, in bytes of the message.
const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What one connection remembers from request to request.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    wire: Scissors,
    destination: Option<Destination>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Destination {
    name: StreamName,
    /// The columns that the client was last told, or began with.
    schema: Arc<Schema>,
}

/// What the rows of the connection are written as.
#[derive(Debug)]
enum Writer {
    Arrow(Bytes),
    Proto(Box<DescriptorProto>),
}

/// How a request ends.
enum Reply {
    Answer(AppendRowsResponse),
    End(Status),
    /// Without a word: the wire is cut.
    Silence,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, wire: Scissors) -> Self {
        Self { shared, wire, destination: None, writer: None }
    }

    /// Serves until the client, the wire or the server ends it.
    pub(crate) async fn serve(
        mut self,
        mut requests: Streaming<AppendRowsRequest>,
        answers: mpsc::Sender<Result<AppendRowsResponse, Status>>,
    ) {
        loop {
            let request = tokio::select! {
                () = self.shared.stop.cancelled() => {
                    let _ = answers.send(Err(Status::unavailable("The server goes."))).await;
                    return;
                }
                request = requests.message() => request,
            };
            // A client that is gone needs no answer.
            let Ok(Some(request)) = request else { return };
            let answer = match self.handle(request).await {
                Reply::Answer(answer) => Ok(answer),
                Reply::End(status) => Err(status),
                Reply::Silence => {
                    self.wire.cut();
                    return;
                }
            };
            let ends = answer.is_err();
            if answers.send(answer).await.is_err() || ends {
                return;
            }
        }
    }

    async fn handle(&mut self, request: AppendRowsRequest) -> Reply {
        let fault = self.shared.begin(Call::AppendRows).await;
        match &fault {
            Some(Fault::CutBefore) => return Reply::Silence,
            Some(Fault::Status(code)) => return Reply::End(injected((*code).into()).status()),
            _ => {}
        }
        let reply = match self.take(request, fault.as_ref()) {
            Ok(answer) => Reply::Answer(answer),
            Err(refusal) => Reply::End(refusal.status()),
        };
        if fault == Some(Fault::CutAfter) { Reply::Silence } else { reply }
    }

    /// Carries out one append. An error ends the call; what only this append
    /// is refused for is in the answer.
    fn take(
        &mut self,
        request: AppendRowsRequest,
        fault: Option<&Fault>,
    ) -> Result<AppendRowsResponse, Refusal> {
        let bytes = request.encoded_len();
        let updated = self.route(&request.write_stream)?;
        let rows = request.rows.ok_or_else(|| Refusal::invalid("The request has no rows."))?;
        let Destination { name, schema } =
            self.destination.as_ref().expect("routing succeeds with a destination");
        read_writer(&mut self.writer, &rows).map_err(|refusal| refusal.of(name))?;
        // What is refused from here on leaves the connection with its stream and
        // its schema: the client tells them once.
        if let Some(Fault::Answer(code)) = fault {
            return Ok(refused(name.to_string(), &injected((*code).into())));
        }
        if bytes > REQUEST_BYTES_MAX {
            let message =
                format!("AppendRows request too large: {bytes} limit {REQUEST_BYTES_MAX}");
            return Ok(refused(name.to_string(), &Refusal::invalid(message).of(name)));
        }
        let writer = self.writer.as_ref().expect("a writer schema was read or is an error");
        let (columns, mut errors) = match decode(writer, &rows, schema) {
            Ok(decoded) => decoded,
            Err(refusal) => return Ok(refused(name.to_string(), &refusal.of(name))),
        };
        if let Some(Fault::RowErrors(rows)) = fault {
            let rows = rows.iter().map(|row| *row as usize).filter(|row| *row < columns.rows);
            let message = "refused because the stand-in was told to";
            errors.extend(rows.map(|row| check::row_error(row, message.to_owned())));
        }
        let rows = checked(columns, errors, schema);
        let appended = self.shared.warehouse().append(name, rows, request.offset);
        let answer = match appended {
            Ok(Appended::Rows(offset)) => AppendRowsResponse {
                updated_schema: None,
                row_errors: vec![],
                write_stream: name.to_string(),
                response: Some(Response::AppendResult(AppendResult { offset })),
            },
            Ok(Appended::RowErrors(row_errors)) => {
                let refusal = Refusal::invalid(
                    "Errors found while processing rows. Please refer to the row_errors field \
                     for details. The list may not be complete because of the size limitations.",
                );
                AppendRowsResponse { row_errors, ..refused(name.to_string(), &refusal.of(name)) }
            }
            Err(refusal) => refused(name.to_string(), &refusal),
        };
        let updated_schema = updated.then(|| schema.to_write());
        Ok(AppendRowsResponse { updated_schema, ..answer })
    }

    /// Settles where the rows go. `true` when the client knows the table by
    /// older columns.
    fn route(&mut self, stream: &str) -> Result<bool, Refusal> {
        let name = match (&self.destination, stream) {
            (None, "") => {
                return Err(Refusal::invalid("The first request must name its write stream."));
            }
            (Some(destination), "") => destination.name.clone(),
            (_, stream) => stream_name(stream)?,
        };
        let schema = self.shared.warehouse().destination(&name)?;
        let (moved, updated) = match &self.destination {
            None => (true, false),
            Some(before) if before.name != name => {
                if !(before.name.is_default() && name.is_default()) {
                    let message = "Only default streams can share a connection.";
                    return Err(Refusal::invalid(message).of(&name));
                }
                (true, false)
            }
            Some(before) => (false, !Arc::ptr_eq(&before.schema, &schema)),
        };
        if moved {
            self.writer = None;
        }
        self.destination = Some(Destination { name, schema });
        Ok(updated)
    }
}

/// Takes over the writer schema of a request that has one; the first has.
fn read_writer(writer: &mut Option<Writer>, rows: &Rows) -> Result<(), Refusal> {
    let given = match rows {
        Rows::ArrowRows(data) => {
            let given = data.writer_schema.as_ref().map(|given| &given.serialized_schema);
            given.filter(|bytes| !bytes.is_empty()).map(|bytes| Writer::Arrow(bytes.clone()))
        }
        Rows::ProtoRows(data) => {
            let given =
                data.writer_schema.as_ref().and_then(|given| given.proto_descriptor.clone());
            given.map(|descriptor| Writer::Proto(Box::new(descriptor)))
        }
    };
    match (given, &writer) {
        (None, Some(_)) => Ok(()),
        (None, None) => {
            Err(Refusal::invalid("The first request of a connection must have a writer schema."))
        }
        (given, _) => {
            *writer = given;
            Ok(())
        }
    }
}

fn decode(
    writer: &Writer,
    rows: &Rows,
    schema: &Schema,
) -> Result<(Columns, Vec<RowError>), Refusal> {
    match (writer, rows) {
        (Writer::Arrow(written), Rows::ArrowRows(data)) => {
            let batch = data.rows.as_ref().map(|rows| rows.serialized_record_batch.clone());
            let columns = rows::arrow::decode(written, &batch.unwrap_or_default(), schema)?;
            Ok((columns, vec![]))
        }
        (Writer::Proto(descriptor), Rows::ProtoRows(data)) => {
            let reader = rows::proto::Reader::new(descriptor, schema)?;
            let rows = data.rows.as_ref().map_or(&[][..], |rows| &rows.serialized_rows);
            Ok(reader.decode(rows, schema))
        }
        _ => Err(Refusal::invalid("The rows are in another format than those before them.")),
    }
}

/// The rows as they are kept, or what is wrong with each that does not fit.
fn checked(
    columns: Columns,
    mut errors: Vec<RowError>,
    schema: &Schema,
) -> Result<arrow_array::RecordBatch, Vec<RowError>> {
    let unread: Vec<i64> = errors.iter().map(|error| error.index).collect();
    let unfit = check::rows(&columns, schema).into_iter();
    errors.extend(unfit.filter(|error| !unread.contains(&error.index)));
    if errors.is_empty() {
        return Ok(columns.into_batch(schema));
    }
    errors.sort_by_key(|error| error.index);
    errors.dedup_by_key(|error| error.index);
    Err(errors)
}

fn refused(write_stream: String, refusal: &Refusal) -> AppendRowsResponse {
    AppendRowsResponse {
        updated_schema: None,
        row_errors: vec![],
        write_stream,
        response: Some(Response::Error(refusal.rpc_status())),
    }
}

pub(crate) fn injected(code: Code) -> Refusal {
    Refusal::new(code, "The stand-in was told to fail.")
}
