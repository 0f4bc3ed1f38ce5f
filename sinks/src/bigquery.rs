//! The tables `pings` and `events` in BigQuery, through its Storage Write API.
//!
//! In [`Mode::Committed`] a shard has a stream of its own in each table, and
//! each append says at which offset of the stream its rows go. The journal
//! decides the offsets:
//!
//! - A segment's rows are cut into slices by what the segment holds alone, so
//!   that a retry, in this process or after a crash, appends the same slices
//!   at the same offsets; one that is in already is told so and passed.
//! - The cursor names the stream and the offset of the first row after
//!   `through_seq`. A stream is used once that is recorded, and not before.
//! - A stream that was finalised or lost is replaced after its rows were
//!   counted: the first rows after `through_seq` that are in already have
//!   negative offsets in the new stream, and are passed.
//! - Rows of segments that are gone with the end of a journal pass for no
//!   others: a stream that has any, where a life's first rows belong, is
//!   replaced, and they are not counted.
//! - A row that BigQuery refuses for good becomes a dead letter, and its
//!   offset is recorded as refused; then a stub takes its place, so that the
//!   rows after it keep their offsets.
//!
//! [`Mode::DefaultStream`] leaves all that to BigQuery's default stream, which
//! doubles rows wherever slices are sent again that may be in: where a
//! connection is cut, and after any other error, a refused row or a restart.

mod check;
mod dataset;
mod definition;
mod encode;
mod ensure;
mod rest;
mod service;
mod sink;
mod slices;
mod stream;
mod tables;
#[cfg(test)]
mod tests;

pub use check::CheckError;
pub use dataset::{Dataset, DatasetError, is_table_name};
pub use definition::{TABLES, TableDefinition, VIEWS, View};
pub use ensure::{Action, EnsureError, Step, ensure};
pub use rest::RestError;
pub use service::{ConnectError, Endpoints, Mode, Service, Settings};

/// Name of the pings' sink in cursors, metrics and logs.
pub const PINGS: &str = "bigquery_pings";
/// Name of the events' sink in cursors, metrics and logs.
pub const EVENTS: &str = "bigquery_events";

/// Reason of the dead letter of a ping that was taken in, and then refused by
/// BigQuery.
pub const REFUSED_PING: &str = "bigquery_refused";
/// The same of an operation on an event, which is no input: there is nobody to
/// send it to again.
pub const REFUSED_EVENT: &str = "bigquery_refused_event";
