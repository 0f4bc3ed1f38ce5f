//! What is published, in which order and how often, at a service of the test's
//! own.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::model::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service as Serve, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::wire::PublishResponse;
use super::super::wire::reading::PublishRequest;
use super::*;
use crate::google::{Endpoint, Service, channel};

const NAME: &str = "projects/p/topics/t";

/// What becomes of a request with messages of these texts.
type Judge = dyn Fn(&[String]) -> Result<(), Code> + Send + Sync;

/// A service that answers each request as `judge` says, and the texts of those
/// that came.
#[derive(Clone)]
struct Pubsub {
    judge: Arc<Judge>,
    came: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Pubsub {
    /// A topic of such a service, which runs as long as the set.
    async fn serve(
        judge: impl Fn(&[String]) -> Result<(), Code> + Send + Sync + 'static,
    ) -> (Topic, Self, JoinSet<()>) {
        let pubsub = Self { judge: Arc::new(judge), came: Arc::default() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        let serving = Server::builder()
            .add_service(pubsub.clone())
            .serve_with_incoming(TcpIncoming::from(listener));
        tasks.spawn(async move { serving.await.unwrap() });
        let channel = channel(&Endpoint::read(Service::Pubsub, Some(&host)).unwrap()).unwrap();
        let nobody = anonymous::Builder::new().build();
        (Topic::new(NAME, Publisher::new(channel, nobody, NAME)), pubsub, tasks)
    }

    /// The requests that came, but for what other lanes had to say.
    fn came(&self, lane: &str) -> Vec<Vec<String>> {
        let mut came = self.came.lock().unwrap().clone();
        came.retain(|texts| texts[0].starts_with(lane));
        came
    }

    fn publish(&self, request: PublishRequest) -> Result<PublishResponse, Status> {
        assert_eq!(request.topic, NAME);
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        let texts: Vec<_> = request.messages.iter().map(|message| text(&message.data)).collect();
        self.came.lock().unwrap().push(texts.clone());
        let message_ids = texts.iter().map(|text| format!("id of {text}")).collect();
        match (self.judge)(&texts) {
            Ok(()) => Ok(PublishResponse { message_ids }),
            Err(code) => Err(Status::new(code, "as the test wants")),
        }
    }
}

impl UnaryService<PublishRequest> for Pubsub {
    type Response = PublishResponse;
    type Future = std::future::Ready<Result<Response<PublishResponse>, Status>>;

    fn call(&mut self, request: Request<PublishRequest>) -> Self::Future {
        let params = request.metadata().get("x-goog-request-params").unwrap();
        assert_eq!(params, "topic=projects%2Fp%2Ftopics%2Ft");
        std::future::ready(self.publish(request.into_inner()).map(Response::new))
    }
}

impl Serve<http::Request<Body>> for Pubsub {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), "/google.pubsub.v1.Publisher/Publish");
        let pubsub = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(pubsub, request).await) })
    }
}

impl NamedService for Pubsub {
    const NAME: &'static str = "google.pubsub.v1.Publisher";
}

/// Messages of the keys that their texts begin with.
fn outbox(texts: &[&str]) -> Outbox {
    let mut outbox = Outbox::default();
    for text in texts {
        outbox.add(Some(text.as_bytes()[0].into()), |draft| draft.data(text.as_bytes()));
    }
    outbox
}

/// `texts` and filling that has them in requests of their own.
fn large(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string() + &"-".repeat(600 << 10)).collect()
}

#[tokio::test]
async fn a_failure_takes_the_rest_of_its_key_with_it_and_no_other() {
    let fails = Arc::new(Mutex::new(true));
    let failing = Arc::clone(&fails);
    let judge = move |texts: &[String]| match texts[0].starts_with("a2") && *failing.lock().unwrap()
    {
        true => Err(Code::PermissionDenied),
        false => Ok(()),
    };
    let (topic, pubsub, _tasks) = Pubsub::serve(judge).await;
    let texts = large(&["a1", "b1", "a2", "b2", "a3", "b3"]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut outbox = outbox(&texts);
    let error = topic.publish_all(&mut outbox).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(NAME), "{error}");
    let heads = |lane| {
        let head = |texts: Vec<String>| texts[0][..2].to_owned();
        pubsub.came(lane).into_iter().map(head).collect::<Vec<_>>()
    };
    assert_eq!(heads("a"), ["a1", "a2"], "what follows a failure is not published before it");
    assert_eq!(heads("b"), ["b1", "b2", "b3"]);

    *fails.lock().unwrap() = false;
    topic.publish_all(&mut outbox).await.unwrap();
    assert_eq!(heads("a"), ["a1", "a2", "a2", "a3"], "and goes on with what failed");
    assert_eq!(heads("b"), ["b1", "b2", "b3"], "nothing else is published anew");
    topic.publish_all(&mut outbox).await.unwrap();
    assert_eq!(pubsub.came("").len(), 7, "nothing is left");
}

#[tokio::test]
async fn messages_of_one_key_share_a_request_and_what_may_pass_is_tried_again() {
    let attempts = Mutex::new(0);
    let judge = move |_: &[String]| {
        let mut attempts = attempts.lock().unwrap();
        *attempts += 1;
        if *attempts < 3 { Err(Code::Unavailable) } else { Ok(()) }
    };
    let (topic, pubsub, _tasks) = Pubsub::serve(judge).await;
    topic.publish_all(&mut outbox(&["a1", "a2", "a3"])).await.unwrap();
    assert_eq!(pubsub.came("a"), vec![["a1", "a2", "a3"]; 3]);
}

#[tokio::test]
async fn without_a_key_only_what_failed_is_published_again() {
    let fails = Mutex::new(true);
    let judge = move |texts: &[String]| {
        let fails = texts[0].starts_with('2') && std::mem::take(&mut *fails.lock().unwrap());
        if fails { Err(Code::NotFound) } else { Ok(()) }
    };
    let (topic, pubsub, _tasks) = Pubsub::serve(judge).await;
    let mut outbox = Outbox::default();
    for text in large(&["1", "2", "3"]) {
        outbox.add(None, |draft| draft.data(text.as_bytes()));
    }
    topic.publish_all(&mut outbox).await.unwrap_err();
    assert_eq!(pubsub.came("").len(), 3, "none waits for another");
    topic.publish_all(&mut outbox).await.unwrap();
    let came = ["1", "2", "3"].map(|lane| pubsub.came(lane).len());
    assert_eq!(came, [1, 2, 1]);
}

#[tokio::test]
async fn each_message_without_a_key_has_its_id_or_its_error() {
    let judge = |texts: &[String]| match &texts[0][..1] {
        "1" => Ok(()),
        _ => Err(Code::InvalidArgument),
    };
    let (topic, _, _tasks) = Pubsub::serve(judge).await;
    let message = |text: &String| Message::new().set_data(text.clone());
    let large = large(&["1", "2"]);
    let outcomes = topic.publish_each(large.iter().map(message).collect()).await;
    let [first, second]: [Result<String, SinkError>; 2] = outcomes.try_into().unwrap();
    assert_eq!(first.unwrap(), format!("id of {}", large[0]));
    assert!(second.is_err());
}

#[tokio::test]
async fn one_request_larger_than_all_room_is_published_all_the_same() {
    let (topic, pubsub, _tasks) = Pubsub::serve(|_| Err(Code::OutOfRange)).await;
    let text = "a".repeat(UNDER_WAY_BYTES_MAX + 1);
    topic.publish_all(&mut outbox(&[&text])).await.unwrap_err();
    assert!(pubsub.came.lock().unwrap().len() <= 1, "it is tried once");
}
