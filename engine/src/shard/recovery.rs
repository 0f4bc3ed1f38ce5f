//! From a claimed journal to the state of its shard: the newest snapshot,
//! then every segment after it applied again and compared with its record.

use anyhow::Context;
use geofence::{CORE_VERSION, Detector, Input, Outcome, Settings, TimeMs};
use prost::Message;
use protos::journal::{Disposition, Segment, SegmentKind, input};
use tracing::warn;

use super::cursors::Cursors;
use super::fences::FenceSets;
use super::recorded;
use crate::journal::{Cadence, Claim};

/// What recovery found.
pub(super) struct Recovered {
    pub(super) detector: Detector,
    pub(super) cursors: Cursors,
    pub(super) cadence: Cadence,
    pub(super) audit: Audit,
    /// Whether the journal says which settings hold. It does not while its
    /// first owner was cut short right after its claim.
    pub(super) settings_known: bool,
    /// Hash of the configured fences that were last taken up; empty for none.
    pub(super) configured_fences: String,
    /// The same of the tags of vehicles.
    pub(super) configured_tags: String,
}

/// How the effects computed again compare with the recorded ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Segments applied again.
    pub segments: u64,
    /// Pings in them.
    pub pings: u64,
    /// Operations and dispositions that came out differently.
    pub differences: u64,
    /// Segments of another core version, whose differences are expected.
    pub other_version: u64,
}

/// Rebuilds the shard's state. `settings` are those of a new journal,
/// `segments_min` the least number between two snapshots.
pub(super) async fn recover(
    claim: &mut Claim,
    fences: &FenceSets,
    settings: &Settings,
    segments_min: u64,
) -> anyhow::Result<Recovered> {
    let cadence = Cadence::new(segments_min, claim.snapshot_bytes());
    let mut recovered = from_snapshot(claim, fences, settings, cadence).await?;
    while let Some(segment) = claim.next_segment().await? {
        recovered.apply(&segment, fences).await?;
    }
    Ok(recovered)
}

async fn from_snapshot(
    claim: &Claim,
    fences: &FenceSets,
    settings: &Settings,
    cadence: Cadence,
) -> anyhow::Result<Recovered> {
    let audit = Audit::default();
    let Some(snapshot) = claim.snapshot() else {
        let detector = Detector::new(settings.clone());
        return Ok(Recovered {
            detector,
            cursors: Cursors::new(),
            cadence,
            audit,
            settings_known: false,
            configured_fences: String::new(),
            configured_tags: String::new(),
        });
    };
    for hash in &snapshot.fence_hashes {
        fences.load(hash).await?;
    }
    let detector = Detector::decode_state(snapshot.core.clone(), |hash| fences.get(hash))
        .with_context(|| format!("snapshot {} of shard {}", snapshot.seq, snapshot.shard))?;
    let cursors =
        snapshot.cursors.iter().map(|cursor| (cursor.sink.clone(), cursor.clone())).collect();
    Ok(Recovered {
        detector,
        cursors,
        cadence,
        audit,
        settings_known: true,
        configured_fences: snapshot.configured_fences_hash.clone(),
        configured_tags: snapshot.configured_tags_hash.clone(),
    })
}

impl Recovered {
    /// Applies `segment` again and takes its record for what was asserted.
    pub(super) async fn apply(
        &mut self,
        segment: &Segment,
        fences: &FenceSets,
    ) -> anyhow::Result<()> {
        if segment.kind() == SegmentKind::Fence {
            // A claim names every cursor that is still in use.
            self.cursors.clear();
        }
        self.cursors
            .extend(segment.cursors.iter().map(|cursor| (cursor.sink.clone(), cursor.clone())));
        self.cadence.segment(segment.encoded_len() as u64);
        self.audit.segments += 1;
        if segment.inputs.is_empty() && segment.events.is_empty() {
            return Ok(());
        }
        fences.load_for(segment).await?;
        let inputs = recorded::inputs(segment, |hash| fences.get(hash))?;
        self.settings_known |= inputs.iter().any(|input| matches!(input, Input::Settings(_)));
        for recorded in &segment.inputs {
            match &recorded.input {
                Some(input::Input::Fences(change)) => {
                    self.configured_fences.clone_from(&change.configured_hash);
                }
                Some(input::Input::Tags(tags)) if !tags.configured_hash.is_empty() => {
                    self.configured_tags.clone_from(&tags.configured_hash);
                }
                _ => {}
            }
        }
        let effects = self.detector.apply(&inputs, TimeMs(segment.now_ms), segment.seq);
        let differing = self.detector.reconcile(&effects.events, &segment.events)
            + differing_dispositions(segment, &effects.outcomes);
        self.audit.pings += effects.outcomes.len() as u64;
        if segment.core_version != CORE_VERSION {
            self.audit.other_version += 1;
        } else if differing > 0 {
            self.audit.differences += differing as u64;
            warn!(seq = segment.seq, differing, "a segment applied again has other effects");
        }
        Ok(())
    }
}

fn differing_dispositions(segment: &Segment, outcomes: &[Outcome]) -> usize {
    let recorded = segment
        .inputs
        .iter()
        .filter_map(|recorded| match &recorded.input {
            Some(input::Input::Pings(run)) => Some(run),
            _ => None,
        })
        .flat_map(|run| run.dispositions());
    let computed = outcomes.iter().map(|outcome| match outcome {
        Outcome::Archived { disposition, .. } => *disposition,
        Outcome::Duplicate | Outcome::VehicleLimit => Disposition::Unspecified,
    });
    recorded.zip(computed).filter(|(recorded, computed)| recorded != computed).count()
}
