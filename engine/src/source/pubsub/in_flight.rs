//! The messages that are handed over and not yet durable, each once however
//! often it is delivered.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use smol_str::SmolStr;

/// What settles a message of Pub/Sub: an ack, or its end without one, which
/// gives the message back.
pub(super) trait Handle: Send {
    /// The message is done with.
    fn ack(self);
}

impl Handle for google_cloud_pubsub::subscriber::handler::Handler {
    fn ack(self) {
        Self::ack(self);
    }
}

/// Which message it is, however often it is delivered. An id is a topic's own
/// for good, but for an emulator that has lost its state: that counts from 1
/// again, and another message has the id of one that is in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MessageKey {
    /// Pub/Sub's are numbers of some 16 digits, so that they take no memory of
    /// their own.
    pub(super) id: SmolStr,
    /// Milliseconds since the Unix epoch.
    pub(super) published_ms: Option<i64>,
}

/// Messages in flight. One that came once takes no memory of its own.
#[derive(Debug)]
pub(super) struct InFlight<H>(HashMap<MessageKey, Handles<H>>);

/// The handles of one message.
#[derive(Debug)]
struct Handles<H> {
    first: H,
    /// Of the same message, delivered again.
    again: Vec<H>,
}

impl<H: Handle> InFlight<H> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Takes the handle of a delivery. Whether the message is new: where it is
    /// in flight already, this delivery is settled with the one before it.
    /// The older handle is kept, for to drop it would give the message back.
    pub(super) fn add(&mut self, key: MessageKey, handle: H) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().again.push(handle);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(Handles { first: handle, again: Vec::new() });
                true
            }
        }
    }

    /// Acknowledges the messages `keys`: they are durable.
    pub(super) fn ack(&mut self, keys: &[MessageKey]) {
        for Handles { first, again } in keys.iter().filter_map(|key| self.0.remove(key)) {
            first.ack();
            again.into_iter().for_each(H::ack);
        }
    }

    /// Gives the messages `keys` back.
    pub(super) fn give_back(&mut self, keys: &[MessageKey]) {
        for key in keys {
            self.0.remove(key);
        }
    }
}
