use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::archive::PingTable;
use crate::rolling::OPEN_DAYS_MAX;
use crate::testing::{files, integers, published, segment_of_days};

const LIMITS: FileLimits =
    FileLimits { age_max: Duration::from_secs(300), bytes_max: 128 * 1024 * 1024 };

/// One archive over a directory, which can crash.
struct Bench {
    directory: TempDir,
    rolling: Rolling<PingTable>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with_limits(LIMITS)
    }

    fn with_limits(limits: FileLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rolling = Rolling::open(PingTable, directory.path(), 3, None, limits).unwrap();
        Self { directory, rolling, now: Instant::now() }
    }

    /// Drops everything in memory and starts from `cursor`.
    fn crash(&mut self, cursor: Option<&Cursor>) {
        self.rolling = Rolling::open(PingTable, self.directory.path(), 3, cursor, LIMITS).unwrap();
    }

    fn write(&mut self, segment: &Segment) {
        self.rolling.write(segment, self.now).unwrap();
    }

    fn flush(&mut self, flush: Flush) -> Cursor {
        self.rolling.flush(flush, self.now).unwrap()
    }

    fn recorded(&mut self, pending: Option<u64>) -> Option<Cursor> {
        self.rolling.recorded(pending, self.now).unwrap()
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The producers' numbers of all pings that readers see, sorted.
    fn seqs(&self) -> Vec<i64> {
        let mut seqs = integers(self.root(), "seq");
        seqs.sort_unstable();
        seqs
    }
}

fn cursor(through_seq: u64, pending_through_seq: Option<u64>) -> Cursor {
    Cursor { sink: "archive".into(), through_seq, pending_through_seq, ..Cursor::default() }
}

/// Numbers of the pings of segments `1..=last` as [`segment_of_days`] has them.
fn seqs_of(segments: impl IntoIterator<Item = (u64, u64)>) -> Vec<i64> {
    segments
        .into_iter()
        .flat_map(|(seq, pings)| (0..pings).map(move |index| (seq * 1000 + index) as i64))
        .collect()
}

const TODAY: &str = "dt=2016-11-25";
const YESTERDAY: &str = "dt=2016-11-24";

fn file_name(first: u64, last: u64) -> String {
    format!("shard-3-{first:020}-{last:020}.parquet")
}

#[test]
fn a_range_is_announced_then_published_then_done() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 4, 2));
    bench.write(&segment_of_days(2, 4, 2));
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, None));
    bench.now += LIMITS.age_max;
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, Some(2)));
    assert_eq!(published(bench.root()), Vec::<String>::new());

    // Segments go on while the announcement waits to be recorded.
    bench.write(&segment_of_days(3, 1, 1));
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, Some(2)));
    assert_eq!(bench.recorded(None), None);
    assert_eq!(published(bench.root()), Vec::<String>::new());

    assert_eq!(bench.recorded(Some(2)), Some(cursor(2, None)));
    let names = [YESTERDAY, TODAY].map(|day| format!("{day}/{}", file_name(1, 2)));
    assert_eq!(published(bench.root()), names);
    assert_eq!(bench.seqs(), seqs_of([(1, 4), (2, 4)]));
    assert_eq!(bench.recorded(None), None);
    // Said once more, it changes nothing.
    assert_eq!(bench.recorded(Some(2)), Some(cursor(2, None)));
    assert_eq!(published(bench.root()), names);
}

#[test]
fn a_last_flush_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 2, 1));
    assert_eq!(bench.flush(Flush::Final), cursor(0, Some(1)));
    // Written while the announcement was on its way to the journal.
    bench.write(&segment_of_days(2, 2, 1));
    assert_eq!(bench.recorded(Some(1)), Some(cursor(1, Some(2))));
    assert_eq!(bench.recorded(Some(2)), Some(cursor(2, None)));
    assert_eq!(bench.recorded(None), None);
    assert_eq!(bench.seqs(), seqs_of([(1, 2), (2, 2)]));
    assert_eq!(files(bench.root()).len(), 2, "no temporary file is left");
}

#[test]
fn a_range_closes_at_its_size() {
    let mut bench = Bench::with_limits(FileLimits { bytes_max: 4000, ..LIMITS });
    bench.write(&segment_of_days(1, 1, 1));
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, None));
    bench.write(&segment_of_days(2, 8000, 1));
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, Some(2)));
}

