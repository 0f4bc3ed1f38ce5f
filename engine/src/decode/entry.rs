//! From the bytes of a message to what a source hands over: pings that passed
//! admission, and dead letters.

use bytes::Bytes;
use geofence::admission::{self, Dropped, Reject};
use geofence::{Ping, TimeMs};
use prost::Message;
use protos::PingView;
use protos::journal::DeadLetter;
use sinks::dead_letters::content_id;

use super::{ContentType, DecodeError, Decoded, Item, decode, decode_part, read};
use crate::intake::{Entry, OwnedShards};

/// Code of what concerns a vehicle whose shard another process owns.
pub const FOREIGN_SHARD: &str = "foreign_shard";

/// What the source knows of a message besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Name of the source, for dead letters.
    pub source: &'a str,
    /// The message's id; empty when the source has none.
    pub message_id: &'a str,
    /// When the source was given the message.
    pub receive_time: TimeMs,
    /// Accept position 0, 0.
    pub allow_null_island: bool,
    /// Refuse pings of other shards than these; `None` where the process owns
    /// all.
    pub owned: Option<&'a OwnedShards>,
}

impl Envelope<'_> {
    /// Appends to `out` what the message `bytes` holds, in its order: an entry
    /// for each ping, or one dead letter of the whole message when it cannot
    /// be read.
    pub fn entries(&self, content_type: ContentType, bytes: &Bytes, out: &mut Vec<Entry>) {
        if content_type == ContentType::Ping {
            // One, that is its message: no list has to be made for it.
            out.push(self.entry(content_type, decode_part(content_type, bytes.clone())));
            return;
        }
        match decode(content_type, bytes) {
            Ok(decoded) => self.entries_of(content_type, decoded, out),
            Err(error) => out.push(Entry::Rejected(self.dead_letter(
                error.code(),
                error.to_string(),
                bytes.clone(),
                content_type.name(),
            ))),
        }
    }

    /// Appends an entry for each ping of a decoded message, in its order. A
    /// dead letter holds the bytes of its own ping; where the message has
    /// several, its `source_message_id` is the message's with `#` and the
    /// ping's index, so that no two are taken for one.
    pub fn entries_of(&self, content_type: ContentType, decoded: Decoded, out: &mut Vec<Entry>) {
        let several = decoded.len() > 1;
        let content_type = content_type.of_one_ping();
        out.extend(decoded.into_iter().enumerate().map(|(index, item)| {
            let mut entry = self.entry(content_type, item);
            if let Entry::Rejected(letter) = &mut entry
                && several
                && !self.message_id.is_empty()
            {
                letter.source_message_id = format!("{}#{index}", self.message_id);
            }
            entry
        }));
    }

    /// Judges one ping of `content_type`.
    #[must_use]
    pub fn entry(&self, content_type: ContentType, item: Item) -> Entry {
        let admitted = match item.payload() {
            Ok(payload) => self.admit(payload),
            Err(error) => Err(Refusal::Unreadable(error.clone())),
        };
        let Item { original, encoded } = item;
        match admitted {
            Ok((ping, dropped, known)) => Entry::Ping {
                ping,
                payload: known.or(encoded.and_then(Result::ok)).unwrap_or(original),
                message_id: self.message_id.to_owned(),
                dropped,
            },
            Err(refusal) => {
                let (code, detail) = refusal.told();
                Entry::Rejected(self.dead_letter(code, detail, original, content_type.name()))
            }
        }
    }

    /// The ping, what was dropped from it, and if anything was, the payload
    /// without it: whoever reads that later (the archive, a replay of the
    /// journal) must find unknown what was taken for unknown here.
    #[inline]
    fn admit(&self, payload: &[u8]) -> Result<(Ping, Dropped, Option<Bytes>), Refusal> {
        let mut view = PingView::default();
        read(payload, &mut view)?;
        let dropped = admission::clear_unknown(&mut view);
        let ping = admission::admit(&view, self.receive_time, self.allow_null_island)?;
        if let Some(Err(shard)) = self.owned.map(|owned| owned.place_of(&ping.vehicle_id)) {
            return Err(Refusal::Foreign { shard });
        }
        let any = dropped != Dropped::default();
        Ok((ping, dropped, any.then(|| view.to_ping().encode_to_vec().into())))
    }

    /// A dead letter of `payload`, which is kept whole.
    pub(crate) fn dead_letter(
        &self,
        code: &str,
        detail: String,
        payload: Bytes,
        content_type: &str,
    ) -> DeadLetter {
        DeadLetter {
            reason: code.to_owned(),
            detail,
            source: self.source.to_owned(),
            source_message_id: if self.message_id.is_empty() {
                content_id(&payload)
            } else {
                self.message_id.to_owned()
            },
            receive_time_ms: self.receive_time.0,
            payload,
            content_type: content_type.to_owned(),
        }
    }
}

/// Why a ping is refused.
enum Refusal {
    Unreadable(DecodeError),
    Inadmissible(Reject),
    /// It came to a process that does not own its vehicle's shard.
    Foreign {
        shard: u32,
    },
}

impl Refusal {
    /// Its code, and what to mend.
    fn told(&self) -> (&'static str, String) {
        match self {
            Self::Unreadable(error) => (error.code(), error.to_string()),
            Self::Inadmissible(reject) => (reject.code(), reject.to_string()),
            Self::Foreign { shard } => {
                let detail = format!(
                    "its vehicle belongs to shard {shard}, which this worker does not own; publish \
                     it to the topic of that shard"
                );
                (FOREIGN_SHARD, detail)
            }
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::Inadmissible(reject)
    }
}
