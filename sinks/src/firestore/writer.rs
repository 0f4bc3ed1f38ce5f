//! The task that writes one shard's positions: takes what is offered, asks the
//! tracker what is due, keeps a few requests under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::OptionFuture;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::{info, trace, warn};

use super::Shared;
use super::requests::{self, Answer, Verdict};
use super::tracker::{Counts, Pace, Read, Room, Tracker, Write, Written};
use crate::Backoff;
use crate::google;
use crate::positions::PositionFeed;

/// Documents in a request, of the 500 that Firestore takes: the documents of a
/// smaller request are done sooner, and as many are done in a second.
const REQUEST_DOCUMENTS: usize = 200;
/// Bytes of a request, of the 10 MiB that Firestore takes.
const REQUEST_BYTES: usize = 8 << 20;
/// Requests under way. A call of 2 s lets a thousand documents a second
/// through.
const REQUESTS_MAX: usize = 10;
/// What falls due within this time shares a request.
const GATHER: Duration = Duration::from_millis(20);
/// While anything waits, its age is told this often.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// First pause of a document that failed by itself; doubles.
const DOCUMENT_PAUSE: Duration = Duration::from_millis(500);
const DOCUMENT_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Writes the positions of one shard.
#[derive(Debug)]
pub struct LiveWriter {
    shared: Arc<Shared>,
    shard: u32,
    feed: PositionFeed,
    tracker: Tracker,
    requests: JoinSet<Answer>,
    random: StdRng,
    /// Pauses of everything, while requests fail.
    backoff: Option<Backoff>,
    /// No request before.
    next_request: Instant,
    /// It is being found out whether the collection must be filled slowly.
    probing: bool,
    /// Writes are over until then.
    next_write: Option<Instant>,
    /// When to give up, once the end has begun.
    ends: Option<Instant>,
    documents_written: u64,
    requests_failed: u64,
    overdue: bool,
    refusal_told: bool,
    reported_at: Instant,
    report: watch::Sender<Report>,
}

/// What a writer says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every position up to this segment is written, or a newer one of its
    /// vehicle.
    pub through: u64,
    /// Positions, by what became of them.
    pub counts: Counts,
    /// Documents written, which is what is paid for.
    pub documents_written: u64,
    /// Requests that failed as a whole.
    pub requests_failed: u64,
    /// Documents that lack something.
    pub documents_waiting: u64,
    /// Documents kept in mind.
    pub documents: u64,
    /// Age of the oldest visible change that is not written; zero if none is.
    pub oldest: Duration,
}

impl LiveWriter {
    pub(super) fn new(shared: Arc<Shared>, shard: u32, through: u64, feed: PositionFeed) -> Self {
        let now = Instant::now();
        let options = &shared.options;
        let pace = Pace::new(options.min_interval, options.max_delay);
        let mut tracker = Tracker::new(options.layout, shard, pace, through);
        if shared.was_empty.load(Ordering::Relaxed) {
            tracker.expect_none();
        }
        Self {
            tracker,
            shard,
            feed,
            requests: JoinSet::new(),
            random: StdRng::from_rng(&mut rand::rng()),
            backoff: None,
            next_request: now,
            probing: false,
            next_write: None,
            ends: None,
            documents_written: 0,
            requests_failed: 0,
            overdue: false,
            refusal_told: false,
            reported_at: now,
            report: watch::Sender::new(Report { through, ..Report::default() }),
            shared,
        }
    }

    /// What the writer says of itself, kept up to date while it runs and a
    /// last time when it ends.
    #[must_use]
    pub fn reports(&self) -> watch::Receiver<Report> {
        self.report.subscribe()
    }

