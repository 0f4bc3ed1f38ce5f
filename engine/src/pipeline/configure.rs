//! Having all claimed shards begin with the same settings and fences.

use std::sync::Arc;

use geofence::{FenceOutcome, TagChanges, TagOutcome, TimeMs};
use tracing::{error, info};

use super::{Configured, PipelineOptions};
use crate::config::Clock;
use crate::fences::{Plan, Standing, Taken, reconcile};
use crate::journal::FenceObjects;
use crate::shard::{Claimed, FenceInput, TagInput};
use crate::tags::ConfiguredTags;
use crate::wall_clock::WallClock;

/// Records what of settings and fences differs from the journals, and says
/// which fences stand from here on.
pub(super) async fn configure(
    claimed: &mut [Claimed],
    options: &PipelineOptions,
    named: &Configured,
    objects: &FenceObjects,
) -> anyhow::Result<Taken> {
    let latest = claimed.iter().map(|shard| shard.detector.now()).max().unwrap_or(TimeMs::MIN);
    let now = match options.config.clock {
        Clock::Wall => WallClock::not_before(latest).now(),
        Clock::Event => latest,
    };
    let standings: Vec<Standing> = claimed.iter().map(standing).collect();
    let Plan { missed, configured } = reconcile(&standings, &named.fences, now);
    for (shard, missed) in claimed.iter_mut().zip(missed) {
        if let Some(missed) = missed {
            info!(shard = shard.number, "makes a change of the fences that it missed");
            let fences = in_time(shard, missed, now);
            shard.configure(&options.settings, Some(&fences), now).await?;
        }
    }
    let configured = configured.filter(|fences| all_accept(claimed, fences));
    if let Some(fences) = &configured {
        objects.put(fences.set.hash(), fences.set.to_canonical_json().into()).await?;
    }
    let received = match (options.config.clock, &configured) {
        // The clock of the pings stands still: the change comes with it.
        (Clock::Event, Some(fences)) => now.max(fences.valid_from),
        _ => now,
    };
    for shard in claimed.iter_mut() {
        shard.configure(&options.settings, configured.as_ref(), received).await?;
    }
    configure_tags(claimed, named.tags.as_ref(), options.config.shards, now).await?;
    let first = claimed.first().expect("a worker has at least one shard");
    Ok(Taken {
        history: first.detector.fence_history(),
        configured: first.configured_fences.clone(),
    })
}

/// Has each shard take up the configured tags of its vehicles, if they are
/// others than it took up last; and has tags count in all shards if they do in
/// one.
async fn configure_tags(
    claimed: &mut [Claimed],
    configured: Option<&ConfiguredTags>,
    shards: u32,
    now: TimeMs,
) -> anyhow::Result<()> {
    let none = ConfiguredTags::default();
    let wanted = configured.unwrap_or(&none);
    let hash = wanted.hash();
    let count = claimed.iter().any(|shard| shard.detector.tags_count_from().is_some());
    for shard in claimed {
        let never_taken_up =
            shard.configured_tags.is_empty() && shard.detector.tags_count_from().is_none();
        // By the pings and not by what was recorded: a crash may have come after
        // the settings.
        let is_new = never_taken_up && shard.detector.event_time_max().is_none();
        let valid_from = if is_new { TimeMs::MIN } else { now };
        let never_named = shard.configured_tags.is_empty() && configured.is_none();
        let input = if shard.configured_tags != hash && !never_named {
            let changes = wanted.of_shard(shard.number, shards);
            TagInput { changes, valid_from, configured: Some(hash.clone()) }
        } else if count && shard.detector.tags_count_from().is_none() {
            TagInput { changes: TagChanges::default(), valid_from, configured: None }
        } else {
            continue;
        };
        if let TagOutcome::Refused(refusal) = shard.configure_tags(&input, now).await? {
            error!(%refusal, "the configured vehicle tags are not taken up yet");
        }
    }
    Ok(())
}

fn standing(shard: &Claimed) -> Standing {
    let history = shard.detector.fence_history();
    let newest = history.newest();
    Standing {
        is_configured: shard.settings_known,
        set: Arc::clone(&newest.set),
        valid_from: newest.valid_from,
        configured: shard.configured_fences.clone(),
    }
}

