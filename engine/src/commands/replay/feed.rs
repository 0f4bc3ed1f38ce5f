//! From the files into the intake, with progress on a terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context;
use geofence::TimeMs;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use crate::intake::{Entry, Intake};
use crate::metrics;
use crate::pipeline::Pace;
use crate::source::SourceBatch;
use crate::source::file::{FileError, FileReplay, ReplayProgress};

/// Number of the source.
const SOURCE: u32 = 0;
/// Entries that the reading thread hands over together, or a batch more. A batch
/// ends where the low mark moves and may have a handful: to hand over each by
/// itself costs more than what is done with it, waking whoever waits most of all.
const ENTRIES_TOGETHER: usize = 2_000;
/// Times that it is ahead of the shards.
const AHEAD: usize = 8;

/// What the files held.
pub(super) struct Fed {
    /// Pings and rejects handed over, duplicates included.
    pub(super) entries: u64,
    /// Event times of the first and the last ping by that time; none without a
    /// ping.
    pub(super) event_times: Option<(TimeMs, TimeMs)>,
    /// Why the input ended before its end.
    pub(super) broken: Option<anyhow::Error>,
}

/// What the reading thread hands over.
struct Read {
    batches: Vec<SourceBatch>,
    /// Entries of all of them.
    entries: usize,
    /// Why nothing follows, unless it is the end.
    broken: Option<anyhow::Error>,
    progress: ReplayProgress,
}

/// Hands every batch to the shards, waiting for room and for whoever takes what
/// comes of it.
pub(super) async fn feed(pings: FileReplay, intake: &Intake, pace: &Pace) -> anyhow::Result<Fed> {
    let (sender, mut reads) = mpsc::channel(AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_all(pings, &sender));
    let bar = progress_bar();
    let mut fed = Fed { entries: 0, event_times: None, broken: None };
    while let Some(Read { batches, entries, broken, progress }) = reads.recv().await {
        show(&bar, progress);
        fed.entries += entries as u64;
        fed.broken = fed.broken.or(broken);
        metrics::RECEIVED.counter(&[super::SOURCE_NAME]).increment(entries as u64);
        pace.kept_up().await;
        for SourceBatch { low_mark, entries } in batches {
            fed.event_times = entries.iter().filter_map(event_time).fold(fed.event_times, spanned);
            // Nobody asks for the verdicts: what is refused is in the dead
            // letters.
            drop(intake.submit(SOURCE, low_mark, true, entries).await?);
        }
    }
    reader.await.context("reading the files panicked")?;
    bar.finish_and_clear();
    Ok(fed)
}

fn event_time(entry: &Entry) -> Option<TimeMs> {
    match entry {
        Entry::Ping { ping, .. } => Some(ping.event_time),
        Entry::Rejected(_) => None,
    }
}

/// `span`, made to hold `time`.
fn spanned(span: Option<(TimeMs, TimeMs)>, time: TimeMs) -> Option<(TimeMs, TimeMs)> {
    let (first, last) = span.unwrap_or((time, time));
    Some((first.min(time), last.max(time)))
}

fn read_all(mut pings: FileReplay, sender: &mpsc::Sender<Read>) {
    while let Some(read) = read(&mut pings) {
        if sender.blocking_send(read).is_err() {
            return;
        }
    }
}

/// The next batches, as many as are handed over together; `None` at the end.
fn read(pings: &mut FileReplay) -> Option<Read> {
    let (mut batches, mut entries, mut failure) = (Vec::new(), 0, None);
    while entries < ENTRIES_TOGETHER && failure.is_none() {
        match pings.next_batch() {
            None => break,
            Some(Ok(batch)) => {
                entries += batch.entries.len();
                batches.push(batch);
            }
            Some(Err(error)) => failure = Some(error),
        }
    }
    let broken = failure.map(|failure| broken(failure, pings.unread()));
    let is_end = batches.is_empty() && broken.is_none();
    (!is_end).then(|| Read { batches, entries, broken, progress: pings.progress() })
}

fn broken(failure: FileError, unread: &[String]) -> anyhow::Error {
    let failure = anyhow::Error::new(failure);
    match unread {
        [] => failure,
        unread => failure.context(format!("not read at all: {}", unread.join(", "))),
    }
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:30} {percent:>3} %  {human_pos} of {human_len} pings  {per_sec}  {eta}";
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(bar: &ProgressBar, progress: ReplayProgress) {
    bar.set_length(progress.rows_read.max(progress.entries));
    bar.set_position(progress.entries);
}
