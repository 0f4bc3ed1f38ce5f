//! A sink that is new to a journal whose first segments are deleted, in
//! processes that end at any time, and one that is behind.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use protos::journal::{DeadLetter, Snapshot};
use tokio::task::JoinHandle;

use super::*;
use crate::journal::{Fenced, Journal, OpenOptions, Snapshots, Standby, Store, WriterId, claim};

const FIRST_SEQ: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(3_600);
const NAME: &str = "probe";

/// What a sink was given and took, as the outside sees it.
#[derive(Clone, Default)]
struct Target(Arc<State>);

#[derive(Default)]
struct State {
    refusals_left: AtomicUsize,
    refused: AtomicUsize,
    /// Whether it takes nothing before its cursor is recorded once more.
    asks: AtomicBool,
    /// Segments that it takes together, less one.
    further: AtomicUsize,
    /// Milliseconds that it takes for a segment.
    takes_ms: AtomicU64,
    /// How many each call took.
    calls: Mutex<Vec<usize>>,
    rows: Mutex<Vec<String>>,
}

impl Target {
    fn refusing() -> Self {
        let target = Self::default();
        target.0.refusals_left.store(usize::MAX, Ordering::SeqCst);
        target
    }

    fn rows(&self) -> Vec<String> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A sink that knows of no segment but those it was given.
struct Probe {
    target: Target,
    through_seq: u64,
}

#[async_trait]
impl Sink for Probe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn together_max(&self) -> usize {
        1 + self.target.0.further.load(Ordering::SeqCst)
    }

    async fn write_together(&mut self, segments: &[Arc<Segment>]) -> Result<(), SinkError> {
        for segment in segments {
            self.write(Arc::clone(segment)).await?;
        }
        let mut calls = self.target.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(segments.len());
        Ok(())
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        if self.target.0.refusals_left.load(Ordering::SeqCst) > 0 {
            self.target.0.refused.fetch_add(1, Ordering::SeqCst);
            let (target, source) = (NAME.to_owned(), "a role is missing".into());
            return Err(SinkError::Remote { target, source });
        }
        let takes = Duration::from_millis(self.target.0.takes_ms.load(Ordering::SeqCst));
        tokio::time::sleep(takes).await;
        if self.target.0.asks.load(Ordering::SeqCst) {
            self.through_seq = segment.seq - 1;
            let cursor = self.flush(Flush::Periodic).await?;
            return Err(SinkError::Unrecorded(Box::new(cursor.into())));
        }
        let mut rows = self.target.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.extend(segment.dead_letters.iter().map(|letter| letter.reason.clone()));
        self.through_seq = segment.seq;
        Ok(())
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        Ok(Cursor { sink: NAME.to_owned(), through_seq: self.through_seq, ..Cursor::default() })
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        self.target.0.asks.store(false, Ordering::SeqCst);
        Ok(None)
    }
}

/// One process with the shard: its journal, and the sink running beside it.
struct Process {
    journal: Journal,
    board: CursorBoard,
    runner: JoinHandle<Result<(), ReleaseError>>,
    _last: watch::Sender<Option<u64>>,
}

impl Process {
    /// Claims the journal, as a restart does, and begins the sink where the
    /// recorded cursors say.
    async fn start(store: &Arc<InMemory>, target: &Target) -> Self {
        let (journal, cursors) = own(store).await;
        let board = CursorBoard::new(cursors.clone());
        let (reader, cursor) = (journal.reader(), cursors.get(NAME));
        let tail = journal.next_seq() - 1;
        let next = first_segment(&reader, FIRST_SEQ, tail, cursor).await.unwrap();
        let sink = Box::new(Probe {
            target: target.clone(),
            through_seq: cursor.map_or(0, |cursor| cursor.through_seq),
        });
        let (last_sender, last) = watch::channel(None);
        let flush_every = Duration::from_secs(1);
        let mut runner = SinkRunner::new(sink, 0, reader, board.clone(), next, flush_every, last);
        runner.begin().await.unwrap();
        Self { journal, board, runner: tokio::spawn(runner.run()), _last: last_sender }
    }

