//! Everything that is sent, in the order in which it is due, and the truth.
//!
//! Fixes come in order of time; dials may hold a ping back or send it twice, so
//! what is due later waits in a heap. It holds what is under way at one time
//! and no more: at most what the dials delay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use geofence::Position;

use crate::dials::{CODES, ClockFault};
use crate::fleet::{Fix, Fleet};
use crate::profile::World;
use crate::truth::Record;

/// A ping as its device reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ping {
    /// Number of the vehicle.
    pub vehicle: u32,
    /// Counts its fixes from 1.
    pub seq: u32,
    /// When it was taken, by the device's clock, milliseconds since the start.
    pub event_ms: i64,
    /// Where the device believes it is.
    pub position: Position,
    /// 68 % radius that it claims, metres; `None` if it claims none.
    pub accuracy_m: Option<f64>,
    /// Metres per second; `None` if it does not tell.
    pub speed_mps: Option<f32>,
    /// Degrees clockwise from north; `None` while it stands.
    pub heading_deg: Option<f32>,
    /// `None` if the device does not tell.
    pub engine_on: Option<bool>,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A ping, for the first time.
    Ping,
    /// A ping that was sent before, or is sent before a held back one.
    Copy,
    /// Bytes to be refused with this of [`CODES`].
    Malformed(usize),
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery {
    /// When it is due, milliseconds since the start.
    pub send_ms: i64,
    /// What it is.
    pub what: What,
    /// Its ping; for malformed bytes the one it is made from.
    pub ping: Ping,
}

/// How many of each a stream has given so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct pings.
    pub pings: u64,
    /// Pings sent a second time.
    pub copies: u64,
    /// Malformed messages, by the index of their code.
    pub malformed: [u64; CODES.len()],
    /// Pings of clocks hours ahead.
    pub future: u64,
    /// Pings of clocks 1024 weeks behind.
    pub rollover: u64,
}

/// What is sent, in the order in which it is due.
pub trait Deliveries {
    /// When the next message is due, milliseconds since the start, without taking
    /// it; `None` if there is none. The truth goes to `take` as with
    /// [`Self::next`].
    fn due_ms(&mut self, take: &mut dyn FnMut(Record)) -> Option<i64>;

    /// Blocks until a message that is due then may be taken; where nothing sets a
    /// pace, at any time.
    fn wait(&mut self, _due_ms: i64) {}

    /// The next message. What becomes known of the truth meanwhile goes to
    /// `take`; all of it once there are no more messages.
    fn next(&mut self, take: &mut dyn FnMut(Record)) -> Option<Delivery>;

    /// Ends here: what is due up to now still comes, and nothing after it. The
    /// truth of what was not to be seen any more is left out, as at the end.
    fn stop(&mut self, take: &mut dyn FnMut(Record));

    /// What was given so far.
    fn counts(&self) -> Counts;
}

/// See the module.
pub struct Stream<'w> {
    world: &'w World,
    fleet: Fleet<'w>,
    next_fix: Option<Fix>,
    held: BinaryHeap<Reverse<Held>>,
    order: u64,
    counts: Counts,
    started: bool,
}

/// Ordered by when it is due, then by when it was made.
#[derive(Clone, Copy, Debug)]
struct Held {
    order: u64,
    delivery: Delivery,
}

