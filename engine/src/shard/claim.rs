//! Taking a shard: recover and fence; then record today's settings and fences,
//! which all shards of a worker must agree on.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;
use futures::future::try_join_all;
use geofence::{
    CORE_VERSION, Detector, Effects, FenceOutcome, FenceSet, Settings, TagOutcome, TimeMs,
};
use protos::journal::{Cursor, Segment};
use tracing::{info, warn};

use super::batch::Batch;
use super::configuration_batch;
use super::cursors::Cursors;
use super::fence_change::FenceInput;
use super::fences::FenceSets;
use super::maintenance::Maintenance;
use super::recovery::{Audit, Recovered, recover};
use super::tag_change::TagInput;
use crate::journal::{
    self, ClaimedShard, FenceObjects, FenceUse, Fenced, Journal, JournalReader, OpenOptions,
    RetentionPolicy, Standby, Store,
};
use crate::metrics;

/// What to claim a shard with.
#[derive(Clone)]
pub struct ClaimOptions {
    /// The shard, its journal, and how the former owner is known to be gone.
    pub open: OpenOptions,
    /// Where the journal is.
    pub store: Store,
    /// Detection settings from here on.
    pub settings: Settings,
    /// How long history is kept.
    pub retention: RetentionPolicy,
    /// Least number of segments between two snapshots.
    pub snapshot_segments_min: u64,
    /// Names of the sinks configured; of other sinks the cursors are dropped.
    pub sinks: Vec<&'static str>,
    /// Refuse a journal that comes out differently when applied again.
    pub strict_audit: bool,
}

/// A shard that is ours.
pub struct Claimed {
    /// The shard.
    pub number: u32,
    /// Its state.
    pub detector: Detector,
    /// Its journal.
    pub journal: Journal,
    /// Cursors of its sinks, and dropped ones of sinks that were switched off.
    pub cursors: Cursors,
    /// How the journal compared when it was applied again.
    pub audit: Audit,
    /// First segment of the journal, from which sinks without a cursor start.
    pub first_seq: u64,
    /// Segment whose state the snapshot holds that it was recovered from.
    pub snapshot_seq: Option<u64>,
    /// Whether the journal says which settings hold: a shard that does not
    /// know has taken nothing in.
    pub settings_known: bool,
    /// Hash of the configured fences that were last taken up; empty for none.
    pub configured_fences: String,
    /// The same of the tags of vehicles.
    pub configured_tags: String,
    pub(super) maintenance: Maintenance,
}

impl Claimed {
    /// A reader of the shard's segments.
    #[must_use]
    pub fn reader(&self) -> JournalReader {
        self.journal.reader()
    }

    /// Claims the shard: nothing is released before the fence segment is
    /// durable.
    ///
    /// # Errors
    /// The journal is damaged, lost, or of another number of shards; or
    /// `strict_audit` found differences.
    pub async fn claim(options: ClaimOptions) -> anyhow::Result<Self> {
        let mut claimed = Self::claim_all(vec![options], Arc::new(FenceSet::empty())).await?;
        Ok(claimed.pop().expect("one shard was asked for"))
    }

    /// Claims shards of one store that one process is to own, in this order.
    /// Nobody is fenced off before all of them are recovered, and whoever finds the
    /// first one claimed takes none: of two that stood by together one has all.
    /// Fence sets of one content are one in all of them, as is `configured`.
    ///
    /// # Errors
    /// As [`Claimed::claim`].
    ///
    /// # Panics
    /// If the options name no shard.
    pub async fn claim_all(
        options: Vec<ClaimOptions>,
        configured: Arc<FenceSet>,
    ) -> anyhow::Result<Vec<Self>> {
        let store = options.first().expect("a worker has at least one shard").store.clone();
        let is_alone = is_alone(&options);
        let fence_sets = FenceSets::new(FenceObjects::new(store.clone()), configured);
        let recover = |options| Candidate::recover(options, fence_sets.clone());
        let recovering: Vec<_> = options.into_iter().map(recover).collect();
        let (mut claimed, mut bases) = (Vec::new(), Vec::new());
        for candidate in try_join_all(recovering).await? {
            bases.push(candidate.base());
            claimed.push(candidate.take().await?);
        }
        if is_alone {
            let of_shard = |(shard, snapshot): (&Self, _)| ClaimedShard {
                shard: shard.number,
                tail: shard.tail(),
                snapshot,
            };
            let uses = FenceUse::new(store, claimed.iter().zip(bases).map(of_shard)).await?;
            for shard in &mut claimed {
                shard.maintenance.set_fence_use(uses.clone());
            }
        }
        Ok(claimed)
    }