    /// Writes what is offered until `stop`, then whatever still waits, for at
    /// most `grace`. What is left then is written by whoever has the shard
    /// next.
    pub async fn run(mut self, stop: CancellationToken, grace: Duration) {
        loop {
            let now = Instant::now();
            self.request_what_is_due(now);
            self.tell(now);
            if let Some(ends) = self.ends
                && (self.tracker.unwritten() == 0 || now >= ends)
            {
                break;
            }
            let (closing, wake) = (self.ends.is_some(), self.wakes_at());
            // Something may always come: who closes has a time to wake at.
            tokio::select! {
                () = stop.cancelled(), if !closing => {
                    self.take_offered();
                    self.tracker.close();
                    self.ends = Some(Instant::now() + grace);
                }
                () = self.feed.offered(), if !closing => self.take_offered(),
                Some(answer) = self.requests.join_next() => self.take_answer(answer),
                Some(()) = OptionFuture::from(wake.map(sleep_until)) => {}
            }
        }
        let left = self.tracker.unwritten();
        if left > 0 {
            let shard = self.shard;
            warn!(shard, documents = left, "not all positions are written: the next start does it");
        }
    }

    fn take_offered(&mut self) {
        let now = Instant::now();
        for position in self.feed.take() {
            self.tracker.offer(position, now);
        }
    }

    /// Starts requests, as far as there is something to ask for and room.
    fn request_what_is_due(&mut self, now: Instant) {
        if now < self.next_request {
            return;
        }
        let most = self.requests_max();
        let is_due = |tracker: &Tracker| tracker.next_due().is_some_and(|due| due <= now);
        while self.requests.len() < most && is_due(&self.tracker) {
            let Some(available) = self.shared.with_budget(|it| it.available(now)) else {
                return self.probe();
            };
            let writes = available.min(REQUEST_DOCUMENTS);
            let room = Room { reads: REQUEST_DOCUMENTS, writes, bytes: REQUEST_BYTES };
            let due = self.tracker.take(now, room);
            self.shared.with_budget(|it| it.spend(due.writes.len()));
            if due.reads.is_empty() && due.writes.is_empty() {
                break;
            }
            self.request_read(due.reads);
            self.request_write(due.writes);
            self.next_request = now + GATHER;
        }
        let out_of_writes = self.requests.len() < most && is_due(&self.tracker);
        let next = out_of_writes.then(|| self.shared.with_budget(|it| it.next(now))).flatten();
        self.next_write = next;
    }

    /// While requests fail one is enough to find out when they no longer do.
    fn requests_max(&self) -> usize {
        if self.backoff.is_some() { 1 } else { REQUESTS_MAX }
    }

    fn probe(&mut self) {
        if self.requests.is_empty() {
            self.probing = true;
            let shared = Arc::clone(&self.shared);
            self.requests.spawn(async move { Answer::Probed(shared.client.is_empty().await) });
        }
    }

    fn request_read(&mut self, ids: Vec<Arc<str>>) {
        if !ids.is_empty() {
            let shared = Arc::clone(&self.shared);
            let layout = shared.options.layout;
            self.requests.spawn(async move { requests::read(&shared.client, layout, ids).await });
        }
    }

    fn request_write(&mut self, writes: Vec<Write>) {
        if !writes.is_empty() {
            let (shared, shard) = (Arc::clone(&self.shared), self.shard);
            let layout = shared.options.layout;
            self.requests
                .spawn(async move { requests::write(&shared.client, layout, shard, writes).await });
        }
    }

    fn take_answer(&mut self, answer: Result<Answer, JoinError>) {
        let now = Instant::now();
        self.probing = false;
        let failure = match answer {
            Ok(Answer::Probed(Ok(empty))) => {
                self.shared.settle(empty);
                if empty {
                    self.tracker.expect_none();
                }
                None
            }
            Ok(Answer::Probed(Err(status))) => Some(status),
            Ok(Answer::Read(documents, failure)) => {
                self.take_read(documents, now);
                failure
            }
            Ok(Answer::Written(documents, failure)) => {
                self.take_written(documents, now);
                failure
            }
            // Nothing cancels a request but the end of its writer.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match failure {
            Some(status) => self.request_failed(&status, now),
            None => self.request_succeeded(),
        }
    }

