//! What a target has written under its data directory: the archive of pings,
//! dead letters, events.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use super::archived::{Altered, Archived};
use super::dead_letters::DeadLetters;
use super::payload::is_of_run;
use super::ping_rows::PingRows;
use super::{EventReader, Fold};
use crate::ledger::{Ledger, Row};
use crate::truth::{Names, vehicle_number};

/// What a target writes under its data directory, as far as it is there: it may
/// be told to write nothing of some kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    /// Parquet of pings, its archive.
    pub pings: Option<PathBuf>,
    /// Parquet of events, their table.
    pub events: Option<PathBuf>,
    /// NDJSON of dead letters.
    pub dead_letters: Option<PathBuf>,
    /// NDJSON of events.
    pub event_log: Option<PathBuf>,
}

impl DataDir {
    /// What is under `path`.
    ///
    /// # Errors
    /// Nothing of it: that is no data directory.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        let there = |name: &str| Some(path.join(name)).filter(|path| path.is_dir());
        // A worker writes a file for each shard, a replay one for all.
        let lines = |name: &str| {
            let whole = path.join(format!("{name}.ndjson"));
            there(name).or_else(|| Some(whole).filter(|path| path.is_file()))
        };
        let found = Self {
            pings: there("pings"),
            events: there("events"),
            dead_letters: lines("dead_letters"),
            event_log: lines("event_log"),
        };
        let any = found.pings.is_some() || found.dead_letters.is_some();
        ensure!(
            any || found.event_log.is_some(),
            "{} has no pings, no dead_letters and no event_log: it is no data directory of a target",
            path.display(),
        );
        Ok(found)
    }
}

/// Rows with other content than was sent that are kept as examples.
const ALTERED_MAX: usize = 5;

/// What of the archive concerns a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Archive {
    /// Rows of its vehicles.
    pub rows: u64,
    /// The same by disposition.
    pub dispositions: BTreeMap<String, u64>,
    /// The first ones with other content than was sent.
    pub altered: Vec<Altered>,
}

impl Archive {
    /// Takes a row, if it is of a vehicle of the run, and enters it in `ledger`.
    pub(super) fn take(&mut self, names: &Names, ledger: &mut Ledger, row: Archived<'_>) {
        let Archived { key: (vehicle, seq), disposition, content, wrong } = row;
        let Some(vehicle) = vehicle_number(&names.prefix, vehicle) else { return };
        self.rows += 1;
        match self.dispositions.get_mut(disposition) {
            Some(count) => *count += 1,
            None => drop(self.dispositions.insert(disposition.to_owned(), 1)),
        }
        let seq = u32::try_from(seq).unwrap_or(0);
        let print = wrong.is_empty().then(|| content.print());
        let row = ledger.archived(vehicle, seq, print);
        if row == Row::Altered && self.altered.len() < ALTERED_MAX {
            self.altered.push(Altered { vehicle, seq, content, wrong });
        }
    }
}

/// Reads every Parquet file under `directory` (`<data_dir>/pings`) and enters
/// the run's rows in `ledger`, whose archive marks are cleared first.
///
/// # Errors
/// A file that cannot be read, by its name.
pub fn read_archive(
    directory: &Path,
    names: &Names,
    ledger: &mut Ledger,
) -> anyhow::Result<Archive> {
    ledger.clear_archived();
    let mut archive = Archive::default();
    for path in files_under(directory, ".parquet")? {
        read_parquet(&path, names, ledger, &mut archive)
            .with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(archive)
}

fn read_parquet(
    path: &Path,
    names: &Names,
    ledger: &mut Ledger,
    archive: &mut Archive,
) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), PingRows::columns());
    for rows in builder.with_projection(mask).build()? {
        let rows = rows?;
        let rows = PingRows::of(&rows)?;
        for row in 0..rows.count() {
            if rows.receive_ms(row) >= names.received_from_ms() {
                archive.take(names, ledger, rows.row(row, names.start_ms));
            }
        }
    }
    Ok(())
}

/// Counts the run's dead letters under `directory` (`<data_dir>/dead_letters`):
/// those of its messages, received since it began. The target may have others,
/// of runs before and after. The ledger knows what was sent.
///
/// # Errors
/// A file that cannot be read, by its name.
pub fn read_dead_letters(
    directory: &Path,
    names: &Names,
    ledger: &Ledger,
) -> anyhow::Result<DeadLetters> {
    #[derive(Deserialize)]
    struct Letter {
        reason: String,
        receive_time: jiff::Timestamp,
        payload_base64: String,
    }
    let mut letters = DeadLetters::default();
    each_line(directory, |line| {
        let letter: Letter = serde_json::from_slice(line)?;
        let payload = STANDARD.decode(&letter.payload_base64)?;
        let before = letter.receive_time.as_millisecond() < names.received_from_ms();
        if before || !is_of_run(&payload, &names.prefix) {
            return Ok(());
        }
        letters.take(&letter.reason, &payload, |print, code| ledger.was_malformed(print, code));
        Ok(())
    })?;
    Ok(letters)
}

/// Reads events from a file of NDJSON, or from all such files under a
/// directory: an event log, or what `fleetstream replay` writes.
///
/// # Errors
/// A file or a line that cannot be read, by its name.
pub fn read_events(path: &Path, reader: &EventReader) -> anyhow::Result<Fold> {
    let mut fold = Fold::default();
    each_line(path, |line| {
        fold.take(reader.from_json(line)?);
        Ok(())
    })?;
    Ok(fold)
}

