//! All records of many folds, vehicle by vehicle in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use smol_str::SmolStr;

use super::spill::{Run, Spill};
use super::{Fold, in_order};

/// Runs read in step. Those of one fold are in the order in which they were
/// spilled, with what was not spilled last.
pub(super) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    /// The vehicle that each source has next, with the number of the source.
    next: BinaryHeap<Reverse<(SmolStr, usize)>>,
}

struct Source<'a> {
    fold: &'a Fold,
    records: Records<'a>,
}

enum Records<'a> {
    Spilled(Run<'a>),
    /// Vehicles with their records, from the next on.
    Gathered(Vec<(&'a str, &'a [u8])>),
}

impl<'a> Merge<'a> {
    pub(super) fn of(folds: &'a [Fold]) -> io::Result<Self> {
        let runs = folds.iter().flat_map(|fold| &fold.spill).map(Spill::run_count).sum();
        let mut merge = Self { sources: Vec::new(), next: BinaryHeap::new() };
        for fold in folds {
            let spilled = fold.spill.iter().flat_map(|spill| spill.read(runs));
            let mut gathered: Vec<_> = in_order(&fold.gathered).collect();
            gathered.reverse();
            let records = spilled.map(Records::Spilled).chain([Records::Gathered(gathered)]);
            merge.sources.extend(records.map(|records| Source { fold, records }));
        }
        for source in 0..merge.sources.len() {
            merge.heed(source)?;
        }
        Ok(merge)
    }

    /// The first vehicle whose records have not been taken.
    pub(super) fn next_vehicle(&self) -> Option<SmolStr> {
        self.next.peek().map(|Reverse((vehicle, _))| vehicle.clone())
    }

    /// Appends records of `vehicle`, the next one, to `out`, and returns the fold
    /// that they are of; `None` once there are no more.
    pub(super) fn append_records(
        &mut self,
        vehicle: &str,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<&'a Fold>> {
        let Some(&Reverse((ref next, source))) = self.next.peek() else { return Ok(None) };
        if next != vehicle {
            return Ok(None);
        }
        self.next.pop();
        match &mut self.sources[source].records {
            Records::Spilled(run) => run.append_next(out)?,
            Records::Gathered(rest) => out.extend_from_slice(rest.pop().unwrap_or_default().1),
        }
        self.heed(source)?;
        Ok(Some(self.sources[source].fold))
    }

    /// Takes note of the vehicle that the source has next.
    fn heed(&mut self, source: usize) -> io::Result<()> {
        let vehicle = match &mut self.sources[source].records {
            Records::Spilled(run) => run.next_vehicle()?,
            Records::Gathered(rest) => rest.last().map(|(vehicle, _)| SmolStr::new(vehicle)),
        };
        self.next.extend(vehicle.map(|vehicle| Reverse((vehicle, source))));
        Ok(())
    }
}
