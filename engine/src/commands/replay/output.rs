//! The files of a replay that are more than a sink's: final events, and one
//! event log and one file of dead letters for all shards.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use protos::event_json::is_by_arrival;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fold::Fold;
use crate::shard::Follower;

/// Follows every shard and folds its events.
pub(super) struct Output {
    out: PathBuf,
    over: CancellationToken,
    shards: JoinSet<anyhow::Result<Folds>>,
}

/// The folds of one shard.
struct Folds {
    events: Fold,
    liveness: Fold,
    operations: u64,
    dead_letters: u64,
}

/// What the output holds.
pub(super) struct Totals {
    /// Final events by kind.
    pub(super) events: BTreeMap<String, u64>,
    /// Those of semantics §9.
    pub(super) liveness: BTreeMap<String, u64>,
    /// Operations in the event log.
    pub(super) operations: u64,
    pub(super) dead_letters: u64,
}

impl Output {
    /// Begins to follow, before the first ping goes in.
    pub(super) fn follow(out: &Path, followers: Vec<Follower>) -> Self {
        let over = CancellationToken::new();
        let mut shards = JoinSet::new();
        for follower in followers {
            shards.spawn(fold_shard(follower, out.to_owned(), over.clone()));
        }
        Self { out: out.to_owned(), over, shards }
    }

    /// Writes the files, once every segment is committed.
    pub(super) async fn finish(mut self, shards: u32) -> anyhow::Result<Totals> {
        self.over.cancel();
        let mut folds = Vec::new();
        while let Some(folded) = self.shards.join_next().await {
            folds.push(folded.context("folding events panicked")??);
        }
        tokio::task::spawn_blocking(move || write(&self.out, folds, shards))
            .await
            .context("writing events panicked")?
    }
}

async fn fold_shard(
    mut follower: Follower,
    out: PathBuf,
    over: CancellationToken,
) -> anyhow::Result<Folds> {
    let mut folds = Folds {
        events: Fold::new(&out),
        liveness: Fold::new(&out),
        operations: 0,
        dead_letters: 0,
    };
    loop {
        let segment = tokio::select! {
            biased;
            segment = follower.next() => segment?,
            () = over.cancelled() => match follower.next_committed().await? {
                Some(segment) => segment,
                None => return Ok(folds),
            },
        };
        folds.operations += segment.events.len() as u64;
        folds.dead_letters += segment.dead_letters.len() as u64;
        for event in &segment.events {
            let fold = if is_by_arrival(event) { &mut folds.liveness } else { &mut folds.events };
            fold.add(event)?;
        }
    }
}

fn write(out: &Path, folds: Vec<Folds>, shards: u32) -> anyhow::Result<Totals> {
    let operations = folds.iter().map(|folds| folds.operations).sum();
    let dead_letters = folds.iter().map(|folds| folds.dead_letters).sum();
    let (events, liveness): (Vec<_>, Vec<_>) =
        folds.into_iter().map(|folds| (folds.events, folds.liveness)).unzip();
    let totals = Totals {
        events: Fold::finish_all(&events, &out.join("events.ndjson"))?,
        liveness: Fold::finish_all(&liveness, &out.join("liveness.ndjson"))?,
        operations,
        dead_letters,
    };
    join_shards(&out.join("event_log"), shards, &out.join("event_log.ndjson"))?;
    join_shards(&out.join("dead_letters"), shards, &out.join("dead_letters.ndjson"))?;
    Ok(totals)
}

/// Joins the shards' files of `directory` into `path`, in order of shard, and
/// removes them.
fn join_shards(directory: &Path, shards: u32, path: &Path) -> anyhow::Result<()> {
    let shard = |n: u32| directory.join(format!("shard-{n}.ndjson"));
    let joined = || -> io::Result<()> {
        if !directory.exists() {
            // The configuration asks for none.
            return Ok(());
        }
        if shards == 1 {
            std::fs::rename(shard(0), path)?;
        } else {
            let mut out = File::create(path)?;
            for n in 0..shards {
                io::copy(&mut File::open(shard(n))?, &mut out)?;
            }
            out.sync_all()?;
        }
        std::fs::remove_dir_all(directory)
    };
    joined().with_context(|| format!("writing {}", path.display()))
}
