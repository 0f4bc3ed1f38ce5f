//! The sinks against the stand-in, on good days and bad ones.

mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use local_cloud::bigquery::{Call, Code, Fault, Options, Standin};
use prost::Message;
use protos::events::FleetEvent;
use protos::events::fleet_event::Detail;
use protos::events::{GeofenceEnter, GeofenceExit};
use protos::journal::{Cursor, DeadLetter, Segment};
use protos::telemetry::VehiclePing;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::testing::{
    NOON_MS, batches, event, finish, ping, run, run_with_extras, segment, segment_of_days,
    write_all,
};
use crate::{FileLimits, Flush, Progress, Sink, SinkError, archive, event_files, google};

const DATASET: &str = "projects/p/datasets/fleet";
/// Calls in vain after which a test gives up.
const TRIES_MAX: usize = 50;

/// A dataset with both tables, and a journal of one shard with its sinks.
struct World {
    standin: Standin,
    settings: Settings,
    journal: Journal,
}

#[derive(Default)]
struct Journal {
    segments: Vec<Segment>,
    cursor: Option<Cursor>,
    dead_letters: Vec<DeadLetter>,
}

/// Where a sink is left to its fate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// All is written, and the cursor that says so is recorded.
    Done,
    /// All is written, and nothing of that is recorded.
    Written,
    /// It asked for a cursor to be recorded, which did not come about.
    Asked,
    /// It asked, and its cursor was recorded.
    Recorded,
}

impl World {
    async fn new(segments: Vec<Segment>) -> Self {
        let standin = Standin::start(Options::default()).await.unwrap();
        let settings = Settings::new(DATASET.parse().unwrap());
        let world = Self { standin, settings, journal: Journal { segments, ..Journal::default() } };
        world.create_dataset().await;
        let steps = ensure(&world.settings, &world.endpoints(), false).await.unwrap();
        assert!(steps.iter().all(|step| step.action == Action::Create), "{steps:?}");
        world
    }

    async fn create_dataset(&self) {
        let dataset = serde_json::json!({
            "datasetReference": { "projectId": "p", "datasetId": "fleet" }
        });
        self.rest("POST", "", Some(dataset)).await;
    }

