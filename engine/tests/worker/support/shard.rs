//! One shard at work in the test's own process, alone with its journal.

use std::sync::Arc;
use std::time::Duration;

use engine::config::Clock;
use engine::http::{EventFeed, FeedLimits, Health};
use engine::intake::{Intake, OwnedShards, QueueLimits};
use engine::journal::{OpenOptions, RetentionPolicy, Standby, Store, WriterId};
use engine::shard::{
    ClaimOptions, Claimed, Control, CursorBoard, Cursors, Cut, Shard, ShardOptions, ShardServices,
};
use geofence::Settings;
use sinks::positions::PositionStore;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Claims the journal's one shard, whoever had it; that its owner is gone is
/// the caller's to know.
pub(crate) async fn claim(store: Store) -> anyhow::Result<Claimed> {
    let options = ClaimOptions {
        open: OpenOptions {
            shard: 0,
            shards: 1,
            first_seq: 1_000,
            created_at_ms: 0,
            writer: WriterId::random(),
            standby: Standby::Waited { tail: u64::MAX },
            set_aside_tail: false,
        },
        store,
        settings: Settings::default(),
        retention: RetentionPolicy::shared(Duration::from_secs(3600)),
        snapshot_segments_min: 64,
        sinks: Vec::new(),
        strict_audit: true,
    };
    let mut claimed = Claimed::claim(options).await?;
    let now = claimed.detector.now();
    claimed.configure(&Settings::default(), None, now).await?;
    Ok(claimed)
}

/// A shard at work.
pub(crate) struct Owner {
    pub(crate) intake: Intake,
    /// Dropped, it ends the task.
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) task: JoinHandle<anyhow::Result<()>>,
}

impl Owner {
    /// Has the shard that was claimed work by the clock of its pings.
    pub(crate) fn start(claimed: Claimed) -> Self {
        Self::start_by(Clock::Event, claimed)
    }

    /// Has the shard that was claimed work by this clock.
    pub(crate) fn start_by(clock: Clock, claimed: Claimed) -> Self {
        let limits = QueueLimits { max_pings: 1_000, max_bytes: 1 << 20 };
        let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits);
        let (control, ear) = mpsc::channel(1);
        let options = ShardOptions {
            cut: Cut::Clock { delay_max: Duration::from_millis(5), bytes_max: 1 << 20 },
            clock,
            heartbeat: Duration::from_secs(1),
        };
        let services = ShardServices {
            feed: EventFeed::new(FeedLimits::default()),
            positions: PositionStore::new(),
            live: None,
            health: Health::new([0]),
            cursors: CursorBoard::new(Cursors::new()),
            sources: ["test".to_owned()].into(),
            tally: Arc::default(),
            sinks: Vec::new(),
        };
        let queue = queues.pop().expect("one shard, one queue");
        let shard = Shard::new(claimed, options, services, queue, ear);
        Self { intake, control, task: tokio::spawn(shard.run()) }
    }

    /// Ends it as a worker that drains does, with a last snapshot.
    pub(crate) async fn finish(self) {
        self.control.send(Control::Finish { snapshot: true }).await.expect("it listens");
        self.task.await.expect("it does not panic").expect("it fails at nothing");
    }
}
