//! Fence sets go once nothing refers to them, and never before.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::journal::pack::PackIndex;
use engine::journal::{
    ClaimedShard, FenceObjects, FenceUse, Fenced, Journal, OpenOptions, Retention, RetentionPolicy,
    Snapshots, claim, frame,
};
use proptest::prelude::*;
use protos::journal::{FenceChange, Input, Segment, Snapshot, input};

use crate::support::*;

const SHARDS: u32 = 2;
/// Later than anything any store has written.
const LATER_MS: i64 = 1 << 50;
/// So many sets of a shard may still judge.
const IN_FORCE: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The fences become those of this number.
    Change { set: u8, end: End, between: Option<u32> },
    /// A segment that says nothing of fences.
    Commit { shard: u32 },
    /// A snapshot, and what comes after it.
    Maintain { shard: u32 },
    /// The process dies.
    Restart,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug)]
enum End {
    Made,
    CalledOff,
    /// The process dies when the set is stored.
    Stored,
    /// The process dies when the first shard has committed it.
    HalfMade,
}

fn any_step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        4 => Just(End::Made),
        1 => Just(End::CalledOff),
        1 => Just(End::Stored),
        1 => Just(End::HalfMade),
    ];
    let between = prop::option::of(0..SHARDS);
    prop_oneof![
        3 => (0..6_u8, end, between)
            .prop_map(|(set, end, between)| Step::Change { set, end, between }),
        2 => (0..SHARDS).prop_map(|shard| Step::Commit { shard }),
        4 => (0..SHARDS).prop_map(|shard| Step::Maintain { shard }),
        1 => Just(Step::Restart),
    ]
}

fn hash(set: u8) -> String {
    format!("{set:032x}")
}

struct Shard {
    journal: Journal,
    tail: u64,
    snapshots: Snapshots,
    retention: Retention,
    in_force: Vec<String>,
}

struct World {
    store: Faulty,
    shards: Vec<Shard>,
    uses: FenceUse,
    objects: FenceObjects,
    announced: Option<String>,
}

impl World {
    async fn new() -> Self {
        let store = Faulty::new();
        let in_force = vec![Vec::new(); SHARDS as usize];
        Self::start(store, in_force).await
    }

    async fn start(store: Faulty, in_force: Vec<Vec<String>>) -> Self {
        let (mut shards, mut claimed) = (Vec::new(), Vec::new());
        for (shard, in_force) in (0..).zip(in_force) {
            let options = OpenOptions { shard, shards: SHARDS, ..options() };
            let mut claim = claim(store.store(), options).await.unwrap();
            let base = claim.snapshot().map(|base| (base.seq, base.fence_hashes.clone()));
            reapply(&mut claim).await.unwrap();
            let Fenced::Won(journal, fence) = claim.fence(Segment::default()).await.unwrap() else {
                panic!("nobody else is there");
            };
            let policy =
                RetentionPolicy { segments_per_pack: 4, ..RetentionPolicy::local(Duration::ZERO) };
            let base_seq = base.as_ref().map(|(seq, _)| *seq);
            claimed.push(ClaimedShard { shard, tail: fence.seq, snapshot: base });
            shards.push(Shard {
                journal: *journal,
                tail: fence.seq,
                snapshots: Snapshots::new(store.store(), shard, base_seq),
                retention: Retention::new(store.store(), shard, FIRST_SEQ, policy),
                in_force,
            });
        }
        let uses = FenceUse::new(store.store(), claimed).await.unwrap();
        let objects = FenceObjects::new(store.store()).used(Some(uses.clone()));
        Self { store, shards, uses, objects, announced: None }
    }

