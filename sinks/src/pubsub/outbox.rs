//! Messages that are to be published, in the requests that carry them.
//!
//! A lane is published request after request, and goes on only after success.
//! Those of one ordering key share a lane, so that they stay in order whatever
//! fails; a message without a key is in the last lane that has room.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use google_cloud_pubsub::model::Message;

use super::attributes::{GOOGCLIENT_TRACEPARENT, TRACEPARENT};
use super::refusal::Refusal;
use super::wire::{self, Draft, PubsubMessage};

/// Messages of one request, as Pub/Sub takes them.
const MESSAGES_MAX: usize = 1_000;
/// Bytes of one request, but for a message that is larger by itself. Pub/Sub
/// takes ten times as many.
const BYTES_MAX: usize = 1 << 20;

/// The messages of one topic.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    /// The lane of each key; that of no key is the last there is.
    of_key: HashMap<Option<u16>, usize>,
    /// What the messages that are added are told to continue.
    traceparent: String,
    /// Used again for every message.
    draft: Draft,
    /// What was refused for good, and is in no lane any more.
    refused: Vec<Refusal>,
}

/// Requests that follow one another.
pub(super) type Lane = VecDeque<Request>;

/// The messages of one request, encoded.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Those that were added, until it is sealed.
    open: Vec<u8>,
    count: usize,
    sealed: Option<Bytes>,
}

impl Request {
    /// What is to be published: as it is, as often as it takes. From here on
    /// nothing is added.
    pub(super) fn seal(&mut self) -> Bytes {
        self.sealed.get_or_insert_with(|| std::mem::take(&mut self.open).into()).clone()
    }

    /// How many messages it has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Splits the later half of its messages off, of which it has several.
    pub(super) fn split_off(&mut self) -> Self {
        let messages = self.seal();
        let kept = self.count / 2;
        let bytes = wire::bytes_of(&messages, kept);
        self.sealed = Some(messages.slice(..bytes));
        let count = self.count - kept;
        self.count = kept;
        Self { open: Vec::new(), count, sealed: Some(messages.slice(bytes..)) }
    }

    /// The messages in it, read again.
    pub(super) fn messages(&mut self) -> Vec<PubsubMessage> {
        wire::read(&self.seal())
    }

    fn has_room_for(&self, draft: &Draft) -> bool {
        self.sealed.is_none()
            && self.count < MESSAGES_MAX
            && self.open.len() + draft.bytes() <= BYTES_MAX
    }
}

impl Outbox {
    /// From here on messages carry the trace context `traceparent`, under W3C's
    /// name and that of Google's clients.
    pub(super) fn continue_trace(&mut self, traceparent: String) {
        self.traceparent = traceparent;
    }

    /// Adds the message that `write` drafts, after those of its key.
    pub(super) fn add(&mut self, key: Option<u16>, write: impl FnOnce(&mut Draft)) {
        let draft = &mut self.draft;
        draft.clear();
        write(draft);
        if !self.traceparent.is_empty() {
            draft.attribute(TRACEPARENT, &self.traceparent);
            draft.attribute(GOOGCLIENT_TRACEPARENT, &self.traceparent);
        }
        // Without a key nothing has to wait for what is in a lane already.
        let stays = |lane: &Lane| key.is_some() || has_room(lane, draft);
        let known = self.of_key.get(&key).copied().filter(|lane| stays(&self.lanes[*lane]));
        let lane = known.unwrap_or_else(|| {
            self.lanes.push(Lane::new());
            self.of_key.insert(key, self.lanes.len() - 1);
            self.lanes.len() - 1
        });
        let lane = &mut self.lanes[lane];
        if !has_room(lane, draft) {
            lane.push_back(Request::default());
        }
        let request = lane.back_mut().expect("there is one with room");
        draft.append_to(&mut request.open);
        request.count += 1;
    }