    fn take_read(&mut self, documents: Vec<(Arc<str>, Read)>, now: Instant) {
        let refused = self.tracker.counts().refused;
        let mut set_aside = 0;
        for (id, read) in documents {
            if matches!(read, Read::Never) {
                trace!(document = &*id, "set aside");
                set_aside += 1;
            }
            self.tracker.read(&id, read, now);
        }
        self.tell_set_aside(set_aside);
        if self.tracker.counts().refused > refused && !self.refusal_told {
            self.refusal_told = true;
            warn!(
                shard = self.shard,
                "Firestore has positions of later segments: another worker has the shard, or the \
                 collection is another journal's. Ours are not written"
            );
        }
    }

    fn take_written(&mut self, documents: Vec<(Write, Verdict)>, now: Instant) {
        let mut set_aside = 0;
        for (write, verdict) in documents {
            let written = match verdict {
                Verdict::Unknown => Written::Again(None),
                Verdict::Judged(status) => match status.code {
                    Code::Ok => Written::Done(status.update_time),
                    // Made, changed or deleted by somebody else.
                    Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound => {
                        Written::Conflict
                    }
                    Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => {
                        trace!(document = &*write.id, code = ?status.code, "set aside");
                        set_aside += 1;
                        Written::Never
                    }
                    _ => Written::Again(Some(self.document_pause(&write.id))),
                },
            };
            self.documents_written += u64::from(matches!(written, Written::Done(_)));
            self.tracker.written(write, written, now);
        }
        self.tell_set_aside(set_aside);
    }

    fn tell_set_aside(&self, documents: u64) {
        if documents > 0 {
            let shard = self.shard;
            warn!(shard, documents, "Firestore refuses documents for good: they are set aside");
        }
    }

    fn document_pause(&mut self, id: &str) -> Duration {
        let step = DOCUMENT_PAUSE.saturating_mul(1 << self.tracker.failures(id).min(16));
        step.min(DOCUMENT_PAUSE_MAX).mul_f64(self.random.random_range(0.5..=1.0))
    }

    fn request_failed(&mut self, status: &Status, now: Instant) {
        self.requests_failed += 1;
        if self.backoff.is_none() {
            let (shard, code) = (self.shard, status.code());
            let error = status.message();
            warn!(
                shard,
                ?code,
                error,
                "Firestore fails: the newest position of each vehicle waits"
            );
        }
        let backoff = self.backoff.get_or_insert_with(google::backoff);
        self.next_request = now + backoff.next_pause();
    }

    fn request_succeeded(&mut self) {
        if self.backoff.take().is_some() {
            info!(shard = self.shard, "Firestore is back");
        }
    }

    fn tell(&mut self, now: Instant) {
        let oldest = self.tracker.visible_since().map_or(Duration::ZERO, |since| now - since);
        let overdue = oldest > self.shared.options.max_delay;
        if overdue && !self.overdue {
            let (shard, oldest_s) = (self.shard, oldest.as_secs_f64());
            warn!(shard, oldest_s, "positions are older than positions.max_delay");
        }
        self.overdue = overdue;
        let report = Report {
            through: self.tracker.through(),
            counts: self.tracker.counts(),
            documents_written: self.documents_written,
            requests_failed: self.requests_failed,
            documents_waiting: self.tracker.unwritten() as u64,
            documents: self.tracker.documents() as u64,
            oldest,
        };
        self.reported_at = now;
        self.report.send_if_modified(|told| {
            let changed = *told != report;
            *told = report;
            changed
        });
    }

    /// When to look again, should nothing happen before.
    fn wakes_at(&self) -> Option<Instant> {
        let has_room = self.requests.len() < self.requests_max() && !self.probing;
        let next = self.tracker.next_due().filter(|_| has_room);
        let next = next.map(|due| {
            let due = due.max(self.next_request);
            self.next_write.map_or(due, |at| due.max(at))
        });
        let tell = (self.tracker.unwritten() > 0).then(|| self.reported_at + REPORT_EVERY);
        [next, tell, self.ends].into_iter().flatten().min()
    }
}