    /// Commits a segment with `mark` in it, and what sinks have proposed.
    async fn commit(&mut self, mark: &str) {
        let letter = DeadLetter { reason: mark.to_owned(), ..DeadLetter::default() };
        let mut segment = Segment { dead_letters: vec![letter], ..Segment::default() };
        self.board.take().record_in(&mut segment);
        let committed = self.journal.commit(segment).await.unwrap();
        self.board.record(&committed.segment.cursors);
    }

    /// As a shard does when a heartbeat is due.
    async fn commit_cursors(&mut self) {
        let mut segment = Segment::default();
        self.board.take().record_in(&mut segment);
        if !segment.cursors.is_empty() {
            let committed = self.journal.commit(segment).await.unwrap();
            self.board.record(&committed.segment.cursors);
        }
    }

    async fn die(self) {
        self.runner.abort();
        let ended = self.runner.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()), "the runner went on to the end");
    }
}

/// Claims the shard; with the cursors that its segments record.
async fn own(store: &Arc<InMemory>) -> (Journal, Cursors) {
    let options = OpenOptions {
        shard: 0,
        shards: 1,
        first_seq: FIRST_SEQ,
        created_at_ms: 0,
        writer: WriterId::random(),
        standby: Standby::ExclusiveLock,
        set_aside_tail: false,
    };
    let objects: Arc<dyn ObjectStore> = Arc::clone(store) as _;
    let mut claim = claim(Store::shared(objects), options).await.unwrap();
    let mut cursors = Cursors::new();
    while let Some(segment) = claim.next_segment().await.unwrap() {
        cursors.extend(segment.cursors.into_iter().map(|cursor| (cursor.sink.clone(), cursor)));
    }
    let fence = Segment { cursors: cursors.values().cloned().collect(), ..Segment::default() };
    match claim.fence(fence).await.unwrap() {
        Fenced::Won(journal, _) => (*journal, cursors),
        Fenced::Behind(segment) => panic!("nobody else is there: {segment:?}"),
    }
}

/// A journal that has a snapshot and no longer the segments before it.
async fn pruned() -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    let (mut journal, _) = own(&store).await;
    for _ in 0..3 {
        journal.commit(Segment::default()).await.unwrap();
    }
    let seq = journal.next_seq() - 1;
    let snapshot = Snapshot {
        journal_id: journal.journal_id().to_owned(),
        seq,
        epoch: journal.epoch(),
        ..Snapshot::default()
    };
    let objects: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
    Snapshots::new(Store::shared(objects), 0, None).write(snapshot).await.unwrap();
    for gone in FIRST_SEQ..seq {
        store.delete(&Path::from(format!("shard-0/journal/{gone:020}"))).await.unwrap();
    }
    store
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let condition = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, condition).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(start_paused = true)]
async fn what_a_new_sink_could_not_take_is_not_lost_by_a_restart() {
    expect_nothing_lost(pruned().await).await;
}

#[tokio::test(start_paused = true)]
async fn nor_of_one_whose_cursor_has_passed_nothing() {
    let store = pruned().await;
    let (mut journal, _) = own(&store).await;
    let cursor = Cursor { sink: NAME.to_owned(), ..Cursor::default() };
    journal.commit(Segment { cursors: vec![cursor], ..Segment::default() }).await.unwrap();
    expect_nothing_lost(store).await;
}

