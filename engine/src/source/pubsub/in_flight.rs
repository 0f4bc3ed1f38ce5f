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

/// Messages in flight by id. Pub/Sub's ids are numbers of some 16 digits, so
/// that neither they nor a message that came once take memory of their own.
#[derive(Debug)]
pub(super) struct InFlight<H>(HashMap<SmolStr, Handles<H>>);

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
    pub(super) fn add(&mut self, id: impl Into<SmolStr>, handle: H) -> bool {
        match self.0.entry(id.into()) {
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

    /// Acknowledges the messages `ids`: they are durable.
    pub(super) fn ack(&mut self, ids: &[SmolStr]) {
        for Handles { first, again } in ids.iter().filter_map(|id| self.0.remove(id)) {
            first.ack();
            again.into_iter().for_each(H::ack);
        }
    }

    /// Gives the messages `ids` back.
    pub(super) fn give_back(&mut self, ids: &[SmolStr]) {
        for id in ids {
            self.0.remove(id);
        }
    }
}