    /// All lanes, those without a key in the order of their messages.
    pub(super) fn take(&mut self) -> Vec<Lane> {
        self.of_key.clear();
        std::mem::take(&mut self.lanes)
    }

    /// All messages, lane by lane, as they are read.
    pub(super) fn messages(&mut self) -> Vec<Message> {
        let mut requests: Vec<_> = self.take().into_iter().flatten().collect();
        let read = requests.iter_mut().flat_map(Request::messages);
        read.map(Message::from).collect()
    }

    /// Puts a lane back of which not all could be published.
    pub(super) fn put_back(&mut self, lane: Lane) {
        self.lanes.push(lane);
    }

    /// Keeps what was refused for good.
    pub(super) fn set_aside(&mut self, refused: Vec<Refusal>) {
        self.refused.extend(refused);
    }

    /// What was refused for good.
    pub(super) fn into_refused(self) -> Vec<Refusal> {
        self.refused
    }
}

fn has_room(lane: &Lane, draft: &Draft) -> bool {
    lane.back().is_some_and(|messages| messages.has_room_for(draft))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(request: &mut Request) -> Vec<String> {
        let text = |message: PubsubMessage| String::from_utf8(message.data.to_vec()).unwrap();
        request.messages().into_iter().map(text).collect()
    }

    fn add(outbox: &mut Outbox, key: Option<u16>, text: &str) {
        outbox.add(key, |draft| draft.data(text.as_bytes()));
    }

    #[test]
    fn messages_of_one_key_are_in_one_lane_in_order() {
        let mut outbox = Outbox::default();
        for text in ["a1", "b1", "a2", "b2"] {
            add(&mut outbox, Some(text.as_bytes()[0].into()), text);
        }
        let mut lanes = outbox.take();
        let texts: Vec<_> = lanes.iter_mut().flatten().map(texts).collect();
        assert_eq!(texts, [["a1", "a2"], ["b1", "b2"]]);
        assert_eq!(lanes.len(), 2);
    }

    #[test]
    fn requests_are_bounded_in_number_and_in_bytes() {
        let sizes = |key, count, bytes| {
            let mut outbox = Outbox::default();
            let text = "x".repeat(bytes);
            (0..count).for_each(|_| add(&mut outbox, key, &text));
            let lanes = outbox.take();
            let sizes = |lane: &Lane| lane.iter().map(Request::count).collect::<Vec<_>>();
            lanes.iter().map(sizes).collect::<Vec<_>>()
        };
        let full = MESSAGES_MAX;
        assert_eq!(sizes(Some(7), full + 1, 1), [[full, 1]], "one key: one after the other");
        assert_eq!(sizes(None, full + 1, 1), [[full], [1]], "no key: neither waits");
        assert_eq!(sizes(Some(7), 3, BYTES_MAX / 2 - 9), [[2, 1]]);
        assert_eq!(sizes(None, 2, BYTES_MAX + 1), [[1], [1]], "larger by itself");
    }

    #[test]
    fn halves_of_a_request_are_its_messages_in_order() {
        let all = ["a1", "a2", "a3", "a4", "a5"];
        let mut outbox = Outbox::default();
        all.iter().for_each(|text| add(&mut outbox, Some(7), text));
        let mut request = outbox.take().remove(0).pop_front().unwrap();
        let mut later = request.split_off();
        assert_eq!([request.count(), later.count()], [2, 3]);
        let mut last = later.split_off();
        let parts = [&mut request, &mut later, &mut last].map(texts);
        assert_eq!(parts.concat(), all);
        assert_eq!(parts.map(|part| part.len()), [2, 1, 2]);
    }

    #[test]
    fn nothing_is_added_to_what_is_published() {
        let mut outbox = Outbox::default();
        add(&mut outbox, Some(1), "first");
        let mut lanes = outbox.take();
        lanes[0][0].seal();
        let draft = Draft::default();
        assert!(!has_room(&lanes[0], &draft));
    }
}