#[test]
fn age_counts_from_the_first_row() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 0, 1));
    bench.now += LIMITS.age_max;
    bench.write(&segment_of_days(2, 1, 1));
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, None));
    bench.now += LIMITS.age_max - Duration::from_millis(1);
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, None));
    bench.now += Duration::from_millis(1);
    assert_eq!(bench.flush(Flush::Periodic), cursor(0, Some(2)));
}

#[test]
fn segments_without_rows_make_no_file() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(5, 0, 1));
    bench.write(&segment_of_days(6, 0, 1));
    assert_eq!(bench.flush(Flush::Periodic), cursor(6, None));
    bench.write(&segment_of_days(7, 1, 1));
    assert_eq!(bench.flush(Flush::Final), cursor(6, Some(7)));
    bench.recorded(Some(7));
    assert_eq!(published(bench.root()), [format!("{TODAY}/{}", file_name(7, 7))]);
}

#[test]
fn after_a_crash_the_announced_range_is_written_again_under_its_names() {
    let mut bench = Bench::new();
    let segments: Vec<Segment> = (1..=4).map(|seq| segment_of_days(seq, 6, 2)).collect();
    segments[..3].iter().for_each(|segment| bench.write(segment));
    let announced = bench.flush(Flush::Final);
    assert_eq!(announced, cursor(0, Some(3)));
    bench.recorded(Some(3));
    let before = files(bench.root());
    // The crash comes before the journal learns that the range is done.
    bench.crash(Some(&announced));
    assert_eq!(bench.flush(Flush::Periodic), announced, "not whole yet");
    segments[..2].iter().for_each(|segment| bench.write(segment));
    assert_eq!(bench.flush(Flush::Final), announced, "not whole yet");
    assert_eq!(bench.recorded(Some(3)), None);
    bench.write(&segments[2]);
    assert_eq!(bench.flush(Flush::Periodic), cursor(3, None));
    assert_eq!(files(bench.root()), before, "the same names and bytes");
    bench.write(&segments[3]);
    assert_eq!(bench.flush(Flush::Final), cursor(3, Some(4)));
}

#[test]
fn a_crash_before_the_announcement_was_recorded_leaves_nothing() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 6, 2));
    bench.flush(Flush::Final);
    assert_eq!(files(bench.root()).len(), 2);
    // Another shard's unfinished file is not ours to remove.
    let foreign = bench.root().join(TODAY).join(".shard-33-1.tmp");
    fs::write(&foreign, b"").unwrap();
    bench.crash(None);
    assert_eq!(
        files(bench.root()).into_keys().collect::<Vec<_>>(),
        [format!("{TODAY}/.shard-33-1.tmp")]
    );
}

/// As after `--set-aside-tail`, or with a journal that was restored from a copy.
#[test]
fn files_of_segments_that_the_journal_lost_are_set_aside() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 2, 1));
    bench.write(&segment_of_days(2, 3, 1));
    let announced = bench.flush(Flush::Final);
    bench.recorded(announced.pending_through_seq);
    assert_eq!(bench.seqs(), seqs_of([(1, 2), (2, 3)]));

    bench.crash(Some(&cursor(0, None)));
    bench.write(&segment_of_days(1, 2, 1));
    bench.write(&segment_of_days(2, 1, 1));
    let announced = bench.flush(Flush::Final);
    bench.recorded(announced.pending_through_seq);
    assert_eq!(bench.seqs(), seqs_of([(1, 2), (2, 1)]));
    let aside = bench.root().join(TODAY).join(format!("{}.set-aside", file_name(1, 2)));
    assert!(aside.is_file(), "what is in no segment any more is there still");
}

#[test]
fn what_another_division_of_the_range_left_is_removed() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 6, 1));
    let announced = bench.flush(Flush::Final);
    let stray =
        bench.root().join(TODAY).join(file_name(1, 1).replace(".parquet", "-part-0001.parquet"));
    let foreign = bench.root().join(TODAY).join(file_name(1, 1).replace("shard-3-", "shard-30-"));
    fs::write(&stray, b"").unwrap();
    fs::write(&foreign, b"").unwrap();
    bench.crash(Some(&announced));
    bench.write(&segment_of_days(1, 6, 1));
    assert!(!stray.exists() && foreign.exists());
}

