use std::fs;

use proptest::prelude::*;
use protos::events::fleet_event::Detail;
use protos::events::{GeofenceEnter, GeofenceExit, Id};
use rstest::rstest;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::testing::{dead_letter, event, segment, write_all};
use crate::{Held, dead_letters, event_log};

fn segment_with_events(seq: u64, events: usize) -> Segment {
    let events = (0..events)
        .map(|index| event(id(seq, index).number(), Detail::GeofenceExit(GeofenceExit {})))
        .collect();
    Segment { events, ..segment(seq, []) }
}

/// Of an event by its place in a segment.
fn id(seq: u64, index: usize) -> Id {
    Id::new(u128::from(seq) << 64 | index as u128)
}

/// Such ids as they are written.
fn texts<const N: usize>(places: [(u64, usize); N]) -> [String; N] {
    places.map(|(seq, index)| id(seq, index).to_string())
}

fn path(directory: &Path) -> PathBuf {
    directory.join("shard-3.ndjson")
}

/// Ids of the events in the log, in order.
fn ids(directory: &Path) -> Vec<String> {
    ids_in(&path(directory))
}

fn ids_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn events_are_lines_in_the_order_of_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = event_log::open(directory.path(), 3, None).unwrap();
    let entered = event(0xe, Detail::GeofenceEnter(GeofenceEnter {}));
    write_all(&mut log, [Segment { events: vec![entered], ..segment(7, []) }]).await;
    write_all(&mut log, [segment(8, []), segment_with_events(9, 2)]).await;
    let cursor = log.flush(Flush::Periodic).await.unwrap();
    let text = fs::read_to_string(path(directory.path())).unwrap();
    assert_eq!(
        text.lines().next(),
        Some(concat!(
            r#"{"event_id":"0000000000000000000000000000000e","op":"assert","revision":9,"kind":"geofence_enter","#,
            r#""event_time":"2016-11-25T12:00:00.000Z","late":false,"schema_version":1}"#
        ))
    );
    assert_eq!(ids(directory.path()), texts([(0, 0xe), (9, 0), (9, 1)]));
    let expected = Cursor {
        sink: "event_log".into(),
        through_seq: 9,
        byte_length: Some(text.len() as u64),
        ending: Some(xxh3_64(text.as_bytes())),
        ..Cursor::default()
    };
    assert_eq!(cursor, expected);
    assert_eq!(log.recorded(&cursor).await.unwrap(), None);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_bytes_and_says_where_it_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = dead_letters::open(directory.path(), 3, None).unwrap();
    let bare = protos::journal::DeadLetter { reason: "empty".into(), ..Default::default() };
    let letters = vec![dead_letter(b"\x00\xff{"), bare];
    write_all(&mut log, [Segment { dead_letters: letters, ..segment(7, []) }]).await;
    log.flush(Flush::Periodic).await.unwrap();
    assert_eq!(
        fs::read_to_string(path(directory.path())).unwrap(),
        concat!(
            r#"{"reason":"undecodable","detail":"not a VehiclePing","source":"http","#,
            r#""source_message_id":"0f","receive_time":"2016-11-25T12:00:00.000Z","#,
            r#""content_type":"application/x-protobuf","payload_base64":"AP97","#,
            r#""shard":3,"journal_seq":7}"#,
            "\n",
            r#"{"reason":"empty","receive_time":"1970-01-01T00:00:00.000Z","#,
            r#""payload_base64":"","shard":3,"journal_seq":7}"#,
            "\n"
        )
    );
}

#[tokio::test]
async fn a_start_cuts_back_to_the_cursor() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = event_log::open(directory.path(), 3, None).unwrap();
    write_all(&mut log, [segment_with_events(1, 2)]).await;
    let recorded = log.flush(Flush::Periodic).await.unwrap();
    write_all(&mut log, [segment_with_events(2, 2)]).await;
    log.flush(Flush::Periodic).await.unwrap();
    drop(log);
    assert_eq!(ids(directory.path()), texts([(1, 0), (1, 1), (2, 0), (2, 1)]));

    let mut log = event_log::open(directory.path(), 3, Some(&recorded)).unwrap();
    assert_eq!(ids(directory.path()), texts([(1, 0), (1, 1)]));
    write_all(&mut log, [segment_with_events(2, 1)]).await;
    log.flush(Flush::Final).await.unwrap();
    assert_eq!(ids(directory.path()), texts([(1, 0), (1, 1), (2, 0)]));
}

