//! How long pings wait until a position shows them.
//!
//! Who looks at a map sees a ping from the first look on at which the position
//! is that ping's or a newer one's. Every acknowledged ping counts: one that is
//! passed over has waited until the newer one was seen, and one that is never
//! seen until the end. A ping that a newer one was seen before it was due waits
//! for nothing, and is left out. What is settled is kept until a newer one is
//! shown: it may be written after all, and then it is what others look like.
//! Times come in; nothing here looks at a clock.

use std::collections::{HashMap, VecDeque};

use geofence::Plane;

use crate::latency::Latencies;
use crate::stream::{Delivery, Ping, What};

/// Pings of a vehicle that are kept at one time. One more, and the oldest
/// counts as one that is never seen.
const WAITING_MAX: usize = 10_000;
/// What a move and a turn must reach to be written to Firestore before the
/// heartbeat (semantics §10).
const MOVE_M: f64 = 5.0;
const TURN_DEG: f32 = 10.0;

/// What waits, and how long what was seen has waited.
#[derive(Debug)]
pub struct Waits {
    vehicles: HashMap<u32, Vehicle>,
    alike_is_shown: bool,
    measured_from_us: i64,
    latencies: Latencies,
}

#[derive(Debug, Default)]
struct Vehicle {
    /// Event time of the newest position seen, milliseconds since the start.
    shown_ms: Option<i64>,
    /// Its ping.
    shown: Option<Ping>,
    /// In the order in which they are due.
    pings: VecDeque<Waiting>,
}

/// A ping, until it is settled and it or a newer one is shown.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ping: Ping,
    due_us: i64,
    seen_us: Option<i64>,
    /// Measured, or not to be.
    settled: bool,
}

impl Waits {
    /// For these vehicles; what is due in the first `warm_up_s` seconds is not
    /// measured. `alike_is_shown` says that a position is not replaced by one
    /// that looks like it.
    #[must_use]
    pub fn new(vehicles: &[u32], alike_is_shown: bool, warm_up_s: u32) -> Self {
        Self {
            vehicles: vehicles.iter().map(|&vehicle| (vehicle, Vehicle::default())).collect(),
            alike_is_shown,
            measured_from_us: i64::from(warm_up_s) * 1_000_000,
            latencies: Latencies::default(),
        }
    }

    /// A message is due, now or soon.
    pub fn due(&mut self, delivery: &Delivery) {
        let Some(vehicle) = self.vehicles.get_mut(&delivery.ping.vehicle) else { return };
        let due_us = delivery.send_ms * 1000;
        if delivery.what != What::Ping {
            return;
        }
        if vehicle.pings.len() >= WAITING_MAX {
            let oldest = vehicle.pings.pop_front().filter(|oldest| !oldest.settled);
            match oldest.map(|oldest| oldest.waited_us()) {
                Some(Some(us)) => self.latencies.record(us),
                Some(None) => self.latencies.record_never(1),
                None => {}
            }
        }
        let ping = delivery.ping;
        vehicle.pings.push_back(Waiting { ping, due_us, seen_us: None, settled: false });
    }

    /// A vehicle's position was seen, of this event time, milliseconds since the
    /// start.
    pub fn looked(&mut self, vehicle: u32, event_ms: i64, now_us: i64) {
        let Some(vehicle) = self.vehicles.get_mut(&vehicle) else { return };
        vehicle.see(event_ms, now_us);
        if self.alike_is_shown {
            vehicle.see_alike(now_us);
        }
    }

    /// Measures what was seen and is acknowledged.
    pub fn settle(&mut self, acknowledged: impl Fn(&Ping) -> bool) {
        let Self { vehicles, latencies, measured_from_us, .. } = self;
        for vehicle in vehicles.values_mut() {
            for waiting in vehicle.pings.iter_mut().filter(|waiting| !waiting.settled) {
                let waited_us = waiting.waited_us().filter(|_| acknowledged(&waiting.ping));
                let measured = waited_us.filter(|_| waiting.due_us >= *measured_from_us);
                measured.into_iter().for_each(|us| latencies.record(us));
                waiting.settled = waited_us.is_some();
            }
            vehicle.forget_passed();
        }
    }