    async fn restart(self) -> Self {
        let in_force = self.shards.into_iter().map(|shard| shard.in_force).collect();
        Self::start(self.store, in_force).await
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Change { set, end, between } => {
                let hash = hash(set);
                self.objects.put(&hash, format!("set {set}").into()).await.unwrap();
                self.announced = Some(hash.clone());
                if matches!(end, End::Made | End::HalfMade) {
                    for shard in 0..SHARDS {
                        if let Some(between) = between {
                            self.maintain(between).await;
                        }
                        self.commit(shard, Some(&hash)).await;
                        if matches!(end, End::HalfMade) {
                            break;
                        }
                    }
                }
                if matches!(end, End::Stored | End::HalfMade) {
                    return self.restart().await;
                }
                self.announced = None;
                self.objects.settled(&hash);
            }
            Step::Commit { shard } => self.commit(shard, None).await,
            Step::Maintain { shard } => self.maintain(shard).await,
            Step::Restart => return self.restart().await,
        }
        self
    }

    async fn commit(&mut self, number: u32, hash: Option<&str>) {
        let shard = &mut self.shards[number as usize];
        let input = |hash: &str| {
            let change = FenceChange { hash: hash.to_owned(), ..FenceChange::default() };
            Input { input: Some(input::Input::Fences(change)) }
        };
        let inputs = hash.into_iter().map(input).collect();
        let committed = shard.journal.commit(Segment { inputs, ..marked("a") }).await.unwrap();
        shard.tail = committed.seq;
        if let Some(hash) = hash {
            shard.in_force.retain(|known| known != hash);
            shard.in_force.push(hash.to_owned());
            let gone = shard.in_force.len().saturating_sub(IN_FORCE);
            shard.in_force.drain(..gone);
        }
        self.uses.committed(number, &committed.segment);
    }

    async fn maintain(&mut self, number: u32) {
        let shard = &mut self.shards[number as usize];
        let (seq, hashes) = (shard.tail, shard.in_force.clone());
        let snapshot = Snapshot {
            shard: number,
            fence_hashes: hashes.clone(),
            ..snapshot_at(&shard.journal, seq)
        };
        shard.snapshots.write(snapshot).await.unwrap();
        self.uses.snapshot(number, seq, hashes);
        shard.retention.run(shard.snapshots.kept(), None, LATER_MS).await.unwrap();
        if let Some(oldest) = shard.retention.oldest_segment() {
            self.uses.oldest_segment(number, oldest);
            self.uses.sweep().await.unwrap();
            self.expect_needed().await;
        }
    }

    /// Everything that stands finds the sets that it refers to.
    async fn expect_needed(&self) {
        let mut needed: BTreeSet<String> = self.announced.iter().cloned().collect();
        for shard in 0..SHARDS {
            for name in self.store.names(&format!("shard-{shard}/journal")).await {
                let bytes = self.store.raw(&name).await.unwrap();
                needed.extend(named(&frame::decode_segment(&bytes, &name).unwrap()));
            }
            for name in self.store.names(&format!("shard-{shard}/packs")).await {
                let pack = self.store.raw(&name).await.unwrap();
                let index = PackIndex::parse(&pack, pack.len() as u64, &name).unwrap();
                let (first, last) = index.seqs();
                for range in (first..=last).map(|seq| index.range(seq).unwrap()) {
                    let bytes = pack.slice(range.start as usize..range.end as usize);
                    needed.extend(named(&frame::decode_segment(&bytes, &name).unwrap()));
                }
            }
            for name in self.store.names(&format!("shard-{shard}/snapshots")).await {
                let bytes = self.store.raw(&name).await.unwrap();
                needed.extend(frame::decode_snapshot(&bytes, &name).unwrap().fence_hashes);
            }
        }
        for hash in needed {
            self.objects.get(&hash).await.unwrap();
        }
    }
}

fn named(segment: &Segment) -> Vec<String> {
    let hash = |recorded: &Input| match &recorded.input {
        Some(input::Input::Fences(change)) => Some(change.hash.clone()),
        _ => None,
    };
    segment.inputs.iter().filter_map(hash).collect()
}

async fn lives(steps: Vec<Step>) {
    let mut world = World::new().await;
    for step in steps {
        world = world.take(step).await;
    }
    // Segments and snapshots that name what is no longer in force go, and then the sets.
    for _ in 0..8 {
        for shard in 0..SHARDS {
            world.commit(shard, None).await;
            world.maintain(shard).await;
        }
    }
    let in_force: BTreeSet<String> =
        world.shards.iter().flat_map(|shard| shard.in_force.clone()).collect();
    let stored: BTreeSet<String> = world
        .store
        .names("fences")
        .await
        .iter()
        .map(|name| name["fences/".len()..].to_owned())
        .collect();
    assert_eq!(stored, in_force);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sets_go_once_nothing_refers_to_them_and_never_before(
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(lives(steps));
    }
}