/// The change that `shard` missed as it can still make it: since it counts in
/// the others, as after a crash in the middle of it; where the shard was
/// another process's and is past that time, from now on.
fn in_time(shard: &Claimed, missed: FenceInput, now: TimeMs) -> FenceInput {
    match shard.detector.judge_fences(&missed.set, missed.valid_from) {
        FenceOutcome::TakenUp | FenceOutcome::Unchanged => missed,
        FenceOutcome::Refused(_) => {
            let newest = shard.detector.fence_history().newest().valid_from;
            FenceInput { valid_from: now.max(newest.plus(1)), ..missed }
        }
    }
}

/// Whether every shard takes `fences` up. Where one does not, the journals'
/// stand: whoever watches the configured ones asks again as time goes on.
fn all_accept(claimed: &[Claimed], fences: &FenceInput) -> bool {
    let refusal = claimed.iter().find_map(|shard| {
        match shard.detector.judge_fences(&fences.set, fences.valid_from) {
            FenceOutcome::Refused(refusal) => Some(refusal),
            FenceOutcome::TakenUp | FenceOutcome::Unchanged => None,
        }
    });
    if let Some(refusal) = &refusal {
        error!(%refusal, "the configured fences are not taken up yet");
    }
    refusal.is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use geofence::{FenceSet, Settings};
    use object_store::memory::InMemory;

    use super::*;
    use crate::fences::testing::circle;
    use crate::journal::{OpenOptions, RetentionPolicy, Standby, Store, WriterId};
    use crate::shard::ClaimOptions;

    async fn shard() -> Claimed {
        let open = OpenOptions {
            shard: 0,
            shards: 2,
            first_seq: 1,
            created_at_ms: 0,
            writer: WriterId::random(),
            standby: Standby::Waited { tail: 0 },
            set_aside_tail: false,
        };
        let claimed = Claimed::claim(ClaimOptions {
            open,
            store: Store::shared(Arc::new(InMemory::new())),
            settings: Settings::default(),
            retention: RetentionPolicy::shared(Duration::ZERO),
            snapshot_segments_min: 64,
            sinks: Vec::new(),
            strict_audit: true,
        });
        claimed.await.expect("a journal that nobody has")
    }

    fn change(set: &Arc<FenceSet>, valid_from: TimeMs) -> FenceInput {
        FenceInput { set: Arc::clone(set), valid_from, configured: set.hash().to_owned() }
    }

    /// As after a crash between the two, in the first start of all.
    #[tokio::test]
    async fn the_first_tags_count_always_though_settings_are_recorded_already() {
        let mut shard = shard().await;
        shard.configure(&Settings::default(), None, TimeMs(9_000)).await.expect("new");
        let tags = ConfiguredTags::parse(br#"{"a": ["van"]}"#).expect("tags");
        let claimed = std::slice::from_mut(&mut shard);
        configure_tags(claimed, Some(&tags), 2, TimeMs(9_000)).await.expect("new");
        assert_eq!(shard.detector.tags_count_from(), Some(TimeMs::MIN));
    }

    /// Shards that were with two processes come together: each took the files
    /// up when it saw them.
    #[tokio::test]
    async fn what_a_shard_missed_counts_since_then_or_from_now_on() {
        let (old, other, new) = (circle(40), circle(50), circle(60));
        let now = TimeMs(9_000);
        let mut shard = shard().await;
        let settings = Settings::default();
        shard.configure(&settings, Some(&change(&old, TimeMs::MIN)), now).await.expect("new");
        let missed = change(&new, TimeMs(5_000));
        assert_eq!(in_time(&shard, missed.clone(), now).valid_from, TimeMs(5_000));

        let later = change(&other, TimeMs(7_000));
        shard.configure(&settings, Some(&later), now).await.expect("after the first");
        let now_on = in_time(&shard, missed, now);
        assert_eq!(now_on.valid_from, now);
        shard.configure(&settings, Some(&now_on), now).await.expect("it is in time");
    }
}
