//! Looking and redriving against a subscription and a topic that do as they
//! are told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::bail;
use bytes::Bytes;
use google_cloud_pubsub::model::Message;
use prost::Message as _;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceEnter, Id};
use sinks::SinkError;
use tempfile::TempDir;

use super::look::Ack;
use super::redrive::{Publish, redrive};
use super::*;

const STARTED_MS: i64 = 1_770_000_000_500;

#[derive(Default)]
struct Subscription {
    /// What is delivered, in this order; none for a pull that fails.
    deliveries: VecDeque<Option<Message>>,
    acked: Vec<String>,
    given_back: Vec<String>,
}

/// The subscription, and all who have to do with it.
#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Subscription>>);

struct Handle {
    id: String,
    of: Fake,
}

impl Fake {
    fn of(letters: impl IntoIterator<Item = Message>) -> Self {
        let fake = Self::default();
        fake.deliver(letters);
        fake
    }

    fn deliver(&self, letters: impl IntoIterator<Item = Message>) {
        self.0.borrow_mut().deliveries.extend(letters.into_iter().map(Some));
    }

    fn acked(&self) -> Vec<String> {
        self.0.borrow().acked.clone()
    }

    fn given_back(&self) -> Vec<String> {
        self.0.borrow().given_back.clone()
    }
}

impl Letters for Fake {
    type Handle = Handle;

    async fn next(&mut self) -> anyhow::Result<Option<(Message, Handle)>> {
        let delivery = self.0.borrow_mut().deliveries.pop_front();
        match delivery {
            None => Ok(None),
            Some(None) => bail!("the stream broke"),
            Some(Some(message)) => {
                let handle = Handle { id: message.message_id.clone(), of: self.clone() };
                Ok(Some((message, handle)))
            }
        }
    }

    async fn close(self, held: Vec<Handle>) {
        self.0.borrow_mut().given_back.extend(held.into_iter().map(|handle| handle.id));
    }
}

impl Ack for Handle {
    fn ack(self) {
        self.of.0.borrow_mut().acked.push(self.id);
    }
}

/// A topic: the n-th message gets the id `sent-n`.
#[derive(Default)]
struct Sent {
    data: RefCell<Vec<Bytes>>,
    /// These are refused, counted from 0.
    refused: Vec<usize>,
    /// Each message comes back at once, refused by a worker, to this
    /// subscription.
    comes_back_to: Option<Fake>,
}

impl Publish for Sent {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<String, SinkError>> {
        let mut sent = self.data.borrow_mut();
        let mut outcomes = Vec::new();
        for message in messages {
            let n = sent.len();
            sent.push(message.data.clone());
            let id = format!("sent-{n}");
            if self.refused.contains(&n) {
                let source = io::Error::other("no answer").into();
                outcomes.push(Err(SinkError::Remote { target: "pings".to_owned(), source }));
                continue;
            }
            if let Some(subscription) = &self.comes_back_to {
                let letter = letter(&format!("again-{n}"), "junk", STARTED_MS);
                // Every second one as of one ping of several.
                let source_id = if n.is_multiple_of(2) { id.clone() } else { format!("{id}#{n}") };
                let attributes = [("dlq_reason", "junk"), ("source_message_id", &source_id[..])];
                subscription.deliver([letter.set_attributes(attributes)]);
            }
            outcomes.push(Ok(id));
        }
        outcomes
    }
}

fn letter(id: &str, reason: &str, published_ms: i64) -> Message {
    let published = UNIX_EPOCH + Duration::from_millis(published_ms.unsigned_abs());
    let mut letter = Message::new()
        .set_message_id(id)
        .set_data(id.to_owned())
        .set_attributes([("dlq_reason", reason)]);
    letter.publish_time = published.try_into().ok();
    letter
}

fn letters(count: usize) -> impl Iterator<Item = Message> {
    (0..count).map(|n| letter(&format!("m{n}"), "junk", 0))
}

fn filter(reason: &str) -> DlqFilter {
    DlqFilter { reason: vec![reason.to_owned()], limit: usize::MAX, wait: 5 }
}

fn args() -> DlqRedriveArgs {
    DlqRedriveArgs {
        subscription: String::new(),
        topic: String::new(),
        tenant: "acme".to_owned(),
        shards: None,
        filter: filter("junk"),
        rate: 0,
        dry_run: false,
        format: Format::Json,
    }
}

