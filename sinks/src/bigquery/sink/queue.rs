//! Slices on their way, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use google_cloud_bigquery::write::AppendFuture;
use protos::journal::Segment;

use super::Place;
use crate::bigquery::stream::{self, Stream, Trouble};

/// Slices that were sent and have no answer yet, at the most: an answer takes
/// a while, and slices need not wait for each other's.
pub(super) const UNANSWERED_MAX: usize = 4;

/// A slice on its way.
pub(super) struct Queued {
    /// Of its first row.
    pub(super) offset: i64,
    /// Of the row after its last.
    pub(super) end: i64,
    /// Index in the segment of its first row.
    pub(super) first_row: usize,
    pub(super) segment: Arc<Segment>,
    /// As they are sent.
    pub(super) bytes: Bytes,
    /// What is done with it.
    pub(super) done: Option<Place>,
    /// It was sent before, and what came of that is not known.
    pub(super) is_unanswered: bool,
    /// There once it was sent. Nobody locks it: only in a mutex can the future
    /// be kept in what threads share.
    pub(super) answer: Option<Mutex<AppendFuture>>,
}

/// Slices in the order of the journal; those that were sent come first.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Queued>);

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&Queued> {
        self.0.front()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the slices of a segment that ends at `end`. That place is done
    /// with what is queued; if nothing is, at once.
    pub(super) fn extend(&mut self, slices: Vec<Queued>, end: Place) -> Option<Place> {
        self.0.extend(slices);
        match self.0.back_mut() {
            Some(last) => {
                last.done = Some(end);
                None
            }
            None => Some(end),
        }
    }

    /// Sends what may be without an answer.
    pub(super) fn send(&mut self, stream: &Stream) {
        for slice in self.0.iter_mut().take(UNANSWERED_MAX) {
            if slice.answer.is_none() {
                let answer = stream.send(slice.bytes.clone(), slice.offset);
                slice.answer = Some(Mutex::new(answer));
            }
        }
    }

    /// Forgets that anything was sent.
    pub(super) fn unsend(&mut self) {
        for slice in &mut self.0 {
            slice.is_unanswered |= slice.answer.take().is_some();
        }
    }

    /// The ends of slices that were sent before, and may be in.
    pub(super) fn ends_unanswered(&self) -> Vec<i64> {
        self.0.iter().filter(|slice| slice.is_unanswered).map(|slice| slice.end).collect()
    }

    /// Waits for the answer to the first slice.
    pub(super) async fn first_answer(&mut self) -> Result<(), Trouble> {
        let answer = self.0.front_mut().and_then(|slice| slice.answer.as_mut());
        let answer = answer.expect("the first slice was sent");
        stream::answer(answer.get_mut().unwrap_or_else(PoisonError::into_inner)).await
    }

    /// Takes the first slice away; what is done with it.
    pub(super) fn pop(&mut self) -> Option<Place> {
        self.0.pop_front().and_then(|slice| slice.done)
    }
}
