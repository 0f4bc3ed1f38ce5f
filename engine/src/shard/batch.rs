//! One apply in the making: what was gathered, what the core made of it, and
//! the segment and answers that follow.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use geofence::{CORE_VERSION, Effects, Input, Outcome, Ping, PingRun, TimeMs};
use protos::journal::{self, DeadLetter, Segment, Supersedes, input};
use sinks::dead_letters::content_id;

use crate::decode::ContentType;
use crate::intake::{Ack, Delivery, Entry, Rejection, Room, Verdict};

/// Input gathered for one apply, in order.
#[derive(Default)]
pub(super) struct Batch {
    /// What the core is given.
    inputs: Vec<Input>,
    /// The same, as far as the journal needs more than the core does.
    records: Vec<Record>,
    dead_letters: Vec<DeadLetter>,
    deliveries: Vec<Taken>,
    entries: usize,
    bytes: usize,
    /// The first trace context that any of it came with.
    traceparent: Option<Arc<str>>,
    /// When input that is no ping was received, where that counts.
    received: Option<TimeMs>,
}

/// What the journal keeps of the input at the same index.
enum Record {
    Pings(Vec<RecordedPing>),
    Control(journal::Input),
}

struct RecordedPing {
    payload: Bytes,
    message_id: String,
}

/// A delivery whose entries are in the batch.
struct Taken {
    ack: Ack,
    answers: Vec<Answer>,
    room: Room,
}

/// Where the verdict on an entry comes from.
enum Answer {
    /// The next outcome of the core.
    Outcome,
    Rejected(Rejection),
}

/// What to do once the segment is durable.
pub(super) struct Acks(Vec<Answered>);

/// A delivery with its verdicts; without any where nobody waits for them.
struct Answered {
    ack: Ack,
    verdicts: Option<Vec<Verdict>>,
    room: Room,
}

impl Acks {
    /// Answers every delivery and gives its room back.
    pub(super) fn resolve(self) {
        for Answered { ack, verdicts, room } in self.0 {
            if let Some(verdicts) = verdicts {
                ack.resolve(verdicts);
            }
            drop(room);
        }
    }
}