#[test]
fn days_past_the_bound_are_spilled_into_parts() {
    let mut bench = Bench::new();
    let days = OPEN_DAYS_MAX as u64 + 2;
    // Two rounds over more days than may be open: the second finds the first
    // days' files finished.
    let segments: Vec<Segment> = (1..=2).map(|seq| segment_of_old_days(seq, days)).collect();
    segments.iter().for_each(|segment| bench.write(segment));
    bench.flush(Flush::Final);
    bench.recorded(Some(2));
    let names = published(bench.root());
    assert!(names.len() > days as usize, "{} files", names.len());
    assert!(names.iter().any(|name| name.ends_with("-part-0001.parquet")));
    assert_eq!(bench.seqs(), seqs_of([(1, days), (2, days)]));
}

/// A ping for each of `days` days, received on its day.
fn segment_of_old_days(seq: u64, days: u64) -> Segment {
    use crate::testing::{DAY_MS, NOON_MS, ping, run, segment};
    let runs = (0..days).map(|day| {
        let at = NOON_MS - day as i64 * DAY_MS;
        protos::journal::PingRun { receive_time_ms: at, ..run(&[ping(seq * 1000 + day, at)]) }
    });
    segment(seq, runs)
}

#[test]
fn an_error_of_the_disk_loses_and_doubles_nothing() {
    let mut bench = Bench::new();
    // A file where the partition's directory should be stands in for a disk
    // that takes nothing.
    let blocked = bench.root().join(TODAY);
    fs::write(&blocked, b"").unwrap();
    bench.write(&segment_of_days(1, 3, 2));
    for _ in 0..2 {
        let error = bench.rolling.flush(Flush::Final, bench.now).unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains(TODAY), "{error}");
    }
    assert!(bench.rolling.write(&segment_of_days(2, 3, 2), bench.now).is_err());
    fs::remove_file(&blocked).unwrap();
    // Rows that follow join the same range.
    bench.write(&segment_of_days(2, 3, 2));
    assert_eq!(bench.flush(Flush::Final), cursor(0, Some(2)));

    // A name that cannot be given, then can.
    let taken = blocked.join(file_name(1, 2));
    fs::create_dir(&taken).unwrap();
    let error = bench.rolling.recorded(Some(2), bench.now).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(&file_name(1, 2)), "{error}");
    fs::remove_dir(&taken).unwrap();
    assert_eq!(bench.recorded(Some(2)), Some(cursor(2, None)));
    assert_eq!(bench.seqs(), seqs_of([(1, 3), (2, 3)]));
}

#[test]
fn files_that_are_taken_away_before_they_have_their_names_are_written_by_a_start() {
    let mut bench = Bench::new();
    bench.write(&segment_of_days(1, 3, 2));
    let announced = bench.flush(Flush::Final);
    assert_eq!(announced, cursor(0, Some(1)));
    fs::rename(bench.root().join(TODAY), bench.root().join("elsewhere")).unwrap();
    for _ in 0..2 {
        let error = bench.rolling.recorded(Some(1), bench.now).unwrap_err();
        assert!(error.is_retryable(), "{error}");
        let error = error.to_string();
        let said = [TODAY, ".tmp: was moved or deleted", "start again"];
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }
    bench.crash(Some(&announced));
    bench.write(&segment_of_days(1, 3, 2));
    assert_eq!(bench.seqs(), seqs_of([(1, 3)]));
}

#[test]
fn a_full_disk_holds_up_writing_and_bounds_memory() {
    let mut bench = Bench::new();
    let blocked = bench.root().join(TODAY);
    fs::write(&blocked, b"").unwrap();
    // Enough rows to end a row group, so that there are bytes to write.
    let group = crate::schema::PINGS_PACKING.group_rows as u64;
    let big = segment_of_days(1, group + 5000, 1);
    assert!(bench.rolling.write(&big, bench.now).is_err());
    // The next segment is not taken before the bytes of this one are out.
    assert!(bench.rolling.write(&segment_of_days(2, 1, 1), bench.now).is_err());
    assert_eq!(bench.rolling.taken, 1);
    fs::remove_file(&blocked).unwrap();
    bench.write(&big);
    bench.flush(Flush::Final);
    bench.recorded(Some(1));
    assert_eq!(bench.seqs(), seqs_of([(1, group + 5000)]));
}

