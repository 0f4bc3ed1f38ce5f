//! Input files that are broken, or are no pings at all, in every format.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use rstest::rstest;
use tempfile::TempDir;

use crate::rows;
use crate::support::{Replayed, austin, replay, replay_well};

/// Rows of the files that are cut short here.
const ROWS: usize = 20_000;
/// Rows of a row group in Parquet.
const GROUP_ROWS: usize = 5_000;
const START_MS: i64 = 1_441_540_800_000;

/// A bus that drives through Austin, a ping each second.
fn place(row: usize) -> (f64, f64) {
    let lap = (row % 4_000) as f64 / 4_000.0;
    (30.20 + lap * 0.2, -97.80 + (row as f64 * 0.7).sin() * 0.01)
}

fn csv() -> Vec<u8> {
    let mut out = b"vehicle_id,event_time_ms,lat,lon\n".to_vec();
    for row in 0..ROWS {
        let (lat, lon) = place(row);
        let time = START_MS + row as i64 * 1000;
        writeln!(out, "bus,{time},{lat:.7},{lon:.7}").expect("a Vec grows");
    }
    out
}

fn ndjson() -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..ROWS {
        let (lat, lon) = place(row);
        let time = START_MS + row as i64 * 1000;
        let (id, time) = (r#""vehicle_id":"bus""#, format!(r#""event_time_ms":{time}"#));
        writeln!(out, r#"{{{id},{time},"lat":{lat:.7},"lon":{lon:.7}}}"#).expect("a Vec grows");
    }
    out
}

fn parquet() -> Vec<u8> {
    let places = || (0..ROWS).map(place);
    let times = (0..ROWS as i64).map(|row| START_MS + row * 1000);
    let columns: [(&str, ArrayRef); 4] = [
        ("vehicle_id", Arc::new(StringArray::from_iter_values((0..ROWS).map(|_| "bus")))),
        ("event_time", Arc::new(TimestampMillisecondArray::from_iter_values(times))),
        ("lat", Arc::new(Float64Array::from_iter_values(places().map(|(lat, _)| lat)))),
        ("lon", Arc::new(Float64Array::from_iter_values(places().map(|(_, lon)| lon)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a schema");
    writer.write(&batch).expect("a Vec grows");
    writer.into_inner().expect("a Vec grows")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("a Vec grows");
    out.finish().expect("a Vec grows")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("a Vec grows")
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("writable");
    path
}

fn replay_file(path: &Path) -> Replayed {
    replay(&[path], &austin().1, &[])
}

/// Asserts that the replay broke off after exactly the first `rows` rows, and
/// that these had their whole effect.
fn assert_broke_off_after(replayed: &Replayed, rows: usize) {
    assert_eq!(replayed.output.status.code(), Some(1), "{:?}", replayed.output);
    let stderr = replayed.stderr();
    assert!(stderr.contains("everything before it is done"), "{stderr}");
    assert!(stderr.contains(&format!("cannot be read past {rows} rows")), "{rows}: {stderr}");
    assert_eq!(replayed.summary()["pings"]["archived"], rows, "{stderr}");

    let folder = TempDir::new().expect("a temporary directory");
    let whole: Vec<u8> = csv().split_inclusive(|&byte| byte == b'\n').take(rows + 1).fold(
        Vec::new(),
        |mut out, line| {
            out.extend_from_slice(line);
            out
        },
    );
    let before = replay_well(&[&file(&folder, "before.csv", &whole)], &austin().1, &[]);
    assert_eq!(replayed.file("events.ndjson"), before.file("events.ndjson"));
    assert!(!before.file("events.ndjson").is_empty());
    let table = |run: &Replayed| rows::table(&run.out().join("pings"));
    assert!(table(replayed) == table(&before), "the archives differ");
}

/// Whole lines that come out of a compressed file before it breaks.
fn whole_lines(mut decoder: impl std::io::Read) -> usize {
    let mut text = Vec::new();
    decoder.read_to_end(&mut text).expect_err("it was cut");
    text.iter().filter(|&&byte| byte == b'\n').count()
}

#[rstest]
#[case::csv_gzip("cut.csv.gz", gzip(&csv()), 1)]
#[case::csv_zstd("cut.csv.zst", zstd(&csv()), 1)]
#[case::ndjson_gzip("cut.ndjson.gz", gzip(&ndjson()), 0)]
#[case::ndjson_zstd("cut.ndjson.zst", zstd(&ndjson()), 0)]
fn a_compressed_file_cut_short_gives_what_it_has(
    #[case] name: &str,
    #[case] whole: Vec<u8>,
    #[case] header_lines: usize,
) {
    let folder = TempDir::new().expect("a temporary directory");
    let cut = &whole[..whole.len() * 3 / 5];
    let rows = match name.ends_with("gz") {
        true => whole_lines(flate2::read::MultiGzDecoder::new(cut)),
        false => whole_lines(zstd::Decoder::new(cut).expect("a decoder")),
    } - header_lines;
    assert!(rows > 1_000 && rows < ROWS, "{rows}");
    assert_broke_off_after(&replay_file(&file(&folder, name, cut)), rows);
}

#[test]
fn parquet_with_a_damaged_row_group_gives_what_is_before_it() {
    let mut bytes = parquet();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).expect("Parquet");
    let (start, length) = reader.metadata().row_group(2).column(2).byte_range();
    bytes[start as usize..(start + length) as usize].fill(0xff);
    let folder = TempDir::new().expect("a temporary directory");
    let replayed = replay_file(&file(&folder, "damaged.parquet", &bytes));
    let read = replayed.summary()["pings"]["read"].as_u64().expect("a count");
    // Rows are decoded some thousands at a time, whatever group they are of.
    assert!(read >= GROUP_ROWS as u64 && read <= 2 * GROUP_ROWS as u64, "{read}");
    assert_broke_off_after(&replayed, read as usize);
}

/// 60 pings in one page a column, each with its checksum; the library that
/// writes Parquet here writes none.
const CHECKSUMS: &[u8] = include_bytes!("data/checksums.parquet");

#[test]
fn parquet_whose_checksums_fit_is_read() {
    let folder = TempDir::new().expect("a temporary directory");
    let replayed = replay_file(&file(&folder, "whole.parquet", CHECKSUMS));
    assert_eq!(replayed.output.status.code(), Some(0), "{:?}", replayed.output);
    assert_eq!(replayed.summary()["pings"]["archived"], 60);
}

/// Nothing else tells: with one bit of a latitude turned, it is another latitude.
#[test]
fn parquet_whose_checksums_do_not_fit_is_refused() {
    let reader = SerializedFileReader::new(bytes::Bytes::from_static(CHECKSUMS)).expect("Parquet");
    let (start, length) = reader.metadata().row_group(0).column(2).byte_range();
    let mut bytes = CHECKSUMS.to_vec();
    bytes[(start + length) as usize - 100] ^= 8;
    let folder = TempDir::new().expect("a temporary directory");
    let replayed = replay_file(&file(&folder, "turned.parquet", &bytes));
    assert_eq!(replayed.output.status.code(), Some(1), "{:?}", replayed.output);
    let said = replayed.stderr();
    assert!(said.contains("turned.parquet: cannot be read past 0 rows"), "{said}");
    assert!(said.contains("CRC checksum mismatch"), "{said}");
}

/// A text file cut inside a row looks like one with a bad last row.
#[rstest]
#[case::csv("cut.csv", csv(), "undecodable")]
#[case::ndjson("cut.ndjson", ndjson(), "undecodable")]
fn a_text_file_cut_inside_a_row_has_one_dead_letter(
    #[case] name: &str,
    #[case] whole: Vec<u8>,
    #[case] reason: &str,
) {
    let folder = TempDir::new().expect("a temporary directory");
    // Inside the longitude's comma or name, so that the row cannot be read.
    let cut = &whole[..whole.len() - 14];
    let replayed = replay_file(&file(&folder, name, cut));
    assert_eq!(replayed.output.status.code(), Some(0), "{:?}", replayed.output);
    assert_eq!(replayed.summary()["pings"]["archived"], ROWS - 1);
    let letters = replayed.lines("dead_letters.ndjson");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], reason);
}

#[rstest]
#[case::junk_under_parquet_magic("PAR1junkjunkjunkPAR1", "not a readable Parquet file")]
#[case::other_columns("a,b\n1,2\n", "no column vehicle_id; its columns are a, b")]
#[case::empty("", "is empty; expected Parquet, CSV with a header, or NDJSON")]
#[case::binary("\u{0}\u{1}\u{2}\u{80}", "it holds bytes that are in no text")]
fn what_is_no_file_of_pings_is_refused(#[case] content: &str, #[case] message: &str) {
    let folder = TempDir::new().expect("a temporary directory");
    let replayed = replay_file(&file(&folder, "junk", content.as_bytes()));
    assert_refused(&replayed, message);
}

#[test]
fn noise_is_refused() {
    let folder = TempDir::new().expect("a temporary directory");
    let noise: Vec<u8> =
        (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let replayed = replay_file(&file(&folder, "noise.csv.gz", &noise));
    assert_refused(&replayed, "noise.csv.gz: is neither Parquet, CSV nor NDJSON");
    // The magic of a compressed file and nothing behind it.
    for (name, magic) in [("a.gz", &[0x1f, 0x8b, 8][..]), ("a.zst", &[0x28, 0xb5, 0x2f, 0xfd])] {
        let replayed = replay_file(&file(&folder, name, magic));
        assert_eq!(replayed.output.status.code(), Some(1), "{:?}", replayed.output);
        assert!(replayed.stderr().contains(name), "{}", replayed.stderr());
    }
}

#[test]
fn parquet_without_its_index_is_refused() {
    let folder = TempDir::new().expect("a temporary directory");
    let whole = parquet();
    let replayed = replay_file(&file(&folder, "cut.parquet", &whole[..whole.len() / 2]));
    assert_refused(&replayed, "cut.parquet: not a readable Parquet file");
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let replayed = replay_file(Path::new("nowhere.csv"));
    assert_refused(&replayed, "nowhere.csv: cannot be opened");
}

#[test]
fn files_after_a_broken_one_are_named() {
    let folder = TempDir::new().expect("a temporary directory");
    let text = format!("{}x\n", String::from_utf8(csv()).expect("text"));
    let long = file(&folder, "long.csv", format!("{text}\"{}", "x".repeat(20 << 20)).as_bytes());
    let whole = file(&folder, "whole.csv", &csv());
    let replayed = replay(&[&long, &whole], &austin().1, &[]);
    assert_eq!(replayed.output.status.code(), Some(1));
    let said = replayed.stderr();
    assert!(said.contains("not read at all: ") && said.contains("whole.csv"), "{said}");
}

#[test]
fn every_format_and_compression_says_the_same() {
    let folder = TempDir::new().expect("a temporary directory");
    let (csv, ndjson) = (csv(), ndjson());
    let events = |name: &str, bytes: &[u8]| {
        let path = file(&folder, name, bytes);
        replay_well(&[&path], &austin().1, &[]).file("events.ndjson")
    };
    let expected = events("whole.csv", &csv);
    assert!(!expected.is_empty());
    // Names say nothing: the content does.
    for (name, bytes) in [
        ("whole.ndjson", ndjson.clone()),
        ("whole.parquet", parquet()),
        ("csv.gz", gzip(&csv)),
        ("ndjson.zst", zstd(&ndjson)),
        ("anything", gzip(&parquet())),
    ] {
        assert!(events(name, &bytes) == expected, "{name}");
    }
}

/// Nothing can be replayed: exit 1, with the file and the reason.
fn assert_refused(replayed: &Replayed, message: &str) {
    assert_eq!(replayed.output.status.code(), Some(1), "{:?}", replayed.output);
    assert!(replayed.stderr().contains(message), "{}", replayed.stderr());
    assert!(replayed.output.stdout.is_empty(), "{:?}", replayed.output);
}

/// The Austin file itself, cut: a real one with a large frame.
#[test]
fn a_real_day_cut_short_gives_what_it_has() {
    let folder = TempDir::new().expect("a temporary directory");
    let mut whole = Vec::new();
    File::open(austin().0).expect("the day").read_to_end(&mut whole).expect("readable");
    let cut = &whole[..whole.len() / 2];
    let rows = whole_lines(zstd::Decoder::new(cut).expect("a decoder")) - 1;
    let replayed = replay_file(&file(&folder, "buses.csv.zst", cut));
    assert_eq!(replayed.output.status.code(), Some(1), "{:?}", replayed.output);
    assert_eq!(replayed.summary()["pings"]["archived"], rows);
}
