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
/// been failing or without an answer for too long.
pub(super) async fn commits(
    commits: Vec<(u32, CommitHealth)>,
    intake: Intake,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut paused = false;
    loop {
        let is_stuck = |commit: &CommitHealth| {
            commit.pending_for().is_some_and(|pending| pending >= COMMIT_AGE_MAX)
        };
        let first_stuck = commits.iter().find(|(_, commit)| is_stuck(commit));
        let stuck = first_stuck.is_some();
        if let Some((shard, commit)) = first_stuck
            && !paused
        {
            let error = commit.failure().unwrap_or_else(|| "the store does not answer".to_owned());
            error!(shard, error, "the journal takes no commits: intake stops");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{OwnedShards, QueueLimits};

    /// Of whatever is committed: a tick or a change of fences has no input that
    /// would be overdue.
    #[tokio::test(start_paused = true)]
    async fn a_commit_that_is_not_answered_closes_the_intake() {
        let limits = QueueLimits { max_pings: 1, max_bytes: 1 };
        let (intake, _queues) = Intake::new(OwnedShards::all(1), limits);
        let (health, stop) = (CommitHealth::default(), CancellationToken::new());
        let watching = commits(vec![(0, health.clone())], intake.clone(), stop.clone());
        let watching = tokio::spawn(watching);
        let commit = health.begin();
        tokio::time::sleep(COMMIT_AGE_MAX - EVERY).await;
        assert_eq!(intake.paused(), None);
        tokio::time::sleep(3 * EVERY).await;
        assert_eq!(intake.paused(), Some(PauseReason::CommitStuck));
        drop(commit);
        tokio::time::sleep(3 * EVERY).await;
        assert_eq!(intake.paused(), None);
        stop.cancel();
        watching.await.expect("no panic").expect("it was stopped");
    }
}