/// As a start finds the file after one without the sink, which drops its
/// cursor.
#[rstest]
#[case::whole("{\"event_id\":\"old\"}\n", "")]
#[case::torn("{\"event_id\":\"old\"}\n", "{\"event_")]
#[case::torn_long("{\"event_id\":\"old\"}\n", &"x".repeat(10_000))]
#[case::torn_only("", "{\"event_")]
#[tokio::test]
async fn without_a_cursor_lines_go_after_those_that_are_there(
    #[case] whole: &str,
    #[case] torn: &str,
) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(path(directory.path()), format!("{whole}{torn}")).unwrap();
    let mut log = event_log::open(directory.path(), 3, None).unwrap();
    assert_eq!(log.found_output(), Some(!whole.is_empty()));
    let begun = log.flush(Flush::Periodic).await.unwrap();
    assert_eq!(begun.byte_length, Some(whole.len() as u64));
    write_all(&mut log, [segment_with_events(9, 1)]).await;
    log.flush(Flush::Final).await.unwrap();
    let old = (!whole.is_empty()).then(|| "old".to_owned());
    assert_eq!(ids(directory.path()), old.into_iter().chain(texts([(9, 0)])).collect::<Vec<_>>());
    let again = event_log::open(directory.path(), 3, Some(&begun)).unwrap();
    assert_eq!(again.found_output(), Some(false));
}

#[test]
fn a_file_that_contradicts_its_cursor_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(path(directory.path()), "123456789\n").unwrap();
    let cursor = |byte_length| Cursor {
        sink: "event_log".into(),
        through_seq: 4,
        byte_length,
        ..Cursor::default()
    };
    let open = |length| event_log::open(directory.path(), 3, Some(&cursor(length))).err();
    let error = open(Some(11)).unwrap().to_string();
    assert!(error.contains("shard-3.ndjson: holds 10 bytes"), "{error}");
    assert!(error.contains("11 were written"), "{error}");
    let error = open(None).unwrap().to_string();
    assert!(error.contains("shard-3.ndjson: the cursor of event_log at segment 4"), "{error}");
    assert!(open(Some(10)).is_none());
    assert_eq!(fs::read(path(directory.path())).unwrap(), b"123456789\n");
}

#[test]
fn a_full_disk_loses_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(event_log::EventLines, path(directory.path()), None).unwrap();
    // A device that is always full stands in for the disk.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = Held::new(path(directory.path()), full);
    let real = std::mem::replace(&mut log.file.held, full);
    log.write(&segment_with_events(1, 3)).unwrap();
    let error = log.flush().unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("shard-3.ndjson"), "{error}");
    let big = segment_with_events(2, 5000);
    assert!(log.write(&big).is_err());
    assert!(log.write(&big).is_err());
    log.file.held = real;
    log.write(&big).unwrap();
    log.flush().unwrap();
    let found = ids(directory.path());
    let expected = [(1, 3), (2, 5000)]
        .iter()
        .flat_map(|&(seq, count)| (0..count).map(move |index| id(seq, index).to_string()));
    assert!(found.into_iter().eq(expected));
}

/// What an operator does to the file of a log that is being written.
#[derive(Clone, Copy, Debug)]
enum Meddling {
    Moved,
    MovedAndMadeAnew,
    Deleted,
    DeletedAndMadeAnew,
    Cut,
    AnotherInItsPlace,
    DirectoryMoved,
    DirectoryMadeAnew,
}

impl Meddling {
    fn with(self, directory: &Path) {
        let (file, elsewhere) = (path(directory), directory.join("shard-3.old.ndjson"));
        match self {
            Self::Moved => fs::rename(file, elsewhere).unwrap(),
            Self::MovedAndMadeAnew => {
                fs::rename(&file, elsewhere).unwrap();
                fs::write(file, "").unwrap();
            }
            Self::Deleted => fs::remove_file(file).unwrap(),
            Self::DeletedAndMadeAnew => {
                fs::remove_file(&file).unwrap();
                fs::write(file, "").unwrap();
            }
            Self::Cut => fs::write(file, "").unwrap(),
            Self::AnotherInItsPlace => {
                fs::rename(&file, &elsewhere).unwrap();
                fs::copy(elsewhere, file).map(drop).unwrap();
            }
            Self::DirectoryMoved => fs::rename(directory, directory.with_extension("old")).unwrap(),
            Self::DirectoryMadeAnew => {
                fs::rename(directory, directory.with_extension("old")).unwrap();
                fs::create_dir(directory).unwrap();
            }
        }
    }
}

