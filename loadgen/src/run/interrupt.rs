//! A run that is told to end before its time.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::stream::{Counts, Deliveries, Delivery};
use crate::truth::Record;

/// What was due already, and what is under way, is waited for so long.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// Deliveries that end when they are told to.
pub(super) struct Interruptible<D> {
    deliveries: D,
    interrupt: CancellationToken,
    stopped: bool,
}

impl<D: Deliveries> Interruptible<D> {
    pub(super) fn new(deliveries: D, interrupt: &CancellationToken) -> Self {
        Self { deliveries, interrupt: interrupt.clone(), stopped: false }
    }
}

impl<D: Deliveries> Deliveries for Interruptible<D> {
    fn next(&mut self, take: &mut dyn FnMut(Record)) -> Option<Delivery> {
        if !self.stopped && self.interrupt.is_cancelled() {
            self.stop(take);
        }
        self.deliveries.next(take)
    }

    fn stop(&mut self, take: &mut dyn FnMut(Record)) {
        self.stopped = true;
        self.deliveries.stop(take);
    }

    fn counts(&self) -> Counts {
        self.deliveries.counts()
    }
}

/// Cuts sending off some time after an interruption; nothing without one. The
/// task is to be aborted when sending is over.
pub(super) fn cut_after(interrupt: &CancellationToken) -> (CancellationToken, JoinHandle<()>) {
    let (cut, interrupt) = (CancellationToken::new(), interrupt.clone());
    let token = cut.clone();
    let task = tokio::spawn(async move {
        interrupt.cancelled().await;
        sleep(SETTLED_WITHIN).await;
        token.cancel();
    });
    (cut, task)
}