async fn expect_nothing_lost(store: Arc<InMemory>) {
    let refusing = Target::refusing();
    let mut process = Process::start(&store, &refusing).await;
    process.commit("a").await;
    until("the sink is given a segment", || refusing.0.refused.load(Ordering::SeqCst) > 2).await;
    process.commit("b").await;
    process.die().await;

    let target = Target::default();
    let mut process = Process::start(&store, &target).await;
    process.commit("c").await;
    until("the sink has all", || target.rows().len() >= 3).await;
    assert_eq!(target.rows(), ["a", "b", "c"]);
    process.die().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_that_was_given_nothing_goes_on_after_a_restart() {
    let store = pruned().await;
    let target = Target::default();
    for mark in ["a", "b"] {
        let mut process = Process::start(&store, &target).await;
        // Idle for several flushes and heartbeats.
        for _ in 0..5 {
            process.commit_cursors().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        process.die().await;
        let mut process = Process::start(&store, &target).await;
        process.commit(mark).await;
        until("the sink has it", || target.rows().last().is_some_and(|row| row == mark)).await;
        process.die().await;
    }
    let mut rows = target.rows();
    // Taken and not flushed when the process died, so given again.
    rows.dedup();
    assert_eq!(rows, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_behind_is_given_as_many_segments_as_it_takes_together() {
    let store = Arc::new(InMemory::new());
    let refusing = Target::refusing();
    refusing.0.further.store(2, Ordering::SeqCst);
    let mut process = Process::start(&store, &refusing).await;
    process.commit("a").await;
    until("the sink is given a segment", || refusing.0.refused.load(Ordering::SeqCst) > 0).await;
    for mark in ["b", "c", "d", "e"] {
        process.commit(mark).await;
    }
    refusing.0.refusals_left.store(0, Ordering::SeqCst);
    until("the sink has all", || refusing.rows().len() >= 5).await;
    assert_eq!(refusing.rows(), ["a", "b", "c", "d", "e"]);
    let calls = refusing.0.calls.lock().unwrap().clone();
    assert_eq!(calls.iter().max(), Some(&3), "{calls:?}");
    process.die().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_that_is_far_behind_has_taken_is_not_taken_again() {
    let store = Arc::new(InMemory::new());
    let target = Target::refusing();
    let mut process = Process::start(&store, &target).await;
    for i in 0..100 {
        process.commit(&i.to_string()).await;
    }
    target.0.takes_ms.store(500, Ordering::SeqCst);
    target.0.refusals_left.store(0, Ordering::SeqCst);
    until("the sink has some", || target.rows().len() >= 20).await;
    process.commit_cursors().await;
    process.die().await;
    let before = target.rows().len();
    assert!(before < 100, "it was not through");

    let mut process = Process::start(&store, &target).await;
    target.0.takes_ms.store(0, Ordering::SeqCst);
    process.commit("last").await;
    until("the sink has all", || target.rows().last().is_some_and(|row| row == "last")).await;
    let again = target.rows().len() - 101;
    assert!(again <= 5, "{again} of {before} were taken again");
    process.die().await;
}

/// A disk that hangs ends no call.
#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_shows_in_its_backlog() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _recorder = ::metrics::set_default_local_recorder(&recorder);
    let target = Target::default();
    target.0.takes_ms.store(u64::MAX, Ordering::SeqCst);
    let mut process = Process::start(&Arc::new(InMemory::new()), &target).await;
    for mark in ["a", "b", "c"] {
        process.commit(mark).await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    let told = |name: &str| {
        let page = page.render();
        let line = page.lines().find(|line| line.starts_with(name) && line.contains(NAME));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert_eq!(told("fleetstream_sink_errors_total"), Some(0.0), "a rate begins with a zero");
    // The claim's is one, too.
    assert_eq!(told("fleetstream_unreleased_segments"), Some(4.0));
    let lag = told("fleetstream_release_lag_seconds").expect("a line");
    assert!((90.0..=100.0).contains(&lag), "{lag}");
    process.die().await;
}

/// Whether whoever waits for the sinks goes on within a minute.
async fn is_kept_up(reader: &JournalReader) -> bool {
    tokio::time::timeout(Duration::from_secs(60), reader.kept_up()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_waited_for_until_it_is_not_far_behind() {
    let target = Target::refusing();
    let mut process = Process::start(&Arc::new(InMemory::new()), &target).await;
    let reader = process.journal.reader();
    process.commit("a").await;
    assert!(is_kept_up(&reader).await, "one segment is not far");
    for _ in 0..200 {
        process.commit("b").await;
    }
    assert!(!is_kept_up(&reader).await);
    target.0.refusals_left.store(0, Ordering::SeqCst);
    assert!(is_kept_up(&reader).await);
    target.0.refusals_left.store(usize::MAX, Ordering::SeqCst);
    for _ in 0..200 {
        process.commit("c").await;
    }
    assert!(!is_kept_up(&reader).await);
    process.die().await;
    assert!(is_kept_up(&reader).await, "of a sink that is gone nothing comes");
}

/// It waits for a segment itself, which must not wait for it.
#[tokio::test(start_paused = true)]
async fn a_sink_that_asks_to_be_recorded_is_not_waited_for() {
    let target = Target::default();
    let mut process = Process::start(&Arc::new(InMemory::new()), &target).await;
    let reader = process.journal.reader();
    target.0.asks.store(true, Ordering::SeqCst);
    for _ in 0..200 {
        process.journal.commit(Segment::default()).await.unwrap();
    }
    assert!(is_kept_up(&reader).await);
    assert!(target.0.asks.load(Ordering::SeqCst), "nothing has recorded its cursor");
    process.commit("a").await;
    until("the sink has all", || target.rows() == ["a"]).await;
    process.die().await;
}

#[test]
fn an_outage_is_told_at_first_when_it_changes_and_every_five_minutes() {
    let remote = |said: &str| {
        let (target, source) = ("a table".to_owned(), said.to_owned().into());
        SinkError::Remote { target, source }
    };
    let mut outage = Outage::new(Backoff::new());
    let start = Instant::now();
    let mut told = |said, minutes: u64| {
        outage.news.admit(remote(said).to_string(), start + Duration::from_secs(60 * minutes))
    };
    assert!(told("unavailable", 0));
    assert!(!told("unavailable", 4));
    assert!(told("unavailable", 5));
    assert!(told("a role is missing", 6));
    assert!(!told("a role is missing", 10));
    assert!(told("a role is missing", 11));
}

#[test]
fn a_remote_service_is_given_longer_than_a_disk() {
    let (target, source) = ("a table".to_owned(), "quota".into());
    let mut remote = backoff_of(&SinkError::Remote { target, source });
    assert!(remote.next_pause() >= Duration::from_millis(50));
    let source = std::io::ErrorKind::StorageFull.into();
    let mut disk = backoff_of(&SinkError::Io { path: "p".to_owned(), source });
    assert!(disk.next_pause() <= Duration::from_millis(20));
}

/// Journals have such cursors: of a sink that began among deleted segments and
/// was given nothing.
#[tokio::test(start_paused = true)]
async fn a_cursor_before_the_first_segment_begins_now_where_that_is_gone() {
    let reader = |store: &Arc<InMemory>| {
        let objects: Arc<dyn ObjectStore> = Arc::clone(store) as _;
        JournalReader::new(Store::shared(objects), 0)
    };
    let cursor = |through_seq| Cursor { through_seq, ..Cursor::default() };
    let tail = FIRST_SEQ + 3;
    let gone = reader(&pruned().await);
    let whole = Arc::new(InMemory::new());
    own(&whole).await;
    let whole = reader(&whole);
    for (cursor, in_whole, where_gone) in [
        (None, FIRST_SEQ, tail + 1),
        (Some(cursor(0)), FIRST_SEQ, tail + 1),
        (Some(cursor(FIRST_SEQ - 1)), FIRST_SEQ, tail + 1),
        (Some(cursor(FIRST_SEQ)), FIRST_SEQ + 1, FIRST_SEQ + 1),
        (Some(cursor(FIRST_SEQ + 2)), FIRST_SEQ + 3, FIRST_SEQ + 3),
    ] {
        let first = |reader| first_segment(reader, FIRST_SEQ, tail, cursor.as_ref());
        let found = (first(&whole).await.unwrap(), first(&gone).await.unwrap());
        assert_eq!(found, (in_whole, where_gone), "{cursor:?}");
    }
}
