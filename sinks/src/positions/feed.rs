//! Positions on their way from a shard to whoever writes them elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use geofence::LivePosition;
use smol_str::SmolStr;
use tokio::sync::Notify;

/// Hands positions from the shard that commits them to one reader, without
/// ever making the shard wait: of each vehicle only the newest is kept, so
/// that it holds as many as there are vehicles at the most. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PositionFeed {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<HashMap<SmolStr, Arc<LivePosition>>>,
    offered: Notify,
}

impl PositionFeed {
    /// An empty feed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes positions of a committed segment; each takes the place of an
    /// older one of its vehicle that nobody has taken yet.
    pub fn offer(&self, positions: impl IntoIterator<Item = Arc<LivePosition>>) {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for position in positions {
            match waiting.get_mut(&position.vehicle_id) {
                Some(older) => *older = position,
                None => {
                    waiting.insert(position.vehicle_id.clone(), position);
                }
            }
        }
        let any = !waiting.is_empty();
        drop(waiting);
        if any {
            self.shared.offered.notify_one();
        }
    }

    /// Waits until something was offered since the last call. Cancel-safe.
    pub async fn offered(&self) {
        self.shared.offered.notified().await;
    }

    /// Everything offered and not taken yet, one for each vehicle, in no
    /// order.
    #[must_use]
    pub fn take(&self) -> Vec<Arc<LivePosition>> {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain().map(|(_, position)| position).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::live_position;

    #[tokio::test]
    async fn only_the_newest_of_each_vehicle_waits() {
        let feed = PositionFeed::new();
        feed.offer(
            [live_position("a", 1.0, 1.0, 1), live_position("b", 1.0, 1.0, 1)].map(Arc::new),
        );
        feed.offer([Arc::new(live_position("a", 2.0, 1.0, 2))]);
        feed.offered().await;
        let mut taken = feed.take();
        taken.sort_by(|x, y| x.vehicle_id.cmp(&y.vehicle_id));
        let seqs: Vec<_> = taken.iter().map(|it| (&*it.vehicle_id, it.seq)).collect();
        assert_eq!(seqs, [("a", 2), ("b", 1)]);
        assert_eq!(feed.take(), []);
    }
}
