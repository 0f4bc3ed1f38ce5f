//! Looking through the letters of a subscription, each once, holding those
//! that stay: a letter given back would come again.

use std::collections::HashSet;

use google_cloud_pubsub::model::Message;
use serde::Serialize;

/// Letters held at the most: each is leased until the command ends.
pub(super) const HELD_MAX: usize = 50_000;
/// Bytes of the letters that are held.
pub(super) const HELD_BYTES_MAX: usize = 256 << 20;

/// Where letters come from.
pub(super) trait Letters {
    /// What settles one; dropped, it gives the letter back.
    type Handle: Ack;

    /// The next letter; none once it seems that no more come.
    async fn next(&mut self) -> anyhow::Result<Option<(Message, Self::Handle)>>;

    /// Gives `held` back, and waits until all that was settled is told.
    async fn close(self, held: Vec<Self::Handle>);
}

/// What settles a letter.
pub(super) trait Ack {
    /// The letter is gone.
    fn ack(self);
}

/// Why a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// No more came.
    Empty,
    /// As many were found as were asked for.
    Limit,
    /// As many are held as can be: what is behind them was not looked at.
    Full,
}

/// See the module.
pub(super) struct Look<L: Letters> {
    letters: L,
    held: Vec<(String, L::Handle)>,
    held_bytes: usize,
    /// Ids of all letters that were shown.
    seen: HashSet<String>,
    /// Ids of those that are gone.
    gone: HashSet<String>,
}

/// What a look comes to next.
pub(super) enum Next<H> {
    /// A letter that was not shown before.
    Letter(Shown<H>),
    /// Its end.
    End(End),
}

/// A letter that was shown, to be held or settled.
pub(super) struct Shown<H> {
    pub(super) message: Message,
    handle: H,
}

impl<L: Letters> Look<L> {
    pub(super) fn new(letters: L) -> Self {
        Self {
            letters,
            held: Vec::new(),
            held_bytes: 0,
            seen: HashSet::new(),
            gone: HashSet::new(),
        }
    }

    /// The next letter that was not shown yet, or why there is none.
    pub(super) async fn next(&mut self) -> anyhow::Result<Next<L::Handle>> {
        loop {
            if self.held.len() >= HELD_MAX || self.held_bytes >= HELD_BYTES_MAX {
                return Ok(Next::End(End::Full));
            }
            let Some((message, handle)) = self.letters.next().await? else {
                return Ok(Next::End(End::Empty));
            };
            // Pub/Sub may deliver a letter twice, also one that was settled.
            if self.gone.contains(&message.message_id) {
                handle.ack();
            } else if !self.seen.insert(message.message_id.clone()) {
                self.hold(Shown { message, handle });
            } else {
                return Ok(Next::Letter(Shown { message, handle }));
            }
        }
    }

    /// The letter stays.
    pub(super) fn hold(&mut self, Shown { message, handle }: Shown<L::Handle>) {
        self.held_bytes += message.data.len();
        self.held.push((message.message_id, handle));
    }

    /// The letter is gone from the subscription.
    pub(super) fn settle(&mut self, Shown { message, handle }: Shown<L::Handle>) {
        handle.ack();
        self.gone.insert(message.message_id);
    }

    /// Gives back what is held. However a look ends, this must be its end:
    /// what was settled is told to Pub/Sub no later.
    pub(super) async fn close(self) {
        let mut held = Vec::with_capacity(self.held.len());
        for (id, handle) in self.held {
            if self.gone.contains(&id) {
                handle.ack();
            } else {
                held.push(handle);
            }
        }
        self.letters.close(held).await;
    }
}
