//! Folding event operations into final events: per event id the highest
//! revision wins, and a retract hides the event.
//!
//! The file is sorted by vehicle, and one vehicle's events are rarely far from
//! their order when they come. So operations gather as records, vehicle by
//! vehicle, and are sorted and rendered once, at the end, with one vehicle's
//! events in memory at a time. Past a bound all that has gathered is spilled as
//! a run in order of vehicles, and runs are merged at the end: of vehicles
//! nothing is remembered, however many there are, and only the ids of events
//! that were corrected are.

mod merge;
mod record;
mod spill;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use geofence::order_key;
use protos::event_json::{Rendering, kind, push_event};
use protos::events::{FleetEvent, Id, Op};
use smol_str::SmolStr;

use self::merge::Merge;
use self::spill::Spill;

/// Records of operations that gather in memory before they are spilled, bytes.
const GATHERED_BYTES_MAX: usize = 16 << 20;
/// What a vehicle takes there besides its records, about.
const VEHICLE_BYTES: usize = 128;
/// Rendered events are written in pieces of this size, bytes.
const WRITE_BYTES: usize = 1 << 20;

/// Event operations on their way to a sorted file of final events.
pub(super) struct Fold {
    /// Where the spill file lies.
    directory: PathBuf,
    /// Records of each vehicle's operations since the last run was spilled, in the
    /// order in which they came. It may have none yet: those of the last run.
    gathered: HashMap<SmolStr, Vec<u8>>,
    /// Bytes that they take.
    gathered_bytes: usize,
    spill: Option<Spill>,
    corrected: HashMap<Id, Latest>,
}

/// The last word on an event that was corrected.
#[derive(Clone, Copy)]
struct Latest {
    revision: u64,
    holds: bool,
}

impl Fold {
    /// An empty fold that spills into `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            gathered: HashMap::new(),
            gathered_bytes: 0,
            spill: None,
            corrected: HashMap::new(),
        }
    }

    /// Takes one operation. Those of one vehicle come in order.
    ///
    /// # Errors
    /// What has gathered could not be spilled.
    pub(super) fn add(&mut self, event: &FleetEvent) -> anyhow::Result<()> {
        let holds = event.op() != Op::Retract;
        // Nearly all are asserted once and for all.
        if event.op() != Op::Assert || self.corrected.contains_key(&event.event_id) {
            self.corrected.insert(event.event_id, Latest { revision: event.revision, holds });
        }
        if !holds {
            return Ok(());
        }
        let records = match self.gathered.get_mut(&event.vehicle_id) {
            Some(records) => records,
            None => {
                self.gathered_bytes += VEHICLE_BYTES;
                self.gathered.entry(event.vehicle_id.clone()).or_default()
            }
        };
        let before = records.len();
        record::push(records, event);
        self.gathered_bytes += records.len() - before;
        if self.gathered_bytes >= GATHERED_BYTES_MAX {
            self.spill().with_context(|| format!("spilling into {}", self.directory.display()))?;
        }
        Ok(())
    }

    /// Writes the final events of `folds` to `path`: sorted by vehicle, then in
    /// the order of semantics §6. Returns how many there are of each kind.
    ///
    /// # Errors
    /// The file cannot be written, or a spill not be read.
    pub(super) fn finish_all(folds: &[Self], path: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
        write(folds, path).with_context(|| format!("writing {}", path.display()))
    }

    fn spill(&mut self) -> io::Result<()> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::create(&self.directory)?),
        };
        spill.write(in_order(&self.gathered))?;
        // Most vehicles have as much to come again, and keep the room for it; of
        // one that had nothing since the last run nothing is remembered.
        self.gathered.retain(|_, records| {
            let had_some = !records.is_empty();
            records.shrink_to(2 * records.len());
            records.clear();
            had_some
        });
        self.gathered_bytes = VEHICLE_BYTES * self.gathered.len();
        Ok(())
    }

    /// Whether no later operation has changed or hidden what `event` says.
    fn is_final(&self, event: &FleetEvent) -> bool {
        let latest = self.corrected.get(&event.event_id);
        latest.is_none_or(|latest| latest.holds && latest.revision == event.revision)
    }
}

/// Vehicles that have records, with these, in order.
fn in_order(gathered: &HashMap<SmolStr, Vec<u8>>) -> impl Iterator<Item = (&str, &[u8])> {
    let mut vehicles: Vec<(&str, &[u8])> = gathered
        .iter()
        .filter(|(_, records)| !records.is_empty())
        .map(|(vehicle, records)| (&**vehicle, &**records))
        .collect();
    vehicles.sort_unstable_by_key(|(vehicle, _)| *vehicle);
    vehicles.into_iter()
}