impl Held {
    fn key(&self) -> (i64, u64) {
        (self.delivery.send_ms, self.order)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<'w> Stream<'w> {
    /// From the start of the run on.
    #[must_use]
    pub fn new(world: &'w World) -> Self {
        let fleet =
            Fleet::new(&world.plan, &world.city, &world.fences, &world.expect, &world.curve);
        Self {
            world,
            fleet,
            next_fix: None,
            held: BinaryHeap::new(),
            order: 0,
            counts: Counts::default(),
            started: false,
        }
    }
}

impl Deliveries for Stream<'_> {
    fn counts(&self) -> Counts {
        self.counts.clone()
    }

    fn stop(&mut self, take: &mut dyn FnMut(Record)) {
        self.started = true;
        // The fix that waits is in the truth already.
        let Some(fix) = self.next_fix.take() else { return };
        self.deliver(&fix);
        self.held.retain(|held| held.0.delivery.send_ms <= fix.t_ms);
        self.fleet.cut(fix.t_ms);
        self.fleet.end(&mut |record| self.world.tell(record, take));
    }

    /// Times of the truth are by the clocks of the vehicles.
    fn due_ms(&mut self, take: &mut dyn FnMut(Record)) -> Option<i64> {
        if !self.started {
            self.started = true;
            self.advance(take);
        }
        while let Some(fix) = self.next_fix {
            if self.held.peek().is_some_and(|held| held.0.delivery.send_ms <= fix.t_ms) {
                break;
            }
            self.deliver(&fix);
            self.advance(take);
        }
        self.held.peek().map(|held| held.0.delivery.send_ms)
    }

    fn next(&mut self, take: &mut dyn FnMut(Record)) -> Option<Delivery> {
        self.due_ms(take)?;
        let delivery = self.held.pop()?.0.delivery;
        match delivery.what {
            What::Ping => self.counts.pings += 1,
            What::Copy => self.counts.copies += 1,
            What::Malformed(code) => self.counts.malformed[code] += 1,
        }
        if delivery.what == What::Ping {
            match self.world.clock_of(delivery.ping.vehicle) {
                ClockFault::Future => self.counts.future += 1,
                ClockFault::Rollover => self.counts.rollover += 1,
                ClockFault::Skewed(_) => {}
            }
        }
        Some(delivery)
    }
}

impl Stream<'_> {
    fn advance(&mut self, take: &mut dyn FnMut(Record)) {
        let world = self.world;
        let mut by_clock = |record: Record| world.tell(record, take);
        let had_fixes = self.next_fix.is_some();
        self.next_fix = self.fleet.next_fix(&mut by_clock);
        if self.next_fix.is_none() && (had_fixes || self.order == 0) {
            self.fleet.end(&mut by_clock);
        }
    }

    /// Puts what a fix gives among what is due.
    fn deliver(&mut self, fix: &Fix) {
        let profile = &self.world.profile;
        let seed = profile.seed;
        let key = (fix.vehicle, fix.seq, fix.t_ms);
        let (position, accuracy_m) =
            profile.noise.read(seed, key, fix.position, self.world.city.scale());
        let ping = Ping {
            vehicle: fix.vehicle,
            seq: fix.seq,
            event_ms: fix.t_ms + self.world.clock_of(fix.vehicle).offset_ms(),
            position,
            accuracy_m: Some(accuracy_m),
            speed_mps: Some(fix.speed_mps),
            heading_deg: fix.heading_deg,
            engine_on: fix.engine_on,
        };
        let (send_ms, copy_ms) = profile.transport.send_times(seed, fix.vehicle, fix.seq, fix.t_ms);
        self.hold(Delivery { send_ms, what: What::Ping, ping });
        if let Some(send_ms) = copy_ms {
            self.hold(Delivery { send_ms, what: What::Copy, ping });
        }
        if let Some(code) = profile.malformed.with(seed, fix.vehicle, fix.seq) {
            self.hold(Delivery { send_ms: fix.t_ms, what: What::Malformed(code), ping });
        }
    }

    fn hold(&mut self, delivery: Delivery) {
        self.order += 1;
        self.held.push(Reverse(Held { order: self.order, delivery }));
    }
}

impl World {
    /// How a vehicle's clock goes.
    #[must_use]
    pub fn clock_of(&self, vehicle: u32) -> ClockFault {
        self.profile.clocks.of(self.profile.seed, vehicle)
    }

