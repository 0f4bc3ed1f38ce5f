//! Folding event operations into final events: per event id the highest
//! revision wins, and a retract hides the event.
//!
//! Holds a bounded part in memory: full buffers are sorted and spilled, and
//! the end is one merge. Only the ids that were corrected are remembered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use geofence::push_sort_key;
use protos::event_json::{Rendering, kind, push_event};
use protos::events::{FleetEvent, Op};

/// Bytes of rendered events that are held before they are spilled.
const BUFFER_BYTES: usize = 32 << 20;

/// Numbers the spilled runs of this process.
static SPILLS: AtomicU64 = AtomicU64::new(0);

/// Event operations on their way to a sorted file of final events.
pub(super) struct Fold {
    /// Where spilled runs are kept until the end.
    directory: PathBuf,
    bytes: Vec<u8>,
    records: Vec<Record>,
    runs: Vec<File>,
    corrected: HashMap<u128, Latest>,
}

/// One operation in the buffer: its key, then its line.
struct Record {
    id: u128,
    revision: u64,
    kind: &'static str,
    key: std::ops::Range<usize>,
    line: std::ops::Range<usize>,
}

/// The last word on an event that was corrected.
#[derive(Clone, Copy)]
struct Latest {
    revision: u64,
    holds: bool,
}

/// A record as it is read back from a run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Spilled {
    key: Vec<u8>,
    line: Vec<u8>,
    id: u128,
    revision: u64,
    kind: String,
    run: usize,
}

impl Fold {
    /// An empty fold that spills into `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            bytes: Vec::new(),
            records: Vec::new(),
            runs: Vec::new(),
            corrected: HashMap::new(),
        }
    }

    /// Takes one operation. Those of one vehicle come in order.
    ///
    /// # Errors
    /// A full buffer could not be spilled.
    pub(super) fn add(&mut self, event: &FleetEvent) -> anyhow::Result<()> {
        let id = u128::from_str_radix(&event.event_id, 16).context("event id")?;
        let latest = Latest { revision: event.revision, holds: event.op() != Op::Retract };
        let first = event.op() == Op::Assert && !self.corrected.contains_key(&id);
        if !first {
            self.corrected.insert(id, latest);
        }
        if !latest.holds {
            return Ok(());
        }
        let start = self.bytes.len();
        push_sort_key(&mut self.bytes, event);
        let middle = self.bytes.len();
        push_event(&mut self.bytes, event, Rendering::Folded);
        self.bytes.push(b'\n');
        self.records.push(Record {
            id,
            revision: event.revision,
            kind: kind(event),
            key: start..middle,
            line: middle..self.bytes.len(),
        });
        if self.bytes.len() >= BUFFER_BYTES {
            self.spill().with_context(|| format!("spilling into {}", self.directory.display()))?;
        }
        Ok(())
    }

    /// Writes the final events of `folds`, which have no vehicle in common, to
    /// `path`: sorted by vehicle, then in the order of semantics §6. Returns
    /// how many there are of each kind.
    ///
    /// # Errors
    /// The file cannot be written, or a run not be read.
    pub(super) fn finish_all(
        folds: Vec<Self>,
        path: &Path,
    ) -> anyhow::Result<BTreeMap<String, u64>> {
        merge(folds, path).with_context(|| format!("writing {}", path.display()))
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.records.sort_unstable_by(|a, b| bytes[a.key.clone()].cmp(&bytes[b.key.clone()]));
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        self.sort();
        let number = SPILLS.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!(".fold-{number}"));
        let file = File::options().create_new(true).read(true).write(true).open(&path)?;
        // The run lives as long as it is open, whatever ends the process.
        std::fs::remove_file(&path)?;
        let mut out = BufWriter::new(file);
        for record in self.records.drain(..) {
            for part in [
                &self.bytes[record.key],
                &self.bytes[record.line],
                &record.id.to_le_bytes(),
                &record.revision.to_le_bytes(),
                record.kind.as_bytes(),
            ] {
                out.write_all(&(part.len() as u32).to_le_bytes())?;
                out.write_all(part)?;
            }
        }
        self.bytes.clear();
        let mut file = out.into_inner()?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }
}

