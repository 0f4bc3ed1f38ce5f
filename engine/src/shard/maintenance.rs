//! Snapshots and retention of one shard, beside its commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use geofence::{Captured, Detector};
use protos::journal::Snapshot;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::cursors::CursorBoard;
use crate::journal::frame::SnapshotEncoder;
use crate::journal::{
    Cadence, Committed, FenceUse, Journal, Retention, RetentionPolicy, Snapshots, Store,
};
use crate::metrics;
use crate::wall_clock::WallClock;

/// Takes snapshots when they are due, bit by bit after segments and while the shard
/// waits for the next one, and sweeps after each.
pub(super) struct Maintenance {
    shard: u32,
    cadence: Cadence,
    /// Hash of the configured fences that were last taken up.
    configured_fences: String,
    /// The same of the tags of vehicles.
    configured_tags: String,
    /// Of fence sets, where those that nobody needs go.
    fence_use: Option<FenceUse>,
    keepers: Arc<Mutex<Keepers>>,
    newest: Arc<Newest>,
    taking_down: Option<TakingDown>,
    task: Option<JoinHandle<()>>,
}

/// The newest snapshot.
struct Newest {
    /// Length of its object.
    bytes: AtomicU64,
    /// The segment that it reflects; without one that before the first.
    seq: AtomicU64,
}

/// A snapshot whose state is being taken down. Each part is compressed while the
/// shard goes on, and before the next one comes: the state is never held whole, as
/// large as it is.
struct TakingDown {
    seq: u64,
    fence_hashes: Vec<String>,
    encoding: JoinHandle<SnapshotEncoder>,
}

/// How much of the state is taken down after a segment: some milliseconds'
/// worth, so that no ping waits long for it.
const CAPTURE_BYTES: usize = 1 << 20;

/// How much at once while the shard has nothing else to do: it hears of nothing
/// meanwhile.
const IDLE_BYTES: usize = CAPTURE_BYTES / 4;

struct Keepers {
    snapshots: Snapshots,
    retention: Retention,
}

impl Maintenance {
    /// For a shard claimed from the snapshot at `snapshot_seq`, whose journal
    /// begins at `first_seq`. `cadence` counts from that snapshot on.
    pub(super) fn new(
        store: Store,
        shard: u32,
        first_seq: u64,
        snapshot_seq: Option<u64>,
        cadence: Cadence,
        policy: RetentionPolicy,
    ) -> Self {
        let newest = Newest {
            bytes: cadence.snapshot_bytes().into(),
            seq: snapshot_seq.unwrap_or(first_seq - 1).into(),
        };
        let snapshots = Snapshots::new(store.clone(), shard, snapshot_seq);
        let retention = Retention::new(store, shard, first_seq, policy);
        Self {
            shard,
            cadence,
            configured_fences: String::new(),
            configured_tags: String::new(),
            fence_use: None,
            keepers: Arc::new(Mutex::new(Keepers { snapshots, retention })),
            newest: Arc::new(newest),
            taking_down: None,
            task: None,
        }
    }

    /// From here on snapshots say that the configured fences `hash` were taken
    /// up.
    pub(super) fn set_configured_fences(&mut self, hash: String) {
        self.configured_fences = hash;
    }

    /// Hash of the configured tags of vehicles that were last taken up; `None`
    /// if none ever were.
    pub(super) fn configured_tags(&self) -> Option<&str> {
        (!self.configured_tags.is_empty()).then_some(self.configured_tags.as_str())
    }

    /// From here on snapshots say that the configured tags `hash` were taken
    /// up.
    pub(super) fn set_configured_tags(&mut self, hash: String) {
        self.configured_tags = hash;
    }

    /// From here on fence sets go that nobody needs.
    pub(super) fn set_fence_use(&mut self, uses: FenceUse) {
        self.fence_use = Some(uses);
    }

    /// Of fence sets, where those that nobody needs go.
    pub(super) fn fence_use(&self) -> Option<&FenceUse> {
        self.fence_use.as_ref()
    }

    /// Counts a segment towards the next snapshot.
    pub(super) fn count(&mut self, committed: &Committed) {
        if let Some(uses) = &self.fence_use {
            uses.committed(self.shard, &committed.segment);
        }
        self.cadence.segment(committed.bytes);
        let behind = committed.seq.saturating_sub(self.newest.seq.load(Ordering::Relaxed));
        metrics::SINCE_SNAPSHOT.gauge(&[&self.shard.to_string()]).set(behind as f64);
    }

    /// Goes on with the snapshot that is being taken down, or begins one of the
    /// state as it stands if one is due and none is being written. Deletion
    /// spares what is after `floor`.
    pub(super) async fn keep_up(
        &mut self,
        journal: &Journal,
        detector: &mut Detector,
        cursors: &CursorBoard,
        floor: u64,
    ) {
        let busy = self.task.as_ref().is_some_and(|task| !task.is_finished());
        if self.taking_down.is_none() && !busy {
            self.cadence.measured(self.newest.bytes.load(Ordering::Relaxed));
            if self.cadence.is_due() {
                self.begin(journal, detector, cursors);
            }
        }
        self.go_on(detector, CAPTURE_BYTES, Some(floor)).await;
    }

