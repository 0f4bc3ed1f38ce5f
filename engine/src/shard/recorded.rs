//! From a segment back to what entered the core.

use std::sync::Arc;

use geofence::admission::{admit, clear_unknown};
use geofence::{FenceSet, Input, Ping, PingRun, SourceState, TagChanges, TimeMs, check_tags};
use protos::PingView;
use protos::journal::{self, Disposition, Segment, input};

/// Why a segment's input cannot be applied again. The segment's checksum was
/// right, so this is a defect of the engine that wrote it, or of this one.
#[derive(Debug, thiserror::Error)]
#[error("segment {seq}: {what}")]
pub(crate) struct RecordedError {
    seq: u64,
    what: String,
}

/// What entered the core with `segment`, in order. `fences` finds a fence set
/// by its hash.
///
/// # Errors
/// If the record is not what any engine writes, or a fence set is missing.
pub(super) fn inputs(
    segment: &Segment,
    fences: impl Fn(&str) -> Option<Arc<FenceSet>>,
) -> Result<Vec<Input>, RecordedError> {
    convert(segment, fences, |run| {
        let raw = raw_pings(run)?;
        let pings = raw.iter().map(RawPing::admit).collect::<Result<_, _>>()?;
        Ok(ping_run(run, pings))
    })
}

/// The same without the pings of other vehicles, and what became of this
/// one's. Skips over the others without decoding them.
///
/// # Errors
/// As for [`inputs`].
pub(crate) fn inputs_of(
    vehicle_id: &str,
    segment: &Segment,
    fences: impl Fn(&str) -> Option<Arc<FenceSet>>,
) -> Result<(Vec<Input>, Vec<Disposition>), RecordedError> {
    let mut dispositions = Vec::new();
    let inputs = convert(segment, fences, |run| {
        let mut pings = Vec::new();
        let known = run.dispositions().chain(std::iter::repeat(Disposition::Unspecified));
        for (raw, disposition) in raw_pings(run)?.iter().zip(known) {
            if raw.may_be_of(vehicle_id) {
                let ping = raw.admit()?;
                if ping.vehicle_id == vehicle_id {
                    pings.push(ping);
                    dispositions.push(disposition);
                }
            }
        }
        Ok(ping_run(run, pings))
    })?;
    Ok((inputs, dispositions))
}

fn convert(
    segment: &Segment,
    fences: impl Fn(&str) -> Option<Arc<FenceSet>>,
    mut pings: impl FnMut(&journal::PingRun) -> Result<PingRun, String>,
) -> Result<Vec<Input>, RecordedError> {
    let error = |what: String| RecordedError { seq: segment.seq, what };
    let mut inputs = Vec::with_capacity(segment.inputs.len());
    for recorded in &segment.inputs {
        let recorded =
            recorded.input.as_ref().ok_or_else(|| error("an input of an unknown kind".into()))?;
        inputs.push(match recorded {
            input::Input::Pings(run) => Input::Pings(pings(run).map_err(error)?),
            input::Input::Settings(settings) => {
                Input::Settings(serde_json::from_str(&settings.json).map_err(|cause| {
                    error(format!("its detection settings do not parse: {cause}"))
                })?)
            }
            input::Input::Fences(change) => Input::Fences {
                set: fences(&change.hash)
                    .ok_or_else(|| error(format!("fence set {} is missing", change.hash)))?,
                valid_from: TimeMs(change.valid_from_ms),
            },
            input::Input::Source(state) => Input::Source(SourceState {
                source: state.source,
                name: state.name.clone(),
                stalled: state.stalled,
                at: TimeMs(state.at_ms),
            }),
            input::Input::End(end) => Input::End { end: TimeMs(end.end_ms) },
            input::Input::Tags(tags) => Input::Tags {
                changes: tag_changes(tags).map_err(error)?,
                valid_from: TimeMs(tags.valid_from_ms),
            },
        });
    }
    Ok(inputs)
}

fn tag_changes(recorded: &journal::VehicleTags) -> Result<TagChanges, String> {
    let one = |vehicle: &journal::VehicleTag| {
        let tags = check_tags(vehicle.tags.clone())?;
        Ok((vehicle.vehicle_id.clone(), tags))
    };
    let vehicles = recorded.vehicles.iter().map(one).collect::<Result<_, String>>()?;
    Ok(TagChanges { vehicles, is_whole: recorded.whole })
}

fn ping_run(run: &journal::PingRun, pings: Vec<Ping>) -> PingRun {
    PingRun {
        source: run.source,
        low_mark: run.low_mark_ms.map(TimeMs),
        low_mark_bounds_lateness: run.low_mark_bounds_lateness,
        pings,
    }
}

/// A ping of a run, not decoded.
struct RawPing<'a> {
    index: usize,
    received: i64,
    payload: &'a [u8],
}

fn raw_pings(run: &journal::PingRun) -> Result<Vec<RawPing<'_>>, String> {
    let count = run.payload_lengths.len();
    if count > 0 && run.receive_time_deltas.len() != count - 1 {
        return Err(format!(
            "{count} pings with {} receive times",
            run.receive_time_deltas.len() + 1
        ));
    }
    let mut pings = Vec::with_capacity(count);
    let mut rest = run.payloads.as_ref();
    let mut received = run.receive_time_ms;
    for (index, &length) in run.payload_lengths.iter().enumerate() {
        if index > 0 {
            received += run.receive_time_deltas[index - 1];
        }
        let (payload, behind) = rest
            .split_at_checked(length as usize)
            .ok_or_else(|| format!("ping {index} reaches past the end of the payloads"))?;
        rest = behind;
        pings.push(RawPing { index, received, payload });
    }
    Ok(pings)
}

impl RawPing<'_> {
    /// Whether the vehicle's id is anywhere in the payload; `false` is certain.
    fn may_be_of(&self, vehicle_id: &str) -> bool {
        let id = vehicle_id.as_bytes();
        self.payload.windows(id.len().max(1)).any(|window| window == id)
    }

    fn admit(&self) -> Result<Ping, String> {
        let Self { index, received, payload } = *self;
        let mut ping =
            PingView::decode(payload).map_err(|cause| format!("ping {index}: {cause}"))?;
        clear_unknown(&mut ping);
        // Whether 0, 0 counts was decided when the ping was admitted.
        admit(&ping, TimeMs(received), true).map_err(|cause| format!("ping {index}: {cause}"))
    }
}