/// Each line of a file, or of all such files under a directory. A last line
/// without an end is one that is being written: it is taken if it is whole
/// already, and otherwise left for the next look.
pub(super) fn each_line(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let files = if path.is_file() { vec![path.to_owned()] } else { files_under(path, ".ndjson")? };
    for path in files {
        let place = |number: usize| format!("{}, line {number}", path.display());
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        for number in 1.. {
            line.clear();
            if file.read_until(b'\n', &mut line).with_context(|| place(number))? == 0 {
                break;
            }
            let ended = line.pop_if(|last| *last == b'\n').is_some();
            let taken = if line.is_empty() { Ok(()) } else { take(&line) };
            if ended {
                taken.with_context(|| place(number))?;
            }
        }
    }
    Ok(())
}

/// Files whose names end so, in order of their names.
pub(super) fn files_under(directory: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    find(directory, ending, &mut found)
        .with_context(|| format!("listing {}", directory.display()))?;
    found.sort();
    Ok(found)
}

fn find(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, ending, found)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protos::telemetry::VehiclePing;

    use super::*;
    use crate::content::print_of_bytes;
    use crate::dials::{CODES, encode_malformed};

    /// Message `seq` of a run's vehicle that is refused with this code.
    fn malformed(code: usize, prefix: &str, seq: u64) -> Vec<u8> {
        let vehicle_id = crate::truth::vehicle_id(prefix, 1);
        let ping = VehiclePing { vehicle_id, seq: Some(seq), ..VehiclePing::default() };
        encode_malformed(code, &ping)
    }

    /// The ledger of a run that has sent two messages of each code.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(2);
        for (code, seq) in (0..CODES.len()).flat_map(|code| [(code, 1), (code, 2)]) {
            ledger.sent_malformed(print_of_bytes(&malformed(code, "a-", seq)), code);
        }
        ledger
    }

    /// A line of a file of dead letters: message `seq` of a run's vehicle.
    fn letter(reason: &str, time: &str, prefix: &str, seq: u64) -> String {
        let code = CODES.iter().position(|code| *code == reason).unwrap();
        line(reason, time, &malformed(code, prefix, seq))
    }

    fn line(reason: &str, time: &str, payload: &[u8]) -> String {
        let payload = STANDARD.encode(payload);
        format!(
            "{{\"reason\":\"{reason}\",\"receive_time\":\"{time}\",\
             \"payload_base64\":\"{payload}\",\"shard\":0,\"journal_seq\":1}}\n"
        )
    }

    fn names(start: &str) -> Names {
        let start: jiff::Timestamp = start.parse().unwrap();
        Names { start_ms: start.as_millisecond(), prefix: "a-".into() }
    }

    #[test]
    fn letters_of_the_run_are_counted_once_each() {
        let directory = tempfile::tempdir().unwrap();
        let (now, before) = ("2026-01-05T06:00:00.000Z", "2026-01-04T06:00:00.000Z");
        let text = letter("null_island", now, "a-", 1)
            + &letter("null_island", now, "a-", 2)
            + &letter("null_island", now, "a-", 1)
            + &letter("undecodable", before, "a-", 3)
            // The same load once more, by another run.
            + &letter("null_island", now, "b-", 1)
            + &letter("undecodable", now, "b-", 3);
        fs::write(directory.path().join("shard-0.ndjson"), text).unwrap();
        let read = |path: &Path| read_dead_letters(path, &names(now), &ledger());
        let letters = read(directory.path()).unwrap();
        assert_eq!(letters.reasons, BTreeMap::from([("null_island".to_owned(), 2)]));
        assert_eq!((letters.repeated, letters.altered), (1, 0));
        let none = directory.path().join("none");
        assert!(read(&none).is_err());
        fs::create_dir(&none).unwrap();
        assert_eq!(read(&none).unwrap(), DeadLetters::default());
    }

    #[test]
    fn a_letter_whose_bytes_were_not_sent_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let now = "2026-01-05T06:00:00.000Z";
        let sent = malformed(9, "a-", 1);
        let cut = &sent[..sent.len() - 1];
        let text = line("null_island", now, &sent)
            + &line("null_island", now, cut)
            // For another reason than it was made for.
            + &line("undecodable", now, &malformed(9, "a-", 2));
        fs::write(directory.path().join("shard-0.ndjson"), text).unwrap();
        let letters = read_dead_letters(directory.path(), &names(now), &ledger()).unwrap();
        assert_eq!(letters.altered, 2);
        assert_eq!(letters.examples[0].payload, cut);
        assert_eq!(letters.examples[1].reason, "undecodable");
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_the_next_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shard-0.ndjson");
        let now = "2026-01-05T06:00:00Z";
        let line = letter("null_island", now, "a-", 1).trim_end().to_owned();
        let counted = |text: String| {
            fs::write(&path, text).unwrap();
            let letters = read_dead_letters(directory.path(), &names(now), &ledger());
            letters.map(|letters| letters.reasons)
        };
        let one = BTreeMap::from([("null_island".to_owned(), 1)]);
        assert_eq!(counted(format!("{line}\n{}", &line[..40])).unwrap(), one);
        assert_eq!(counted(line.to_owned()).unwrap(), one);
        let error = format!("{:#}", counted(format!("{}\n{line}\n", &line[..40])).unwrap_err());
        assert!(error.contains("shard-0.ndjson, line 1"), "{error}");
    }
}