/// What happens to a sink between two crashes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write {
        pings: u64,
        days: u64,
        twice: bool,
    },
    Flush {
        kind: Flush,
        /// Whether the cursor gets into a segment.
        recorded: bool,
    },
    /// The newest recorded cursor is reported; whether the answer is recorded.
    Report {
        recorded: bool,
    },
    /// The same, but the day's file cannot be renamed; a crash follows.
    TornReport {
        day: &'static str,
    },
    Age,
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u64, 1..4_u64, any::<bool>())
            .prop_map(|(pings, days, twice)| Step::Write { pings, days, twice }),
        4 => (prop_oneof![3 => Just(Flush::Periodic), 1 => Just(Flush::Final)], any::<bool>())
            .prop_map(|(kind, recorded)| Step::Flush { kind, recorded }),
        4 => any::<bool>().prop_map(|recorded| Step::Report { recorded }),
        1 => prop_oneof![Just(TODAY), Just(YESTERDAY)].prop_map(|day| Step::TornReport { day }),
        2 => Just(Step::Age),
        2 => Just(Step::Crash),
    ]
}

/// A journal beside a sink: what is recorded survives a crash.
struct Run {
    bench: Bench,
    journal: Vec<Segment>,
    recorded: Option<Cursor>,
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Write { pings, days, twice } => {
                let segment = segment_of_days(self.journal.len() as u64 + 1, pings, days);
                self.bench.write(&segment);
                if twice {
                    self.bench.write(&segment);
                }
                self.journal.push(segment);
            }
            Step::Flush { kind, recorded } => {
                let cursor = self.bench.flush(kind);
                self.record(Some(cursor), recorded);
            }
            Step::Report { recorded } => {
                let next = self.report();
                self.record(next, recorded);
            }
            Step::TornReport { day } => self.torn_report(day),
            Step::Age => self.bench.now += LIMITS.age_max,
            Step::Crash => self.crash(),
        }
    }

    fn report(&mut self) -> Option<Cursor> {
        let pending = self.recorded.as_ref()?.pending_through_seq;
        self.bench.recorded(pending)
    }

    fn record(&mut self, cursor: Option<Cursor>, recorded: bool) {
        if let Some(cursor) = cursor.filter(|_| recorded) {
            self.recorded = Some(cursor);
        }
    }

    fn torn_report(&mut self, day: &str) {
        let Some(Cursor { pending_through_seq: Some(pending), through_seq, .. }) = self.recorded
        else {
            return;
        };
        let name = self.bench.root().join(day).join(file_name(through_seq + 1, pending));
        let obstacle = !name.exists() && fs::create_dir(&name).is_ok();
        let now = self.bench.now;
        let _torn = self.bench.rolling.recorded(Some(pending), now);
        if obstacle {
            fs::remove_dir(&name).unwrap();
        }
        self.crash();
    }

    fn crash(&mut self) {
        self.bench.crash(self.recorded.as_ref());
        let through = self.recorded.as_ref().map_or(0, |cursor| cursor.through_seq);
        for segment in self.journal.iter().filter(|segment| segment.seq > through) {
            self.bench.write(segment);
        }
    }

    /// An orderly end: every cursor is recorded.
    fn finish(&mut self) {
        let mut next = Some(self.bench.flush(Flush::Final));
        while next.is_some() {
            self.recorded = next;
            next = self.report();
        }
    }

    fn expected(&self) -> Vec<i64> {
        seqs_of(self.journal.iter().map(|segment| {
            let pings = segment.inputs.first().map_or(0, |input| match &input.input {
                Some(protos::journal::input::Input::Pings(run)) => run.dispositions.len() as u64,
                _ => 0,
            });
            (segment.seq, pings)
        }))
    }
}

proptest! {
    // Each case costs dozens of fsyncs.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_ping_is_there_once_whatever_crashes(steps in prop::collection::vec(any_step(), 1..50)) {
        let mut run = Run { bench: Bench::new(), journal: Vec::new(), recorded: None };
        for step in steps {
            run.step(step);
        }
        run.finish();
        prop_assert_eq!(run.bench.seqs(), run.expected());
        let left = files(run.bench.root()).len();
        prop_assert_eq!(left, published(run.bench.root()).len(), "temporary files are left");
        let last = run.journal.last().map_or(0, |segment| segment.seq);
        prop_assert_eq!(run.recorded.unwrap(), cursor(last, None));
    }
}
