//! Messages as `google.pubsub.v1` has them on the wire, written field by
//! field: nine attributes of an event would else be a map of eighteen strings,
//! made for the encoder alone and made again for each attempt.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes};
use google_cloud_pubsub::model;
use prost::Message;
use prost::encoding::{WireType, decode_varint, encode_key, encode_varint, encoded_len_varint};

/// Numbers of the fields of `PubsubMessage`.
const DATA: u32 = 1;
const ATTRIBUTES: u32 = 2;
const ORDERING_KEY: u32 = 5;
/// And of `PublishRequest`.
const TOPIC: u32 = 1;
const MESSAGES: u32 = 2;
/// Bytes of the key of any of these fields, or of one in an attribute.
const KEY_BYTES: usize = 1;

/// One `PubsubMessage` in the making. Each part is written at most once.
#[derive(Debug, Default)]
pub(super) struct Draft(Vec<u8>);

impl Draft {
    /// The payload.
    pub(super) fn data(&mut self, data: &[u8]) {
        push(&mut self.0, DATA, data);
    }

    /// The payload: `message`, encoded.
    pub(super) fn encoded(&mut self, message: &impl Message) {
        encode_key(DATA, WireType::LengthDelimited, &mut self.0);
        message.encode_length_delimited(&mut self.0).expect("a vector has room");
    }

    /// An attribute.
    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        self.joined(name, &[value]);
    }

    /// An attribute whose value is `parts`, one after the other.
    pub(super) fn joined(&mut self, name: &str, parts: &[&str]) {
        let value = parts.iter().map(|part| part.len()).sum();
        let entry = field_len(name.len()) + field_len(value);
        begin(&mut self.0, ATTRIBUTES, entry);
        push(&mut self.0, 1, name.as_bytes());
        begin(&mut self.0, 2, value);
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    pub(super) fn ordering_key(&mut self, key: &str) {
        push(&mut self.0, ORDERING_KEY, key.as_bytes());
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes that it takes in a request.
    pub(super) fn bytes(&self) -> usize {
        field_len(self.0.len())
    }

    /// Appends it to the messages of a request.
    pub(super) fn append_to(&self, messages: &mut Vec<u8>) {
        push(messages, MESSAGES, &self.0);
    }
}

/// The field of a request that names the topic.
pub(super) fn topic(name: &str) -> Bytes {
    let mut field = Vec::with_capacity(field_len(name.len()));
    push(&mut field, TOPIC, name.as_bytes());
    field.into()
}

/// Bytes that the first `count` messages of a request take.
pub(super) fn bytes_of(messages: &[u8], count: usize) -> usize {
    let mut rest = messages;
    for _ in 0..count {
        rest.advance(KEY_BYTES);
        let bytes = decode_varint(&mut rest).expect("a message as it was appended");
        rest.advance(bytes as usize);
    }
    messages.len() - rest.len()
}

/// The messages of a request, read again.
pub(super) fn read(messages: &[u8]) -> Vec<PubsubMessage> {
    PublishRequest::decode(messages).expect("messages as they were appended").messages
}

/// A request as it is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishRequest {
    #[prost(string, tag = "1")]
    pub(super) topic: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) messages: Vec<PubsubMessage>,
}

/// A message as it is read, by its definition and independently of the writing
/// above.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PubsubMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
    #[prost(map = "string, string", tag = "2")]
    pub(super) attributes: HashMap<String, String>,
    #[prost(string, tag = "5")]
    ordering_key: String,
}

impl From<PubsubMessage> for model::Message {
    fn from(read: PubsubMessage) -> Self {
        Self::new()
            .set_data(read.data)
            .set_ordering_key(read.ordering_key)
            .set_attributes(read.attributes)
    }
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) message_ids: Vec<String>,
}

fn push(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    begin(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

fn begin(out: &mut Vec<u8>, field: u32, len: usize) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

fn field_len(len: usize) -> usize {
    KEY_BYTES + encoded_len_varint(len as u64) + len
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_request_is_what_its_definition_says() {
        let (long, payload) = ("x".repeat(300), Timestamp { seconds: 7, nanos: 9 });
        let mut request = topic("projects/p/topics/t").to_vec();
        let mut draft = Draft::default();
        draft.ordering_key("17");
        draft.encoded(&payload);
        draft.attribute("empty", "");
        draft.joined("long", &[&long, "/", "2"]);
        let bytes = draft.bytes();
        let before = request.len();
        draft.append_to(&mut request);
        assert_eq!(request.len() - before, bytes);
        draft.clear();
        draft.data(b"second");
        draft.append_to(&mut request);

        let messages = &request[before..];
        let counts = [0, 1, 2].map(|count| bytes_of(messages, count));
        assert_eq!(counts, [0, bytes, messages.len()]);

        let read = PublishRequest::decode(&request[..]).unwrap();
        assert_eq!(read.topic, "projects/p/topics/t");
        let [first, second]: [model::Message; 2] =
            read.messages.into_iter().map(Into::into).collect::<Vec<_>>().try_into().unwrap();
        let expected = model::Message::new()
            .set_data(payload.encode_to_vec())
            .set_ordering_key("17")
            .set_attributes([("empty", String::new()), ("long", format!("{long}/2"))]);
        assert_eq!(first, expected);
        assert_eq!(second, model::Message::new().set_data("second"));
    }
}