    /// Whether a snapshot is being taken down.
    pub(super) fn is_taking_down(&self) -> bool {
        self.taking_down.is_some()
    }

    /// Goes on with the snapshot that is being taken down while the shard waits:
    /// what is done by then the next apply does not have to wait for.
    pub(super) async fn use_idle(&mut self, detector: &mut Detector, floor: u64) {
        self.go_on(detector, IDLE_BYTES, Some(floor)).await;
    }

    /// Waits for what is under way, and writes a last snapshot if asked. One
    /// that is being taken down is given up.
    pub(super) async fn finish(
        &mut self,
        snapshot: bool,
        journal: &Journal,
        detector: &mut Detector,
        cursors: &CursorBoard,
    ) {
        self.join().await;
        if snapshot {
            self.begin(journal, detector, cursors);
            while self.taking_down.is_some() {
                self.go_on(detector, CAPTURE_BYTES, None).await;
            }
            self.join().await;
        }
    }

    async fn join(&mut self) {
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            warn!(%error, "the snapshot task ended early");
        }
    }

    fn begin(&mut self, journal: &Journal, detector: &mut Detector, cursors: &CursorBoard) {
        detector.begin_capture();
        let snapshot = Snapshot {
            journal_id: journal.journal_id().to_owned(),
            shard: self.shard,
            seq: journal.next_seq() - 1,
            epoch: journal.epoch(),
            core_version: geofence::CORE_VERSION,
            cursors: cursors.recorded().borrow().values().cloned().collect(),
            fence_hashes: detector.fence_hashes(),
            core: Bytes::new(),
            configured_fences_hash: self.configured_fences.clone(),
            configured_tags_hash: self.configured_tags.clone(),
        };
        let (seq, fence_hashes) = (snapshot.seq, snapshot.fence_hashes.clone());
        let bytes = self.newest.bytes.load(Ordering::Relaxed);
        // As much as the one before took, and a quarter: mostly it grows.
        let expected = bytes as usize + bytes as usize / 4 + CAPTURE_BYTES;
        let encoding =
            tokio::task::spawn_blocking(move || SnapshotEncoder::new(&snapshot, expected));
        self.taking_down = Some(TakingDown { seq, fence_hashes, encoding });
        self.cadence.restart();
    }

    /// Takes about `bytes` more of the state down, and has it written once all of
    /// it is there.
    async fn go_on(&mut self, detector: &mut Detector, bytes: usize, floor: Option<u64>) {
        let Some(taking_down) = self.taking_down.take() else { return };
        let Some(Captured { bytes, is_last }) = detector.capture(bytes) else { return };
        let mut encoder = match taking_down.encoding.await {
            Ok(encoder) => encoder,
            Err(error) => return warn!(%error, "a snapshot's encoding ended early"),
        };
        let encoding = tokio::task::spawn_blocking(move || {
            encoder.add(&bytes);
            encoder
        });
        let taking_down = TakingDown { encoding, ..taking_down };
        if is_last {
            self.write(taking_down, floor);
        } else {
            self.taking_down = Some(taking_down);
        }
    }

    fn write(&mut self, taking_down: TakingDown, floor: Option<u64>) {
        let TakingDown { seq, fence_hashes, encoding } = taking_down;
        let (shard, fence_use) = (self.shard, self.fence_use.clone());
        let keepers = Arc::clone(&self.keepers);
        let newest = Arc::clone(&self.newest);
        self.task = Some(tokio::spawn(async move {
            let encoder = encoding.await.expect("encoding neither panics nor is cancelled");
            let finishing = tokio::task::spawn_blocking(move || encoder.finish());
            let bytes = finishing.await.expect("encoding neither panics nor is cancelled");
            let mut keepers = keepers.lock().await;
            match keepers.snapshots.write_encoded(seq, bytes).await {
                Ok(bytes) => {
                    debug!(seq, bytes, "wrote a snapshot");
                    newest.bytes.store(bytes, Ordering::Relaxed);
                    newest.seq.store(seq, Ordering::Relaxed);
                    if let Some(uses) = &fence_use {
                        uses.snapshot(shard, seq, fence_hashes);
                    }
                }
                Err(error) => {
                    metrics::MAINTENANCE_ERRORS.counter(&["snapshot"]).increment(1);
                    return warn!(seq, %error, "no snapshot: the journal grows instead");
                }
            }
            let Some(floor) = floor else { return };
            let kept = keepers.snapshots.kept();
            match keepers.retention.run(kept, Some(floor), WallClock::read().0).await {
                Ok(swept) => debug!(?swept, "swept the journal"),
                Err(error) => {
                    metrics::MAINTENANCE_ERRORS.counter(&["sweep"]).increment(1);
                    return warn!(%error, "the journal was not swept: it grows instead");
                }
            }
            if let (Some(uses), Some(seq)) = (fence_use, keepers.retention.oldest_segment()) {
                uses.oldest_segment(shard, seq);
                match uses.sweep().await {
                    Ok(removed) => debug!(removed, "removed fence sets that nothing refers to"),
                    Err(error) => {
                        metrics::MAINTENANCE_ERRORS.counter(&["sweep"]).increment(1);
                        warn!(%error, "fence sets were not swept: they stay for now");
                    }
                }
            }
        }));
    }
}
