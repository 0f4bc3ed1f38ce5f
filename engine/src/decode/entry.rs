//! From the bytes of a message to what a source hands over: pings that passed
//! admission, and dead letters.

use bytes::Bytes;
use geofence::admission::{self, Dropped, Reject};
use geofence::{Position, TimeMs};
use prost::Message;
use protos::PingView;
use protos::journal::DeadLetter;
use sinks::dead_letters::content_id;

use super::{ContentType, DecodeError, Item, cut_batch, decode, read};
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
        let read = match content_type {
            // One, that is its message: no list has to be made for it.
            ContentType::Ping => {
                out.push(self.entry(content_type, Item::protobuf(bytes.clone())));
                Ok(())
            }
            ContentType::Batch => {
                let pings = cut_batch(bytes).map(|pings| pings.into_iter().map(Item::protobuf));
                pings.map(|pings| self.judge_all(content_type, pings, out))
            }
            ContentType::Json | ContentType::Ndjson => {
                let items = decode(content_type, bytes).map(Vec::into_iter);
                items.map(|items| self.judge_all(content_type, items, out))
            }
        };
        if let Err(error) = read {
            out.push(Entry::Rejected(self.dead_letter(
                error.code(),
                error.to_string(),
                bytes.clone(),
                content_type.name(),
            )));
        }
    }

    /// Judges one ping of `content_type`.
    #[must_use]
    pub fn entry(&self, content_type: ContentType, item: Item) -> Entry {
        self.entry_at(None, content_type, item)
    }

    /// Appends an entry for each ping of a message, in its order. A dead letter
    /// holds the bytes of its own ping; where the message has several, its
    /// `source_message_id` is the message's with `#` and the ping's index, so
    /// that no two are taken for one.
    fn judge_all(
        &self,
        content_type: ContentType,
        items: impl ExactSizeIterator<Item = Item>,
        out: &mut Vec<Entry>,
    ) {
        let several = items.len() > 1;
        let content_type = content_type.of_one_ping();
        out.extend(
            items
                .enumerate()
                .map(|(index, item)| self.entry_at(several.then_some(index), content_type, item)),
        );
    }

    /// Judges one ping of `content_type`, `index` being its place among
    /// several.
    #[inline]
    fn entry_at(&self, index: Option<usize>, content_type: ContentType, item: Item) -> Entry {
        let Item { original, encoded } = item;
        match encoded {
            None => self.judge(index, content_type, original, None),
            Some(Ok(payload)) => self.judge(index, content_type, payload, Some(original)),
            Some(Err(error)) => self.refuse(index, content_type, original, &error.into()),
        }
    }

    /// Judges the ping `payload`, made from `original` where that is another.
    ///
    /// A view and an entry are large. The view stays where it is read into,
    /// and nothing but moves comes between the making of a ping and its entry:
    /// for whatever could panic there the ping would lie in memory once more.
    fn judge(
        &self,
        index: Option<usize>,
        content_type: ContentType,
        payload: Bytes,
        original: Option<Bytes>,
    ) -> Entry {
        let mut view = PingView::default();
        match self.check(&payload, &mut view) {
            Ok((position, dropped)) if dropped == Dropped::default() => {
                let message_id = self.message_id.to_owned();
                let ping = admission::admitted(&view, position, self.receive_time);
                Entry::Ping { ping, payload, message_id, dropped }
            }
            Ok((position, dropped)) => self.entry_without(dropped, &view, position),
            Err(refusal) => self.refuse(index, content_type, original.unwrap_or(payload), &refusal),
        }
    }

    /// Reads a ping into `view`, which says nothing yet, without what is
    /// dropped from it; gives its position, rounded, and what was dropped.
    #[inline]
    fn check<'a>(
        &self,
        payload: &'a [u8],
        view: &mut PingView<'a>,
    ) -> Result<(Position, Dropped), Refusal> {
        read(payload, view)?;
        let dropped = admission::clear_unknown(view);
        let position = admission::check(view, self.allow_null_island)?;
        if let Some(Err(shard)) = self.owned.map(|owned| owned.place_of(view.vehicle_id)) {
            return Err(Refusal::Foreign { shard });
        }
        Ok((position, dropped))
    }

    /// The entry of a ping from which something was dropped: whoever reads its
    /// payload later (the archive, a replay of the journal) must find unknown
    /// what was taken for unknown here.
    #[cold]
    fn entry_without(&self, dropped: Dropped, view: &PingView<'_>, position: Position) -> Entry {
        Entry::Ping {
            ping: admission::admitted(view, position, self.receive_time),
            payload: view.to_ping().encode_to_vec().into(),
            message_id: self.message_id.to_owned(),
            dropped,
        }
    }

    #[cold]
    fn refuse(
        &self,
        index: Option<usize>,
        content_type: ContentType,
        original: Bytes,
        refusal: &Refusal,
    ) -> Entry {
        let (code, detail) = refusal.told();
        let mut letter = self.dead_letter(code, detail, original, content_type.name());
        if let Some(index) = index
            && !self.message_id.is_empty()
        {
            letter.source_message_id = format!("{}#{index}", self.message_id);
        }
        Entry::Rejected(letter)
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
