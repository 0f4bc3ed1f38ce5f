use ::parquet::file::metadata::ParquetMetaDataReader;
use arrow_array::TimestampMillisecondArray;

use super::*;

#[rstest]
#[case::empty("", "file: is empty; expected Parquet, CSV with a header, or NDJSON")]
#[case::blank("\n \r\n", "file: is empty; expected Parquet, CSV with a header, or NDJSON")]
#[case::no_lon(
    "vehicle_id,event_time,lat,long\n",
    "file: no column lon; its columns are vehicle_id, event_time, lat, long"
)]
#[case::no_time(
    "vehicle_id,time,lat,lon\n",
    "file: no column event_time (or event_time_ms, event_time_us); its columns are vehicle_id, \
     time, lat, lon"
)]
#[case::semicolons(
    "vehicle_id;event_time;lat;lon\n",
    "file: no column vehicle_id; its columns are vehicle_id;event_time;lat;lon"
)]
#[case::twice("lat,vehicle_id,event_time,lat,lon\n", "file: has both lat and lat; keep one")]
#[case::two_times(
    "vehicle_id,event_time,event_time_us,lat,lon\n",
    "file: has both event_time and event_time_us; keep one"
)]
#[case::array(
    "[{}]",
    "file: is neither Parquet, CSV nor NDJSON: it begins with a JSON array; NDJSON has one object \
     a line"
)]
#[case::protobuf(
    "L\n\u{4}bus1\u{6}",
    "file: is neither Parquet, CSV nor NDJSON: it holds bytes that are in no text, as protobuf does"
)]
fn refused_at_once(#[case] text: &'static str, #[case] message: &str) {
    assert_eq!(open(text).err().expect("refused").to_string(), message);
}

#[test]
fn junk_is_refused_at_once_by_name() {
    let junk: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(i) >> 3) as u8 | 0x80).collect();
    let message = open(junk.clone()).err().expect("junk").to_string();
    assert_eq!(
        message,
        "file: is neither Parquet, CSV nor NDJSON: its first line is not UTF-8 text"
    );
    let utf_16: Vec<u8> = "\u{feff}lat".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let message = open(utf_16).err().expect("not UTF-8").to_string();
    assert!(message.ends_with("it is UTF-16 text; save it as UTF-8"), "{message}");
    for magic in [&b"PAR1"[..], b"\x1f\x8b", b"\x28\xb5\x2f\xfd"] {
        let error = open([magic, &junk].concat()).err().expect("junk");
        assert!(error.to_string().starts_with("file: "), "{error}");
    }
    assert!(open(gzip(b"")).is_err_and(|e| matches!(e, FileError::Empty { .. })));
    assert!(open(zstd(b"")).is_err_and(|e| matches!(e, FileError::Empty { .. })));
    assert!(open(gzip(&zstd(b"vehicle_id"))).is_err(), "one compression is taken off");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::PathBuf::from("no/such/file.csv");
    let error = FileReplay::open([path], ReplayOptions::default()).err().expect("not there");
    assert_eq!(error.to_string(), "no/such/file.csv: cannot be opened");
    let directory = tempfile::tempdir().expect("a directory");
    let opened = FileReplay::open([directory.path().to_owned()], ReplayOptions::default());
    assert!(opened.is_err_and(|error| matches!(error, FileError::Open { .. })));
}

#[test]
fn a_header_without_rows_is_an_empty_input() {
    let mut replay = open("vehicle_id,event_time,lat,lon\n").expect("a good file");
    assert!(replay.next_batch().is_none());
    assert_eq!(replay.rows_total(), Some(0));
    assert!(open(parquet(&[])).expect("a good file").next_batch().is_none());
}

/// Wherever a compressed text file is cut, the rows before the cut come and
/// then an error; never a panic, never a row that was not in the file.
#[rstest]
#[case(csv, gzip)]
#[case(csv, zstd)]
#[case(ndjson, gzip)]
#[case(ndjson, zstd)]
fn a_compressed_file_cut_short(
    #[case] write: fn(&[VehiclePing]) -> Vec<u8>,
    #[case] pack: fn(&[u8]) -> Vec<u8>,
) {
    let sent = pings(5_000);
    let packed = pack(&write(&sent));
    let mut most = 0;
    for part in 0..20 {
        let cut = packed.len() * part / 20;
        let (batches, error) = match open(packed[..cut].to_vec()) {
            Ok(replay) => drain(replay),
            Err(error) => (vec![], Some(error)),
        };
        let error = error.expect("cut short");
        let found: Vec<Entry> = batches.into_iter().flat_map(|batch| batch.entries).collect();
        let found = received(&found);
        most = most.max(found.len());
        assert!(found.iter().zip(&sent).all(|((_, found), sent)| found == sent));
        if let FileError::Broken { rows, offset, .. } = &error {
            assert_eq!(*rows, found.len() as u64, "{error}");
            let expected = format!("file: cannot be read past {rows} rows (byte ");
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert!(offset.is_some_and(|offset| offset > 0 || *rows == 0));
        }
    }
    assert!(most > 3_000, "most of the file was handed over before its end: {most}");
}