async fn list_of(fake: &Fake, filter: &DlqFilter) -> Listed {
    let mut look = Look::new(fake.clone());
    let listed = list_all(&mut look, filter).await.unwrap();
    look.close().await;
    listed
}

#[tokio::test]
async fn a_list_of_all_is_told_from_one_that_had_to_end() {
    let few = list_of(&Fake::of(letters(3)), &filter("junk")).await;
    assert_eq!((few.letters.len(), few.end), (3, End::Empty));
    refuse_full(few.end).unwrap();

    let asked = DlqFilter { limit: 2, ..filter("junk") };
    let asked = list_of(&Fake::of(letters(3)), &asked).await;
    assert_eq!((asked.letters.len(), asked.end), (2, End::Limit));
    refuse_full(asked.end).unwrap();

    let fake = Fake::of(letters(HELD_MAX + 1));
    let many = list_of(&fake, &filter("junk")).await;
    assert_eq!((many.letters.len(), many.end), (HELD_MAX, End::Full));
    assert_eq!(fake.given_back().len(), HELD_MAX);
    assert!(many.text().ends_with("; not all were looked at\n"));
    let error = refuse_full(many.end).unwrap_err().to_string();
    assert!(error.contains("50000"), "{error}");
}

#[tokio::test]
async fn the_bytes_that_are_held_are_bounded_too() {
    const LETTER: usize = 4 << 20;
    let data = Bytes::from(vec![0; LETTER]);
    let large = letters(2 * HELD_BYTES_MAX / LETTER).map(|letter| letter.set_data(data.clone()));
    let many = list_of(&Fake::of(large), &filter("junk")).await;
    assert_eq!((many.letters.len(), many.end), (HELD_BYTES_MAX / LETTER, End::Full));
}

#[tokio::test]
async fn a_letter_that_is_delivered_twice_is_one() {
    let fake = Fake::of(letters(3).chain(letters(2)));
    let listed = list_of(&fake, &filter("junk")).await;
    assert_eq!((listed.letters.len(), listed.end), (3, End::Empty));
    assert_eq!(fake.given_back().len(), 5);

    let (fake, topic) = (Fake::of(letters(150).chain(letters(150))), Sent::default());
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    assert_eq!(ended.unwrap(), End::Empty);
    assert_eq!((done.redriven, done.left), (150, 0));
    assert_eq!(topic.data.borrow().len(), 150, "each was published once");
    assert_eq!((fake.acked().len(), fake.given_back().len()), (300, 0), "and is gone");
}

#[tokio::test]
async fn a_redrive_says_what_it_left() {
    let others = (0..4).map(|n| letter(&format!("o{n}"), "other", 0));
    let (fake, topic) = (Fake::of(letters(3).chain(others)), Sent::default());
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    assert_eq!(ended.unwrap(), End::Empty);
    assert_eq!((done.redriven, done.left, done.by_reason["junk"]), (3, 4, 3));
    assert_eq!((fake.acked().len(), fake.given_back().len()), (3, 4));

    let in_the_way = (0..=HELD_MAX).map(|n| letter(&format!("o{n}"), "other", 0));
    let (fake, topic) = (Fake::of(in_the_way.chain(letters(3))), Sent::default());
    let (done, ended) = redrive(Look::new(fake), &topic, &args(), STARTED_MS).await;
    assert_eq!((done.redriven, done.left), (0, HELD_MAX));
    assert!(done.text().ends_with("; not all were looked at\n"), "{}", done.text());
    refuse_full(ended.unwrap()).unwrap_err();
}

#[tokio::test]
async fn what_a_topic_has_refused_is_sent_again_only_by_itself() {
    let detail = Some(Detail::GeofenceEnter(GeofenceEnter {}));
    let event = FleetEvent { event_id: Id::new(0x0af7), detail, ..FleetEvent::default() };
    let letters = || {
        let reasons = [JUNK, EVENT, LATE, "bigquery_refused_event"];
        reasons.map(|reason| letter(reason, reason, 0).set_data(event.encode_to_vec()))
    };
    const JUNK: &str = "junk";
    const EVENT: &str = "pubsub_refused_event";
    const LATE: &str = "pubsub_refused_late";
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &[JUNK]),
        (&[EVENT], &[EVENT]),
        (&[LATE], &[LATE]),
        (&[JUNK, EVENT], &[JUNK]),
        (&[EVENT, LATE], &[]),
        (&["bigquery_refused_event"], &[]),
    ];
    for (asked, due) in cases {
        let mut args = args();
        args.filter.reason = asked.iter().map(|&reason| reason.to_owned()).collect();
        let fake = Fake::of(letters());
        let (done, ended) =
            redrive(Look::new(fake.clone()), &Sent::default(), &args, STARTED_MS).await;
        assert_eq!(ended.unwrap(), End::Empty);
        assert_eq!(done.by_reason.keys().collect::<Vec<_>>(), due, "of {asked:?}");
        assert_eq!(fake.acked(), due, "of {asked:?}");
        assert_eq!(fake.given_back().len(), 4 - due.len(), "the others stay");
    }
}