    /// Asks of the project's datasets what the sinks do not.
    async fn rest(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        google::install_crypto();
        let url = format!("{}/bigquery/v2/projects/p/datasets{path}", self.standin.rest_endpoint());
        let method = method.parse().unwrap();
        let request = reqwest_0_12::Client::new().request(method, url);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    fn endpoints(&self) -> Endpoints {
        let read = |service, url: String| google::Endpoint::read(service, Some(&url)).unwrap();
        Endpoints {
            storage: read(google::Service::BigqueryStorage, self.standin.storage_endpoint()),
            rest: read(google::Service::BigqueryRest, self.standin.rest_endpoint()),
        }
    }

    async fn service(&self) -> Service {
        Service::connect(self.settings.clone(), &self.endpoints()).await.unwrap()
    }

    /// A life of the sink of pings.
    async fn pings(&mut self, until: Until) {
        let mut sink = self.open().await;
        self.journal.follow(&mut sink, until).await;
    }

    /// The sink of pings in a life that finds the journal as it is.
    async fn open(&self) -> impl Sink + use<> {
        let tail = self.journal.segments.len() as u64;
        self.service().await.pings(3, self.journal.cursor.as_ref(), tail)
    }

    /// Segments that are committed in the life that goes on, each of so many
    /// pings that no other has; the last of them.
    fn commit_own(&mut self, seqs: std::ops::Range<u64>, pings: u64) -> Arc<Segment> {
        for seq in seqs {
            let first = 5_000_000 + seq * 1000;
            let pings: Vec<_> = (0..pings).map(|n| ping(first + n, NOON_MS)).collect();
            self.journal.segments.push(segment(seq, [run(&pings)]));
        }
        Arc::new(self.journal.segments.last().expect("one at the least").clone())
    }

    /// The rows of a table by `key`, each there once.
    fn rows(&self, table: &str, key: &str) -> Rows {
        rows(self.standin.rows(&format!("fleet.{table}")).unwrap().iter(), key)
    }

    fn stream(&self) -> Option<String> {
        self.standin.streams("fleet.pings").unwrap().pop()
    }

    /// Every ping is in the table once, as it is in the Parquet archive.
    async fn assert_archived(&self) {
        let expected = archived(&self.journal.segments).await;
        let found = self.rows("pings", "seq");
        assert_eq!(found.len(), expected.len());
        assert!(found == expected);
    }
}

impl Journal {
    /// Gives `sink` the segments after the recorded cursor, as a shard does.
    async fn follow(&mut self, sink: &mut dyn Sink, until: Until) {
        let mut next = self.cursor.as_ref().map_or(1, |cursor| cursor.through_seq + 1);
        for _ in 0..TRIES_MAX {
            match self.go_on(sink, &mut next, until).await {
                Ok(()) => return,
                Err(SinkError::Unrecorded(_)) if until == Until::Asked => return,
                Err(SinkError::Unrecorded(progress)) => {
                    next = progress.cursor.through_seq + 1;
                    self.record(*progress);
                    if until == Until::Recorded {
                        return;
                    }
                    let cursor = self.cursor.clone().unwrap();
                    assert_eq!(sink.recorded(&cursor).await.unwrap(), None);
                }
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
        panic!("tried {TRIES_MAX} times in vain");
    }

    async fn go_on(
        &mut self,
        sink: &mut dyn Sink,
        next: &mut u64,
        until: Until,
    ) -> Result<(), SinkError> {
        while let Some(segment) = self.segments.get(*next as usize - 1) {
            sink.write(Arc::new(segment.clone())).await?;
            *next += 1;
        }
        let cursor = sink.flush(Flush::Final).await?;
        if until == Until::Done {
            self.record(cursor.into());
        }
        Ok(())
    }

    fn record(&mut self, progress: Progress) {
        // What a journal keeps is bytes.
        let bytes = progress.cursor.encode_to_vec();
        self.cursor = Some(Cursor::decode(&bytes[..]).unwrap());
        self.dead_letters.extend(progress.dead_letters);
    }
}

type Rows = BTreeMap<String, Vec<ArrayRef>>;

fn rows<'a>(batches: impl Iterator<Item = &'a RecordBatch>, key: &str) -> Rows {
    let mut rows = Rows::new();
    for batch in batches {
        let keys = batch.column_by_name(key).unwrap();
        for row in 0..batch.num_rows() {
            let key = match keys.as_primitive_opt::<Int64Type>() {
                Some(integers) => integers.value(row).to_string(),
                None => keys.as_string::<i32>().value(row).to_owned(),
            };
            let twice = rows.insert(key.clone(), batch.slice(row, 1).columns().to_vec());
            assert!(twice.is_none(), "{key} is there twice");
        }
    }
    rows
}

/// What the Parquet files of a sink have.
async fn parquet(mut sink: impl Sink, directory: &Path, segments: &[Segment], key: &str) -> Rows {
    write_all(&mut sink, segments.to_vec()).await;
    finish(&mut sink).await;
    rows(batches(directory).iter().map(|(_, batch)| batch), key)
}

async fn archived(segments: &[Segment]) -> Rows {
    let directory = tempfile::tempdir().unwrap();
    let sink = archive::open(directory.path(), 3, None, FileLimits::default()).unwrap();
    parquet(sink, directory.path(), segments, "seq").await
}

/// Segments 1 to 6: one without pings, one of two slices, some of few pings.
fn segments() -> Vec<Segment> {
    let many: Vec<_> = (0..10_300).map(|n| ping(3_000_000 + n, NOON_MS)).collect();
    let mut segments: Vec<_> = [(1, 700), (2, 0), (3, 0), (4, 9), (5, 0), (6, 30)]
        .map(|(seq, pings)| segment_of_days(seq, pings, 3))
        .into();
    segments[2] = segment(3, [run_with_extras(&many[..100]), run(&many[100..])]);
    segments
}

#[tokio::test]
async fn the_table_has_the_rows_of_the_archive() {
    let mut world = World::new(segments()).await;
    world.pings(Until::Done).await;
    world.assert_archived().await;
    let cursor = world.journal.cursor.clone().unwrap();
    assert_eq!((cursor.through_seq, cursor.stream_rows), (6, 11_039));
    assert_eq!(Some(cursor.stream), world.stream());
    assert_eq!(world.standin.calls(Call::AppendRows), 5, "one for each slice");
    assert_eq!(world.standin.calls(Call::CreateWriteStream), 1);

    // Another life goes on where this one ended.
    world.journal.segments.push(segment_of_days(7, 5, 1));
    world.pings(Until::Done).await;
    world.assert_archived().await;
    assert_eq!(world.standin.streams("fleet.pings").unwrap().len(), 1);
}

#[rstest]
#[case::too_many_requests(Fault::Answer(Code::ResourceExhausted), 3)]
#[case::connection_ends(Fault::Status(Code::Unavailable), 3)]
#[case::internal(Fault::Status(Code::Internal), 2)]
#[case::not_allowed_for_a_while(Fault::Answer(Code::PermissionDenied), 2)]
#[case::cut_before_rows_were_taken(Fault::CutBefore, 2)]
#[case::cut_after_rows_were_taken(Fault::CutAfter, 5)]
#[case::offset_out_of_range(Fault::Answer(Code::OutOfRange), 2)]
#[case::stream_not_found(Fault::Answer(Code::NotFound), 1)]
#[tokio::test]
async fn no_fault_of_an_append_loses_or_doubles_a_row(#[case] fault: Fault, #[case] times: u32) {
    let mut world = World::new(segments()).await;
    world.standin.inject(Call::AppendRows, fault, times).unwrap();
    world.pings(Until::Done).await;
    world.assert_archived().await;
    assert_eq!(world.journal.dead_letters, []);
}

#[rstest]
#[case(Call::CreateWriteStream, Fault::Status(Code::ResourceExhausted))]
#[case(Call::Rest, Fault::Http(503))]
#[case(Call::Rest, Fault::Http(429))]
#[tokio::test]
async fn the_first_row_waits_for_the_tables(#[case] call: Call, #[case] fault: Fault) {
    let mut world = World::new(segments()).await;
    world.standin.inject(call, fault, 3).unwrap();
    world.pings(Until::Done).await;
    world.assert_archived().await;
}

#[rstest]
#[case::what_it_wrote_was_not_recorded(Until::Written)]
#[case::a_stream_was_made_and_forgotten(Until::Asked)]
#[case::a_stream_was_recorded_and_not_used(Until::Recorded)]
#[tokio::test]
async fn a_crash_loses_and_doubles_nothing(#[case] until: Until) {
    let mut world = World::new(segments()).await;
    world.pings(until).await;
    world.pings(until).await;
    world.pings(Until::Done).await;
    world.assert_archived().await;
}

/// Streams end behind the sink's back, and the life before this one wrote
/// more than it recorded.
#[rstest]
#[case::finalised(false)]
#[case::lost(true)]
#[tokio::test]
async fn a_stream_that_ends_is_replaced_after_its_rows_were_counted(#[case] lost: bool) {
    let mut world = World::new(segments()).await;
    world.pings(Until::Written).await;
    let all = std::mem::take(&mut world.journal.segments);
    for known in [1, 3, 4, all.len()] {
        world.journal.segments = all[..known].to_vec();
        // One that was lost is gone until a row asks for another.
        if let Some(stream) = world.stream() {
            if lost {
                world.standin.drop_stream(&stream).unwrap();
            } else {
                world.standin.finalize_stream(&stream).unwrap();
            }
        }
        // Dies between the count and the record, too.
        world.pings(Until::Asked).await;
        world.pings(Until::Recorded).await;
        world.pings(Until::Done).await;
    }
    world.journal.segments.push(segment_of_days(7, 5, 1));
    world.pings(Until::Done).await;
    world.assert_archived().await;
    assert!(world.standin.calls(Call::CreateWriteStream) > 2);
}

/// The end of the journal is gone, as after a copy was restored, when a life
/// begins that gives the numbers of what is gone to segments of its own.
#[rstest]
#[case::fewer_rows_than_are_gone(1, 5)]
#[case::as_many(1, 30)]
#[case::more(1, 200)]
#[case::in_several_segments(3, 40)]
#[tokio::test]
async fn rows_of_segments_that_are_gone_hide_none_of_those_after_them(
    #[case] own: u64,
    #[case] pings: u64,
) {
    let mut world = World::new(segments()).await;
    let all = std::mem::take(&mut world.journal.segments);
    world.journal.segments = all[..4].to_vec();
    world.pings(Until::Done).await;
    world.journal.segments = all.clone();
    world.pings(Until::Written).await;

    world.journal.segments = all[..4].to_vec();
    let mut sink = world.open().await;
    world.commit_own(5..5 + own, pings);
    world.journal.follow(&mut sink, Until::Done).await;
    world.commit_own(5 + own..7 + own, pings);
    world.journal.follow(&mut sink, Until::Done).await;

    let found = world.rows("pings", "seq");
    for (seq, row) in archived(&world.journal.segments).await {
        assert_eq!(found.get(&seq), Some(&row), "{seq}");
    }
    assert_eq!(world.standin.streams("fleet.pings").unwrap().len(), 2, "one more than before");
}

/// The rows of this life's first append are in, and its answer is lost.
#[tokio::test]
async fn rows_of_its_own_are_told_from_those_of_segments_that_are_gone() {
    let mut world = World::new(segments()).await;
    world.pings(Until::Done).await;
    let mut sink = world.open().await;
    world.standin.inject(Call::AppendRows, Fault::CutAfter, 1).unwrap();
    world.commit_own(7..9, 40);
    world.journal.follow(&mut sink, Until::Done).await;
    world.assert_archived().await;
}

/// A service ends the calls on which nothing comes for a while.
#[rstest]
#[case(Fault::Status(Code::Aborted))]
#[case(Fault::CutBefore)]
#[tokio::test]
async fn a_connection_that_ended_meanwhile_is_no_failure(#[case] end: Fault) {
    let mut world = World::new(segments()).await;
    let mut sink = world.open().await;
    world.journal.follow(&mut sink, Until::Done).await;
    world.standin.inject(Call::AppendRows, end.clone(), 1).unwrap();
    let own = world.commit_own(7..8, 40);
    sink.write(own).await.unwrap();
    sink.flush(Flush::Final).await.unwrap();
    world.assert_archived().await;

    // Only the first time: whoever is away says so.
    world.standin.inject(Call::AppendRows, end, 2).unwrap();
    let own = world.commit_own(8..9, 40);
    sink.write(own).await.unwrap();
    assert!(sink.flush(Flush::Final).await.unwrap_err().is_retryable());
    sink.flush(Flush::Final).await.unwrap();
    world.assert_archived().await;
}

#[tokio::test]
async fn a_table_waits_for_no_other() {
    let mut world = World::new(segments()).await;
    world.settings.events_table = "nowhere".into();
    world.pings(Until::Done).await;
    world.assert_archived().await;
}

#[tokio::test]
async fn rows_are_counted_where_every_query_must_name_a_day() {
    let mut world = World::new(segments()).await;
    world.pings(Until::Written).await;
    let required = serde_json::json!({ "requirePartitionFilter": true });
    world.rest("PATCH", "/fleet/tables/pings", Some(required)).await;
    world.standin.drop_stream(&world.stream().unwrap()).unwrap();
    world.pings(Until::Done).await;
    world.assert_archived().await;
}

#[tokio::test]
async fn rows_that_are_refused_become_dead_letters_and_stubs() {
    let mut all = segments();
    all[3] = segment(4, [run(&[ping(1, NOON_MS), far_off(2), ping(3, NOON_MS), far_off(4)])]);
    let mut world = World::new(all).await;
    // The stream is recorded; what is refused is not, then is; stubs are
    // written and that is not recorded: a crash each time.
    for until in [Until::Recorded, Until::Asked, Until::Recorded, Until::Written, Until::Done] {
        world.pings(until).await;
    }
    world.journal.segments.push(segment_of_days(7, 5, 1));
    world.pings(Until::Done).await;

    let letters = world.journal.dead_letters.iter();
    let refused: Vec<_> = letters
        .map(|letter| {
            assert_eq!(letter.reason, "bigquery_refused");
            assert!(letter.detail.contains("event_time"), "{}", letter.detail);
            VehiclePing::decode(&letter.payload[..]).unwrap()
        })
        .collect();
    assert_eq!(refused, [far_off(2), far_off(4)]);

    let batches = world.standin.rows("fleet.pings").unwrap();
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(total as i64, world.journal.cursor.as_ref().unwrap().stream_rows);
    let text = |batch: &RecordBatch, column: &str, row: usize| {
        batch.column_by_name(column).unwrap().as_string::<i32>().value(row).to_owned()
    };
    let of_4: Vec<_> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
        .filter(|(batch, row)| integer(batch, "journal_seq", *row) == 4)
        .map(|(batch, row)| (text(batch, "vehicle_id", row), text(batch, "disposition", row)))
        .collect();
    let expected = [(1, "on_time"), (2, "refused"), (3, "on_time"), (4, "refused")];
    assert_eq!(of_4, expected.map(|(seq, word)| (ping(seq, 0).vehicle_id, word.to_owned())));
}

/// Whoever publishes may say that a message is older than any table's years.
#[tokio::test]
async fn a_row_received_before_all_years_becomes_a_stub_too() {
    const YEAR_9000_BC_MS: i64 = -346_179_744_000_000;
    let mut all = segments();
    let ancient = protos::journal::PingRun {
        receive_time_ms: YEAR_9000_BC_MS,
        ..run(&[ping(1, YEAR_9000_BC_MS)])
    };
    all[3] = segment(4, [ancient, run(&[ping(2, NOON_MS)])]);
    let mut world = World::new(all).await;
    world.pings(Until::Done).await;
    assert_eq!(world.journal.dead_letters.len(), 1);
    let batches = world.standin.rows("fleet.pings").unwrap();
    let of_4 = |batch: &RecordBatch| {
        (0..batch.num_rows()).filter(|row| integer(batch, "journal_seq", *row) == 4).count()
    };
    assert_eq!(batches.iter().map(of_4).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_row_that_is_refused_twice_over_is_one_dead_letter() {
    let mut world = World::new(segments()).await;
    let twice = Fault::RowErrors(vec![1, 0, 1]);
    world.standin.inject(Call::AppendRows, twice, 1).unwrap();
    world.pings(Until::Done).await;
    assert_eq!(world.journal.dead_letters.len(), 2);
}

fn integer(batch: &RecordBatch, column: &str, row: usize) -> i64 {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().value(row)
}

#[tokio::test]
async fn the_default_stream_takes_each_row_at_least_once() {
    let mut world = World::new(segments()).await;
    world.settings.mode = Mode::DefaultStream;
    world.standin.inject(Call::AppendRows, Fault::CutAfter, 1).unwrap();
    world.standin.inject(Call::AppendRows, Fault::Answer(Code::Unavailable), 1).unwrap();
    world.pings(Until::Done).await;
    let expected = archived(&world.journal.segments).await;
    let found = world.standin.rows("fleet.pings").unwrap();
    let seqs = |batch: &RecordBatch| {
        batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>().values().to_vec()
    };
    let distinct: BTreeSet<String> =
        found.iter().flat_map(seqs).map(|seq| seq.to_string()).collect();
    assert!(distinct.iter().eq(expected.keys()));
    assert_eq!(world.standin.calls(Call::CreateWriteStream), 0);

    // The other mode goes on from the cursor, by a stream of its own.
    world.settings.mode = Mode::Committed;
    world.journal.segments.push(segment_of_days(7, 5, 1));
    world.pings(Until::Done).await;
    assert_eq!(world.standin.calls(Call::CreateWriteStream), 1);
}

/// A ping that says it is of the year 10000.
fn far_off(seq: u64) -> VehiclePing {
    ping(seq, 253_402_300_800_000)
}

#[tokio::test]
async fn the_events_table_has_every_operation() {
    let events = |seq: u64, count: u64| {
        let events = (0..count).map(|n| FleetEvent {
            revision: seq,
            vehicle_id: format!("bus-{n}").into(),
            lat: Some(30.0),
            lon: Some(-97.0),
            ..event(
                u128::from(seq) << 64 | u128::from(n),
                if n % 2 == 0 {
                    Detail::GeofenceEnter(GeofenceEnter {})
                } else {
                    Detail::GeofenceExit(GeofenceExit {})
                },
            )
        });
        Segment { events: events.collect(), ..segment(seq, []) }
    };
    let segments = vec![events(1, 40), events(2, 0), events(3, 12_000)];
    let mut world = World::new(segments.clone()).await;
    world.standin.inject(Call::AppendRows, Fault::CutAfter, 2).unwrap();
    let mut sink = world.service().await.events(3, None, 3);
    world.journal.follow(&mut sink, Until::Done).await;
    let directory = tempfile::tempdir().unwrap();
    let files = event_files::open(directory.path(), 3, None, FileLimits::default()).unwrap();
    let expected = parquet(files, directory.path(), &segments, "event_id").await;
    assert!(world.rows("events", "event_id") == expected);
}