#[test]
fn a_text_file_cut_short_loses_its_last_row() {
    for write in [csv, ndjson] {
        let text = write(&pings(10));
        let found = entries(open(text[..text.len() - 30].to_vec()).expect("a good file"));
        assert_eq!((found.len(), letters(&found).len()), (10, 1));
        assert_eq!(letters(&found)[0].reason, "undecodable");
    }
}

#[test]
fn a_parquet_file_cut_short_is_refused() {
    let whole = parquet(&pings(500));
    for part in 1..20 {
        let cut = whole[..whole.len() * part / 20].to_vec();
        assert!(open(cut.clone()).is_err_and(|e| matches!(e, FileError::Parquet { .. })));
        assert!(open(gzip(&cut)).is_err_and(|e| matches!(e, FileError::Parquet { .. })));
    }
}

/// Whatever byte of a Parquet file is damaged, it ends in an error or in rows,
/// not in a panic.
#[test]
fn a_damaged_parquet_file_does_no_harm() {
    let whole = parquet(&pings(300));
    let mut broken = 0;
    for at in (0..whole.len()).step_by(41) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        broken += usize::from(match open(damaged) {
            Ok(replay) => drain(replay).1.is_some(),
            Err(_) => true,
        });
    }
    assert!(broken > 10, "damage was met: {broken}");
}

#[test]
fn damage_behind_whole_row_groups_ends_the_replay_there() {
    // Rows are decoded 8,192 at a time.
    let sent = pings(20_000);
    let whole = parquet(&sent);
    let mut damaged = whole.clone();
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&Bytes::from(whole.clone()))
        .expect("a good file");
    let page = metadata.row_group(150).column(0).data_page_offset() as usize;
    damaged[page..page + 50].fill(0xff);
    let (batches, error) = drain(open(damaged).expect("its index is whole"));
    let error = error.expect("damaged");
    let found: Vec<Entry> = batches.into_iter().flat_map(|batch| batch.entries).collect();
    assert!(found.len() >= 8_192, "{} rows came before", found.len());
    assert!(matches!(error, FileError::Broken { rows, .. } if rows == found.len() as u64));
    assert_eq!(error.to_string(), format!("file: cannot be read past {} rows", found.len()));
}

#[test]
fn a_quote_that_nothing_closes_is_told_from_a_row_too_short() {
    let text = "vehicle_id,event_time_ms,lat,lon\n\
                a,1000,1,2\n\
                \"b,2000,1,2\n\
                c,3000,1,2\n\
                d,4000,1,2\n";
    let found = entries(open(text).expect("a good file"));
    let Some(Entry::Rejected(letter)) = found.last() else { panic!("{found:?}") };
    assert_eq!(
        letter.detail,
        "row 2: 1 values in 4 lines, as where nothing closes a quote; the header names 4 columns"
    );
    assert_eq!(&letter.payload[..], b"\"b,2000,1,2\nc,3000,1,2\nd,4000,1,2");
}