/// A log in a directory that can be moved: segment 1 is recorded, segment 2 flushed.
async fn a_log_that_is_written() -> (tempfile::TempDir, PathBuf, impl Sink) {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path().join("event_log");
    let mut log = event_log::open(&directory, 3, None).unwrap();
    write_all(&mut log, [segment_with_events(1, 2)]).await;
    let recorded = log.flush(Flush::Periodic).await.unwrap();
    assert_eq!(log.recorded(&recorded).await.unwrap(), None);
    write_all(&mut log, [segment_with_events(2, 1)]).await;
    log.flush(Flush::Periodic).await.unwrap();
    (around, directory, log)
}

/// No cursor says that lines are durable that are not where they will be looked for.
#[rstest]
#[case::deleted(Meddling::Deleted, &["shard-3.ndjson: was deleted", "empty file", "/proc/"])]
#[case::cut(Meddling::Cut, &["shard-3.ndjson: holds ", "changed from outside", "empty file"])]
#[case::another(Meddling::AnotherInItsPlace, &["shard-3.ndjson: is not the file", "back"])]
#[case::directory_moved(Meddling::DirectoryMoved, &["event_log: no longer the directory", "back"])]
#[case::directory_anew(Meddling::DirectoryMadeAnew, &["event_log: no longer the directory"])]
#[tokio::test]
async fn lines_that_are_not_in_their_place_are_not_said_to_be_durable(
    #[case] meddling: Meddling,
    #[case] said: &[&str],
) {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    meddling.with(&directory);
    for _ in 0..2 {
        let error = log.flush(Flush::Periodic).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        let error = error.to_string();
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
        write_all(&mut log, [segment_with_events(3, 1)]).await;
    }
}

#[tokio::test]
async fn a_directory_that_is_put_back_has_every_line() {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    Meddling::DirectoryMadeAnew.with(&directory);
    write_all(&mut log, [segment_with_events(3, 1)]).await;
    log.flush(Flush::Periodic).await.unwrap_err();
    fs::remove_dir(&directory).unwrap();
    fs::rename(directory.with_extension("old"), &directory).unwrap();
    let cursor = log.flush(Flush::Periodic).await.unwrap();
    assert_eq!(cursor.through_seq, 3);
    assert_eq!(ids(&directory), texts([(1, 0), (1, 1), (2, 0), (3, 0)]));
}

/// A file that is moved away whole has its lines; of one that is deleted, those
/// come again that are not recorded.
#[rstest]
#[case::moved(Meddling::Moved, 3)]
#[case::moved_and_made_anew(Meddling::MovedAndMadeAnew, 3)]
#[case::deleted_and_made_anew(Meddling::DeletedAndMadeAnew, 1)]
#[tokio::test]
async fn a_new_file_begins_once_it_is_recorded_that_it_does(
    #[case] meddling: Meddling,
    #[case] through_seq: u64,
) {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    meddling.with(&directory);
    write_all(&mut log, [segment_with_events(3, 1)]).await;
    let asked = log.flush(Flush::Periodic).await.unwrap_err();
    let SinkError::Unrecorded(progress) = asked else { panic!("{asked}") };
    let begins = Cursor {
        sink: "event_log".into(),
        through_seq,
        byte_length: Some(0),
        former: progress.cursor.former,
        ..Cursor::default()
    };
    assert_eq!(progress.cursor, begins);
    // A crash here finds the file empty, as the cursor says.
    assert_eq!(log.recorded(&begins).await.unwrap(), None);
    assert_eq!(ids(&directory), [""; 0]);
    write_all(&mut log, (through_seq + 1..=4).map(|seq| segment_with_events(seq, 1))).await;
    let cursor = log.flush(Flush::Final).await.unwrap();
    assert_eq!(cursor.through_seq, 4);
    let again: Vec<_> = (through_seq + 1..=4).map(|seq| id(seq, 0).to_string()).collect();
    assert_eq!(ids(&directory), again);
    drop(log);
    event_log::open(&directory, 3, Some(&cursor)).unwrap();
    assert_eq!(ids(&directory), again);
}

#[tokio::test]
async fn a_file_that_is_put_back_before_a_new_one_begins_goes_on() {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    Meddling::Moved.with(&directory);
    let asked = log.flush(Flush::Periodic).await.unwrap_err();
    let SinkError::Unrecorded(progress) = asked else { panic!("{asked}") };
    fs::rename(directory.join("shard-3.old.ndjson"), path(&directory)).unwrap();
    assert_eq!(log.recorded(&progress.cursor).await.unwrap(), None);
    write_all(&mut log, [segment_with_events(3, 1)]).await;
    let cursor = log.flush(Flush::Final).await.unwrap();
    assert_eq!(ids(&directory), texts([(1, 0), (1, 1), (2, 0), (3, 0)]));
    let length = fs::metadata(path(&directory)).unwrap().len();
    assert_eq!((cursor.through_seq, cursor.byte_length), (3, Some(length)));
}

