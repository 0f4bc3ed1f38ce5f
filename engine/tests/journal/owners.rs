//! Two workers, or three, race for one shard on a store that loses, delays and doubles
//! what they send, and holds either of them up for minutes, while snapshots,
//! packs and deletion shorten the history under them.
//!
//! What must come out of any schedule: each number belongs to one writer,
//! epochs rise, and the state after re-applying holds every acknowledged
//! mark once, in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engine::exit::Exit;
use engine::journal::{
    Claim, Committed, Fenced, Journal, JournalError, OpenOptions, Retention, RetentionPolicy,
    Snapshots, Store, await_quiet, claim,
};
use engine::shard::{ClaimOptions, Claimed};
use geofence::{FenceSet, Settings};
use proptest::prelude::*;
use protos::journal::{Segment, SegmentKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::*;

/// Later than anything the store has written: deletion at once.
const LATER_MS: i64 = 1 << 50;
const COMMITS_EACH: u32 = 40;

/// What the workers were told is durable.
#[derive(Default)]
struct Acknowledged {
    segments: Vec<Arc<Segment>>,
    fenced: u32,
}

type Shared = Arc<Mutex<Acknowledged>>;

/// The state under test: the marks applied, one a line.
#[derive(Default)]
struct State(String);

impl State {
    fn apply(&mut self, segment: &Segment) {
        if segment.kind() == SegmentKind::Data {
            self.0.push_str(mark_of(segment));
            self.0.push('\n');
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn never_two_writers_of_one_number(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(race(seed));
    }
}

async fn race(seed: u64) {
    let store = Faulty::new();
    let acknowledged = Shared::default();
    // With a third one a claim may be held up while two others take turns.
    let workers = (0..2 + seed % 2).map(|worker| {
        let store = store.chaotic(seed ^ worker);
        tokio::spawn(work(store, seed ^ (worker << 32), worker, Arc::clone(&acknowledged)))
    });
    for worker in futures::future::join_all(workers).await {
        worker.unwrap();
    }

    let segments = std::mem::take(&mut acknowledged.lock().unwrap().segments);
    let mut by_seq = BTreeMap::new();
    for segment in &segments {
        let twice = by_seq.insert(segment.seq, segment);
        assert!(twice.is_none(), "seq {} was acknowledged twice", segment.seq);
    }
    let epochs: Vec<u64> = by_seq.values().map(|segment| segment.epoch).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    let mut writers = BTreeMap::new();
    for segment in by_seq.values() {
        let writer = writers.entry(segment.epoch).or_insert(&segment.writer_id);
        assert_eq!(*writer, &segment.writer_id, "epoch {} has two writers", segment.epoch);
    }

    let mut claim = claim(store.store(), options()).await.unwrap();
    let state = load(&mut claim).await.unwrap();
    let mut expected = State::default();
    by_seq.values().for_each(|segment| expected.apply(segment));
    assert_eq!(state.0, expected.0, "seed {seed}");
}

/// One process after another in the same place, until it has committed its
/// share.
async fn work(store: Faulty, seed: u64, worker: u64, acknowledged: Shared) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut left = COMMITS_EACH;
    while left > 0 {
        match live(&store, &mut random, worker, &mut left, &acknowledged).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.exit_code(), 75, "only fencing ends a worker: {error}");
                acknowledged.lock().unwrap().fenced += 1;
            }
        }
    }
}

async fn live(
    store: &Faulty,
    random: &mut StdRng,
    worker: u64,
    left: &mut u32,
    acknowledged: &Shared,
) -> Result<(), JournalError> {
    let mut claim = take_over(store.store(), Duration::from_secs(5)).await?;
    let base = claim.snapshot().map(|snapshot| snapshot.seq);
    let first_seq = claim.first_seq();
    let mut state = load(&mut claim).await?;
    let (mut journal, claimed) = take(&mut claim, &mut state).await?;
    acknowledged.lock().unwrap().segments.push(claimed.segment);

    let mut snapshots = Snapshots::new(store.store(), 0, base);
    let policy =
        RetentionPolicy { segments_per_pack: 3, ..RetentionPolicy::shared(Duration::ZERO) };
    let mut retention = Retention::new(store.store(), 0, first_seq, policy);
    while *left > 0 {
        let longest = if random.random_range(0..15) == 0 { 20_000 } else { 1_000 };
        tokio::time::sleep(Duration::from_millis(random.random_range(0..longest))).await;
        let mark = format!("{worker}.{left}");
        let committed = journal.commit(marked(&mark)).await?;
        state.apply(&committed.segment);
        acknowledged.lock().unwrap().segments.push(committed.segment);
        *left -= 1;
        if random.random_range(0..4) == 0 {
            let mut snapshot = snapshot_at(&journal, committed.seq);
            snapshot.core = Bytes::copy_from_slice(state.0.as_bytes());
            tolerate(snapshots.write(snapshot).await)?;
            tolerate(retention.run(snapshots.kept(), None, LATER_MS).await)?;
        }
    }
    Ok(())
}

