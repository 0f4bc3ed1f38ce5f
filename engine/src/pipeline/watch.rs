//! What closes the intake for a while: a disk that fills up, a journal that
//! takes no commits.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::http::COMMIT_AGE_MAX;
use crate::intake::{Intake, PauseReason};
use crate::journal::{CommitHealth, disk};
use crate::metrics;

const EVERY: Duration = Duration::from_millis(500);

/// Pauses intake while less than `min_free_percent` of the disk is free.
pub(super) async fn disk(
    path: PathBuf,
    min_free_percent: u8,
    intake: Intake,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let min_free = f64::from(min_free_percent) / 100.0;
    let mut paused = false;
    loop {
        let looked_at = path.clone();
        let space = tokio::task::spawn_blocking(move || disk::space(&looked_at)).await?;
        match space {
            Ok(space) => {
                let free = space.free_fraction();
                metrics::DISK_FREE.gauge(&[]).set(free);
                let full = free < min_free;
                if full && !paused {
                    error!(free, min_free, "the disk is nearly full: intake stops");
                    intake.pause(PauseReason::DiskNearlyFull);
                } else if paused && !full {
                    info!(free, "the disk has room again: intake goes on");
                    intake.resume(PauseReason::DiskNearlyFull);
                }
                paused = full;
            }
            Err(error) => error!(%error, path = %path.display(), "cannot tell the free space"),
        }
        if stopped(&stop).await {
            return Ok(());
        }
    }
}

/// Pauses intake while a commit of one of the shards, each by its number, has
/// been failing for too long.
pub(super) async fn commits(
    commits: Vec<(u32, CommitHealth)>,
    intake: Intake,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut paused = false;
    loop {
        let longest = commits.iter().filter_map(|(_, commit)| commit.failing_for()).max();
        let stuck = longest.as_ref().is_some_and(|(age, _)| *age >= COMMIT_AGE_MAX);
        if let Some((_, error)) = longest
            && stuck
            && !paused
        {
            error!(error, "the journal takes no commits: intake stops");
            intake.pause(PauseReason::CommitStuck);
        } else if paused && !stuck {
            info!("the journal takes commits again: intake goes on");
            intake.resume(PauseReason::CommitStuck);
        }
        paused = stuck;
        for (shard, commit) in &commits {
            let age = commit.pending_for().unwrap_or_default();
            metrics::COMMIT_AGE.gauge(&[&shard.to_string()]).set(age.as_secs_f64());
        }
        if stopped(&stop).await {
            return Ok(());
        }
    }
}

async fn stopped(stop: &CancellationToken) -> bool {
    tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok()
}