/// What a log asks to have recorded before it goes on.
async fn asked(log: &mut impl Sink) -> Cursor {
    match log.flush(Flush::Periodic).await {
        Err(SinkError::Unrecorded(progress)) => progress.cursor,
        flushed => panic!("{flushed:?}"),
    }
}

/// Opens the log of [`a_log_that_is_written`].
fn open(directory: &Path, cursor: &Cursor) -> Result<impl Sink + use<>, SinkError> {
    event_log::open(directory, 3, Some(cursor))
}

/// The refusal of a start, which leaves what it finds as it is.
fn refusal(directory: &Path, cursor: &Cursor) -> String {
    let before = fs::read(path(directory)).ok();
    let error = open(directory, cursor).err().expect("a refusal");
    assert!(matches!(error, SinkError::Cursor { .. }), "{error}");
    if before.is_some() {
        assert_eq!(fs::read(path(directory)).ok(), before);
    }
    error.to_string()
}

/// The process died, or was stopped, before it was recorded that a new file begins.
#[rstest]
#[case::moved(Meddling::Moved)]
#[case::moved_and_made_anew(Meddling::MovedAndMadeAnew)]
#[tokio::test]
async fn a_start_finds_a_file_that_was_moved_away(#[case] meddling: Meddling) {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    let recorded = log.flush(Flush::Periodic).await.unwrap();
    meddling.with(&directory);
    // Behind what is recorded: it comes again.
    write_all(&mut log, [segment_with_events(3, 1)]).await;
    log.flush(Flush::Periodic).await.unwrap_err();
    drop(log);
    for _ in 0..2 {
        drop(open(&directory, &recorded).unwrap());
    }
    let mut log = open(&directory, &recorded).unwrap();
    write_all(&mut log, [segment_with_events(3, 2)]).await;
    let begins = asked(&mut log).await;
    assert_eq!((begins.through_seq, begins.byte_length), (3, Some(0)));
    assert_eq!(log.recorded(&begins).await.unwrap(), None);
    write_all(&mut log, [segment_with_events(4, 1)]).await;
    log.flush(Flush::Final).await.unwrap();
    assert_eq!(ids(&directory), texts([(4, 0)]));
    fs::rename(directory.join("shard-3.old.ndjson"), path(&directory)).unwrap();
    assert_eq!(ids(&directory), texts([(1, 0), (1, 1), (2, 0), (3, 0), (3, 1)]));
}

#[tokio::test]
async fn a_start_takes_no_other_file_for_the_one_that_was_moved() {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    let (file, old) = (path(&directory), directory.join("shard-3.old.ndjson"));
    // A copy of before lacks what was written since.
    fs::copy(&file, &old).unwrap();
    write_all(&mut log, [segment_with_events(3, 1)]).await;
    let recorded = log.flush(Flush::Periodic).await.unwrap();
    drop(log);
    let whole = directory.join("shard-3.whole.ndjson");
    fs::rename(&file, &whole).unwrap();
    // Of two that are whole nobody knows which one a reader has.
    let linked = directory.join("shard-3.linked.ndjson");
    fs::hard_link(&whole, &linked).unwrap();
    drop(open(&directory, &recorded).unwrap());
    fs::remove_file(&linked).unwrap();
    fs::copy(&whole, &linked).unwrap();
    let said = refusal(&directory, &recorded);
    assert!(said.contains("shard-3.whole.ndjson") && said.contains("linked"), "{said}");
    for gone in [linked, whole] {
        fs::remove_file(gone).unwrap();
    }
    let said = refusal(&directory, &recorded);
    assert!(said.contains("shard-3.ndjson: holds 0 bytes"), "{said}");
    // A copy is as good as the file.
    fs::rename(old, &file).unwrap();
    let said = refusal(&directory, &recorded);
    assert!(said.contains("shard-3.ndjson: holds "), "{said}");
}

