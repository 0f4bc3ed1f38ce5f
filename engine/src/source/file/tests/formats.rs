use arrow_array::types::Int8Type;
use arrow_array::{
    BinaryArray, DictionaryArray, Float32Array, Int16Array, Int64Array, LargeStringArray,
    StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array,
};

use super::*;

#[test]
fn every_format_and_compression_gives_the_same_batches() {
    let sent = pings(1_000);
    let expected: Vec<(i64, VehiclePing)> =
        sent.iter().map(|p| (p.event_time_us.div_euclid(1000) + 60_000, p.clone())).collect();
    let mut first = None;
    for bytes in [csv(&sent), ndjson(&sent), parquet(&sent)] {
        for packed in [bytes.clone(), gzip(&bytes), zstd(&bytes)] {
            let (batches, error) = drain(open(packed).expect("a good file"));
            assert!(error.is_none(), "{error:?}");
            let entries: Vec<Entry> =
                batches.iter().flat_map(|batch| batch.entries.clone()).collect();
            let found = received(&entries);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected);
            }
            assert!(*first.get_or_insert(batches.clone()) == batches, "cut into other batches");
        }
    }
}

#[test]
fn a_file_on_disk_is_known_by_its_content_not_its_name() {
    let sent = pings(50);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pings.parquet");
    for bytes in [csv(&sent), zstd(&ndjson(&sent)), parquet(&sent)] {
        std::fs::write(&path, &bytes).expect("written");
        let mut replay =
            FileReplay::open([path.clone()], ReplayOptions::default()).expect("a good file");
        assert_eq!((replay.rows_total(), replay.progress().rows_read), (None, 0));
        let batch = replay.next_batch().expect("a batch").expect("good");
        assert_eq!(replay.rows_total(), Some(50));
        let expected = ReplayProgress {
            bytes_total: bytes.len() as u64,
            bytes_read: bytes.len() as u64,
            rows_read: 50,
            entries: batch.entries.len() as u64,
        };
        assert_eq!(replay.progress(), expected);
    }
}

/// As a shell's `<(…)` is one.
#[test]
fn a_pipe_is_read_once_from_its_beginning() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pings");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("a pipe");
    for bytes in [csv(&pings(50)), parquet(&pings(50))] {
        let end = path.clone();
        let writing = std::thread::spawn(move || std::fs::write(end, bytes));
        let replay = FileReplay::open([path.clone()], ReplayOptions::default());
        assert_eq!(entries(replay.expect("a good file")).len(), 50);
        writing.join().expect("no panic").expect("read to its end");
    }
}

#[test]
fn several_files_are_one_input() {
    let sent = pings(90);
    let (early, late) = (&sent[..40], &sent[40..]);
    let replay = FileReplay::open(
        [input("late.csv", csv(late)), input("early.json", ndjson(early))],
        ReplayOptions::default(),
    );
    let found = received(&entries(replay.expect("good files")));
    assert_eq!(found.into_iter().map(|(_, ping)| ping).collect::<Vec<_>>(), sent);
}

#[test]
fn concatenated_streams_of_a_compression_are_one_file() {
    let text = csv(&pings(20));
    let (a, b) = text.split_at(1_000);
    for pack in [gzip, zstd] {
        let packed = [pack(a), pack(b)].concat();
        assert_eq!(entries(open(packed).expect("a good file")).len(), 20);
    }
}

#[rstest]
#[case::bare("vehicle_id,event_time,lat,lon\na,2016-11-25T12:00:00Z,1,2\n")]
#[case::no_last_newline("vehicle_id,event_time,lat,lon\na,2016-11-25T12:00:00Z,1,2")]
#[case::crlf("vehicle_id,event_time,lat,lon\r\na,2016-11-25T12:00:00Z,1,2\r\n")]
#[case::byte_order_mark("\u{feff}vehicle_id,event_time,lat,lon\na,2016-11-25T12:00:00Z,1,2\n")]
#[case::quoted("\"vehicle_id\",\"event_time\",lat,lon\n\"a\",\"2016-11-25T12:00:00Z\",\"1\",2\n")]
#[case::blanks(" vehicle_id , event_time,lat,lon\n\na, 2016-11-25T12:00:00Z, 1 , 2\n\n")]
#[case::another_order("lon,x,lat,vehicle_id,event_time_ms\n2,,1,a,1480075200000\n")]
#[case::quoted_line_break("x,vehicle_id,event_time_us,lat,lon\n\"1\n2\",a,1480075200000000,1,2\n")]
#[case::json(r#"{"vehicle_id":"a","event_time_us":1480075200000000,"lat":1,"lon":2}"#)]
#[case::json_crlf(
    "\u{feff}\r\n{\"vehicle_id\":\"a\",\"event_time_ms\":1480075200000,\"lat\":1,\"lon\":2}\r\n\r\n"
)]
fn spellings_of_one_ping(#[case] text: &'static str) {
    let found = received(&entries(open(text).expect("a good file")));
    let expected = VehiclePing {
        vehicle_id: "a".into(),
        event_time_us: NOON_US,
        lat: 1.0,
        lon: 2.0,
        ..VehiclePing::default()
    };
    assert_eq!(found, [(NOON_US / 1000, expected)]);
}

