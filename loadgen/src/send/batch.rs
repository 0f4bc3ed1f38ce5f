//! From the stream to batches for each lane.

use std::ops::ControlFlow;

use crate::content::{Content, print_of_bytes};
use crate::stream::{Counts, Deliveries, Delivery, What};
use crate::truth::Record;
use crate::wire::Encoder;

/// A batch is closed when its first message is this much older than what comes
/// next, milliseconds.
const GATHER_MS: i64 = 20;
/// Messages of a batch: a request may have 1,000.
pub const MESSAGES_MAX: usize = 500;
/// Bytes of a batch, but for a single larger message.
const BYTES_MAX: usize = 256 * 1024;

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where its bytes begin in the batch.
    pub start: u32,
    /// Where they end.
    pub end: u32,
    /// When it is due, milliseconds since the start.
    pub due_ms: i64,
    /// Whose it is.
    pub vehicle: u32,
    /// Which of its fixes.
    pub seq: u32,
    /// What it is.
    pub what: What,
    /// Of the content of its ping, or of its bytes if it is none.
    pub print: u32,
}

/// Messages of one lane, in the order in which they are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages as a `VehiclePingBatch`: what is sent is encoded once, and
    /// batches one after another are a batch again.
    pub bytes: Vec<u8>,
    /// The messages.
    pub items: Vec<Item>,
}

impl Batch {
    /// When all of it is due.
    #[must_use]
    pub fn due_ms(&self) -> i64 {
        self.items.last().map_or(0, |item| item.due_ms)
    }

    /// When a batch of these messages is to go out: as soon as the last of them
    /// is due, unless the first has waited for as long as batches gather.
    #[must_use]
    pub fn goes_ms(items: &[Item]) -> i64 {
        let first = items.first().map_or(0, |item| item.due_ms);
        items.last().map_or(0, |item| item.due_ms.min(first + GATHER_MS))
    }

    /// Adds a batch that comes after this one.
    pub fn append(&mut self, next: &Self) {
        let before = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&next.bytes);
        let moved =
            |item: &Item| Item { start: item.start + before, end: item.end + before, ..*item };
        self.items.extend(next.items.iter().map(moved));
    }

    fn push(&mut self, delivery: &Delivery, encoder: &mut Encoder) {
        let start = encoder.batched(delivery, &mut self.bytes);
        let print = match delivery.what {
            What::Ping | What::Copy => Content::of(&delivery.ping).print(),
            What::Malformed(_) => print_of_bytes(&self.bytes[start..]),
        };
        self.items.push(Item {
            start: start as u32,
            end: self.bytes.len() as u32,
            due_ms: delivery.send_ms,
            vehicle: delivery.ping.vehicle,
            seq: delivery.ping.seq,
            what: delivery.what,
            print,
        });
    }

    fn is_full(&self, now_ms: i64) -> bool {
        let Some(first) = self.items.first() else { return false };
        now_ms - first.due_ms >= GATHER_MS
            || self.items.len() >= MESSAGES_MAX
            || self.bytes.len() >= BYTES_MAX
    }
}

/// Where batches go: each lane keeps their order, and a vehicle keeps to one
/// lane.
pub trait Lanes {
    /// How many there are, at least 1.
    fn count(&self) -> usize;

    /// Hands a batch over; waits while the lane is full. Breaks if nobody takes
    /// batches any more.
    fn send(&mut self, lane: usize, batch: Batch) -> ControlFlow<()>;
}

