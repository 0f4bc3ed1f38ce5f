//! From a ping to what came of it.

use crate::dials::ClockFault;
use crate::latency::Latencies;
use crate::profile::World;
use crate::truth::Kind;

use super::Event;

/// From the intended send time of the ping that shows an event to its arrival
/// here.
///
/// That ping is the one at the end of the event's interval: the first on the
/// new side. So an enter's and a pass's latency holds the target's reorder
/// delay, and an exit's its confirmation too; corrections and what is learnt
/// late are left out.
#[derive(Clone, Debug, Default)]
pub struct EventLatencies {
    /// Enters and passes.
    pub entry: Latencies,
    /// Exits.
    pub exit: Latencies,
}

impl EventLatencies {
    /// Takes an event that arrived `now_us` microseconds after the start.
    pub fn take(&mut self, world: &World, event: &Event, now_us: i64) {
        let (Some(kind), Some(vehicle), Some((not_before, not_after))) =
            (event.kind, event.vehicle, event.interval_ms)
        else {
            return;
        };
        let ClockFault::Skewed(offset_ms) = world.clock_of(vehicle) else { return };
        // Without an interval, as for a vehicle first seen, the ping is the
        // event's own.
        if event.late || event.op != super::Op::Assert || not_before > not_after {
            return;
        }
        let latency_us = now_us - (not_after - offset_ms) * 1000;
        match kind {
            Kind::Enter | Kind::Cross => self.entry.record(latency_us),
            Kind::Exit => self.exit.record(latency_us),
            _ => {}
        }
    }
}
