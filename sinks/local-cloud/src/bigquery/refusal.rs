//! What the Storage Write API says when it refuses.
//!
//! A refusal travels in one of two ways: as the answer to one append, after
//! which the connection goes on, or as the status that ends the call. In both
//! it is a code, a message that closes with the entity, and, where the API has
//! a code of its own for the case, a `StorageError` in the details.

use prost::Message;
use tonic::{Code, Status};

use super::name::{StreamName, TableName};
use super::proto::storage_error::StorageErrorCode;
use super::proto::{StorageError, rpc};

const STORAGE_ERROR_URL: &str = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError";

/// A refused call or append.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: Code,
    storage: StorageErrorCode,
    entity: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            storage: StorageErrorCode::Unspecified,
            entity: String::new(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Names what was refused.
    pub(crate) fn of(mut self, entity: impl ToString) -> Self {
        self.entity = entity.to_string();
        self
    }

    pub(crate) fn with(mut self, storage: StorageErrorCode) -> Self {
        self.storage = storage;
        self
    }

    pub(crate) fn table_not_found(table: &TableName) -> Self {
        Self::new(Code::NotFound, format!("Requested entity was not found: table {table}."))
            .with(StorageErrorCode::TableNotFound)
            .of(table.resource())
    }

    pub(crate) fn stream_not_found(stream: impl ToString) -> Self {
        Self::new(Code::NotFound, "Requested entity was not found: no such stream.")
            .with(StorageErrorCode::StreamNotFound)
            .of(stream)
    }

    pub(crate) fn stream_finalized(stream: &StreamName) -> Self {
        Self::invalid("Stream has been finalized and cannot be appended.")
            .with(StorageErrorCode::StreamFinalized)
            .of(stream)
    }

    pub(crate) fn stream_type(stream: &StreamName, message: &str) -> Self {
        Self::invalid(message).with(StorageErrorCode::InvalidStreamType).of(stream)
    }

    pub(crate) fn stream_state(stream: &StreamName, message: &str) -> Self {
        Self::invalid(message).with(StorageErrorCode::InvalidStreamState).of(stream)
    }

    pub(crate) fn stream_already_committed(stream: &StreamName) -> Self {
        Self::invalid("The stream is already committed.")
            .with(StorageErrorCode::StreamAlreadyCommitted)
            .of(stream)
    }

    /// The messages that Google's clients take the two offsets from.
    pub(crate) fn offset(stream: &StreamName, expected: i64, received: i64) -> Self {
        let (code, storage, place) = if received < expected {
            (Code::AlreadyExists, StorageErrorCode::OffsetAlreadyExists, "within")
        } else {
            (Code::OutOfRange, StorageErrorCode::OffsetOutOfRange, "beyond")
        };
        let message = format!(
            "The offset is {place} stream, expected offset {expected}, received {received}"
        );
        Self::new(code, message).with(storage).of(stream)
    }

    fn full_message(&self) -> String {
        match self.entity.as_str() {
            "" => self.message.clone(),
            entity => format!("{} Entity: {entity}", self.message),
        }
    }

    /// As an item of a commit's list of errors.
    pub(crate) fn storage_error(&self) -> StorageError {
        StorageError {
            code: self.storage.into(),
            entity: self.entity.clone(),
            error_message: self.full_message(),
        }
    }

    /// As the answer to one append.
    pub(crate) fn rpc_status(&self) -> rpc::Status {
        let details = match self.storage {
            StorageErrorCode::Unspecified => vec![],
            _ => vec![prost_types::Any {
                type_url: STORAGE_ERROR_URL.to_owned(),
                value: self.storage_error().encode_to_vec(),
            }],
        };
        rpc::Status { code: self.code.into(), message: self.full_message(), details }
    }

    /// As the status that ends a call.
    pub(crate) fn status(&self) -> Status {
        let status = self.rpc_status();
        let details = status.encode_to_vec();
        Status::with_details(self.code, status.message, details.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_refused_in_the_words_that_clients_read() {
        let stream = StreamName { table: TableName::new("p", "d", "t"), id: "s1".into() };
        let status = Refusal::offset(&stream, 1, 100).rpc_status();
        assert_eq!(status.code, i32::from(Code::OutOfRange));
        assert_eq!(
            status.message,
            "The offset is beyond stream, expected offset 1, received 100 \
             Entity: projects/p/datasets/d/tables/t/streams/s1"
        );
        let error = StorageError::decode(&status.details[0].value[..]).unwrap();
        assert_eq!(error.code(), StorageErrorCode::OffsetOutOfRange);
        assert_eq!(
            Refusal::offset(&stream, 5, 0).rpc_status().code,
            i32::from(Code::AlreadyExists)
        );
    }
}
