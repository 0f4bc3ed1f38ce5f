//! A sink following its shard's journal at its own pace.
//!
//! Segments come from memory while they are recent and from the journal
//! otherwise, so a slow sink costs nobody anything but disk. A failing sink, and
//! a store that cannot be read, is tried again for as long as the worker lives.

mod backlog;

use std::sync::Arc;
use std::time::Duration;

use protos::journal::{Cursor, DeadLetter, Segment};
use sinks::{Backoff, Flush, Progress, Sink, SinkError, google};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use self::backlog::Backlog;
use super::cursors::{CursorBoard, Cursors};
use crate::journal::{Consumer, JournalError, JournalReader};
use crate::logging::{News, Repeats, TELL_EVERY};
use crate::metrics;

/// Of refusals of single rows and messages, which the sinks of all shards may
/// meet with every segment; each sink has one reason for them.
static REFUSALS: Repeats = Repeats::every(TELL_EVERY);

/// Why a sink cannot go on. What it has not taken is in the journal, and a
/// restart begins from its recorded cursor.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A segment could not be read that the journal must still have.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The sink's output is no longer what its cursor says.
    #[error("sink {sink}: {source}")]
    Sink {
        /// Which.
        sink: &'static str,
        /// What happened.
        source: SinkError,
    },
}

/// A sink with what it follows.
pub struct SinkRunner {
    sink: Box<dyn Sink>,
    reader: JournalReader,
    consumer: Consumer,
    board: CursorBoard,
    /// The first segment that the sink has not taken.
    next: u64,
    /// The last segment before all that the sink takes: a sink that has taken
    /// nothing yet does not know it.
    floor: u64,
    flush_every: Duration,
    /// Set to the last segment to take, once none with content follows.
    last: watch::Receiver<Option<u64>>,
    backlog: Backlog,
    /// Whether anything with content was taken since the last proposal.
    taken: bool,
    /// The newest cursor proposed, until it is recorded and followed up.
    outstanding: Option<Cursor>,
    proposed: Option<Cursor>,
}

impl SinkRunner {
    /// A runner of `sink`, which was opened with the cursor recorded on
    /// `board` and takes segments from `next` on.
    #[must_use]
    pub fn new(
        sink: Box<dyn Sink>,
        shard: u32,
        reader: JournalReader,
        board: CursorBoard,
        next: u64,
        flush_every: Duration,
        last: watch::Receiver<Option<u64>>,
    ) -> Self {
        let proposed = board.recorded().borrow().get(sink.name()).cloned();
        // The first error shows in a rate only after a zero.
        metrics::SINK_ERRORS.counter(&[sink.name()]).increment(0);
        Self {
            backlog: Backlog::new(sink.name(), shard, &reader),
            sink,
            consumer: reader.consumer(next),
            reader,
            board,
            next,
            floor: next.saturating_sub(1),
            flush_every,
            last,
            taken: false,
            outstanding: None,
            proposed,
        }
    }

    /// Has it recorded where a sink begins whose cursor does not say. Called
    /// before the shard commits anything, its first segment says so: whatever
    /// happens after, a restart finds the sink begun there and not later.
    ///
    /// # Errors
    /// See [`ReleaseError`].
    pub async fn begin(&mut self) -> Result<(), ReleaseError> {
        let floor = self.floor;
        self.proposed.take_if(|cursor| cursor.through_seq < floor);
        if self.proposed.is_none() {
            self.flush(Flush::Periodic).await?;
        }
        Ok(())
    }