    /// Whether there is anything acknowledged to be seen still, where anything
    /// is to be seen at all.
    pub fn is_waiting(&self, acknowledged: impl Fn(&Ping) -> bool) -> bool {
        let unseen = |waiting: &Waiting| waiting.seen_us.is_none() && acknowledged(&waiting.ping);
        self.is_any_shown() && self.vehicles.values().any(|it| it.pings.iter().any(unseen))
    }

    /// Nobody looks any more. What was never seen has waited until now; but
    /// where no position was ever seen, none could be read, and nothing is known.
    pub fn finish(&mut self, now_us: i64, acknowledged: impl Fn(&Ping) -> bool) -> Latencies {
        if self.is_any_shown() {
            let waiting = self.vehicles.values_mut().flat_map(|it| it.pings.iter_mut());
            waiting.for_each(|it| it.seen_us = it.seen_us.or(Some(now_us)));
        }
        self.settle(acknowledged);
        std::mem::take(&mut self.latencies)
    }

    fn is_any_shown(&self) -> bool {
        self.vehicles.values().any(|vehicle| vehicle.shown_ms.is_some())
    }
}

impl Vehicle {
    fn see(&mut self, event_ms: i64, now_us: i64) {
        let before_ms = self.shown_ms.unwrap_or(i64::MIN);
        let shown_ms = event_ms.max(before_ms);
        if shown_ms > before_ms {
            let is_shown = |waiting: &&Waiting| waiting.ping.event_ms == shown_ms;
            self.shown = self.pings.iter().find(is_shown).map(|waiting| waiting.ping);
            self.shown_ms = Some(shown_ms);
        }
        let shown = |it: &&mut Waiting| it.seen_us.is_none() && it.ping.event_ms <= shown_ms;
        for waiting in self.pings.iter_mut().filter(shown) {
            waiting.seen_us = Some(now_us);
            // A newer one was seen before it, or a copy of its own.
            waiting.settled = waiting.ping.event_ms <= before_ms || waiting.due_us > now_us;
        }
        self.forget_passed();
    }

    /// Forgets what is settled and not newer than the position shown.
    fn forget_passed(&mut self) {
        let Some(shown_ms) = self.shown_ms else { return };
        self.pings.retain(|waiting| !waiting.settled || waiting.ping.event_ms > shown_ms);
    }

    /// Leaves out what looks like the position seen: it is not written before
    /// the heartbeat, and nobody would see the difference. What is older than
    /// such a ping waits no longer: the map is right again.
    fn see_alike(&mut self, now_us: i64) {
        let Some(shown) = self.shown else { return };
        let waits = |it: &Waiting| it.seen_us.is_none() && it.due_us <= now_us;
        let alike = self.pings.iter().filter(|it| waits(it) && looks_like(&it.ping, &shown));
        let Some(newest_ms) = alike.map(|it| it.ping.event_ms).max() else { return };
        for it in self.pings.iter_mut().filter(|it| waits(it) && it.ping.event_ms <= newest_ms) {
            it.seen_us = Some(now_us);
            it.settled = looks_like(&it.ping, &shown);
        }
    }
}

impl Waiting {
    fn waited_us(&self) -> Option<i64> {
        self.seen_us.map(|seen_us| seen_us - self.due_us)
    }
}

/// Whether there is neither a move nor a turn between two pings; an unknown
/// heading is no turn.
fn looks_like(a: &Ping, b: &Ping) -> bool {
    let turn_deg = match (a.heading_deg, b.heading_deg) {
        (Some(a), Some(b)) => {
            let turn_deg = (a - b).abs() % 360.0;
            turn_deg.min(360.0 - turn_deg)
        }
        _ => 0.0,
    };
    Plane::at(a.position).distance_m(b.position) < MOVE_M && turn_deg < TURN_DEG
}

#[cfg(test)]
mod tests {
    use geofence::Position;

    use super::*;