    /// Of fence sets, where those that nobody needs go: where all shards of a journal
    /// on this machine were claimed together.
    #[must_use]
    pub fn fence_use(&self) -> Option<FenceUse> {
        self.maintenance.fence_use().cloned()
    }

    /// Records `settings`, where they differ from those in force, and a change
    /// of the fences, received at `now`.
    ///
    /// # Errors
    /// The journal cannot be written, or the core refuses the fences, which
    /// [`Detector::judge_fences`] tells beforehand.
    pub async fn configure(
        &mut self,
        settings: &Settings,
        fences: Option<&FenceInput>,
        now: TimeMs,
    ) -> anyhow::Result<()> {
        let batch = configuration_batch(&self.detector, self.settings_known, settings, fences)?;
        if batch.is_empty() {
            return Ok(());
        }
        let effects = self.record(batch, now).await?;
        if let Some(FenceOutcome::Refused(refusal)) = effects.fences.first() {
            bail!("shard {} refuses the fences that it must take up: {refusal}", self.number);
        }
        self.settings_known = true;
        if let Some(fences) = fences {
            self.configured_fences.clone_from(&fences.configured);
            self.maintenance.set_configured_fences(fences.configured.clone());
        }
        Ok(())
    }

    /// Records a change of the tags of vehicles, received at `now`. A refusal
    /// changes nothing.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn configure_tags(
        &mut self,
        tags: &TagInput,
        now: TimeMs,
    ) -> anyhow::Result<TagOutcome> {
        let outcome = self.detector.judge_tags(&tags.changes, tags.valid_from, now);
        if matches!(outcome, TagOutcome::Refused(_)) {
            return Ok(outcome);
        }
        let mut batch = Batch::default();
        tags.add_to(&mut batch);
        self.record(batch, now).await?;
        if let Some(configured) = &tags.configured {
            self.configured_tags.clone_from(configured);
            self.maintenance.set_configured_tags(configured.clone());
        }
        Ok(outcome)
    }

    async fn record(&mut self, batch: Batch, now: TimeMs) -> anyhow::Result<Effects> {
        let mut effects = self.detector.apply(batch.inputs(), now, self.journal.next_seq());
        let (segment, _) = batch.finish(&mut effects, self.detector.now().0, |_| String::new());
        if let Some(segment) = segment {
            let committed = self.journal.commit(segment).await?;
            self.maintenance.count(&committed);
        }
        Ok(effects)
    }

    /// The newest committed segment.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.journal.next_seq() - 1
    }
}

/// A shard whose journal was applied again and that is not ours yet.
struct Candidate {
    options: ClaimOptions,
    claim: journal::Claim,
    fence_sets: FenceSets,
    recovered: Recovered,
}

impl Candidate {
    async fn recover(options: ClaimOptions, fence_sets: FenceSets) -> anyhow::Result<Self> {
        let ClaimOptions { open, store, settings, .. } = &options;
        let mut claim = journal::claim(store.clone(), open.clone()).await?;
        let recovered =
            recover(&mut claim, &fence_sets, settings, options.snapshot_segments_min).await?;
        refuse_differences(&options, recovered.audit)?;
        Ok(Self { options, claim, fence_sets, recovered })
    }