    /// Follows the journal until the last segment is taken, flushed, and the
    /// cursor that says so recorded.
    ///
    /// # Errors
    /// See [`ReleaseError`]; the worker must end.
    pub async fn run(mut self) -> Result<(), ReleaseError> {
        let mut committed = self.reader.committed();
        let mut recorded = self.board.recorded();
        let mut flush_at = Instant::now() + self.flush_every;
        let mut closed = false;
        loop {
            let tail = *committed.borrow_and_update();
            let last = *self.last.borrow_and_update();
            let through = last.map_or(tail, |last| last.min(tail));
            // What is far behind flushes, and has its cursor recorded, on the
            // way: a restart goes on from there.
            while self.next <= through && Instant::now() < flush_at {
                self.backlog.tell(self.next - 1);
                self.take_next(through).await?;
            }
            if self.next > through {
                self.backlog.is_taken();
            }
            self.backlog.tell(self.next - 1);
            let ends = last.is_some_and(|last| self.next > last);
            if Instant::now() >= flush_at || (ends && !closed) {
                let flush = if ends { Flush::Final } else { Flush::Periodic };
                if !self.flush(flush).await? {
                    continue;
                }
                flush_at = Instant::now() + self.flush_every;
                closed = ends;
            }
            let now_recorded = recorded.borrow_and_update().clone();
            if self.follow_up(&now_recorded).await? {
                continue;
            }
            if closed && self.outstanding.is_none() {
                return Ok(());
            }
            if self.next <= through {
                continue;
            }
            tokio::select! {
                Ok(()) = committed.changed() => {}
                Ok(()) = recorded.changed() => {}
                Ok(()) = self.last.changed() => {}
                () = sleep_until(flush_at) => {}
            }
        }
    }

    /// Gives the sink the next segment, or as many up to `through` as it takes
    /// together.
    async fn take_next(&mut self, through: u64) -> Result<(), ReleaseError> {
        let mut segments = Vec::new();
        for seq in (self.next..=through).take(self.sink.together_max()) {
            segments.push(self.read(seq).await?);
        }
        self.taken |= segments.iter().any(|segment| has_content(segment));
        let started = Instant::now();
        let mut outage = None;
        loop {
            let writing = self.sink.write_together(&segments);
            match self.backlog.during(self.next - 1, writing).await {
                Ok(()) => break,
                Err(SinkError::Unrecorded(progress)) => return self.go_on_from(*progress).await,
                Err(error) => self.wait_out(error, &mut outage).await?,
            }
        }
        let taken_in = started.elapsed().as_secs_f64();
        metrics::SINK_WRITE.histogram(&[self.sink.name()]).record(taken_in);
        self.next += segments.len() as u64;
        self.consumer.came_to(self.next);
        Ok(())
    }

    async fn read(&mut self, seq: u64) -> Result<Arc<Segment>, ReleaseError> {
        let mut outage = None;
        loop {
            match self.reader.read(seq).await {
                Err(error) if error.passes() => {
                    let outage = outage.get_or_insert_with(|| Outage::new(google::backoff()));
                    if outage.news.admit(error.to_string(), Instant::now()) {
                        let sink = self.sink.name();
                        warn!(sink, %error, "the journal cannot be read: a sink waits for it");
                    }
                    self.wait(outage).await;
                }
                read => return Ok(read?),
            }
        }
    }

    /// Whether the sink flushed; else it takes segments again first.
    async fn flush(&mut self, flush: Flush) -> Result<bool, ReleaseError> {
        let mut outage = None;
        let mut cursor = loop {
            match self.backlog.during(self.next - 1, self.sink.flush(flush)).await {
                Ok(cursor) => break cursor,
                Err(SinkError::Unrecorded(progress)) => {
                    self.go_on_from(*progress).await?;
                    return Ok(false);
                }
                Err(error) => self.wait_out(error, &mut outage).await?,
            }
        };
        cursor.through_seq = cursor.through_seq.max(self.floor);
        // Segments that carry nothing but cursors move the cursor too; to
        // record that would never end.
        let same =
            |known: &Cursor| *known == Cursor { through_seq: known.through_seq, ..cursor.clone() };
        if self.taken || !self.proposed.as_ref().is_some_and(same) {
            self.propose(cursor.into());
        }
        Ok(true)
    }

    /// Has the sink go on from `progress`, once that is recorded.
    async fn go_on_from(&mut self, progress: Progress) -> Result<(), ReleaseError> {
        self.tell_refused(&progress.dead_letters);
        self.next = progress.cursor.through_seq + 1;
        self.propose(progress);
        self.consumer.waits();
        let mut recorded = self.board.recorded();
        loop {
            let now_recorded = recorded.borrow_and_update().clone();
            if self.follow_up(&now_recorded).await? {
                self.consumer.came_to(self.next);
                return Ok(());
            }
            recorded.changed().await.expect("the board is this runner's too");
        }
    }