#[rstest]
#[case("1", Some(true))]
#[case("0", Some(false))]
#[case("True", Some(true))]
#[case("FALSE", Some(false))]
#[case("", None)]
fn flags_in_csv(#[case] text: &str, #[case] expected: Option<bool>) {
    let file = format!("vehicle_id,event_time_ms,lat,lon,ignition\na,1,1,2,{text}\n");
    assert_eq!(received(&entries(open(file).expect("good")))[0].1.ignition, expected);
}

/// One row of a Parquet file, its column `name` replaced by `column`.
fn parquet_row(name: &str, column: ArrayRef) -> Result<Vec<Entry>, FileError> {
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", Arc::new(StringArray::from(vec!["5"]))),
        ("event_time", Arc::new(TimestampMillisecondArray::from(vec![NOON_US / 1000]))),
        ("lat", Arc::new(Float64Array::from(vec![1.0]))),
        ("lon", Arc::new(Float64Array::from(vec![2.0]))),
    ];
    match columns.iter_mut().find(|(column, _)| *column == name) {
        Some(found) => found.1 = column,
        None => columns.push((name, column)),
    }
    open(parquet_of(columns)).map(entries)
}

#[rstest]
#[case::large_text("vehicle_id", Arc::new(LargeStringArray::from(vec!["5"])))]
#[case::text_view("vehicle_id", Arc::new(StringViewArray::from(vec!["5"])))]
#[case::text_bytes("vehicle_id", Arc::new(BinaryArray::from(vec![&b"5"[..]])))]
#[case::text_dictionary("vehicle_id", Arc::new(DictionaryArray::<Int8Type>::from_iter(["5"])))]
#[case::text_integer("vehicle_id", Arc::new(Int16Array::from(vec![5])))]
#[case::time_micros("event_time", Arc::new(TimestampMicrosecondArray::from(vec![NOON_US])))]
#[case::time_nanos("event_time", Arc::new(TimestampNanosecondArray::from(vec![NOON_US * 1000])))]
#[case::time_text("event_time", Arc::new(StringArray::from(vec!["2016-11-25T12:00:00Z"])))]
#[case::float32("lat", Arc::new(Float32Array::from(vec![1.0])))]
#[case::uint8("lon", Arc::new(UInt8Array::from(vec![2])))]
#[case::int64("lat", Arc::new(Int64Array::from(vec![1])))]
fn parquet_types(#[case] name: &str, #[case] column: ArrayRef) {
    let expected = VehiclePing {
        vehicle_id: "5".into(),
        event_time_us: NOON_US,
        lat: 1.0,
        lon: 2.0,
        ..VehiclePing::default()
    };
    let found = received(&parquet_row(name, column).expect("a readable type"));
    assert_eq!(found, [(NOON_US / 1000, expected)]);
}

#[test]
fn parquet_flags_and_sequence_numbers_may_be_small_integers() {
    let found = parquet_row("ignition", Arc::new(UInt8Array::from(vec![1]))).expect("readable");
    assert_eq!(received(&found)[0].1.ignition, Some(true));
    let found = parquet_row("seq", Arc::new(Int16Array::from(vec![7]))).expect("readable");
    assert_eq!(received(&found)[0].1.seq, Some(7));
    let found = parquet_row("seq", Arc::new(Int16Array::from(vec![-7]))).expect("readable");
    let detail = "row 1: seq is a negative number; expected a whole number from 0 on";
    assert_eq!(letters(&found)[0].detail, detail);
}

#[rstest]
#[case(
    "lat",
    Arc::new(StringArray::from(vec!["1"])),
    "file: column lat is Utf8; expected a 32 or 64 bit float, or an integer"
)]
#[case(
    "vehicle_id",
    Arc::new(Float64Array::from(vec![5.0])),
    "file: column vehicle_id is Float64; expected a string or an integer"
)]
#[case(
    "event_time",
    Arc::new(Int64Array::from(vec![5])),
    "file: column event_time is Int64; expected a timestamp or an RFC 3339 string (whole numbers \
     go in a column with the suffix _ms or _us)"
)]
#[case(
    "ignition",
    Arc::new(Float64Array::from(vec![1.0])),
    "file: column ignition is Float64; expected a boolean"
)]
#[case(
    "event_time_ms",
    Arc::new(Int64Array::from(vec![5])),
    "file: has both event_time and event_time_ms; keep one"
)]
fn parquet_types_that_hold_no_such_value(
    #[case] name: &str,
    #[case] column: ArrayRef,
    #[case] message: &str,
) {
    assert_eq!(parquet_row(name, column).expect_err("refused").to_string(), message);
}
