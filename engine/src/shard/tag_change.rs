//! Changing the tags of a shard's vehicles while it runs.

use geofence::{Input, TagChanges, TagOutcome, TagRefusal, TimeMs};
use protos::journal::{VehicleTag, VehicleTags, input};
use tokio::sync::oneshot;

use super::Shard;
use super::batch::Batch;
use crate::config::Clock;

/// A change of tags on its way to one shard.
#[derive(Debug)]
pub struct TagChange {
    /// Which vehicles get which.
    pub changes: TagChanges,
    /// When it was received, where the pings' own clock stands still.
    pub received: TimeMs,
    /// Hash of the configured tags, if these are they.
    pub configured: Option<String>,
    /// Answered with what came of it, once that is durable, and since when
    /// the tags decide.
    pub done: oneshot::Sender<(TagOutcome, TimeMs)>,
}

/// Tags as the journal records them.
#[derive(Clone, Debug)]
pub struct TagInput {
    /// Which vehicles get which.
    pub changes: TagChanges,
    /// Event time from which they decide.
    pub valid_from: TimeMs,
    /// Hash of the configured tags, if these are they.
    pub configured: Option<String>,
}

impl TagInput {
    pub(super) fn add_to(&self, batch: &mut Batch) {
        let Self { changes, valid_from, configured } = self;
        let vehicles = changes.vehicles.iter();
        let vehicles = vehicles
            .map(|(id, tags)| VehicleTag { vehicle_id: id.clone(), tags: tags.clone() })
            .collect();
        let record = VehicleTags {
            vehicles,
            valid_from_ms: valid_from.0,
            whole: changes.is_whole,
            configured_hash: configured.clone().unwrap_or_default(),
        };
        let input = Input::Tags { changes: changes.clone(), valid_from: *valid_from };
        batch.control(input, input::Input::Tags(record));
    }
}

impl Shard {
    pub(super) async fn change_tags(&mut self, change: TagChange) -> anyhow::Result<()> {
        let TagChange { changes, received, configured, done } = change;
        if configured.is_some() && configured.as_deref() == self.maintenance.configured_tags() {
            // What HTTP has changed since stands until the file says something
            // new: whoever watches it reads it anew after each start.
            let _ = done.send((TagOutcome::Unchanged, self.now(received)));
            return Ok(());
        }
        let (outcome, now) = self.judge_tags(&changes, received);
        let is_news = match &outcome {
            TagOutcome::TakenUp => true,
            TagOutcome::Unchanged => configured.is_some(),
            TagOutcome::Refused(_) => false,
        };
        if is_news {
            let tags = TagInput { changes, valid_from: now, configured };
            let mut batch = Batch::default();
            tags.add_to(&mut batch);
            batch.received_at(now);
            if let Some(configured) = tags.configured {
                // A snapshot may begin with the very segment.
                self.maintenance.set_configured_tags(configured);
            }
            self.apply(batch).await?;
        }
        // The change stands, whether anybody waits to hear of it or not.
        let _ = done.send((outcome, now));
        Ok(())
    }

    /// What the change would come to now, and when that is. A vehicle's tags
    /// have different times, however little time passes between two changes, and
    /// though the machine's clock be behind those that were given before: the
    /// shard waits for no clock.
    fn judge_tags(&mut self, changes: &TagChanges, received: TimeMs) -> (TagOutcome, TimeMs) {
        let mut now = self.now(received);
        loop {
            let outcome = self.detector.judge_tags(changes, now, now);
            let TagOutcome::Refused(TagRefusal::NotAfter { newest, .. }) = &outcome else {
                return (outcome, now);
            };
            let next = newest.plus(1);
            self.wall.not_again_before(next);
            now = self.now(next);
        }
    }

    fn now(&mut self, received: TimeMs) -> TimeMs {
        match self.options.clock {
            Clock::Wall => self.wall.now(),
            Clock::Event => self.detector.now().max(received),
        }
    }
}
