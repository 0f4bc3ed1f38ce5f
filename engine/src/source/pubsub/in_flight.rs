//! The messages that are handed over and not yet durable, each once however
//! often it is delivered.

use std::collections::HashMap;

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

/// Messages in flight by id.
#[derive(Debug)]
pub(super) struct InFlight<H>(HashMap<String, Vec<H>>);

impl<H: Handle> InFlight<H> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Takes the handle of a delivery. Whether the message is new: where it is
    /// in flight already, this delivery is settled with the one before it.
    /// The older handle is kept, for to drop it would give the message back.
    pub(super) fn add(&mut self, id: &str, handle: H) -> bool {
        if let Some(handles) = self.0.get_mut(id) {
            handles.push(handle);
            return false;
        }
        self.0.insert(id.to_owned(), vec![handle]);
        true
    }

    /// Acknowledges the messages `ids`: they are durable.
    pub(super) fn ack(&mut self, ids: &[String]) {
        for id in ids {
            self.0.remove(id).into_iter().flatten().for_each(H::ack);
        }
    }

    /// Gives the messages `ids` back.
    pub(super) fn give_back(&mut self, ids: &[String]) {
        for id in ids {
            self.0.remove(id);
        }
    }
}
