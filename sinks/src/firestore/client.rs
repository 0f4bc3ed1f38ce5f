//! The three calls that are made of Firestore, over its own gRPC interface.

use std::collections::HashMap;
use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::batch_get_documents_response::Result as Got;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::firestore_client::FirestoreClient;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::{
    BatchGetDocumentsRequest, BatchWriteRequest, Document, ListDocumentsRequest, Write,
};
use prost_types::Timestamp;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::FirestoreError;
use crate::google::{self, Endpoint};

/// A call that takes longer has failed.
const CALL_MAX: Duration = Duration::from_secs(10);
/// What the emulator wants to hear from whom it lets do everything.
const OWNER: &str = "Bearer owner";
/// The headers by which Firestore finds the database.
const RESOURCE_PREFIX: &str = "google-cloud-resource-prefix";
const REQUEST_PARAMS: &str = "x-goog-request-params";

/// A collection of a database, and a connection to it.
#[derive(Debug)]
pub(super) struct Client {
    grpc: FirestoreClient<Channel>,
    /// None for an emulator.
    credentials: Option<Credentials>,
    /// `projects/P/databases/D`.
    database: String,
    collection: String,
    resource_prefix: AsciiMetadataValue,
    request_params: AsciiMetadataValue,
}

/// What a request says of one write.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteStatus {
    pub(super) code: Code,
    /// When the document was written, if it was.
    pub(super) update_time: Option<Timestamp>,
}

impl Client {
    /// A client of `collection` in `database` (`projects/P/databases/D`). No
    /// connection is made before the first call.
    pub(super) async fn new(
        endpoint: &Endpoint,
        database: &str,
        collection: &str,
    ) -> Result<Self, FirestoreError> {
        let credentials = match endpoint.is_local() {
            true => None,
            false => Some(google::credentials(endpoint).await?),
        };
        let channel = google::channel(endpoint).map_err(|source| FirestoreError::Address {
            address: endpoint.url().to_owned(),
            source,
        })?;
        let name = || FirestoreError::Name { name: database.to_owned() };
        let routed = routed_to(database).ok_or_else(name)?;
        Ok(Self {
            grpc: FirestoreClient::new(channel),
            credentials,
            resource_prefix: AsciiMetadataValue::try_from(database).map_err(|_| name())?,
            request_params: AsciiMetadataValue::try_from(routed).map_err(|_| name())?,
            database: database.to_owned(),
            collection: collection.to_owned(),
        })
    }

    /// The full name of the document `id`.
    pub(super) fn name(&self, id: &str) -> String {
        format!("{}/documents/{}/{id}", self.database, self.collection)
    }

    /// Whether the collection holds no document.
    pub(super) async fn is_empty(&self) -> Result<bool, Status> {
        let request = ListDocumentsRequest {
            parent: format!("{}/documents", self.database),
            collection_id: self.collection.clone(),
            page_size: 1,
            ..ListDocumentsRequest::default()
        };
        let listed = within(async {
            let request = self.request(request).await?;
            self.grpc.clone().list_documents(request).await
        })
        .await?;
        Ok(listed.into_inner().documents.is_empty())
    }

    /// The documents of `ids` that are there; those that are not are not in
    /// the answer.
    pub(super) async fn read(
        &self,
        ids: impl Iterator<Item = &str>,
    ) -> Result<HashMap<String, Document>, Status> {
        let request = BatchGetDocumentsRequest {
            database: self.database.clone(),
            documents: ids.map(|id| self.name(id)).collect(),
            ..BatchGetDocumentsRequest::default()
        };
        let prefix = self.name("");
        within(async {
            let request = self.request(request).await?;
            let mut answers = self.grpc.clone().batch_get_documents(request).await?.into_inner();
            let mut found = HashMap::new();
            while let Some(answer) = answers.message().await? {
                if let Some(Got::Found(document)) = answer.result
                    && let Some(id) = document.name.strip_prefix(&prefix)
                {
                    found.insert(id.to_owned(), document);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Makes `writes`, of a document each, independently of one another;
    /// returns what became of each, in order.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteStatus>, Status> {
        let count = writes.len();
        let request = BatchWriteRequest {
            database: self.database.clone(),
            writes,
            ..BatchWriteRequest::default()
        };
        let answer = within(async {
            let request = self.request(request).await?;
            self.grpc.clone().batch_write(request).await
        })
        .await?
        .into_inner();
        let results = answer.write_results.into_iter().map(|result| result.update_time);
        let statuses: Vec<WriteStatus> = answer
            .status
            .into_iter()
            .zip(results.chain(std::iter::repeat(None)))
            .map(|(status, update_time)| WriteStatus { code: status.code.into(), update_time })
            .collect();
        if statuses.len() == count {
            return Ok(statuses);
        }
        let told = statuses.len();
        Err(Status::internal(format!("{count} writes were asked for, and {told} answered")))
    }

    /// `message` with what Firestore wants to know of who asks for what. Waits
    /// for a token, where one is needed.
    async fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        match &self.credentials {
            None => {
                request
                    .metadata_mut()
                    .insert("authorization", AsciiMetadataValue::from_static(OWNER));
            }
            Some(credentials) => {
                *request.metadata_mut() = google::authorization(credentials).await?;
            }
        }
        request.metadata_mut().insert(RESOURCE_PREFIX, self.resource_prefix.clone());
        request.metadata_mut().insert(REQUEST_PARAMS, self.request_params.clone());
        request.set_timeout(CALL_MAX);
        Ok(request)
    }
}

/// How a request is routed to `database` (`projects/P/databases/D`): by the two
/// ids. The full name in one parameter, which other services take, leads to the
/// default database only, and Firestore refuses it for any other.
fn routed_to(database: &str) -> Option<String> {
    let (project, id) = database.strip_prefix("projects/")?.split_once("/databases/")?;
    Some(format!("project_id={}&database_id={}", percent_encoded(project), percent_encoded(id)))
}

fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// `call`, with an end to waiting for it, whatever the other side does.
async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no answer within {CALL_MAX:?}"));
    tokio::time::timeout(CALL_MAX, call).await.map_err(late)?
}

#[cfg(test)]
mod tests;
