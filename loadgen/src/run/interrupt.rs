//! A run that is told to end before its time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::send::Progress;
use crate::stream::{Counts, Deliveries, Delivery};
use crate::truth::Record;

/// What was due already, and what is under way, is waited for so long.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// How long before it is due a message is made. Longer than a busy machine may
/// hold up a thread; short, because what is made is sent, also once the run is
/// interrupted.
const AHEAD_US: i64 = 250_000;
/// An interruption is seen within this.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Deliveries that end when they are told to.
pub(super) struct Interruptible<D> {
    deliveries: D,
    interrupt: CancellationToken,
    stopped: bool,
    /// What tells the time, where messages are made when they are due.
    clock: Option<Arc<Progress>>,
}

impl<D: Deliveries> Interruptible<D> {
    pub(super) fn new(deliveries: D, interrupt: &CancellationToken) -> Self {
        Self { deliveries, interrupt: interrupt.clone(), stopped: false, clock: None }
    }

    /// The same, none of them long before it is due.
    pub(super) fn paced(self, clock: &Arc<Progress>) -> Self {
        Self { clock: Some(Arc::clone(clock)), ..self }
    }

    fn look(&mut self, take: &mut dyn FnMut(Record)) {
        if !self.stopped && self.interrupt.is_cancelled() {
            self.stop(take);
        }
    }
}

impl<D: Deliveries> Deliveries for Interruptible<D> {
    fn due_ms(&mut self, take: &mut dyn FnMut(Record)) -> Option<i64> {
        self.look(take);
        self.deliveries.due_ms(take)
    }

    fn wait(&mut self, due_ms: i64) {
        let Some(clock) = &self.clock else { return };
        while !self.interrupt.is_cancelled() {
            let early_us = due_ms * 1000 - AHEAD_US - clock.now_us();
            if early_us <= 0 {
                return;
            }
            thread::sleep(Duration::from_micros(early_us.unsigned_abs()).min(LOOK_EVERY));
        }
    }

    fn next(&mut self, take: &mut dyn FnMut(Record)) -> Option<Delivery> {
        self.look(take);
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