impl Batch {
    /// Entries gathered, rejects included.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes gathered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing was gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.deliveries.is_empty()
    }

    /// What the core is to apply.
    pub(super) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Receive time of the first ping gathered.
    pub(super) fn first_received(&self) -> Option<TimeMs> {
        self.inputs.iter().find_map(|input| match input {
            Input::Pings(run) => run.pings.first().map(|ping| ping.receive_time),
            _ => None,
        })
    }

    /// The latest receive time of anything gathered, milliseconds.
    pub(super) fn receive_time_max(&self) -> Option<i64> {
        let runs = self.inputs.iter().filter_map(|input| match input {
            Input::Pings(run) => Some(run),
            _ => None,
        });
        let pings = runs.flat_map(|run| &run.pings).map(|ping| ping.receive_time);
        pings.chain(self.received).max().map(|received| received.0)
    }

    /// Says that what was added last was received at `received`.
    pub(super) fn received_at(&mut self, received: TimeMs) {
        self.received = self.received.max(Some(received));
    }

    /// Adds an input that is no ping, with its record.
    pub(super) fn control(&mut self, input: Input, record: input::Input) {
        self.inputs.push(input);
        self.records.push(Record::Control(journal::Input { input: Some(record) }));
    }

    /// Adds what one source handed over.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        self.traceparent = self.traceparent.take().or(delivery.traceparent);
        self.entries += delivery.entries.len();
        self.bytes += delivery.bytes;
        let mut pings = Vec::with_capacity(delivery.entries.len());
        let mut recorded = Vec::with_capacity(delivery.entries.len());
        let mut answers = Vec::with_capacity(delivery.entries.len());
        for entry in delivery.entries {
            match entry {
                Entry::Ping { ping, payload, message_id, .. } => {
                    pings.push(ping);
                    recorded.push(RecordedPing { payload, message_id });
                    answers.push(Answer::Outcome);
                }
                Entry::Rejected(letter) => {
                    answers.push(Answer::Rejected(Rejection::from(&letter)));
                    self.dead_letters.push(letter);
                }
            }
        }
        self.deliveries.push(Taken { ack: delivery.ack, answers, room: delivery.room });
        let run = PingRun {
            source: delivery.source,
            low_mark: delivery.low_mark,
            low_mark_bounds_lateness: delivery.low_mark_bounds_lateness,
            pings,
        };
        self.add_run(run, recorded);
    }

    /// Joins a run with the one before it where nothing tells them apart.
    fn add_run(&mut self, run: PingRun, recorded: Vec<RecordedPing>) {
        if let (Some(Input::Pings(last)), Some(Record::Pings(last_recorded))) =
            (self.inputs.last_mut(), self.records.last_mut())
            && (last.source, last.low_mark, last.low_mark_bounds_lateness)
                == (run.source, run.low_mark, run.low_mark_bounds_lateness)
        {
            last.pings.extend(run.pings);
            last_recorded.extend(recorded);
        } else {
            self.inputs.push(Input::Pings(run));
            self.records.push(Record::Pings(recorded));
        }
    }

    /// The segment that records this batch with what the core made of it, and
    /// the answers to give once it is durable. `None` where there is nothing
    /// to record. `now_ms` is the clock of the apply; `source_name` names a
    /// source in dead letters.
    pub(super) fn finish(
        self,
        effects: &mut Effects,
        now_ms: i64,
        source_name: impl Fn(u32) -> String,
    ) -> (Option<Segment>, Acks) {
        let mut dead_letters = self.dead_letters;
        let mut inputs = Vec::with_capacity(self.inputs.len());
        // What the core heeds low marks for, too.
        let is_recorded = !effects.events.is_empty()
            || effects.outcomes.iter().any(|it| matches!(it, Outcome::Archived { .. }))
            || self.records.iter().any(|record| matches!(record, Record::Control(_)));
        let mut outcomes = effects.outcomes.iter();
        for (input, record) in self.inputs.iter().zip(self.records) {
            match (input, record) {
                (Input::Pings(run), Record::Pings(recorded)) => {
                    let outcomes = outcomes.by_ref().take(run.pings.len());
                    let mut columns = Columns::new(run, &recorded);
                    for ((ping, recorded), outcome) in run.pings.iter().zip(recorded).zip(outcomes)
                    {
                        match outcome {
                            Outcome::Archived { .. } => columns.push(ping, recorded, *outcome),
                            Outcome::Duplicate => {}
                            Outcome::VehicleLimit => dead_letters.push(over_vehicle_limit(
                                ping,
                                recorded,
                                source_name(run.source),
                            )),
                        }
                    }
                    inputs.extend(columns.finish(is_recorded));
                }
                (_, Record::Control(control)) => inputs.push(control),
                (_, Record::Pings(_)) => unreachable!("records stand at their input's index"),
            }
        }
        let acks = answer(self.deliveries, &effects.outcomes);
        let nothing = inputs.is_empty() && dead_letters.is_empty() && effects.events.is_empty();
        let segment = Segment {
            core_version: CORE_VERSION,
            now_ms,
            inputs,
            events: std::mem::take(&mut effects.events),
            dead_letters,
            traceparent: self.traceparent.as_deref().unwrap_or_default().to_owned(),
            ..Segment::default()
        };
        ((!nothing).then_some(segment), acks)
    }
}

fn answer(deliveries: Vec<Taken>, outcomes: &[Outcome]) -> Acks {
    let mut outcomes = outcomes.iter();
    let answered = deliveries.into_iter().map(|Taken { ack, answers, room }| {
        let wanted = ack.is_wanted();
        let mut verdicts = Vec::with_capacity(if wanted { answers.len() } else { 0 });
        for answer in answers {
            let verdict = match answer {
                Answer::Rejected(rejection) => Verdict::Rejected(rejection),
                Answer::Outcome => {
                    verdict(*outcomes.next().expect("the core gives one outcome for each ping"))
                }
            };
            if wanted {
                verdicts.push(verdict);
            }
        }
        Answered { ack, verdicts: wanted.then_some(verdicts), room }
    });
    Acks(answered.collect())
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Archived { disposition, .. } => Verdict::Accepted(disposition),
        Outcome::Duplicate => Verdict::Duplicate,
        Outcome::VehicleLimit => Verdict::Rejected(Rejection {
            code: VEHICLE_LIMIT.to_owned(),
            message: VEHICLE_LIMIT_DETAIL.to_owned(),
        }),
    }
}

const VEHICLE_LIMIT: &str = "vehicle_limit";
const VEHICLE_LIMIT_DETAIL: &str =
    "the shard holds as many vehicles as detection.vehicles_max allows";

fn over_vehicle_limit(ping: &Ping, recorded: RecordedPing, source: String) -> DeadLetter {
    DeadLetter {
        reason: VEHICLE_LIMIT.to_owned(),
        detail: VEHICLE_LIMIT_DETAIL.to_owned(),
        source,
        source_message_id: id_of_one(&recorded),
        receive_time_ms: ping.receive_time.0,
        payload: recorded.payload,
        content_type: ContentType::Ping.name().to_owned(),
    }
}