fn merge(folds: Vec<Fold>, path: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut runs = Vec::new();
    let mut corrected = HashMap::new();
    for mut fold in folds {
        fold.spill()?;
        runs.extend(fold.runs.into_iter().map(BufReader::new));
        corrected.extend(fold.corrected);
    }
    let mut heads = BinaryHeap::new();
    for (run, reader) in runs.iter_mut().enumerate() {
        heads.extend(Spilled::read(reader, run)?.map(Reverse));
    }
    let mut out = BufWriter::new(File::create(path)?);
    let mut kinds = BTreeMap::new();
    while let Some(Reverse(record)) = heads.pop() {
        heads.extend(Spilled::read(&mut runs[record.run], record.run)?.map(Reverse));
        let current = corrected
            .get(&record.id)
            .is_none_or(|latest| latest.holds && latest.revision == record.revision);
        if current {
            out.write_all(&record.line)?;
            *kinds.entry(record.kind).or_default() += 1;
        }
    }
    out.into_inner()?.sync_all()?;
    Ok(kinds)
}

impl Spilled {
    fn read(reader: &mut impl Read, run: usize) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        match reader.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let key = read_part(reader, length)?;
        let mut next = || {
            reader.read_exact(&mut length)?;
            read_part(reader, length)
        };
        let (line, id, revision, kind) = (next()?, next()?, next()?, next()?);
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a spilled run is damaged");
        Ok(Some(Self {
            key,
            line,
            id: u128::from_le_bytes(id.try_into().map_err(|_| damaged())?),
            revision: u64::from_le_bytes(revision.try_into().map_err(|_| damaged())?),
            kind: String::from_utf8(kind).map_err(|_| damaged())?,
            run,
        }))
    }
}

fn read_part(reader: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let mut part = vec![0; u32::from_le_bytes(length) as usize];
    reader.read_exact(&mut part)?;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protos::events::GeofenceEnter;
    use protos::events::fleet_event::Detail;

    fn operation(id: u128, op: Op, revision: u64, time: i64) -> FleetEvent {
        FleetEvent {
            event_id: format!("{id:032x}"),
            op: op.into(),
            revision,
            vehicle_id: "bus".into(),
            event_time_ms: time,
            not_after_ms: time,
            detail: Some(Detail::GeofenceEnter(GeofenceEnter {})),
            ..FleetEvent::default()
        }
    }

    /// The ids that are left of `operations`, in file order, spilling after
    /// every `spill` of them.
    fn folded(operations: &[FleetEvent], spill: usize) -> Vec<u128> {
        let directory = tempfile::tempdir().unwrap();
        let mut fold = Fold::new(directory.path());
        for (i, operation) in operations.iter().enumerate() {
            fold.add(operation).unwrap();
            if (i + 1) % spill == 0 {
                fold.spill().unwrap();
            }
        }
        let path = directory.path().join("events.ndjson");
        let kinds = Fold::finish_all(vec![fold], &path).unwrap();
        let lines = std::fs::read_to_string(path).unwrap();
        let ids: Vec<u128> = lines
            .lines()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                u128::from_str_radix(event["event_id"].as_str().unwrap(), 16).unwrap()
            })
            .collect();
        assert_eq!(kinds.values().sum::<u64>(), ids.len() as u64);
        ids
    }

    #[test]
    fn the_highest_revision_wins_and_a_retract_hides() {
        let operations = [
            operation(1, Op::Assert, 1, 50),
            operation(2, Op::Assert, 1, 40),
            operation(3, Op::Assert, 2, 30),
            operation(1, Op::Amend, 3, 20),
            operation(2, Op::Retract, 3, 40),
            operation(4, Op::Assert, 3, 10),
            operation(4, Op::Retract, 4, 10),
            operation(4, Op::Assert, 5, 60),
        ];
        for spill in 1..=operations.len() {
            assert_eq!(folded(&operations, spill), [1, 3, 4], "spilled after {spill}");
        }
    }
}
