//! Queues of batches between the producer and senders.

use std::ops::ControlFlow;

use tokio::sync::mpsc;

use super::{Batch, Lanes};

/// Batches that wait in one queue; when it is full the producer waits.
const WAITING_MAX: usize = 64;

/// The producer's end of all lanes.
#[derive(Debug)]
pub struct Queues {
    senders: Vec<mpsc::Sender<Batch>>,
}

impl Queues {
    /// `count` queues, at least one, and their other ends.
    #[must_use]
    pub fn new(count: usize) -> (Self, Vec<mpsc::Receiver<Batch>>) {
        let (senders, receivers) = (0..count.max(1)).map(|_| mpsc::channel(WAITING_MAX)).unzip();
        (Self { senders }, receivers)
    }
}

impl Lanes for Queues {
    fn count(&self) -> usize {
        self.senders.len()
    }

    fn send(&mut self, lane: usize, batch: Batch) -> ControlFlow<()> {
        match self.senders[lane].blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