/// An older log in the place of the one that goes on would be cut.
#[rstest]
#[case::over_an_empty_one(0, "is the log that was moved away")]
#[case::over_one_with_lines(1, "does not hold the ")]
#[tokio::test]
async fn an_old_log_that_is_put_back_is_not_cut(#[case] events: usize, #[case] expected: &str) {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    Meddling::Moved.with(&directory);
    let begins = asked(&mut log).await;
    log.recorded(&begins).await.unwrap();
    write_all(&mut log, [segment_with_events(4, events)]).await;
    let recorded = log.flush(Flush::Final).await.unwrap();
    drop(log);
    let (file, old) = (path(&directory), directory.join("shard-3.old.ndjson"));
    let new = fs::read(&file).unwrap();
    fs::rename(&file, directory.join("shard-3.new.ndjson")).unwrap();
    fs::copy(&old, &file).unwrap();
    let said = refusal(&directory, &recorded);
    assert!(said.contains("shard-3.ndjson: ") && said.contains(expected), "{said}");
    // As it says: away with it, and the right one, or a copy, back.
    fs::remove_file(&file).unwrap();
    fs::write(&file, &new).unwrap();
    let mut log = open(&directory, &recorded).unwrap();
    write_all(&mut log, [segment_with_events(5, 1)]).await;
    log.flush(Flush::Final).await.unwrap();
    assert_eq!(ids(&directory).last(), Some(&id(5, 0).to_string()));
    assert_eq!(ids(&directory).len(), events + 1);
}

/// Engines before this one did not say how a file ends.
#[tokio::test]
async fn a_cursor_that_says_only_how_long_a_file_is_still_counts() {
    let (_around, directory, mut log) = a_log_that_is_written().await;
    let recorded = log.flush(Flush::Final).await.unwrap();
    drop(log);
    let old = Cursor { ending: None, ..recorded.clone() };
    let mut log = open(&directory, &old).unwrap();
    assert_eq!(log.flush(Flush::Periodic).await.unwrap(), recorded);
}

/// What happens to a log.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write { events: usize, twice: bool },
    Flush { recorded: bool },
    Move { makes_anew: bool },
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize, any::<bool>()).prop_map(|(events, twice)| Step::Write { events, twice }),
        2 => any::<bool>().prop_map(|recorded| Step::Flush { recorded }),
        1 => any::<bool>().prop_map(|makes_anew| Step::Move { makes_anew }),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #[test]
    fn every_line_is_there_once_whatever_crashes_and_is_moved(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = path(directory.path());
        let open = |cursor: Option<&Cursor>| {
            Log::open(event_log::EventLines, path.clone(), cursor).unwrap()
        };
        let mut journal: Vec<Segment> = Vec::new();
        let mut moved: Vec<PathBuf> = Vec::new();
        let mut log = open(None);
        // Before the first line, as the runner sees to.
        let mut recorded = log.flush().unwrap();
        for step in steps.into_iter().chain([Step::Flush { recorded: true }; 2]) {
            let mut crashes = false;
            match step {
                Step::Write { events, twice } => {
                    let segment = segment_with_events(journal.len() as u64 + 1, events);
                    log.write(&segment).unwrap();
                    if twice {
                        log.write(&segment).unwrap();
                    }
                    journal.push(segment);
                }
                Step::Flush { recorded: is_recorded } => {
                    let (cursor, waits) = match log.flush() {
                        Ok(cursor) => (cursor, false),
                        Err(SinkError::Unrecorded(progress)) => (progress.cursor, true),
                        Err(error) => panic!("{error}"),
                    };
                    if is_recorded {
                        log.recorded(cursor.through_seq).unwrap();
                        recorded = cursor;
                    }
                    // A log that waits takes nothing.
                    crashes = waits && !is_recorded;
                }
                // One of which nothing is recorded is not known again: its lines come
                // twice.
                Step::Move { .. } if recorded.byte_length == Some(0) => {}
                Step::Move { makes_anew } => {
                    let old = directory.path().join(format!("{}.ndjson", moved.len()));
                    if fs::rename(&path, &old).is_ok() {
                        moved.push(old);
                    }
                    if makes_anew && !path.exists() {
                        fs::write(&path, "").unwrap();
                    }
                }
                Step::Crash => crashes = true,
            }
            if crashes {
                log = open(Some(&recorded));
                let through = recorded.through_seq;
                for segment in journal.iter().filter(|segment| segment.seq > through) {
                    log.write(segment).unwrap();
                }
            }
        }
        let expected: Vec<String> = journal
            .iter()
            .flat_map(|segment| segment.events.iter().map(|event| event.event_id.to_string()))
            .collect();
        let files = moved.iter().chain([&path]);
        let found: Vec<String> = files.flat_map(|file| ids_in(file)).collect();
        prop_assert_eq!(found, expected);
    }
}
