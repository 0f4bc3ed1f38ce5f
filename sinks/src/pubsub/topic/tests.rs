//! What is published, in which order and how often, at a service of the test's
//! own.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceEnter};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service as Serve, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::refusal::IN_A_ROW_MAX;
use super::super::wire::{PublishRequest, PublishResponse};
use super::super::{events, names};
use super::*;
use crate::Flush;
use crate::google::{Endpoint, Service, channel};
use crate::testing::{event, segment};

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
    let error = topic.publish_all(&mut outbox, &Streak::new(false)).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(NAME), "{error}");
    let heads = |lane| {
        let head = |texts: Vec<String>| texts[0][..2].to_owned();
        pubsub.came(lane).into_iter().map(head).collect::<Vec<_>>()
    };
    assert_eq!(heads("a"), ["a1", "a2"], "what follows a failure is not published before it");
    assert_eq!(heads("b"), ["b1", "b2", "b3"]);

    *fails.lock().unwrap() = false;
    topic.publish_all(&mut outbox, &Streak::new(false)).await.unwrap();
    assert_eq!(heads("a"), ["a1", "a2", "a2", "a3"], "and goes on with what failed");
    assert_eq!(heads("b"), ["b1", "b2", "b3"], "nothing else is published anew");
    topic.publish_all(&mut outbox, &Streak::new(false)).await.unwrap();
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
    topic.publish_all(&mut outbox(&["a1", "a2", "a3"]), &Streak::new(false)).await.unwrap();
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
    topic.publish_all(&mut outbox, &Streak::new(false)).await.unwrap_err();
    assert_eq!(pubsub.came("").len(), 3, "none waits for another");
    topic.publish_all(&mut outbox, &Streak::new(false)).await.unwrap();
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
    topic.publish_all(&mut outbox(&[&text]), &Streak::new(false)).await.unwrap_err();
    assert!(pubsub.came.lock().unwrap().len() <= 1, "it is tried once");
}

/// What was set aside, in the order in which it was.
fn refused(outbox: Outbox) -> Vec<String> {
    let text = |refusal: &Refusal| String::from_utf8(refusal.message.data.to_vec()).unwrap();
    outbox.into_refused().iter().map(text).collect()
}

/// Refuses requests in which a text ends in `!`, as invalid.
fn refuse_marked(texts: &[String]) -> Result<(), Code> {
    match texts.iter().any(|text| text.ends_with('!')) {
        true => Err(Code::InvalidArgument),
        false => Ok(()),
    }
}

#[tokio::test]
async fn a_message_that_is_refused_is_set_aside_and_the_others_go_in_order() {
    let cases: [&[&str]; 6] = [
        &["a1!"],
        &["a1!", "a2", "a3"],
        &["a1", "a2!", "a3"],
        &["a1", "a2", "a3!"],
        &["a1!", "a2", "a3!", "a4!", "a5", "a6", "a7!"],
        &["a1", "b1", "a2!", "b2!", "a3", "b3"],
    ];
    for texts in cases {
        let (topic, pubsub, _tasks) = Pubsub::serve(refuse_marked).await;
        let mut outbox = outbox(texts);
        topic.publish_all(&mut outbox, &Streak::new(true)).await.unwrap();
        for lane in ["a", "b"] {
            let mut taken = pubsub.came(lane);
            taken.retain(|texts| refuse_marked(texts).is_ok());
            let due = texts.iter().filter(|text| text.starts_with(lane) && !text.ends_with('!'));
            assert_eq!(taken.concat(), due.copied().collect::<Vec<_>>(), "of {texts:?}");
        }
        let mut refused = refused(outbox);
        refused.sort();
        let mut due: Vec<_> = texts.iter().filter(|text| text.ends_with('!')).copied().collect();
        due.sort_unstable();
        assert_eq!(refused, due, "of {texts:?}");
    }
}

#[tokio::test]
async fn one_bad_message_of_a_full_request_is_found_in_few_requests() {
    let (topic, pubsub, _tasks) = Pubsub::serve(refuse_marked).await;
    let texts: Vec<_> =
        (0..1_000).map(|n| format!("a{n}{}", if n == 777 { "!" } else { "" })).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut outbox = outbox(&texts);
    topic.publish_all(&mut outbox, &Streak::new(true)).await.unwrap();
    assert_eq!(refused(outbox), ["a777!"]);
    // The whole one, and two halves of each that is refused.
    let asked = pubsub.came("a").len();
    assert!(asked <= 1 + 2 * 10, "{asked} requests");
}