    /// Ping `seq` of vehicle 0, this far to the north; due when it is taken.
    fn ping(seq: u32, t_ms: i64, north_m: f64) -> Delivery {
        let position = Position::from_degrees(48.0 + north_m / 111_000.0, 11.0).unwrap();
        let ping = Ping {
            vehicle: 0,
            seq,
            event_ms: t_ms,
            position,
            accuracy_m: Some(1.0),
            speed_mps: Some(0.0),
            heading_deg: None,
            engine_on: None,
        };
        Delivery { send_ms: t_ms, what: What::Ping, ping }
    }

    fn driving(seq: u32, t_ms: i64) -> Delivery {
        ping(seq, t_ms, f64::from(seq) * 20.0)
    }

    fn waits(deliveries: &[Delivery]) -> Waits {
        let mut waits = Waits::new(&[0], false, 0);
        deliveries.iter().for_each(|delivery| waits.due(delivery));
        waits
    }

    /// Count and longest, to 10 ms.
    fn measured(waits: &mut Waits, now_ms: i64) -> (u64, f64) {
        let percentiles = waits.finish(now_ms * 1000, |_| true).percentiles();
        assert_eq!(percentiles.early, 0);
        (percentiles.count, (percentiles.max_ms / 10.0).round() * 10.0)
    }

    #[test]
    fn a_map_that_is_refreshed_each_ten_seconds_is_ten_seconds_old() {
        let mut waits = Waits::new(&[0], false, 0);
        (0..60).for_each(|second| waits.due(&driving(second as u32 + 1, second * 1000)));
        for now_ms in (0..=70_000).step_by(200) {
            let refreshed_ms = now_ms / 10_000 * 10_000;
            waits.looked(0, refreshed_ms.min(59_000), now_ms * 1000);
            waits.settle(|_| true);
        }
        let percentiles = waits.finish(70_000_000, |_| true).percentiles();
        assert_eq!(percentiles.count, 60);
        assert!((4_000.0..5_000.0).contains(&percentiles.p50_ms), "{percentiles:?}");
        assert!((8_900.0..9_100.0).contains(&percentiles.p99_ms), "{percentiles:?}");
    }

    #[test]
    fn a_ping_that_is_passed_over_waits_for_the_newer_one() {
        let mut waits = waits(&[driving(1, 0), driving(2, 1_000), driving(3, 2_000)]);
        waits.looked(0, 1_000, 1_500_000);
        assert!(waits.is_waiting(|_| true));
        waits.looked(0, 2_000, 2_100_000);
        assert!(!waits.is_waiting(|_| true));
        assert_eq!(measured(&mut waits, 9_000), (3, 1_500.0));
    }

    #[test]
    fn what_is_never_seen_waits_until_the_end_unless_nothing_ever_was() {
        let mut seen = waits(&[driving(1, 0), driving(2, 1_000)]);
        seen.looked(0, 0, 100_000);
        assert_eq!(measured(&mut seen, 9_000), (2, 8_000.0));
        let mut unseen = waits(&[driving(1, 0), driving(2, 1_000)]);
        assert!(!unseen.is_waiting(|_| true));
        assert_eq!(measured(&mut unseen, 9_000).0, 0);
    }

    #[test]
    fn a_ping_counts_once_it_is_acknowledged() {
        let mut waits = waits(&[driving(1, 0), driving(2, 1_000)]);
        waits.looked(0, 1_000, 1_100_000);
        // Shown before its answer came; the other one was given up.
        waits.settle(|_| false);
        waits.settle(|ping| ping.seq == 2);
        let percentiles = waits.finish(9_000_000, |ping| ping.seq == 2).percentiles();
        assert_eq!((percentiles.count, percentiles.max_ms.round()), (1, 100.0));
    }

    #[test]
    fn what_comes_after_a_newer_one_waits_for_nothing() {
        let late = Delivery { send_ms: 5_000, ..driving(2, 1_000) };
        let mut waits = waits(&[driving(1, 0), driving(3, 2_000), late]);
        waits.looked(0, 2_000, 2_100_000);
        waits.looked(0, 2_000, 5_100_000);
        assert_eq!(measured(&mut waits, 9_000), (2, 2_100.0));
    }

