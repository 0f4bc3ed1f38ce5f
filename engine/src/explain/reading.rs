//! What the journal holds of one vehicle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use geofence::trace::{Arrival, Trail};
use geofence::{FenceSet, Settings, TimeMs};
use protos::events::{FleetEvent, Id};
use protos::journal::Segment;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::words::time;
use super::{About, Failure, Question, not_found};
use crate::journal::{FenceObjects, History, Store};
use crate::shard::fences::FenceSets;
use crate::shard::recorded;

/// Names of other vehicles that are remembered, to be suggested.
const OTHERS_MAX: usize = 10_000;
/// How many of them are.
const SUGGESTED: usize = 3;

/// What the journal holds of one vehicle.
pub(super) struct Reading {
    pub(super) vehicle: String,
    /// From the beginning of the journal, or of the oldest snapshot.
    trail: Trail,
    /// From the oldest segment kept, before which nothing is known, where the
    /// journal's beginning is gone.
    late_trail: Option<Trail>,
    /// Receive clock of each segment that holds pings of the vehicle.
    arrived: BTreeMap<u64, TimeMs>,
    /// Every operation on the vehicle's events, in order.
    pub(super) operations: Vec<FleetEvent>,
    pub(super) span: Span,
}

/// Which part of the journal was read.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) shard: u32,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// Receive clock of the first and of the last segment.
    pub(super) first_now: TimeMs,
    pub(super) last_now: TimeMs,
    /// It begins with the journal's first segment.
    pub(super) is_whole: bool,
}

impl Reading {
    /// The trail that reaches back to before `from`, or the one that reaches
    /// furthest; and whether it knows everything since then.
    pub(super) fn trail(&self, from: TimeMs) -> (&Trail, bool) {
        let Some(late) = &self.late_trail else { return (&self.trail, true) };
        let first = |trail: &Trail| trail.times().first().copied();
        let is_known = match (self.trail.known_from(), first(&self.trail)) {
            (Some(known_from), _) => known_from < from,
            // From its first ping on, unless it was forgotten before that.
            (None, Some(begins)) => begins <= from || first(late).is_none_or(|late| begins <= late),
            (None, None) => false,
        };
        if is_known { (&self.trail, true) } else { (late, false) }
    }

    /// When that was which is asked about, if it is known.
    fn time_of(&self, about: &About) -> Option<TimeMs> {
        match about {
            About::Fence { at, .. } => Some(*at),
            About::Event { id } => {
                let told = self.operations.iter().rfind(|event| event.event_id == *id)?;
                Some(TimeMs(told.event_time_ms))
            }
        }
    }

    /// The event time up to which pings are judged: by the vehicle's watermark, or
    /// because their reorder delay is over; `None` while none is.
    pub(super) fn judged_through(&self, trail: &Trail) -> Option<TimeMs> {
        if trail.is_over() {
            return Some(TimeMs(i64::MAX));
        }
        let delay_ms = trail.settings_at(TimeMs(i64::MAX)).reorder_delay_ms;
        let waits = |arrival: &&Arrival| {
            let at = self.arrived.get(&arrival.seq);
            at.is_some_and(|at| at.plus(delay_ms) > self.span.last_now)
        };
        let newest_first = trail.arrivals().iter().rev();
        let waiting: BTreeSet<TimeMs> =
            newest_first.take_while(waits).map(|arrival| arrival.ping.event_time).collect();
        let judged = trail.times().into_iter().rev().find(|t| !waiting.contains(t));
        judged.max(trail.watermark())
    }

    /// The refusal of `what`, which the journal does not reach back to.
    pub(super) fn gone(&self, what: &str) -> Failure {
        let Span { first_seq, first_now, .. } = self.span;
        not_found(
            "history_deleted",
            format!(
                "{what}: the history before segment {first_seq}, received at {}, has been deleted \
                 (journal.keep)",
                time(first_now)
            ),
        )
    }

    /// Where it was looked.
    pub(super) fn place(&self) -> String {
        let Span { shard, first_seq, last_seq, first_now, last_now, is_whole } = &self.span;
        let cut = if *is_whole { "" } else { "; what came before has been deleted (journal.keep)" };
        // The first segments of a journal were received at no time.
        let from = match first_now {
            TimeMs(0) => String::new(),
            first_now => format!(" from {}", time(*first_now)),
        };
        format!(
            "the journal of shard {shard}, segments {first_seq} to {last_seq}, received{from} to \
             {}{cut}",
            time(*last_now)
        )
    }
}

/// Reads the journal of the vehicle's shard.
pub(super) async fn read(
    store: &Store,
    founded: u32,
    question: &Question,
    given_up: &CancellationToken,
) -> Result<Reading, Failure> {
    let mut reader = Reader::open(store, founded, question).await.map_err(Failure::Unreadable)?;
    loop {
        if given_up.is_cancelled() {
            return Err(Failure::GivenUp);
        }
        if !reader.step().await.map_err(Failure::Unreadable)? {
            break;
        }
    }
    reader.finish(question)
}

struct Reader {
    history: History,
    fences: FenceSets,
    /// The snapshot that `reading.trail` begins with.
    base_seq: u64,
    reading: Reading,
    /// The vehicle of the event asked about, if it is another.
    owner: Option<String>,
    wanted_event: Option<Id>,
    /// Other vehicles that have events.
    others: BTreeSet<String>,
}

