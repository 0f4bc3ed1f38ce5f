//! From a journal or a snapshot back to the state of a shard.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use engine::journal::{self, FenceObjects, Fenced, History, RetentionPolicy, Snapshots, Store};
use engine::process_stats;
use engine::shard::{ClaimOptions, Claimed};
use geofence::{CORE_VERSION, Detector, Input, Settings, TimeMs};
use protos::journal::{Segment, Snapshot, input};
use serde::{Deserialize, Serialize};

use super::program;
use super::sample::Sample;
use super::scratch::{Scratch, World};
use crate::city;
use crate::fleet::{Fleet, run};
use crate::journal::open_options;

/// A journal to recover from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Recovery {
    /// Every ping of a world in segments, no snapshot.
    Journal(World),
    /// The same, only read and decoded.
    Read(World),
    /// So many vehicles among so many fences in a snapshot, no segment.
    Snapshot { vehicles: u32, fences: u32 },
}

impl Recovery {
    pub(super) fn run(&self, scratch: &Scratch) -> anyhow::Result<Sample> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let directory = match self {
            Self::Journal(world) | Self::Read(world) => journal(scratch, world)?,
            Self::Snapshot { vehicles, fences } => scratch
                .prepared(&format!("snapshot-{vehicles}-{fences}"), |directory| {
                    runtime.block_on(write_snapshot(directory, *vehicles, *fences))
                })?,
        };
        let store = Store::local(&directory)?;
        let (wall, cpu_s) = (Instant::now(), process_stats::cpu_seconds());
        let (operations, claimed) = runtime.block_on(async {
            anyhow::Ok(match self {
                Self::Journal(_) => {
                    let claimed = claim(store).await?;
                    (claimed.audit.pings, Some(claimed))
                }
                Self::Read(_) => (pings_of(store).await?, None),
                Self::Snapshot { vehicles, .. } => {
                    let claimed = claim(store).await?;
                    let found = claimed.detector.vehicle_count();
                    ensure!(found == *vehicles as usize, "{found} vehicles came back");
                    (1, Some(claimed))
                }
            })
        })?;
        let wall_s = wall.elapsed().as_secs_f64();
        let spent = process_stats::cpu_seconds().zip(cpu_s).map(|(now, before)| now - before);
        let cpu_s = spent.context("CPU times are known on Linux")?;
        // A worker keeps it: that it goes is no part of its coming back.
        drop(claimed);
        ensure!(operations > 0, "the journal holds no pings");
        Ok(Sample { operations, cpu_s, wall_s, ..Sample::default() }.with_own_memory())
    }
}

/// As a worker takes a shard.
async fn claim(store: Store) -> anyhow::Result<Claimed> {
    Claimed::claim(ClaimOptions {
        open: open_options(),
        store,
        settings: Settings::default(),
        retention: RetentionPolicy::local(Duration::MAX),
        snapshot_segments_min: u64::MAX,
        sinks: Vec::new(),
        strict_audit: true,
    })
    .await
}

/// Reads every segment; the pings in them.
async fn pings_of(store: Store) -> anyhow::Result<u64> {
    let mut history = History::open(store, 0).await?;
    let mut pings = 0;
    while let Some(segment) = history.next().await? {
        for recorded in &segment.inputs {
            if let Some(input::Input::Pings(run)) = &recorded.input {
                pings += run.payload_lengths.len() as u64;
            }
        }
    }
    Ok(pings)
}

/// The journal that a replay of `world` leaves, without snapshots.
fn journal(scratch: &Scratch, world: &World) -> anyhow::Result<std::path::PathBuf> {
    let (pings, fences) = (scratch.pings(world)?, scratch.fences(world)?);
    let replayed = scratch.prepared("recovery", |out| {
        let none = ["--set", "journal.snapshot_min_segments=1000000"];
        program::replay(&pings, &fences, out, &none)?;
        let snapshots = out.join("journal/shard-0/snapshots");
        if snapshots.exists() {
            fs::remove_dir_all(snapshots)?;
        }
        Ok(())
    })?;
    Ok(replayed.join("journal"))
}

/// A journal that begins with a snapshot of `vehicles` that have reported three
/// times.
async fn write_snapshot(directory: &Path, vehicles: u32, fences: u32) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let store = Store::local(directory)?;
    let set = Arc::new(city::fence_set(&city::rings(fences as usize, 4)));
    FenceObjects::new(store.clone()).put(set.hash(), set.to_canonical_json().into()).await?;

    let mut detector = Detector::new(Settings::default());
    let mut fleet = Fleet::new(vehicles as usize, 5);
    let mut inputs = vec![Input::Fences { set, valid_from: TimeMs::MIN }];
    for seq in 1..4 {
        let pings = fleet.round();
        inputs.push(run(&pings));
        detector.apply(&inputs, TimeMs(pings[0].event_time_us.div_euclid(1000)), seq);
        inputs.clear();
    }

    let mut claim = journal::claim(store.clone(), open_options()).await?;
    ensure!(claim.next_segment().await?.is_none(), "the journal is new");
    let journal = match claim.fence(Segment::default()).await? {
        Fenced::Won(journal, _) => *journal,
        Fenced::Behind(_) => bail!("nobody else writes here"),
    };
    let seq = journal.next_seq() - 1;
    let snapshot = Snapshot {
        journal_id: journal.journal_id().to_owned(),
        shard: 0,
        seq,
        epoch: journal.epoch(),
        core_version: CORE_VERSION,
        fence_hashes: detector.fence_hashes(),
        core: detector.encode_state().into(),
        ..Snapshot::default()
    };
    Snapshots::new(store, 0, None).write(snapshot).await?;
    Ok(())
}
