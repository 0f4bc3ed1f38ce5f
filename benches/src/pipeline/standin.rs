//! A stand-in for Pub/Sub that serves one subscription from memory, as fast as
//! its messages are acknowledged. Google's emulator delivers about 1,950
//! messages a second to a stream: it would be what is measured.
//!
//! It speaks what a worker asks of Pub/Sub and no more: messages over gRPC, and
//! over REST that whatever topic or subscription is asked for is there. Nothing
//! is leased, nothing comes again, and what is published is counted and gone.
//! Messages are encoded beforehand. Of Google's API (google.pubsub.v1,
//! published under the Apache License 2.0) it names the fields it needs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use bytes::Bytes;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{BoxFuture, Context, Poll, Service};
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// The subscription that has the messages.
pub(super) const SUBSCRIPTION: &str = "projects/bench/subscriptions/pings";
/// A topic that takes whatever is published.
pub(super) const EVENTS: &str = "projects/bench/topics/events";
pub(super) const LETTERS: &str = "projects/bench/topics/letters";

/// Messages of one response, as Google's service sends them at most.
const RESPONSE_MESSAGES: usize = 500;
/// Where the client names no bound.
const OUTSTANDING: usize = 1_000;

/// The stand-in. Clones are one.
#[derive(Clone)]
pub(super) struct Standin(Arc<Shared>);

struct Shared {
    /// `ReceivedMessage`s, encoded.
    messages: Vec<Bytes>,
    next: AtomicUsize,
    acknowledged: AtomicU64,
    published: AtomicU64,
    /// Messages that may be on their way, over all streams.
    may_go: Semaphore,
}

impl Standin {
    /// With encoded [`ReceivedMessage`]s.
    pub(super) fn new(messages: Vec<Bytes>) -> Self {
        Self(Arc::new(Shared {
            messages,
            next: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            published: AtomicU64::new(0),
            may_go: Semaphore::new(0),
        }))
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        axum::serve(listener, Router::new().fallback(answer).with_state(self)).await
    }

    /// Whether every message was acknowledged.
    pub(super) fn is_drained(&self) -> bool {
        self.0.acknowledged.load(Ordering::Acquire) >= self.0.messages.len() as u64
    }

    /// Messages that were published.
    pub(super) fn published(&self) -> u64 {
        self.0.published.load(Ordering::Relaxed)
    }

    fn acknowledge(&self, count: usize) {
        self.0.acknowledged.fetch_add(count as u64, Ordering::AcqRel);
        self.0.may_go.add_permits(count);
    }

    /// The next messages, once so many more may be on their way; `None` when
    /// all were served.
    async fn next(&self) -> Option<StreamingPullResponse> {
        let shared = &self.0;
        let first = shared.next.fetch_add(RESPONSE_MESSAGES, Ordering::Relaxed);
        let last = (first + RESPONSE_MESSAGES).min(shared.messages.len());
        let received_messages = shared.messages.get(first..last).filter(|more| !more.is_empty())?;
        let count = u32::try_from(received_messages.len()).ok()?;
        shared.may_go.acquire_many(count).await.ok()?.forget();
        Some(StreamingPullResponse { received_messages: received_messages.to_vec() })
    }

    /// Sends what there is to one stream.
    async fn feed(self, to: mpsc::Sender<Result<StreamingPullResponse, Status>>) {
        while let Some(response) = self.next().await {
            if to.send(Ok(response)).await.is_err() {
                return;
            }
        }
        // The client would open a stream that ends anew.
        to.closed().await;
    }
}

async fn answer(State(standin): State<Standin>, request: Request) -> Result<Response, Infallible> {
    let path = request.uri().path().to_owned();
    // Whoever administers asks over REST.
    if let Some(name) = path.strip_prefix("/v1/") {
        let found = json!({ "name": name, "topic": EVENTS, "ackDeadlineSeconds": 10 });
        return Ok(Json(found).into_response());
    }
    let response = match path.rsplit('/').next().unwrap_or_default() {
        "StreamingPull" => grpc().streaming(Pull(standin), request).await,
        "Acknowledge" => {
            unary(request, move |asked: Acknowledge| {
                standin.acknowledge(asked.ack_ids.len());
                Ok(Empty {})
            })
            .await
        }
        "ModifyAckDeadline" => unary(request, |_: Empty| Ok(Empty {})).await,
        "Publish" => {
            unary(request, move |asked: Publish| {
                let first =
                    standin.0.published.fetch_add(asked.messages.len() as u64, Ordering::Relaxed);
                let ids = (first..).take(asked.messages.len());
                Ok(Published { message_ids: ids.map(|id| id.to_string()).collect() })
            })
            .await
        }
        _ => unary(request, |_: Empty| Err::<Empty, _>(Status::unimplemented("not served"))).await,
    };
    Ok(response.map(Body::new))
}

type Answer = tonic::codegen::http::Response<tonic::body::Body>;

fn grpc<T: Message + Default + 'static, U: Message + Default + 'static>() -> Grpc<ProstCodec<T, U>>
{
    // What is published together may be larger than the usual 4 MiB.
    Grpc::new(ProstCodec::default()).max_decoding_message_size(64 << 20)
}

async fn unary<Q, A, F>(request: Request, act: F) -> Answer
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: FnMut(Q) -> Result<A, Status> + Send + 'static,
{
    grpc().unary(Unary(act, std::marker::PhantomData::<fn(Q)>), request).await
}

/// A call with one answer.
struct Unary<F, Q>(F, std::marker::PhantomData<fn(Q)>);

impl<F, Q, A> Service<tonic::Request<Q>> for Unary<F, Q>
where
    F: FnMut(Q) -> Result<A, Status>,
    A: Send + 'static,
{
    type Response = tonic::Response<A>;
    type Error = Status;
    type Future = std::future::Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(tonic::Response::new))
    }
}

/// The call that pulls.
struct Pull(Standin);

impl Service<tonic::Request<Streaming<StreamingPullRequest>>> for Pull {
    type Response = tonic::Response<ReceiverStream<Result<StreamingPullResponse, Status>>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<StreamingPullRequest>>) -> Self::Future {
        let standin = self.0.clone();
        Box::pin(async move {
            let mut asked = request.into_inner();
            let first = asked.message().await?.unwrap_or_default();
            let outstanding = usize::try_from(first.max_outstanding_messages).unwrap_or(0);
            let outstanding = if outstanding == 0 { OUTSTANDING } else { outstanding };
            standin.0.may_go.add_permits(outstanding.max(RESPONSE_MESSAGES));
            // What else comes by it only keeps it open.
            tokio::spawn(async move { while let Ok(Some(_)) = asked.message().await {} });
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(standin.feed(sender));
            Ok(tonic::Response::new(ReceiverStream::new(receiver)))
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Acknowledge {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    ack_ids: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Publish {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    messages: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Published {
    #[prost(string, repeated, tag = "1")]
    message_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingPullRequest {
    #[prost(int64, tag = "7")]
    max_outstanding_messages: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingPullResponse {
    /// Encoded [`ReceivedMessage`]s.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    received_messages: Vec<Bytes>,
}

/// A message on its way.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ReceivedMessage {
    #[prost(string, tag = "1")]
    pub(super) ack_id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) message: Option<PubsubMessage>,
}

/// A message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PubsubMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
    #[prost(string, tag = "3")]
    pub(super) message_id: String,
    #[prost(message, optional, tag = "4")]
    pub(super) publish_time: Option<prost_types::Timestamp>,
}
