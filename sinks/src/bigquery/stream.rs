//! One stream of a table: rows appended over a connection, and what went wrong
//! with them.

use std::time::Duration;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use google_cloud_bigquery::client::Write;
use google_cloud_bigquery::error::{AppendError, WriterBuilderError};
use google_cloud_bigquery::model::{ArrowRecordBatch, ArrowSchema};
use google_cloud_bigquery::write::format::Arrow;
use google_cloud_bigquery::write::retry_policy::RetryableErrors;
use google_cloud_bigquery::write::{AppendFuture, CommittedWriter, DefaultWriter};
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::retry_policy::RetryPolicyExt;

use super::encode;
use crate::SinkError;

/// An answer comes within this time, or the connection is taken for dead.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What kept rows out of a stream.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing: they are in it already.
    AlreadyIn,
    /// The stream takes no rows, or not at this offset.
    Unusable(String),
    /// These rows, by their index, are refused for good.
    Rows(Vec<(usize, String)>),
    /// The connection is no more; another may do.
    Ended(String),
    /// Something that passes, or that somebody can put right.
    Passing(String),
}

/// A connection to a stream.
pub(super) enum Stream {
    /// Of this shard alone; rows have offsets.
    Committed(CommittedWriter<Arrow>),
    /// The table's own, for everybody.
    Default(DefaultWriter<Arrow>),
}

/// What a stream is opened with.
pub(super) struct Opening<'a> {
    pub(super) client: &'a Write,
    /// `projects/P/datasets/D/tables/T`.
    pub(super) table: &'a str,
    /// Of the rows.
    pub(super) schema: &'a SchemaRef,
}

impl Opening<'_> {
    fn schema(&self) -> Result<ArrowSchema, Trouble> {
        let schema = encode::schema(self.schema).map_err(|e| Trouble::Passing(e.to_string()))?;
        Ok(ArrowSchema::new().set_serialized_schema(schema))
    }

    /// Makes a committed-type stream; with its name.
    pub(super) async fn create(&self) -> Result<(Stream, String), Trouble> {
        let schema = self.schema()?;
        let writer = answered(async {
            let built = self.client.create_stream(self.table).build_arrow(schema).await;
            built.map_err(|error| judge_opening(&error))
        });
        let writer: CommittedWriter<Arrow> = writer.await?;
        let name = writer.write_stream().to_owned();
        Ok((Stream::Committed(writer), name))
    }

    /// Connects to the committed-type stream `name`.
    pub(super) async fn attach(&self, name: &str) -> Result<Stream, Trouble> {
        let schema = self.schema()?;
        let writer = answered(async {
            let built = self.client.attach_to_stream(name).build_arrow(schema).await;
            built.map_err(|error| judge_opening(&error))
        });
        Ok(Stream::Committed(writer.await?))
    }

    /// Connects to the table's default stream.
    pub(super) async fn default_stream(&self) -> Result<Stream, Trouble> {
        let schema = self.schema()?;
        let writer = answered(async {
            let builder = self.client.open_default_stream(self.table);
            // Who calls tries again, and says so.
            let builder = builder.with_retry_policy(RetryableErrors.with_attempt_limit(1));
            let built = builder.with_attempt_timeout(ANSWER_MAX).build_arrow(schema).await;
            built.map_err(|error| judge_opening(&error))
        });
        Ok(Stream::Default(writer.await?))
    }
}

impl Stream {
    /// Sends rows, as [`encode::rows`] gives them, to stand at `offset`.
    pub(super) fn send(&self, rows: Bytes, offset: i64) -> AppendFuture {
        let rows = ArrowRecordBatch::new().set_serialized_record_batch(rows);
        match self {
            Self::Committed(writer) => writer.append(rows).set_offset(offset).send(),
            Self::Default(writer) => writer.append(rows).send(),
        }
    }

    /// Has the stream take no more rows; how many it has.
    pub(super) async fn finalize(&self) -> Result<Option<i64>, Trouble> {
        let Self::Committed(writer) = self else { return Ok(None) };
        let finalized = answered(async { writer.finalize().await.map_err(|e| judge(&e)) });
        Ok(Some(finalized.await?.row_count))
    }
}

/// Waits for the answer to an append.
pub(super) async fn answer(append: &mut AppendFuture) -> Result<(), Trouble> {
    answered(async { append.await.map_err(|error| judge_append(&error)) }).await?;
    Ok(())
}

async fn answered<T>(call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::time::timeout(ANSWER_MAX, call)
        .await
        .unwrap_or_else(|_| Err(Trouble::Passing(format!("no answer within {ANSWER_MAX:?}"))))
}

fn judge_append(error: &AppendError) -> Trouble {
    match error {
        AppendError::RowErrors { row_errors, .. } => {
            let rows = row_errors.iter().map(|row| {
                let index = usize::try_from(row.index).unwrap_or(usize::MAX);
                (index, row.message.clone())
            });
            Trouble::Rows(rows.collect())
        }
        AppendError::Rpc { source, .. } => match judge(source) {
            Trouble::Passing(reason) if ends_a_connection(source) => Trouble::Ended(reason),
            trouble => trouble,
        },
        other => Trouble::Ended(other.to_string()),
    }
}

/// Whether an append failed for its connection alone, as far as can be told.
fn ends_a_connection(error: &Error) -> bool {
    error.status().is_none_or(|status| {
        matches!(status.code, Code::Aborted | Code::Cancelled | Code::Unavailable)
    })
}

fn judge_opening(error: &WriterBuilderError) -> Trouble {
    match error {
        WriterBuilderError::Rpc { source, .. } => match judge(source) {
            // Of a stream, not of rows.
            Trouble::AlreadyIn => Trouble::Passing(error.to_string()),
            trouble => trouble,
        },
        WriterBuilderError::TypeMismatch { .. } => Trouble::Unusable(error.to_string()),
        other => Trouble::Passing(other.to_string()),
    }
}

fn judge(error: &Error) -> Trouble {
    let Some(status) = error.status() else { return Trouble::Passing(error.to_string()) };
    let said = || format!("{}: {}", status.code, status.message);
    match status.code {
        Code::AlreadyExists => Trouble::AlreadyIn,
        Code::OutOfRange | Code::NotFound => Trouble::Unusable(said()),
        // The client drops the detail that names the case, STREAM_FINALIZED.
        Code::InvalidArgument | Code::FailedPrecondition
            if status.message.to_ascii_lowercase().contains("finalized") =>
        {
            Trouble::Unusable(said())
        }
        _ => Trouble::Passing(said()),
    }
}

impl Trouble {
    /// As an error that asks for another try.
    pub(super) fn on(self, target: &str) -> SinkError {
        let reason = match self {
            Self::AlreadyIn => "the rows are in already".to_owned(),
            Self::Rows(rows) => format!("{} rows are refused", rows.len()),
            Self::Unusable(reason) | Self::Ended(reason) | Self::Passing(reason) => reason,
        };
        SinkError::Remote { target: target.to_owned(), source: reason.into() }
    }
}