fn write(folds: &[Fold], path: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut merge = Merge::of(folds)?;
    let mut file = File::create(path)?;
    let mut kinds = BTreeMap::new();
    let mut lines = Vec::new();
    let mut one = OneVehicle::default();
    while let Some(vehicle) = merge.next_vehicle() {
        one.gather(&vehicle, &mut merge)?;
        for event in one.in_order() {
            push_event(&mut lines, event, Rendering::Folded);
            lines.push(b'\n');
            *kinds.entry(kind(event)).or_default() += 1;
            if lines.len() >= WRITE_BYTES {
                file.write_all(&lines)?;
                lines.clear();
            }
        }
    }
    file.write_all(&lines)?;
    file.sync_all()?;
    Ok(kinds.into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect())
}

/// The final events of one vehicle; its memory is used again for the next.
#[derive(Default)]
struct OneVehicle {
    records: Vec<u8>,
    events: Vec<FleetEvent>,
    /// Event time and index of the events that are final.
    order: Vec<(i64, usize)>,
}

impl OneVehicle {
    fn gather(&mut self, vehicle: &SmolStr, merge: &mut Merge<'_>) -> anyhow::Result<()> {
        self.order.clear();
        let mut count = 0;
        loop {
            self.records.clear();
            let Some(fold) = merge.append_records(vehicle, &mut self.records)? else {
                return Ok(());
            };
            let mut rest = self.records.as_slice();
            while !rest.is_empty() {
                if count == self.events.len() {
                    self.events.push(FleetEvent::default());
                }
                let event = &mut self.events[count];
                record::take(&mut rest, vehicle, event).context("a spilled event is damaged")?;
                if fold.is_final(event) {
                    self.order.push((event.event_time_ms, count));
                }
                count += 1;
            }
        }
    }

    fn in_order(&mut self) -> impl Iterator<Item = &FleetEvent> {
        let events = &self.events;
        self.order.sort_unstable_by(|&(time, i), &(other_time, j)| {
            // The time first: it is at hand, and mostly decides.
            time.cmp(&other_time).then_with(|| order_key(&events[i]).cmp(&order_key(&events[j])))
        });
        self.order.iter().map(|&(_, i)| &events[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protos::events::GeofenceEnter;
    use protos::events::fleet_event::Detail;

    fn operation(id: u128, op: Op, revision: u64, time: i64) -> FleetEvent {
        FleetEvent {
            event_id: Id::new(id),
            op: op.into(),
            revision,
            vehicle_id: "bus".into(),
            event_time_ms: time,
            not_after_ms: time,
            detail: Some(Detail::GeofenceEnter(GeofenceEnter {})),
            ..FleetEvent::default()
        }
    }

    /// The ids that are left of the operations of `shards`, in file order,
    /// spilling after every `spill` of them.
    fn folded(shards: &[&[FleetEvent]], spill: usize) -> Vec<u128> {
        let directory = tempfile::tempdir().unwrap();
        let fold = |operations: &&[FleetEvent]| {
            let mut fold = Fold::new(directory.path());
            for (i, operation) in operations.iter().enumerate() {
                fold.add(operation).unwrap();
                if (i + 1) % spill == 0 {
                    fold.spill().unwrap();
                }
            }
            fold
        };
        let folds: Vec<Fold> = shards.iter().map(fold).collect();
        let path = directory.path().join("events.ndjson");
        let kinds = Fold::finish_all(&folds, &path).unwrap();
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
            assert_eq!(folded(&[&operations], spill), [1, 3, 4], "spilled after {spill}");
        }
    }

    #[test]
    fn vehicles_are_in_order_over_all_shards() {
        let of = |vehicle: &str, id, time| FleetEvent {
            vehicle_id: vehicle.into(),
            ..operation(id, Op::Assert, 1, time)
        };
        let first = [of("b", 4, 9), of("d", 7, 1), of("b", 3, 8), of("", 1, 5)];
        let second = [of("c", 5, 1), of("c", 6, 2), of("", 2, 6)];
        for spill in 1..=4 {
            assert_eq!(folded(&[&first, &second], spill), [1, 2, 3, 4, 5, 6, 7]);
        }
    }
}