#[tokio::test]
async fn without_a_place_for_it_a_message_that_is_refused_holds_its_key_up() {
    let (topic, pubsub, _tasks) = Pubsub::serve(refuse_marked).await;
    let mut outbox = outbox(&["a1", "a2!", "a3", "b1"]);
    for _ in 0..2 {
        let streak = Streak::new(false);
        let error = topic.publish_all(&mut outbox, &streak).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    let taken: Vec<_> =
        pubsub.came("").into_iter().filter(|texts| refuse_marked(texts).is_ok()).collect();
    assert_eq!(taken.concat().len(), 2, "each once: {taken:?}");
    assert_eq!(pubsub.came("a").last().unwrap(), &["a2!"], "asked for by itself");
    assert_eq!(refused(outbox), [""; 0]);
}

#[tokio::test]
async fn a_topic_that_is_gone_or_closed_has_nothing_set_aside() {
    for code in [
        Code::NotFound,
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::Unimplemented,
    ] {
        let (topic, pubsub, _tasks) = Pubsub::serve(move |_| Err(code)).await;
        let mut outbox = outbox(&["a1", "a2"]);
        topic.publish_all(&mut outbox, &Streak::new(true)).await.unwrap_err();
        assert_eq!(pubsub.came("a"), [["a1", "a2"]], "{code:?}: not halved");
        assert_eq!(refused(outbox), [""; 0], "{code:?}");
    }
}

#[tokio::test]
async fn a_topic_that_takes_nothing_is_asked_once_a_key_and_goes_on_where_it_stopped() {
    let closed = Arc::new(Mutex::new(true));
    let is_closed = Arc::clone(&closed);
    let judge = move |_: &[String]| match *is_closed.lock().unwrap() {
        true => Err(Code::InvalidArgument),
        false => Ok(()),
    };
    let (topic, pubsub, _tasks) = Pubsub::serve(judge).await;
    let texts: Vec<_> = (0..IN_A_ROW_MAX + 50).map(|n| format!("a{n:03}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (mut outbox, streak) = (outbox(&texts), Streak::new(true));
    let error = topic.publish_all(&mut outbox, &streak).await.unwrap_err();
    assert!(error.to_string().contains("100 messages in a row"), "{error}");
    let before = pubsub.came("a").len();
    topic.publish_all(&mut outbox, &streak).await.unwrap_err();
    assert_eq!(pubsub.came("a")[before..], [[texts[IN_A_ROW_MAX]]]);

    *closed.lock().unwrap() = false;
    topic.publish_all(&mut outbox, &streak).await.unwrap();
    assert_eq!(pubsub.came("a")[before + 1..].concat(), texts[IN_A_ROW_MAX..]);
    assert_eq!(refused(outbox), texts[..IN_A_ROW_MAX]);
}

#[tokio::test]
async fn of_messages_published_each_one_that_is_refused_spoils_no_other() {
    let (topic, _, _tasks) = Pubsub::serve(refuse_marked).await;
    let texts = ["1", "2!", "3", "4", "5!"];
    let messages = texts.map(|text| Message::new().set_data(text));
    let outcomes = topic.publish_each(messages.to_vec()).await;
    let ids = outcomes.into_iter().map(|outcome| outcome.unwrap_or_default());
    assert_eq!(ids.collect::<Vec<_>>(), ["id of 1", "", "id of 3", "id of 4", ""]);
}

#[tokio::test]
async fn the_cursor_passes_what_was_refused_with_its_letters_and_a_restart_has_them_again() {
    let judge = |texts: &[String]| match texts.iter().any(|text| text.contains("bad")) {
        true => Err(Code::InvalidArgument),
        false => Ok(()),
    };
    let (topic, _, _tasks) = Pubsub::serve(judge).await;
    let of = |seq, vehicles: &[&str]| {
        let mut segment = segment(seq, []);
        for vehicle in vehicles {
            let mut enter = event(0x0af7, Detail::GeofenceEnter(GeofenceEnter {}));
            enter.vehicle_id = (*vehicle).into();
            segment.events.push(enter);
        }
        Arc::new(segment)
    };
    let together = [of(5, &["good-1"]), of(6, &["bad-2", "good-3", "bad-4"])];
    // Nobody recorded what the first life asked for.
    for _ in 0..2 {
        let mut sink = events(topic.clone(), "acme", true);
        let asked = sink.write_together(&together).await.unwrap_err();
        let SinkError::Unrecorded(progress) = asked else { panic!("{asked}") };
        assert_eq!((&progress.cursor.sink[..], progress.cursor.through_seq), (names::EVENTS, 6));
        let mut letters: Vec<_> = progress
            .dead_letters
            .iter()
            .map(|letter| FleetEvent::decode(&letter.payload[..]).unwrap().vehicle_id)
            .collect();
        letters.sort();
        assert_eq!(letters, ["bad-2", "bad-4"]);
        assert_eq!(progress.dead_letters[0].detail, format!("{NAME}: as the test wants"));

        assert_eq!(sink.recorded(&progress.cursor).await.unwrap(), None);
        sink.write(of(7, &["good-5"])).await.unwrap();
        assert_eq!(sink.flush(Flush::Final).await.unwrap().through_seq, 7);
    }
    let mut nowhere = events(topic, "acme", false);
    let error = nowhere.write_together(&together).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(nowhere.flush(Flush::Periodic).await.unwrap().through_seq, 0);
}
