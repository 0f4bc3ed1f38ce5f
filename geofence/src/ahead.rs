//! Memory asked for ahead.
//!
//! A shard's vehicles fill many times the caches, and most of what a ping costs
//! would be waiting for one line after the other. But whose pings come next is
//! known: while one is worked on, the memory of some that follow comes, in
//! three steps, since where it lies is read from what the step before asked
//! for.

use crate::cells::Cell;
use crate::detector::Detector;
use crate::vehicle::Vehicle;

/// How many visits before its own a vehicle is asked for.
const VEHICLE: usize = 24;
/// The same of what the vehicle points to, and of the cells where its fix is
/// that waits and where the one before it was.
const POINTED: usize = 16;
/// The same of what those point to.
const LAST: usize = 8;

/// What the second step finds for the third: the cells of a step that is yet
/// to be judged, each once.
#[derive(Clone, Copy, Default)]
struct Step {
    to: Option<Cell>,
    from: Option<Cell>,
}

impl Step {
    fn cells(self) -> impl Iterator<Item = Cell> {
        [self.to, self.from].into_iter().flatten()
    }
}

impl Detector {
    /// Calls `visit` with each number below `count`, in order, asking ahead for
    /// what that will read of the vehicle in the slot that `slot` gives, which is
    /// none from `count` on. Fences must stay as they are meanwhile.
    pub(crate) fn visit_ahead(
        &mut self,
        count: usize,
        slot: impl Fn(usize) -> Option<u32>,
        mut visit: impl FnMut(&mut Self, usize),
    ) {
        let mut steps = [Step::default(); POINTED];
        for i in 0..VEHICLE {
            self.prefetch_vehicle(slot(i));
        }
        for i in 0..POINTED {
            steps[i % POINTED] = self.prefetch_pointed(slot(i));
        }
        for i in 0..LAST {
            self.prefetch_last(slot(i), steps[i % POINTED]);
        }
        for i in 0..count {
            self.prefetch_vehicle(slot(i + VEHICLE));
            steps[i % POINTED] = self.prefetch_pointed(slot(i + POINTED));
            self.prefetch_last(slot(i + LAST), steps[(i + LAST) % POINTED]);
            visit(self, i);
        }
    }

    #[inline]
    fn prefetch_vehicle(&self, slot: Option<u32>) {
        if let Some(slot) = slot {
            prefetch::lines_of(&self.vehicles[slot as usize]);
        }
    }

    #[inline]
    fn prefetch_pointed(&self, slot: Option<u32>) -> Step {
        let Some(vehicle) = self.vehicle_in(slot) else { return Step::default() };
        vehicle.prefetch();
        let Some(place) = vehicle.next_place() else { return Step::default() };
        let cells = self.world.timeline.current().set.cells();
        let to = cells.cell(place);
        let last = vehicle.machine.last.as_ref();
        let from = last.and_then(|last| cells.other_cell(last.position, place, to));
        let step = Step { to: Some(to), from };
        step.cells().for_each(|cell| cells.prefetch_spot(cell));
        step
    }

    #[inline]
    fn prefetch_last(&self, slot: Option<u32>, step: Step) {
        let Some(vehicle) = self.vehicle_in(slot) else { return };
        vehicle.prefetch_fixes();
        let cells = self.world.timeline.current().set.cells();
        step.cells().for_each(|cell| cells.prefetch(cells.spot_of(cell)));
    }

    #[inline]
    fn vehicle_in(&self, slot: Option<u32>) -> Option<&Vehicle> {
        self.vehicles[slot? as usize].as_ref()
    }
}