    #[test]
    fn copies_strangers_and_the_warm_up_are_left_out() {
        let mut waits = Waits::new(&[0], false, 1);
        let copy = Delivery { what: What::Copy, ..driving(2, 1_000) };
        let mut other = driving(1, 1_000);
        other.ping.vehicle = 7;
        for delivery in [driving(1, 0), driving(2, 1_000), copy, other] {
            waits.due(&delivery);
        }
        waits.looked(7, 1_000, 1_100_000);
        waits.looked(0, 1_000, 1_100_000);
        assert_eq!(measured(&mut waits, 9_000), (1, 100.0));
    }

    #[test]
    fn what_looks_like_the_position_shown_waits_for_nothing() {
        let mut waits = Waits::new(&[0], true, 0);
        // It stands, drives on, and is back; the map shows the first of it.
        for (seq, north_m) in (1..).zip([0.0, 4.0, 6.0, 50.0, 1.0, 90.0]) {
            waits.due(&ping(seq, i64::from(seq) * 1_000, north_m));
        }
        waits.looked(0, 1_000, 1_100_000);
        waits.looked(0, 1_000, 4_100_000);
        assert!(waits.is_waiting(|ping| ping.seq == 3 || ping.seq == 4));
        assert!(!waits.is_waiting(|ping| ping.seq == 2));
        waits.looked(0, 1_000, 5_100_000);
        assert!(!waits.is_waiting(|ping| ping.seq < 6));
        // 1, 3, 4 and, never shown, 6.
        assert_eq!(measured(&mut waits, 9_000), (4, 3_000.0));

        let turned = |a, b| {
            let heading = |heading_deg| Ping { heading_deg, ..ping(1, 0, 0.0).ping };
            !looks_like(&heading(a), &heading(b))
        };
        assert!(turned(Some(355.0), Some(5.0)) && !turned(Some(355.0), Some(4.9)));
        assert!(!turned(Some(90.0), None));
    }

    #[test]
    fn an_alike_ping_that_is_written_after_all_is_what_is_shown() {
        let mut waits = Waits::new(&[0], true, 0);
        // It stands, and is written once more while it does: its state changed.
        (1..=20).for_each(|seq| waits.due(&ping(seq, i64::from(seq) * 1_000, 0.0)));
        for second in 1..=20 {
            let shown_ms = if second < 10 { 1_000 } else { 8_000 };
            waits.looked(0, shown_ms, second * 1_000_000 + 100_000);
            waits.settle(|_| true);
            assert!(!waits.is_waiting(|ping| i64::from(ping.seq) <= second), "{second}");
        }
        // The first alone was waited for; the others look like it.
        assert_eq!(measured(&mut waits, 60_000), (1, 100.0));
    }

    #[test]
    fn what_was_right_before_it_was_written_counts_once() {
        let mut waits = Waits::new(&[0], true, 0);
        // It drives on and is back; then the way out is written, and the way back.
        for (seq, north_m) in (1..).zip([0.0, 50.0, 1.0, 60.0]) {
            waits.due(&ping(seq, i64::from(seq) * 1_000, north_m));
        }
        for (shown_ms, now_ms) in [(1_000, 1_100), (1_000, 3_100), (2_000, 3_300), (4_000, 4_100)] {
            waits.looked(0, shown_ms, now_ms * 1_000);
            waits.settle(|_| true);
        }
        // 1, 2 and 4, each once.
        assert_eq!(measured(&mut waits, 60_000), (3, 1_100.0));
    }

    #[test]
    fn memory_is_bounded_and_what_gives_way_is_not_forgotten() {
        let mut waits = Waits::new(&[0], false, 0);
        (0..12_000).for_each(|seq| waits.due(&driving(seq + 1, i64::from(seq))));
        assert_eq!(waits.vehicles[&0].pings.len(), WAITING_MAX);
        waits.looked(0, 11_999, 12_000_000);
        let percentiles = waits.finish(12_000_000, |_| true).percentiles();
        assert_eq!(percentiles.count, 12_000);
        assert!(percentiles.p90_ms >= 3_600_000.0, "{percentiles:?}");
    }
}