#[test]
fn a_row_that_is_no_ping_becomes_a_dead_letter_and_the_stream_goes_on() {
    let text = "vehicle_id,event_time_ms,lat,lon,speed_mps\r\n\
                a,1000,1,2,\r\n\
                b,2000,north,2,\r\n\
                c,3000\r\n\
                d,,1,2,\r\n\
                e,5000,,2,\r\n\
                ,6000,1,2,\r\n\
                g,7000,91,2,\r\n\
                h,8000,0,0,\r\n\
                i,9000,1,2,NaN\r\n\
                \"j \"\"x\"\"\",10000,1,2,\r\n\
                k,11000,1,2,255\r\n";
    let found = entries(open(text).expect("a good file"));
    let expected = [
        (1_000, "undecodable", "row 2: lat is \"north\"; expected a number", "b,2000,north,2,"),
        (1_000, "undecodable", "row 3: 2 values; the header names 5 columns", "c,3000"),
        (
            1_000,
            "event_time_missing",
            "row 4: event_time is missing (event_time, event_time_ms or event_time_us; \
             event_time_us in protobuf)",
            "d,,1,2,",
        ),
        (5_000, "undecodable", "row 5: lat is missing", "e,5000,,2,"),
        (6_000, "vehicle_id_empty", "row 6: vehicle_id is empty", ",6000,1,2,"),
        (7_000, "lat_out_of_range", "row 7: lat 91 is outside -90 to 90 degrees", "g,7000,91,2,"),
        (
            8_000,
            "null_island",
            "row 8: position 0, 0 stands for no fix (allow_null_island = true admits it)",
            "h,8000,0,0,",
        ),
        (9_000, "number_not_finite", "row 9: speed_mps is not a finite number", "i,9000,1,2,NaN"),
        (
            10_000,
            "vehicle_id_bad_character",
            "row 10: vehicle_id holds ' '; allowed are A-Z a-z 0-9 . _ : -",
            "\"j \"\"x\"\"\",10000,1,2,",
        ),
    ];
    let letters = letters(&found);
    let read = |letter: &&DeadLetter| {
        assert_eq!(letter.source, "file");
        assert_eq!(letter.source_message_id, sinks::dead_letters::content_id(&letter.payload));
        assert_eq!(letter.content_type, "text/csv; header=absent");
        let text = String::from_utf8(letter.payload.to_vec()).expect("text");
        (letter.receive_time_ms, letter.reason.clone(), letter.detail.clone(), text)
    };
    let letters: Vec<_> = letters.iter().map(read).collect();
    let expected = expected.map(|(at, a, b, c)| (at, a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(letters, expected);
    match &found[..] {
        [Entry::Ping { .. }, .., Entry::Ping { dropped, .. }] => assert!(dropped.speed),
        other => panic!("{other:?}"),
    }
}

/// Each the mistake of another unit, in a column that says which one it wants.
#[rstest]
#[case::micros_for_millis("event_time_ms", "1480075200000000", "event_time")]
#[case::nanos_for_micros("event_time_us", "1480075200000000000", "event_time")]
#[case::before_all_dates("event_time_ms", "-1480075200000000", "event_time")]
#[case::received("event_time_ms,receive_time_ms", "1480075200000,1480075200000000", "receive_time")]
fn a_time_beyond_all_dates_is_refused_with_the_units(
    #[case] columns: &str,
    #[case] times: &str,
    #[case] named: &str,
) {
    let good = if columns.contains(',') { "1480075200000,1480075200000" } else { "1480075200000" };
    let text = format!("vehicle_id,lat,lon,{columns}\na,1,2,{good}\nb,1,2,{times}\n");
    let found = entries(open(text).expect("a good file"));
    let [Entry::Ping { ping, .. }, Entry::Rejected(letter)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(letter.reason, "undecodable");
    assert_eq!(
        letter.detail,
        format!(
            "row 2: {named} is not within the years up to 9999; expected milliseconds since 1970 \
             in {named}_ms, microseconds in {named}_us"
        )
    );
    assert_eq!(letter.receive_time_ms, ping.receive_time.0, "right after the row before it");
}

#[test]
fn rows_refused_before_the_first_time_arrive_with_it() {
    let text = "vehicle_id,event_time_ms,lat,lon\na,x,1,2\nb,7000,1,2\nc,x,1,2\n";
    let found = entries(open(text).expect("a good file"));
    assert_eq!(letters(&found).iter().map(|l| l.receive_time_ms).collect::<Vec<_>>(), [7000; 2]);
    let only = entries(open("vehicle_id,event_time_ms,lat,lon\na,x,1,2\n").expect("a good file"));
    assert_eq!(letters(&only)[0].receive_time_ms, 0);
}

#[test]
fn lines_that_are_no_json_are_refused_by_line_number() {
    let good = r#"{"vehicle_id":"a","event_time_ms":1000,"lat":1,"lon":2}"#;
    let mut text = format!("{good}\n\njunk\n{{\"lat\":\"x\"}}\n{good}\n").into_bytes();
    text.extend_from_slice(b"\xff\xfe\x00{\n");
    text.extend_from_slice(format!("{{\"x\":\"{}\"}}\n{good}", "y".repeat(300_000)).as_bytes());
    let found = entries(open(text).expect("a good file"));
    let rows: Vec<(&str, &str)> = letters(&found)
        .iter()
        .map(|l| (l.reason.as_str(), l.detail.split(':').next().expect("row n")))
        .collect();
    let expected = [
        ("undecodable", "row 3"),
        ("undecodable", "row 4"),
        ("undecodable", "row 6"),
        ("too_large", "row 7"),
    ];
    assert_eq!(rows, expected);
    assert_eq!(letters(&found)[3].payload.len(), 300_008, "refused whole");
    assert_eq!(found.len(), 7);
}

#[test]
fn a_row_without_end_is_an_error_and_not_a_heap_of_memory() {
    let endless = vec![b'x'; 5 << 20];
    let head = b"vehicle_id,event_time_ms,lat,lon\na,1,1,2\n";
    let json = b"{\"vehicle_id\":\"a\",\"event_time_ms\":1,\"lat\":1,\"lon\":2}\n";
    let open_quote = [&head[..], b"b,\"", &endless].concat();
    for text in [open_quote, [&json[..], &endless].concat()] {
        let (batches, error) = drain(open(text).expect("its beginning is good"));
        assert_eq!(batches.iter().map(|batch| batch.entries.len()).sum::<usize>(), 1);
        let message = error.expect("too long").to_string();
        assert!(message.starts_with("file: row 2 is over 1048576 bytes"), "{message}");
    }
    assert!(open(endless).is_err_and(|e| matches!(e, FileError::RowTooLong { row: 1, .. })));
}

#[test]
fn only_columns_that_are_read_must_be_unpacked() {
    let found = entries(open(&include_bytes!("data/note_in_gzip.parquet")[..]).expect("readable"));
    assert_eq!(received(&found).len(), 1);
    let refused = open(&include_bytes!("data/lon_in_gzip.parquet")[..]).err().expect("refused");
    let message = refused.to_string();
    assert!(message.contains("compressed with GZIP"), "{message}");
    assert!(message.ends_with("write it with Snappy or zstd"), "{message}");
}

#[test]
fn an_encrypted_parquet_file_is_called_one() {
    let refused = open(&b"PARE\x01\x02PARE"[..]).err().expect("refused");
    assert!(matches!(refused, FileError::Parquet { .. }));
    let cause = std::error::Error::source(&refused).expect("a cause").to_string();
    assert!(cause.ends_with("it is encrypted; write it without encryption"), "{cause}");
}

#[test]
fn a_parquet_row_is_refused_as_the_json_that_says_the_same() {
    let bytes = parquet_of([
        ("vehicle_id", Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef),
        ("event_time", Arc::new(TimestampMillisecondArray::from(vec![1_000, 2_000, 3_000]))),
        ("lat", Arc::new(Float64Array::from(vec![Some(91.0), None, Some(1.0)]))),
        ("lon", Arc::new(Float64Array::from(vec![2.0, 2.0, f64::NAN]))),
    ]);
    let found = entries(open(bytes).expect("a good file"));
    let read: Vec<(&str, &[u8])> =
        letters(&found).iter().map(|l| (l.detail.as_str(), &l.payload[..])).collect();
    let expected: [(&str, &[u8]); 3] = [
        (
            "row 1: lat 91 is outside -90 to 90 degrees",
            br#"{"event_time":"1970-01-01T00:00:01Z","lat":91.0,"lon":2.0,"vehicle_id":"a"}"#,
        ),
        (
            "row 2: lat is missing",
            br#"{"event_time":"1970-01-01T00:00:02Z","lon":2.0,"vehicle_id":"b"}"#,
        ),
        (
            "row 3: lon is not a finite number",
            br#"{"event_time":"1970-01-01T00:00:03Z","lat":1.0,"lon":"NaN","vehicle_id":"c"}"#,
        ),
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_compressed_parquet_file_may_not_unpack_without_bound() {
    let packed = gzip(&parquet(&pings(500)));
    let options = ReplayOptions { sort_bytes_max: 10_000, ..ReplayOptions::default() };
    let error = open_with(packed, options).err().expect("too large");
    assert_eq!(
        error.to_string(),
        "file: unpacks to over 10000 bytes, the sort memory; unpack it to a file first"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_damage_to_a_file_makes_it_panic(
        format in 0..3_usize,
        pack in 0..3_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let sent = pings(40);
        let bytes = [csv, ndjson, parquet][format](&sent);
        let mut bytes = [|bytes: &[u8]| bytes.to_vec(), gzip, zstd][pack](&bytes);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2) + 1);
        if let Ok(replay) = open(bytes) {
            let (batches, _) = drain(replay);
            prop_assert!(batches.iter().all(|batch| !batch.entries.is_empty()));
        }
    }
}