/// The id of the message with what tells this ping from the others that came
/// by it; that of the bytes where the source gives none.
fn id_of_one(recorded: &RecordedPing) -> String {
    let content = content_id(&recorded.payload);
    match &recorded.message_id[..] {
        "" => content,
        id => format!("{id}#{content}"),
    }
}

/// A run as the journal keeps it, column by column.
struct Columns {
    run: journal::PingRun,
    payloads: BytesMut,
    last_received: i64,
}

impl Columns {
    /// With room for all of `run`: duplicates are few.
    fn new(run: &PingRun, recorded: &[RecordedPing]) -> Self {
        let payload_bytes = recorded.iter().map(|ping| ping.payload.len()).sum();
        let recorded = journal::PingRun {
            source: run.source,
            low_mark_ms: run.low_mark.map(|mark| mark.0),
            low_mark_bounds_lateness: run.low_mark_bounds_lateness,
            receive_time_deltas: Vec::with_capacity(run.pings.len()),
            payload_lengths: Vec::with_capacity(run.pings.len()),
            dispositions: Vec::with_capacity(run.pings.len()),
            ..journal::PingRun::default()
        };
        let payloads = BytesMut::with_capacity(payload_bytes);
        Self { run: recorded, payloads, last_received: 0 }
    }

    fn push(&mut self, ping: &Ping, recorded: RecordedPing, outcome: Outcome) {
        let Outcome::Archived { disposition, supersedes } = outcome else { return };
        let index = self.run.dispositions.len();
        let received = ping.receive_time.0;
        if index == 0 {
            self.run.receive_time_ms = received;
        } else {
            self.run.receive_time_deltas.push(received - self.last_received);
        }
        self.last_received = received;
        self.payloads.extend_from_slice(&recorded.payload);
        self.run.payload_lengths.push(recorded.payload.len() as u32);
        self.run.dispositions.push(disposition.into());
        if !recorded.message_id.is_empty() && self.run.message_ids.is_empty() {
            self.run.message_ids.reserve(self.run.dispositions.capacity());
            self.run.message_ids.resize(index, String::new());
        }
        if !recorded.message_id.is_empty() || !self.run.message_ids.is_empty() {
            self.run.message_ids.push(recorded.message_id);
        }
        self.run.supersedes.extend(supersedes.map(|loser| Supersedes {
            index: index as u32,
            identity: format!("{:032x}", { loser.0 }),
        }));
    }

    /// The record, unless it says nothing: a run without pings is kept only
    /// for a low mark, of a segment that is recorded for something else.
    fn finish(mut self, is_recorded: bool) -> Option<journal::Input> {
        let says_something =
            !self.run.dispositions.is_empty() || (is_recorded && self.run.low_mark_ms.is_some());
        self.run.payloads = self.payloads.freeze();
        says_something.then(|| journal::Input { input: Some(input::Input::Pings(self.run)) })
    }
}

#[cfg(test)]
mod tests {
    use geofence::{Disposition, admission};
    use protos::PingView;
    use protos::telemetry::VehiclePing;

    use super::*;

    fn ping() -> Ping {
        let wire = VehiclePing {
            vehicle_id: "v".to_owned(),
            event_time_us: 1_000_000,
            lat: 50.0,
            lon: 10.0,
            ..VehiclePing::default()
        };
        admission::admit(&PingView::from(&wire), TimeMs(1_000), false).expect("nothing is wrong")
    }

    /// Sources whose low marks the segment holds, given what became of a ping of
    /// source 1 beside a mark alone of source 2.
    fn marked(outcome: Outcome) -> Option<Vec<u32>> {
        let mut batch = Batch::default();
        let run = |source, pings| PingRun {
            source,
            low_mark: Some(TimeMs(500)),
            pings,
            ..PingRun::default()
        };
        let recorded = RecordedPing { payload: Bytes::new(), message_id: String::new() };
        batch.add_run(run(1, vec![ping()]), vec![recorded]);
        batch.add_run(run(2, vec![]), vec![]);
        let mut effects = Effects { outcomes: vec![outcome], ..Effects::default() };
        let (segment, _) = batch.finish(&mut effects, 1_000, |_| String::new());
        let source = |recorded: journal::Input| match recorded.input {
            Some(input::Input::Pings(run)) => run.source,
            other => panic!("{other:?}"),
        };
        segment.map(|segment| segment.inputs.into_iter().map(source).collect())
    }

    #[test]
    fn a_segment_that_is_recorded_holds_every_low_mark() {
        let archived = Outcome::Archived { disposition: Disposition::OnTime, supersedes: None };
        assert_eq!(marked(archived), Some(vec![1, 2]));
        assert_eq!(marked(Outcome::Duplicate), None);
    }
}
