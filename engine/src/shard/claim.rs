//! Taking a shard: recover, fence, then record today's settings and fences.

use std::sync::Arc;

use anyhow::bail;
use geofence::{CORE_VERSION, Detector, FenceSet, Settings, TimeMs};
use protos::journal::Segment;
use tracing::{info, warn};

use super::configuration_batch;
use super::cursors::Cursors;
use super::fences::FenceSets;
use super::maintenance::Maintenance;
use super::recovery::{Audit, recover};
use crate::config::Clock;
use crate::journal::{
    self, FenceObjects, Fenced, Journal, JournalReader, OpenOptions, RetentionPolicy, Store,
};
use crate::metrics;
use crate::wall_clock::WallClock;

/// What to claim a shard with.
#[derive(Clone)]
pub struct ClaimOptions {
    /// The shard, its journal, and how the former owner is known to be gone.
    pub open: OpenOptions,
    /// Where the journal is.
    pub store: Store,
    /// Detection settings from here on.
    pub settings: Settings,
    /// Fences from here on.
    pub fences: Arc<FenceSet>,
    /// What time it is.
    pub clock: Clock,
    /// How long history is kept.
    pub retention: RetentionPolicy,
    /// Least number of segments between two snapshots.
    pub snapshot_segments_min: u64,
    /// Names of the sinks configured; other sinks lose their cursors.
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
    /// Cursors of its sinks.
    pub cursors: Cursors,
    /// How the journal compared when it was applied again.
    pub audit: Audit,
    /// First segment of the journal, from which sinks without a cursor start.
    pub first_seq: u64,
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
        let ClaimOptions { open, store, settings, fences, clock, .. } = &options;
        let mut fence_sets = FenceSets::new(FenceObjects::new(store.clone()));
        fence_sets.store(fences).await?;
        let mut claim = journal::claim(store.clone(), open.clone()).await?;
        let mut recovered =
            recover(&mut claim, &mut fence_sets, settings, options.snapshot_segments_min).await?;
        let is_new = recovered.audit.segments == 0 && claim.snapshot().is_none();

        let (mut journal, fence) = loop {
            refuse_differences(&options, recovered.audit)?;
            let segment = fence_segment(&options, &recovered.detector, &mut recovered.cursors);
            match claim.fence(segment).await? {
                Fenced::Won(journal, committed) => break (journal, committed),
                Fenced::Behind(segment) => recovered.apply(&segment, &mut fence_sets).await?,
            }
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

        let mut detector = recovered.detector;
        let mut maintenance = Maintenance::new(
            store.clone(),
            open.shard,
            claim.first_seq(),
            claim.snapshot().map(|snapshot| snapshot.seq),
            recovered.cadence,
            options.retention,
        );
        maintenance.count(&fence);
        let now = match clock {
            Clock::Wall => WallClock::not_before(detector.now()).now(),
            Clock::Event => detector.now(),
        };
        let settings_known = recovered.settings_known;
        let batch = configuration_batch(&detector, settings_known, settings, fences, now)?;
        let mut effects = detector.apply(batch.inputs(), now, journal.next_seq());
        let (segment, _) = batch.finish(&mut effects, detector.now().0, |_| String::new());
        if let Some(segment) = segment {
            let committed = journal.commit(segment).await?;
            maintenance.count(&committed);
        }
        Ok(Self {
            number: open.shard,
            detector,
            journal: *journal,
            cursors: recovered.cursors,
            audit: recovered.audit,
            first_seq: claim.first_seq(),
            maintenance,
        })
    }

    /// The newest committed segment.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.journal.next_seq() - 1
    }
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

/// The claim's segment: it names every cursor that is still in use.
fn fence_segment(options: &ClaimOptions, detector: &Detector, cursors: &mut Cursors) -> Segment {
    cursors.retain(|sink, _| {
        let configured = options.sinks.contains(&sink.as_str());
        if !configured {
            warn!(sink, "this sink is no longer configured: its cursor is dropped");
        }
        configured
    });
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