#[tokio::test]
async fn what_was_published_is_gone_and_what_was_not_stays() {
    let fake = Fake::of(letters(5));
    let topic = Sent { refused: vec![1], ..Sent::default() };
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    let error = format!("{:#}", ended.unwrap_err());
    assert!(error.contains("these stay") && error.contains("no answer"), "{error}");
    assert_eq!((done.redriven, done.left, done.failed), (4, 1, 1));
    assert_eq!(fake.acked(), ["m0", "m2", "m3", "m4"]);
    assert_eq!(fake.given_back(), ["m1"]);
    let text = done.text();
    assert!(text.contains("4 dead letters redriven, 1 left, 1 of them because"), "{text}");
}

#[tokio::test]
async fn a_pull_that_breaks_loses_nothing_that_was_gathered() {
    let fake = Fake::of(letters(103));
    fake.0.borrow_mut().deliveries.push_back(None);
    let topic = Sent::default();
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    assert!(ended.is_err());
    assert_eq!((done.redriven, done.left), (100, 3));
    assert_eq!((fake.acked().len(), fake.given_back().len()), (100, 3));
    assert!(done.text().ends_with("100 dead letters redriven, 3 left; not all were looked at\n"));
}

#[tokio::test]
async fn what_a_redrive_sends_in_and_is_refused_again_stays() {
    // By the clocks it came before the start.
    let fake = Fake::of(letters(100));
    let topic = Sent { comes_back_to: Some(fake.clone()), ..Sent::default() };
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    assert_eq!(ended.unwrap(), End::Empty);
    assert_eq!((done.redriven, done.left), (100, 100));
    assert_eq!(topic.data.borrow().len(), 100);
    assert!(fake.given_back().iter().all(|id| id.starts_with("again-")));
}

#[tokio::test]
async fn what_comes_after_the_start_stays_to_the_millisecond() {
    let fake =
        Fake::of([letter("before", "junk", STARTED_MS), letter("after", "junk", STARTED_MS + 1)]);
    let topic = Sent::default();
    let (done, ended) = redrive(Look::new(fake.clone()), &topic, &args(), STARTED_MS).await;
    ended.unwrap();
    assert_eq!((done.redriven, done.left), (1, 1));
    assert_eq!((fake.acked(), fake.given_back()), (vec!["before".into()], vec!["after".into()]));
}

#[test]
fn a_line_that_is_being_written_is_not_there_yet() {
    let dir = TempDir::new().unwrap();
    let directory = dir.path().join("dead_letters");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("shard-0.ndjson");
    let args = DlqListArgs {
        subscription: None,
        data_dir: None,
        filter: filter("junk"),
        format: Format::Json,
    };
    let line = r#"{"reason":"junk","payload_base64":"eHl6"}"#;
    for torn in ["", "{", &line[..line.len() - 1], line] {
        std::fs::write(&file, format!("{line}\n{line}\n{torn}")).unwrap();
        let listed = files::list(dir.path(), &args).unwrap();
        assert_eq!((listed.letters.len(), listed.end), (2, End::Empty), "{torn}");
    }
    std::fs::write(&file, format!("{{\n{line}\n")).unwrap();
    let listed = files::list(dir.path(), &args).unwrap();
    assert_eq!(listed.letters.len(), 1, "the others are shown");
    let [told] = &listed.unreadable[..] else { panic!("{:?}", listed.unreadable) };
    assert!(told.contains("shard-0.ndjson:1"), "{told}");
    // As a replay leaves them.
    std::fs::rename(&file, dir.path().join("dead_letters.ndjson")).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    assert_eq!(files::list(dir.path(), &args).unwrap().letters.len(), 1);
}