/// Housekeeping may fail, to be done another time: the store does, or another
/// owner has deleted what this run is about.
fn tolerate<T>(housekeeping: Result<T, JournalError>) -> Result<(), JournalError> {
    match housekeeping {
        Ok(_) | Err(JournalError::Absent { .. } | JournalError::Store { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn load(claim: &mut Claim) -> Result<State, JournalError> {
    let core = claim.snapshot().map_or_else(Bytes::new, |snapshot| snapshot.core.clone());
    let mut state = State(String::from_utf8(core.to_vec()).expect("marks are text"));
    while let Some(segment) = claim.next_segment().await? {
        state.apply(&segment);
    }
    Ok(state)
}

async fn take(
    claim: &mut Claim,
    state: &mut State,
) -> Result<(Box<Journal>, Committed), JournalError> {
    loop {
        match claim.fence(Segment::default()).await? {
            Fenced::Won(journal, committed) => return Ok((journal, committed)),
            Fenced::Behind(segment) => state.apply(&segment),
        }
    }
}

/// The races above are worth something: in one of these schedules at least,
/// owners do lose the shard.
#[test]
fn owners_do_get_fenced() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let fenced = runtime.block_on(async {
        let store = Faulty::new();
        let acknowledged = Shared::default();
        for seed in 0..2 {
            let workers = (0..2).map(|worker| {
                let store = store.chaotic(seed * 2 + worker);
                tokio::spawn(work(store, seed + worker * 7, worker, Arc::clone(&acknowledged)))
            });
            for worker in futures::future::join_all(workers).await {
                worker.unwrap();
            }
        }
        acknowledged.lock().unwrap().fenced
    });
    assert!(fenced > 0);
}

const QUIET: Duration = Duration::from_secs(5);
const SHARDS: u32 = 4;

/// What became of a worker that stood by.
#[derive(Debug, PartialEq, Eq)]
enum Standby {
    /// It took all shards over and worked on them.
    Worked,
    /// It left them to another one.
    Yielded,
    /// It took them over, and another one took them from it.
    Fenced,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whoever owned the shards is gone, and two see the journals stand still at
    /// the same moment.
    #[test]
    fn of_two_that_stand_by_together_neither_ends_the_other(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(stand_by_together(seed));
    }
}

async fn stand_by_together(seed: u64) {
    let store = Faulty::new();
    for shard in 0..SHARDS {
        own_with(store.store(), OpenOptions { shard, shards: SHARDS, ..options() }).await;
    }
    let workers = (0..2).map(|worker| tokio::spawn(succeed(store.slow(seed ^ worker).store())));
    let ends: Vec<Standby> =
        futures::future::join_all(workers).await.into_iter().map(Result::unwrap).collect();
    assert!(ends.contains(&Standby::Worked) && !ends.contains(&Standby::Fenced), "{ends:?}");
}

/// Stands by, takes all shards and works for a while.
async fn succeed(store: Store) -> Standby {
    let shards: Vec<u32> = (0..SHARDS).collect();
    let tails = await_quiet(&store, &shards, QUIET, QUIET / 10).await.unwrap();
    let options = shards.iter().zip(tails).map(|(&shard, tail)| ClaimOptions {
        open: OpenOptions { shard, shards: SHARDS, ..waited_until(tail) },
        store: store.clone(),
        settings: Settings::default(),
        retention: RetentionPolicy::shared(Duration::from_secs(3600)),
        snapshot_segments_min: 64,
        sinks: Vec::new(),
        strict_audit: true,
    });
    let mut claimed = match Claimed::claim_all(options.collect(), Arc::new(FenceSet::empty())).await
    {
        Ok(claimed) => claimed,
        Err(error) => {
            assert_eq!(Exit::of(&error), Exit::Temporary, "{error:#}");
            return Standby::Yielded;
        }
    };
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for shard in &mut claimed {
            if let Err(error) = shard.journal.commit(Segment::default()).await {
                assert_eq!(error.exit_code(), 75, "{error}");
                return Standby::Fenced;
            }
        }
    }
    Standby::Worked
}