    /// The snapshot it was recovered from, and the fence sets that this refers to.
    fn base(&self) -> Option<(u64, Vec<String>)> {
        self.claim.snapshot().map(|base| (base.seq, base.fence_hashes.clone()))
    }

    /// Fences everybody else off; what was committed meanwhile is applied first.
    async fn take(self) -> anyhow::Result<Claimed> {
        let Self { options, mut claim, fence_sets, mut recovered } = self;
        let open = &options.open;
        let is_new = recovered.audit.segments == 0 && claim.snapshot().is_none();

        let (journal, fence) = loop {
            let segment = fence_segment(&options, &recovered.detector, &mut recovered.cursors);
            match claim.fence(segment).await? {
                Fenced::Won(journal, committed) => break (journal, committed),
                Fenced::Behind(segment) => recovered.apply(&segment, &fence_sets).await?,
            }
            refuse_differences(&options, recovered.audit)?;
        };
        for moved in claim.set_aside() {
            warn!(?moved, "set aside a bad tail of the journal: input in it may be lost");
        }
        if !is_new {
            let audit = recovered.audit;
            metrics::AUDIT_DIFFERENCES.counter(&[]).increment(audit.differences);
            info!(
                shard = open.shard,
                snapshot = claim.snapshot().map(|snapshot| snapshot.seq),
                segments = audit.segments,
                pings = audit.pings,
                differences = audit.differences,
                other_version = audit.other_version,
                epoch = journal.epoch(),
                "recovered"
            );
        }

        let mut maintenance = Maintenance::new(
            options.store.clone(),
            open.shard,
            claim.first_seq(),
            claim.snapshot().map(|snapshot| snapshot.seq),
            recovered.cadence,
            options.retention,
        );
        maintenance.count(&fence);
        maintenance.set_configured_fences(recovered.configured_fences.clone());
        maintenance.set_configured_tags(recovered.configured_tags.clone());
        Ok(Claimed {
            number: open.shard,
            detector: recovered.detector,
            journal: *journal,
            cursors: recovered.cursors,
            audit: recovered.audit,
            first_seq: claim.first_seq(),
            snapshot_seq: claim.snapshot().map(|snapshot| snapshot.seq),
            settings_known: recovered.settings_known,
            configured_fences: recovered.configured_fences,
            configured_tags: recovered.configured_tags,
            maintenance,
        })
    }
}

/// Whether these are all shards of a journal that nobody else writes.
fn is_alone(options: &[ClaimOptions]) -> bool {
    let numbers: BTreeSet<u32> = options.iter().map(|options| options.open.shard).collect();
    options.iter().all(|options| {
        options.open.standby == Standby::ExclusiveLock
            && numbers.iter().copied().eq(0..options.open.shards)
    })
}

fn refuse_differences(options: &ClaimOptions, audit: Audit) -> anyhow::Result<()> {
    if options.strict_audit && audit.differences > 0 {
        bail!(
            "shard {}: {} of the effects in {} segments came out differently when they were \
             applied again, and strict_audit is on. Without it they are corrected by ordinary \
             events",
            options.open.shard,
            audit.differences,
            audit.segments,
        );
    }
    Ok(())
}

/// The claim's segment: it names every cursor that is still in use, and the sinks
/// that had one.
fn fence_segment(options: &ClaimOptions, detector: &Detector, cursors: &mut Cursors) -> Segment {
    for (sink, cursor) in cursors.iter_mut() {
        if !cursor.dropped && !options.sinks.contains(&sink.as_str()) {
            warn!(sink, "this sink is no longer configured: its cursor is dropped");
            *cursor = Cursor { sink: sink.clone(), dropped: true, ..Cursor::default() };
        }
    }
    Segment {
        core_version: CORE_VERSION,
        now_ms: detector.now().max(TimeMs(0)).0,
        cursors: cursors.values().cloned().collect(),
        ..Segment::default()
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed").field("number", &self.number).field("audit", &self.audit).finish()
    }
}
