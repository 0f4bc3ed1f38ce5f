//! Events from files of NDJSON, while the run goes on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::follow::Follower;
use super::sse::{Arrived, Inbox};
use super::{EventReader, SincePing};
use crate::profile::World;
use crate::send::Progress;

/// Time between two looks, by which an event may seem late.
const EVERY: Duration = Duration::from_millis(50);

/// Follows an event log into an inbox.
pub struct EventFiles {
    /// What is followed.
    pub follower: Follower,
    /// Of which run the events are.
    pub world: Arc<World>,
    /// How they are read.
    pub reader: EventReader,
    /// Where they go.
    pub inbox: Arc<Inbox>,
    /// What tells the time.
    pub progress: Arc<Progress>,
}

impl EventFiles {
    /// Reads until told to stop.
    ///
    /// # Errors
    /// The last look failed: nothing is there, or it cannot be read.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Ok(());
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let look = spawn_blocking(move || {
                let looked = self.look();
                (self, looked)
            });
            (self, looked) = look.await.context("following events panicked")?;
        }
        looked
    }

    fn look(&mut self) -> anyhow::Result<()> {
        let now_us = self.progress.now_us();
        self.follower.look(|json| match self.reader.from_json(json) {
            Ok(event) => {
                let arrived = Arrived { event, json, now_us, since_ping: SincePing::default() };
                self.inbox.take(&self.world, arrived);
            }
            Err(_) => self.inbox.note(|feed| feed.unreadable += 1),
        })
    }
}