    /// The log has how many there are and why by code. What the target says of
    /// them is in the letters, for it may quote from a position.
    fn tell_refused(&self, dead_letters: &[DeadLetter]) {
        let (sink, letters) = (self.sink.name(), dead_letters.len());
        let Some(first) = dead_letters.first() else { return };
        if let Some(suppressed) = REFUSALS.admit(sink, std::time::Instant::now()) {
            let reason = &first.reason;
            warn!(
                sink,
                reason, letters, suppressed, "output is refused for good: now dead letters"
            );
        }
    }

    fn propose(&mut self, progress: Progress) {
        self.taken = false;
        self.proposed = Some(progress.cursor.clone());
        self.outstanding = Some(progress.cursor.clone());
        self.board.propose(progress);
    }

    /// Tells the sink that its cursor is recorded, once it is. Whether it
    /// was.
    async fn follow_up(&mut self, recorded: &Cursors) -> Result<bool, ReleaseError> {
        let Some(cursor) = self.outstanding.take_if(|c| recorded.get(&c.sink) == Some(c)) else {
            return Ok(false);
        };
        let mut outage = None;
        let next = loop {
            match self.backlog.during(self.next - 1, self.sink.recorded(&cursor)).await {
                Ok(next) => break next,
                Err(error) => self.wait_out(error, &mut outage).await?,
            }
        };
        if let Some(next) = next {
            self.propose(next.into());
        }
        Ok(true)
    }

    /// Pauses before the call that failed is made again, if it can be.
    async fn wait_out(
        &mut self,
        error: SinkError,
        outage: &mut Option<Outage>,
    ) -> Result<(), ReleaseError> {
        let sink = self.sink.name();
        if !error.is_retryable() {
            return Err(ReleaseError::Sink { sink, source: error });
        }
        metrics::SINK_ERRORS.counter(&[sink]).increment(1);
        let outage = outage.get_or_insert_with(|| Outage::new(backoff_of(&error)));
        if outage.news.admit(error.to_string(), Instant::now()) {
            warn!(sink, %error, "a sink fails: its backlog waits in the journal");
        }
        self.wait(outage).await;
        Ok(())
    }

    /// Pauses, and has it seen that segments wait meanwhile.
    async fn wait(&mut self, outage: &mut Outage) {
        // What it has taken and cannot flush is not released either.
        let flushed = self.proposed.as_ref().map_or(self.floor, |cursor| cursor.through_seq);
        self.backlog.tell(flushed);
        outage.backoff.pause().await;
    }
}

/// Calls in a row that fail.
struct Outage {
    backoff: Backoff,
    news: News,
}

impl Outage {
    fn new(backoff: Backoff) -> Self {
        Self { backoff, news: News::default() }
    }
}

/// A remote service is given longer than a disk.
fn backoff_of(error: &SinkError) -> Backoff {
    match error {
        SinkError::Remote { .. } => google::backoff(),
        _ => Backoff::new(),
    }
}

/// Where a sink with this `cursor` goes on, in a journal of the segments
/// `first_seq` to `tail`: after its cursor, or with the journal. A sink that
/// is new to a journal of which the first segments are gone begins now, after
/// `tail`; so does one of which no more is known than that it has passed
/// nothing yet.
///
/// # Errors
/// The first segment cannot be read, though it may be there.
pub async fn first_segment(
    reader: &JournalReader,
    first_seq: u64,
    tail: u64,
    cursor: Option<&Cursor>,
) -> Result<u64, JournalError> {
    let next = cursor.map_or(0, |cursor| cursor.through_seq + 1);
    if next > first_seq {
        return Ok(next);
    }
    match reader.read(first_seq).await {
        Ok(_) => Ok(first_seq),
        Err(JournalError::Absent { .. }) => Ok(tail + 1),
        Err(error) => Err(error),
    }
}

fn has_content(segment: &Segment) -> bool {
    !(segment.inputs.is_empty() && segment.events.is_empty() && segment.dead_letters.is_empty())
}

#[cfg(test)]
mod tests;
