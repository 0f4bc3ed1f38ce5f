//! A table of events against the operations that were read as they came: each
//! must be there once, and say the same in every column.
//!
//! Those are what is judged against the truth; so a table that says the same
//! is right as far as they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::derived::Derived;
use super::disk::each_line;
use super::operation::{Cell, Key, Operation};
use crate::content::Difference;
use crate::truth::Names;

/// Rows that are kept as examples of each thing that may be wrong.
const EXAMPLES_MAX: usize = 5;

/// How the rows of a run's events compare with what was read as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRows {
    /// Rows of the run.
    pub rows: u64,
    /// Operations without a row.
    pub missing: u64,
    /// Operations with more than one.
    pub doubled: u64,
    /// Rows of operations that never came.
    pub strangers: u64,
    /// Rows that say something else than the operation, or contradict themselves.
    pub altered: u64,
    /// The first ones of each: which, and what of it is wrong.
    pub examples: Vec<String>,
}

impl EventRows {
    /// Everything that is wrong.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.missing + self.doubled + self.strangers + self.altered
    }
}

/// A row of a table of events.
#[derive(Clone, Debug)]
pub(super) struct EventRow {
    operation: Operation,
    shard: i64,
    /// Where it contradicts itself.
    wrong: Vec<Difference>,
}

/// What a row has beside the columns of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'r> {
    pub(super) location: Option<&'r str>,
    pub(super) shard: i64,
    pub(super) journal_seq: i64,
    /// Days since the epoch.
    pub(super) day: i64,
}

impl EventRow {
    pub(super) fn new(operation: Operation, beside: Beside<'_>) -> Self {
        let derived = Derived {
            lat_lon: operation.number("lat").zip(operation.number("lon")),
            location: beside.location,
            event_us: operation.time_us("event_time").unwrap_or(0),
            received_us: operation.time_us("observed_at"),
            day: beside.day,
        };
        let mut wrong = derived.differences();
        let (revision, seq) = (operation.integer("revision"), Some(beside.journal_seq));
        wrong.extend(Difference::between("journal_seq", revision, seq));
        Self { operation, shard: beside.shard, wrong }
    }
}

/// Where operations are kept as they come, for the time when there are rows.
#[derive(Debug)]
pub struct Spool {
    out: BufWriter<File>,
    path: PathBuf,
    /// The first error; nothing is written after it.
    failed: Option<std::io::Error>,
}

impl Spool {
    /// A new file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
        let out = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { out, path: path.to_owned(), failed: None })
    }

    /// Keeps the JSON of an event; an error is kept for [`Self::finish`].
    pub fn push(&mut self, json: &[u8]) {
        if self.failed.is_none() {
            let written = self.out.write_all(json).and_then(|()| self.out.write_all(b"\n"));
            self.failed = written.err();
        }
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let written = self.failed.take().map_or_else(|| self.out.flush(), Err);
        written.with_context(|| format!("writing {}", self.path.display()))
    }
}

/// The operations of a run that were read as they came.
#[derive(Debug)]
pub struct Told {
    /// NDJSON, or a directory of such files.
    path: PathBuf,
    names: Names,
    prints: HashMap<Key, u64>,
}

impl Told {
    /// Reads them; `None` if they have no revisions, as events that are folded.
    ///
    /// # Errors
    /// A file or a line that cannot be read, by its name.
    pub fn read(path: &Path, names: &Names) -> anyhow::Result<Option<Self>> {
        let (mut prints, mut folded) = (HashMap::new(), false);
        each_operation(path, names, |operation| match operation.key() {
            Some(key) => drop(prints.entry(key).or_insert_with(|| operation.print())),
            None => folded = true,
        })?;
        Ok((!folded).then(|| Self { path: path.to_owned(), names: names.clone(), prints }))
    }

    /// Begins to look at rows.
    pub(super) fn held_against(&self) -> Comparison<'_> {
        Comparison {
            told: self,
            rows: 0,
            altered: 0,
            seen: HashMap::new(),
            unknown: Vec::new(),
            told_up_to: HashMap::new(),
            examples: Vec::new(),
        }
    }

    /// The operations with these keys, read once more.
    fn again(&self, wanted: &[Key]) -> anyhow::Result<HashMap<Key, Operation>> {
        let mut found = HashMap::new();
        if !wanted.is_empty() {
            each_operation(&self.path, &self.names, |operation| {
                if let Some(key) = operation.key().filter(|key| wanted.contains(key)) {
                    found.entry(key).or_insert(operation);
                }
            })?;
        }
        Ok(found)
    }
}

