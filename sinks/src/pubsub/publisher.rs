//! The call that publishes, over Pub/Sub's own gRPC interface.
//!
//! Google's client takes messages one at a time, through a task of each
//! ordering key, as maps of strings that it copies for every attempt; it was a
//! third of what a ping cost. What is published here is known by the segment,
//! in requests that are encoded once.

use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use google_cloud_auth::credentials::Credentials;
use prost::Message as _;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::wire::{self, PublishResponse};
use crate::google::{self, Failure};

/// A request is tried for this long before it counts as failed, and is then
/// tried again by whoever asked for it.
const PUBLISH_MAX: Duration = Duration::from_secs(20);
const METHOD: &str = "/google.pubsub.v1.Publisher/Publish";
/// The header by which Pub/Sub finds the topic.
const REQUEST_PARAMS: &str = "x-goog-request-params";

/// A topic, and a connection to it.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    grpc: Grpc<Channel>,
    credentials: Credentials,
    /// The field of each request that names the topic.
    topic: Bytes,
    request_params: AsciiMetadataValue,
}

impl Publisher {
    /// To `topic`, a full name. One that cannot stand in a header is no topic's,
    /// and Pub/Sub says so without the header, too.
    pub(super) fn new(channel: Channel, credentials: Credentials, topic: &str) -> Self {
        let routed = format!("topic={}", topic.replace('/', "%2F"));
        let request_params = AsciiMetadataValue::try_from(routed)
            .unwrap_or_else(|_| AsciiMetadataValue::from_static(""));
        Self { grpc: Grpc::new(channel), credentials, topic: wire::topic(topic), request_params }
    }

    /// Publishes encoded messages, again and again while that may help and
    /// there is time; the id of each. After a failure they may have been
    /// published all the same.
    ///
    /// # Errors
    /// The last failure.
    pub(super) async fn publish(&self, messages: Bytes) -> Result<Vec<String>, Status> {
        let deadline = Instant::now() + PUBLISH_MAX;
        let mut backoff = None;
        loop {
            let late = |_| Status::deadline_exceeded(format!("no answer within {PUBLISH_MAX:?}"));
            let published = timeout_at(deadline, self.call(messages.clone()));
            let error = match published.await.map_err(late).flatten() {
                Ok(response) => return Ok(response.message_ids),
                Err(error) => error,
            };
            let pause = backoff.get_or_insert_with(google::backoff).next_pause();
            let is_transient = Failure::of_grpc(error.code() as i32) == Failure::Transient;
            if !is_transient || Instant::now() + pause >= deadline {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn call(&self, messages: Bytes) -> Result<PublishResponse, Status> {
        let mut request = Request::new((self.topic.clone(), messages));
        *request.metadata_mut() = google::authorization(&self.credentials).await?;
        request.metadata_mut().insert(REQUEST_PARAMS, self.request_params.clone());
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let answer = grpc.unary(request, PathAndQuery::from_static(METHOD), PublishCodec).await?;
        Ok(answer.into_inner())
    }
}

/// Requests that are encoded already, in two parts.
struct PublishCodec;

impl Codec for PublishCodec {
    type Encode = (Bytes, Bytes);
    type Decode = PublishResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for PublishCodec {
    type Item = (Bytes, Bytes);
    type Error = Status;

    fn encode(
        &mut self,
        (topic, messages): Self::Item,
        to: &mut EncodeBuf<'_>,
    ) -> Result<(), Status> {
        to.reserve(topic.len() + messages.len());
        to.put(topic);
        to.put(messages);
        Ok(())
    }
}

impl Decoder for PublishCodec {
    type Item = PublishResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<PublishResponse>, Status> {
        let decoded = PublishResponse::decode(from);
        decoded.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