    /// Tells what happened by the vehicle's clock, if that is usable.
    fn tell(&self, record: Record, take: &mut dyn FnMut(Record)) {
        let clock = self.clock_of(record.vehicle);
        if clock.is_usable() {
            take(record.shifted(clock.offset_ms()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn world(change: impl FnOnce(&mut Profile)) -> World {
        let mut profile = Profile::load("smoke").unwrap();
        change(&mut profile);
        profile.world(None).unwrap()
    }

    fn all(world: &World) -> (Vec<Delivery>, Vec<Record>, Counts) {
        let (mut deliveries, mut records) = (Vec::new(), Vec::new());
        let mut stream = Stream::new(world);
        while let Some(delivery) = stream.next(&mut |record| records.push(record)) {
            deliveries.push(delivery);
        }
        (deliveries, records, stream.counts())
    }

    #[test]
    fn without_dials_every_ping_is_due_when_it_is_taken() {
        let (deliveries, records, counts) = all(&world(|_| {}));
        assert_eq!(deliveries.len(), 2_000);
        assert_eq!(counts, Counts { pings: 2_000, ..Counts::default() });
        for delivery in &deliveries {
            assert_eq!(delivery.send_ms, delivery.ping.event_ms);
        }
        assert!(records.len() > 50);
    }

    #[test]
    fn a_stream_that_is_stopped_has_the_truth_of_what_it_gave() {
        let stopped_after = |count: usize| {
            let world = world(|_| {});
            let (mut deliveries, mut records) = (Vec::new(), Vec::new());
            let mut stream = Stream::new(&world);
            while let Some(delivery) = stream.next(&mut |record| records.push(record)) {
                deliveries.push(delivery);
                if deliveries.len() == count {
                    stream.stop(&mut |record| records.push(record));
                }
            }
            assert_eq!(stream.counts().pings, deliveries.len() as u64);
            (deliveries, records)
        };
        let (whole, truth, _) = all(&world(|_| {}));
        let (deliveries, records) = stopped_after(1_000);
        // The fix that was already looked at is sent too.
        assert_eq!(deliveries, whole[..1_001]);
        let end_ms = deliveries[1_000].send_ms;
        assert!(records.iter().all(|record| record.t_ms <= end_ms));
        let required = |records: &[Record]| -> Vec<Record> {
            let early = |record: &&Record| record.required && record.t_ms < end_ms - 3_000;
            records.iter().filter(early).copied().collect()
        };
        // Whatever was decided well before is what it would have been.
        let (expected, found) = (required(&truth), required(&records));
        assert!(found.len() > 20 && found.iter().all(|record| expected.contains(record)));
        assert_eq!(stopped_after(usize::MAX).1, truth);
    }

    #[test]
    fn with_every_dial_on_messages_are_in_order_and_all_accounted_for() {
        let hostile = Profile::load("hostile").unwrap();
        let world = world(|profile| {
            profile.transport = hostile.transport.clone();
            profile.noise = hostile.noise.clone();
            profile.malformed.share = 0.05;
            profile.clocks.future = 0.05;
            profile.clocks.rollover = 0.05;
            profile.clocks.skewed = 0.2;
            profile.clocks.skew_s = 5;
        });
        let (deliveries, records, counts) = all(&world);
        assert!(deliveries.windows(2).all(|pair| pair[0].send_ms <= pair[1].send_ms));
        let of = |what: fn(&What) -> bool| {
            deliveries.iter().filter(|delivery| what(&delivery.what)).count() as u64
        };
        assert_eq!(counts.pings, 2_000);
        assert_eq!(counts.pings, of(|what| *what == What::Ping));
        assert_eq!(counts.copies, of(|what| *what == What::Copy));
        assert_eq!(counts.malformed.iter().sum::<u64>(), of(|w| matches!(w, What::Malformed(_))));
        assert!(counts.copies > 10 && counts.future > 0 && counts.rollover > 0);
        assert!(records.iter().all(|record| world.clock_of(record.vehicle).is_usable()));
    }
}