/// Runs a stream to its end, or until nobody takes its batches. The truth goes
/// to `take`, each delivery to `seen`. Returns what was sent.
pub fn produce(
    mut stream: impl Deliveries,
    mut encoder: Encoder,
    lanes: &mut impl Lanes,
    take: &mut dyn FnMut(Record),
    seen: &mut dyn FnMut(&Delivery),
) -> Counts {
    let mut open = vec![Batch::default(); lanes.count()];
    let mut checked_ms = 0;
    while let Some(next_ms) = stream.due_ms(take) {
        // A lane that gets nothing new must not hold back what it has, nor keep
        // it while the next message is waited for.
        if next_ms > checked_ms {
            checked_ms = next_ms;
            for (lane, batch) in open.iter_mut().enumerate() {
                if batch.is_full(next_ms) && lanes.send(lane, std::mem::take(batch)).is_break() {
                    return stream.counts();
                }
            }
            stream.wait(next_ms);
        }
        let Some(delivery) = stream.next(take) else { break };
        seen(&delivery);
        let lane = delivery.ping.vehicle as usize % open.len();
        open[lane].push(&delivery, &mut encoder);
        if open[lane].is_full(delivery.send_ms)
            && lanes.send(lane, std::mem::take(&mut open[lane])).is_break()
        {
            return stream.counts();
        }
    }
    for (lane, batch) in open.into_iter().enumerate() {
        if !batch.items.is_empty() && lanes.send(lane, batch).is_break() {
            break;
        }
    }
    stream.counts()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use protos::telemetry::{VehiclePing, VehiclePingBatch};

    use super::*;
    use crate::profile::Profile;
    use crate::stream::Stream;

    struct Kept(Vec<Vec<Batch>>);

    impl Lanes for Kept {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn send(&mut self, lane: usize, batch: Batch) -> ControlFlow<()> {
            self.0[lane].push(batch);
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn a_batch_that_waits_is_late_by_its_first_message() {
        let due = |due_ms| Item {
            start: 0,
            end: 0,
            due_ms,
            vehicle: 0,
            seq: 1,
            what: What::Ping,
            print: 0,
        };
        assert_eq!(Batch::goes_ms(&[]), 0);
        assert_eq!(Batch::goes_ms(&[due(100)]), 100);
        assert_eq!(Batch::goes_ms(&[due(100), due(110)]), 110, "it gathers");
        assert_eq!(Batch::goes_ms(&[due(100), due(5_000)]), 100 + GATHER_MS);
    }

    #[test]
    fn every_message_is_in_one_batch_of_its_vehicles_lane_in_order() {
        let world = Profile::load("smoke").unwrap().world(None).unwrap();
        let mut lanes = Kept(vec![Vec::new(); 3]);
        let counts =
            produce(Stream::new(&world), Encoder::new(0, ""), &mut lanes, &mut |_| {}, &mut |_| {});
        assert_eq!(counts.pings, 2_000);
        let mut messages = 0;
        for (lane, batches) in lanes.0.iter().enumerate() {
            let items: Vec<Item> = batches.iter().flat_map(|b| b.items.iter().copied()).collect();
            assert!(items.windows(2).all(|pair| pair[0].due_ms <= pair[1].due_ms));
            assert!(items.iter().all(|item| item.vehicle as usize % 3 == lane));
            messages += items.len();
            for batch in batches {
                assert!(batch.due_ms() - batch.items[0].due_ms <= GATHER_MS);
                let whole = VehiclePingBatch::decode(batch.bytes.as_slice()).unwrap();
                for (item, ping) in batch.items.iter().zip(whole.pings) {
                    let bytes = &batch.bytes[item.start as usize..item.end as usize];
                    assert_eq!(VehiclePing::decode(bytes).unwrap(), ping);
                }
            }
            let mut joined = Batch::default();
            batches.iter().for_each(|batch| joined.append(batch));
            let whole = VehiclePingBatch::decode(joined.bytes.as_slice()).unwrap();
            assert_eq!(whole.pings.len(), items.len());
            let last = joined.items.last().unwrap();
            let last = &joined.bytes[last.start as usize..last.end as usize];
            assert_eq!(VehiclePing::decode(last).unwrap(), *whole.pings.last().unwrap());
        }
        assert_eq!(messages, 2_000);
    }
}