fn each_operation(
    path: &Path,
    names: &Names,
    mut take: impl FnMut(Operation),
) -> anyhow::Result<()> {
    each_line(path, |line| {
        let operation = Operation::from_json(line)?;
        if operation.is_of(names) {
            take(operation);
        }
        Ok(())
    })
}

/// Rows on their way through a comparison.
#[derive(Debug)]
pub(super) struct Comparison<'t> {
    told: &'t Told,
    rows: u64,
    altered: u64,
    /// How many rows each operation has.
    seen: HashMap<Key, u32>,
    /// Rows of operations that did not come.
    unknown: Vec<EventRow>,
    /// By shard, the last revision that came.
    told_up_to: HashMap<i64, i64>,
    /// Altered rows.
    examples: Vec<EventRow>,
}

impl Comparison<'_> {
    /// Takes a row, if it is of the run.
    pub(super) fn take(&mut self, row: EventRow) {
        if !row.operation.is_of(&self.told.names) {
            return;
        }
        self.rows += 1;
        let key = row.operation.key();
        let Some((key, &print)) = key.and_then(|key| self.told.prints.get_key_value(&key)) else {
            self.unknown.push(row);
            return;
        };
        *self.seen.entry(*key).or_default() += 1;
        let up_to = self.told_up_to.entry(row.shard).or_insert(key.1);
        *up_to = key.1.max(*up_to);
        if row.operation.print() != print || !row.wrong.is_empty() {
            self.altered += 1;
            if self.examples.len() < EXAMPLES_MAX {
                self.examples.push(row);
            }
        }
    }

    /// How the rows compare. A row of an operation that did not come counts if a
    /// later one of its shard did: what a target decides after reading has ended
    /// is not to be blamed. Nor is it where some may have been missed
    /// (`had_gaps`).
    ///
    /// # Errors
    /// What came cannot be read once more.
    pub(super) fn finish(self, had_gaps: bool) -> anyhow::Result<EventRows> {
        let is_stranger = |row: &&EventRow| {
            let up_to = self.told_up_to.get(&row.shard);
            let revision = row.operation.integer("revision");
            !had_gaps && up_to.is_some_and(|up_to| revision.is_none_or(|it| it <= *up_to))
        };
        let strangers: Vec<&EventRow> = self.unknown.iter().filter(is_stranger).collect();
        let prints = &self.told.prints;
        let mut missing: Vec<Key> =
            prints.keys().filter(|key| !self.seen.contains_key(key)).copied().collect();
        let doubled = self.seen.iter().filter(|(_, rows)| **rows > 1);
        let mut doubled: Vec<Key> = doubled.map(|(key, _)| *key).collect();
        let counts = EventRows {
            rows: self.rows,
            missing: missing.len() as u64,
            doubled: doubled.len() as u64,
            strangers: strangers.len() as u64,
            altered: self.altered,
            examples: Vec::new(),
        };
        for keys in [&mut missing, &mut doubled] {
            keys.sort_unstable();
            keys.truncate(EXAMPLES_MAX);
        }
        let altered = self.examples.iter().filter_map(|row| row.operation.key());
        let wanted: Vec<Key> = missing.iter().chain(&doubled).copied().chain(altered).collect();
        let told = self.told.again(&wanted)?;
        let of = |key: &Key, what: &str| {
            told.get(key).map(|operation| format!("{}: {what}", name(operation)))
        };
        let mut examples: Vec<String> =
            missing.iter().filter_map(|key| of(key, "has no row")).collect();
        examples.extend(doubled.iter().filter_map(|key| of(key, "has more than one row")));
        examples.extend(
            strangers
                .iter()
                .take(EXAMPLES_MAX)
                .map(|row| format!("{}: a row of what never came", name(&row.operation))),
        );
        examples.extend(self.examples.iter().map(|row| {
            let due = row.operation.key().and_then(|key| told.get(&key));
            let of_told = due.map(|due| due.differences(&row.operation));
            let differences = of_told.iter().flatten().chain(&row.wrong);
            let said: Vec<String> = differences.map(Difference::to_string).collect();
            format!("{}: {}", name(&row.operation), said.join(", "))
        }));
        Ok(EventRows { examples, ..counts })
    }
}

