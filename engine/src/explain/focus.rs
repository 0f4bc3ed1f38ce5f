//! Which moments an answer shows, and the answer for a fence and a time.

use std::collections::BTreeSet;

use geofence::TimeMs;
use geofence::trace::{Arrival, Moment, Trail};
use protos::journal::Disposition;

use super::answer::{ArrivalSaid, Asked, At, Explanation, FenceSaid, JournalSaid, VersionSaid};
use super::conclude::{self, NEAR_MS};
use super::reading::Reading;
use super::step::{Known, StepSaid};
use super::thresholds::ThresholdsSaid;
use super::words::time;
use super::{Failure, not_found};

/// Pings shown on either side of a time asked about.
const PINGS_BESIDE: usize = 5;
/// Pings shown that were not judged.
const ARRIVALS_MAX: usize = 20;

/// What the answer looks at.
pub(super) struct View<'a> {
    pub(super) trail: &'a Trail,
    /// Everything that the answer depends on is known.
    pub(super) complete: bool,
    pub(super) fence: Option<&'a str>,
    pub(super) steps: Vec<StepSaid>,
    /// Pings about the time that were not judged.
    pub(super) unjudged: Vec<&'a Arrival>,
}

/// What happened at a fence about `at`, or why nothing did.
pub(super) fn explain(reading: &Reading, fence: &str, at: TimeMs) -> Result<Explanation, Failure> {
    let view = View::about(reading, Some(fence), &[at])?;
    let conclusion = conclude::at_fence(&view, &reading.vehicle, fence, at);
    let asked = Asked::Fence { fence_id: fence.to_owned(), at: At(at) };
    Ok(view.explanation(reading, asked, at, conclusion))
}

impl<'a> View<'a> {
    /// The moments about the times in `focus`, of which there is one.
    pub(super) fn about(
        reading: &'a Reading,
        fence: Option<&'a str>,
        focus: &[TimeMs],
    ) -> Result<Self, Failure> {
        let first = focus.iter().min().copied().unwrap_or(TimeMs::MIN);
        let last = focus.iter().max().copied().unwrap_or(first);
        let (trail, complete) = reading.trail(first);
        if let Some(id) = fence {
            require_fence(reading, trail, id)?;
        }
        let known_from_pings = trail.times().first().is_some_and(|t| *t <= first);
        if !complete && !known_from_pings && first < reading.span.first_now {
            return Err(reading.gone(&format!("{} cannot be explained", time(first))));
        }
        let times = trail.times();
        let mut shown = BTreeSet::new();
        for t in focus {
            let after = times.partition_point(|time| time <= t);
            shown.extend(after.saturating_sub(PINGS_BESIDE)..times.len().min(after + PINGS_BESIDE));
        }
        let from = shown.first().map_or(first, |i| times[*i].min(first));
        let through = shown.last().map_or(last, |i| times[*i].max(last));
        let known =
            Known { arrivals: trail.arrivals(), judged_through: reading.judged_through(trail) };
        let mut steps = Vec::new();
        let mut omitted = 0;
        for step in trail.steps(fence, from, through) {
            let is_shown = match &step.moment {
                Moment::Ping(seen) => {
                    times.binary_search(&seen.event_time).is_ok_and(|index| shown.contains(&index))
                }
                Moment::Turn { .. } => true,
                Moment::Silence { .. } => !step.events.is_empty(),
            };
            if is_shown {
                steps.push(StepSaid::new(step, omitted, fence.is_some(), known));
                omitted = 0;
            } else if matches!(step.moment, Moment::Ping(_)) {
                omitted += 1;
            }
        }
        let about = from.min(first.plus(-NEAR_MS))..=through.max(last.plus(NEAR_MS));
        let unjudged = trail
            .arrivals()
            .iter()
            .filter(|arrival| {
                !matches!(arrival.disposition, Disposition::OnTime | Disposition::Late)
                    && about.contains(&arrival.ping.event_time)
            })
            .collect();
        let unjudged = nearest(unjudged, first, last);
        Ok(Self { trail, complete, fence, steps, unjudged })
    }

    /// The answer, without an event.
    pub(super) fn explanation(
        self,
        reading: &Reading,
        question: Asked,
        at: TimeMs,
        conclusion: conclude::Conclusion,
    ) -> Explanation {
        let Self { trail, complete, fence, steps, unjudged } = self;
        let profile = trail.settings_at(at).profile;
        let span = &reading.span;
        Explanation {
            vehicle_id: reading.vehicle.clone(),
            question,
            answer: conclusion.answer,
            rule: conclusion.rule.map(str::to_owned),
            conclusion: conclusion.text,
            event: None,
            fence: fence.map(|id| fence_said(trail, id)),
            thresholds: ThresholdsSaid::new(trail.thresholds(fence, at), profile),
            steps,
            arrivals: unjudged.into_iter().map(ArrivalSaid::new).collect(),
            journal: JournalSaid {
                shard: span.shard,
                first_segment: span.first_seq,
                last_segment: span.last_seq,
                as_of: At(span.last_now),
                complete,
                known_from: trail.known_from().map(At),
            },
        }
    }
}

/// The [`ARRIVALS_MAX`] whose time is nearest to `first..=last`, as they came.
fn nearest(arrivals: Vec<&Arrival>, first: TimeMs, last: TimeMs) -> Vec<&Arrival> {
    let mut by_distance: Vec<(i64, usize)> = arrivals
        .iter()
        .map(|arrival| conclude::away(arrival.ping.event_time, first, last))
        .zip(0..)
        .collect();
    by_distance.sort_unstable();
    by_distance.truncate(ARRIVALS_MAX);
    by_distance.sort_unstable_by_key(|(_, index)| *index);
    by_distance.into_iter().map(|(_, index)| arrivals[index]).collect()
}

fn fence_said(trail: &Trail, id: &str) -> FenceSaid {
    let fences = trail.fences();
    let versions = fences.versions_of(id);
    FenceSaid {
        id: id.to_owned(),
        name: versions.last().map_or(String::new(), |version| version.fence.name.clone()),
        versions: versions
            .iter()
            .map(|version| VersionSaid {
                version: version.version,
                valid_from: version.valid_from.map(At),
                valid_to: version.valid_to.map(At),
            })
            .collect(),
    }
}

fn require_fence(reading: &Reading, trail: &Trail, id: &str) -> Result<(), Failure> {
    let fences = trail.fences();
    if !fences.versions_of(id).is_empty() {
        return Ok(());
    }
    let all: BTreeSet<&str> = fences
        .epochs
        .iter()
        .flat_map(|epoch| epoch.set.fences().iter())
        .map(|fence| fence.id.as_str())
        .collect();
    let near = crate::config::nearest(id, all.iter().copied());
    let hint = match (near, all.len()) {
        (Some(near), _) => format!("; did you mean {near:?}?"),
        (None, 0) => "; there are no fences at all".to_owned(),
        (None, _) => {
            let some: Vec<&str> = all.iter().take(5).copied().collect();
            let more = if all.len() > some.len() { ", …" } else { "" };
            format!("; fences there: {}{more}", some.join(", "))
        }
    };
    Err(not_found("fence_unknown", format!("no fence {id:?} in {}{hint}", reading.place())))
}
