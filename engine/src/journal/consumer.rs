//! How far a consumer of segments has come.

use tokio::sync::watch;

/// Tells the reader that it is of how far a consumer has come, for as long as
/// it is there.
#[derive(Debug)]
pub struct Consumer(watch::Sender<u64>);

impl Consumer {
    pub(super) fn at(next: u64) -> (Self, watch::Receiver<u64>) {
        let (sender, place) = watch::channel(next);
        (Self(sender), place)
    }

    /// The first segment that is not taken is `next`.
    pub fn came_to(&self, next: u64) {
        self.0.send_replace(next);
    }

    /// Nobody need wait for it until it comes to another segment: it waits
    /// itself, for segments to be committed.
    pub fn waits(&self) {
        self.0.send_replace(u64::MAX);
    }
}