impl Reader {
    async fn open(store: &Store, founded: u32, question: &Question) -> anyhow::Result<Self> {
        let shards = History::shards(store, founded)
            .await?
            .with_context(|| format!("there is no journal here: no shard-{founded}/genesis"))?;
        let shard = (xxh3_64(question.vehicle.as_bytes()) % u64::from(shards.max(1))) as u32;
        let history = History::open(store.clone(), shard).await?;
        let none = Arc::new(FenceSet::empty());
        let fences = FenceSets::new(FenceObjects::new(store.clone()), none);
        let mut trail = Trail::new(&question.vehicle, Settings::default());
        let (mut late_trail, mut base_seq) = (None, 0);
        if !history.is_whole() {
            let snapshot = history.oldest_snapshot().await?.with_context(|| {
                let first = history.first_seq();
                format!(
                    "shard-{shard}: no snapshot is readable and segments before {first} are gone"
                )
            })?;
            for hash in &snapshot.fence_hashes {
                fences.load(hash).await?;
            }
            let from_snapshot = || {
                Trail::from_state(&snapshot.core, &question.vehicle, |hash| fences.get(hash))
                    .with_context(|| format!("snapshot {} of shard {shard}", snapshot.seq))
            };
            late_trail = Some(from_snapshot()?.without_past());
            trail = from_snapshot()?;
            base_seq = snapshot.seq;
        }
        let first_seq = history.first_seq();
        let span = Span {
            shard,
            first_seq,
            last_seq: first_seq,
            first_now: TimeMs(0),
            last_now: TimeMs(0),
            is_whole: history.is_whole(),
        };
        let reading = Reading {
            vehicle: question.vehicle.clone(),
            trail,
            late_trail,
            arrived: BTreeMap::new(),
            operations: Vec::new(),
            span,
        };
        let wanted_event = match &question.about {
            About::Event { id } => Some(*id),
            About::Fence { .. } => None,
        };
        let others = BTreeSet::new();
        Ok(Self { history, fences, base_seq, reading, owner: None, wanted_event, others })
    }

    /// Takes the next segment; `false` at the end.
    async fn step(&mut self) -> anyhow::Result<bool> {
        let Some(segment) = self.history.next().await? else { return Ok(false) };
        self.fences.load_for(&segment).await?;
        let reading = &mut self.reading;
        let now = TimeMs(segment.now_ms);
        if segment.seq == reading.span.first_seq {
            reading.span.first_now = now;
        }
        reading.span.last_seq = segment.seq;
        reading.span.last_now = reading.span.last_now.max(now);
        let (inputs, dispositions) =
            recorded::inputs_of(&reading.vehicle, &segment, |hash| self.fences.get(hash))?;
        if !dispositions.is_empty() {
            reading.arrived.insert(segment.seq, now);
        }
        if segment.seq > self.base_seq {
            reading.trail.take(&inputs, &dispositions, now, segment.seq);
        }
        if let Some(trail) = &mut reading.late_trail {
            trail.take(&inputs, &dispositions, now, segment.seq);
        }
        self.take_events(segment);
        Ok(true)
    }

    fn take_events(&mut self, segment: Segment) {
        for event in segment.events {
            if event.vehicle_id == self.reading.vehicle {
                self.reading.operations.push(event);
                continue;
            }
            if self.wanted_event == Some(event.event_id) {
                self.owner = Some(event.vehicle_id.to_string());
            }
            let is_vehicles = !event.vehicle_id.is_empty();
            if is_vehicles && self.others.len() < OTHERS_MAX {
                self.others.insert(event.vehicle_id.into());
            }
        }
    }

    fn finish(self, question: &Question) -> Result<Reading, Failure> {
        let Self { mut reading, owner, others, .. } = self;
        let Question { vehicle, about } = question;
        if let (Some(owner), About::Event { id }) = (owner, about) {
            let owner = if owner.is_empty() { "no vehicle's, a source's".into() } else { owner };
            let message = format!("event {id} is not of vehicle {vehicle:?}: it is {owner}");
            return Err(not_found("event_of_another", message));
        }
        let trails = [Some(&reading.trail), reading.late_trail.as_ref()];
        let is_known = trails.into_iter().flatten().any(|trail| {
            !trail.arrivals().is_empty()
                || !trail.times().is_empty()
                || trail.known_from().is_some()
        });
        if !is_known && reading.operations.is_empty() {
            let near = suggestion(vehicle, &others);
            let message = format!("no ping of vehicle {vehicle:?} in {}{near}", reading.place());
            return Err(not_found("vehicle_unknown", message));
        }
        if let Some(t) = reading.time_of(about) {
            reading.trail = reading.trail.at(t);
            reading.late_trail = reading.late_trail.map(|trail| trail.at(t));
        }
        Ok(reading)
    }
}

/// Those of `others` that are nearest to `vehicle`, in the order of ids.
fn suggestion(vehicle: &str, others: &BTreeSet<String>) -> String {
    let after = others.range(vehicle.to_owned()..);
    let before = others.range(..vehicle.to_owned()).rev();
    let near: Vec<&str> = after.chain(before).take(SUGGESTED).map(String::as_str).collect();
    let more = if others.len() > near.len() { ", …" } else { "" };
    match near.as_slice() {
        [] => String::new(),
        near => format!("; vehicles with events there: {}{more}", near.join(", ")),
    }
}