/// Which operation it is, for people.
fn name(operation: &Operation) -> String {
    let text = |name: &str| operation.cell(name).map_or_else(|| "none".into(), Cell::to_string);
    format!(
        "{} of {}, event {} revision {}",
        text("kind"),
        text("vehicle_id"),
        text("event_id"),
        text("revision")
    )
}

#[cfg(test)]
mod tests {
    use protos::event_json::Rendering;
    use protos::events::{FleetEvent, Id};

    use super::super::operation::tests::{line, visit};
    use super::*;

    const DAY: i64 = 20_458;

    fn event(number: u128, revision: u64) -> FleetEvent {
        FleetEvent { event_id: Id::new(number), revision, ..visit() }
    }

    /// The row of an event, in shard 0.
    fn row(event: &FleetEvent) -> EventRow {
        let operation = Operation::from_json(&line(event, Rendering::Full)).unwrap();
        let journal_seq = event.revision as i64;
        let location = Some("POINT(11.5 48.1234567)");
        EventRow::new(operation, Beside { location, shard: 0, journal_seq, day: DAY })
    }

    fn compared(told: &[FleetEvent], rows: Vec<EventRow>, had_gaps: bool) -> EventRows {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("operations.ndjson");
        let mut spool = Spool::create(&path).unwrap();
        told.iter().for_each(|event| spool.push(&line(event, Rendering::Full)));
        spool.finish().unwrap();
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        let told = Told::read(&path, &names).unwrap().unwrap();
        let mut comparison = told.held_against();
        rows.into_iter().for_each(|row| comparison.take(row));
        comparison.finish(had_gaps).unwrap()
    }

    #[test]
    fn rows_that_say_what_came_are_right() {
        // An operation may come again, and others' are none of the run.
        let told = [event(1, 5), event(1, 7), event(2, 6), event(2, 6)];
        let other = FleetEvent { vehicle_id: "b-v0000001".into(), ..event(9, 6) };
        // Decided when reading had ended.
        let later = event(3, 8);
        let rows = [&told[0], &told[1], &told[2], &other, &later].map(row).to_vec();
        assert_eq!(compared(&told, rows, false), EventRows { rows: 4, ..EventRows::default() });
    }

    #[test]
    fn what_is_wrong_of_rows_is_counted_and_told() {
        let told = [event(1, 5), event(2, 6), event(3, 7)];
        let made_up = event(4, 6);
        let mut rows = [&told[1], &told[1], &told[2], &made_up].map(row).to_vec();
        rows[2].operation = Operation::from_json(&line(
            &FleetEvent { lat: Some(48.5), ..event(3, 7) },
            Rendering::Full,
        ))
        .unwrap();
        let found = compared(&told, rows.clone(), false);
        let counts = (found.rows, found.missing, found.doubled, found.strangers, found.altered);
        assert_eq!(counts, (4, 1, 1, 1, 1));
        assert_eq!(found.wrong(), 4);
        let of = |number: u128, revision: u64| {
            format!("geofence_visit of a-v0000042, event {number:032x} revision {revision}: ")
        };
        let expected = [
            of(1, 5) + "has no row",
            of(2, 6) + "has more than one row",
            of(4, 6) + "a row of what never came",
            of(3, 7) + "lat must be 48.1234567 and is 48.5",
        ];
        assert_eq!(found.examples, expected);
        // What may have been missed on its way is not made up.
        assert_eq!(compared(&told, rows, true).strangers, 0);
    }

    #[test]
    fn a_row_that_contradicts_itself_is_altered() {
        let told = [event(1, 5)];
        let operation = row(&told[0]).operation;
        let beside =
            Beside { location: Some("POINT(11.5 48.1234567)"), shard: 0, journal_seq: 5, day: DAY };
        for (beside, column) in [
            (Beside { location: None, ..beside }, "location"),
            (Beside { journal_seq: 6, ..beside }, "journal_seq"),
            (Beside { day: DAY + 1, ..beside }, "day"),
        ] {
            let rows = vec![EventRow::new(operation.clone(), beside)];
            let found = compared(&told, rows, false);
            assert_eq!((found.altered, found.wrong()), (1, 1), "{column}");
            assert!(found.examples[0].contains(&format!("{column} must be")), "{found:?}");
        }
    }

    #[test]
    fn folded_events_cannot_be_held_against_rows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        std::fs::write(&path, line(&visit(), Rendering::Folded)).unwrap();
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        assert!(Told::read(&path, &names).unwrap().is_none());
    }
}
