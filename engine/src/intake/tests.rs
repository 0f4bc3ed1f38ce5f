use std::pin::pin;

use futures::FutureExt;
use geofence::{Identity, Position};
use proptest::prelude::*;
use protos::journal::Disposition;

use super::*;

fn ping(vehicle: &str, payload: usize) -> Entry {
    let ping = Ping {
        vehicle_id: vehicle.into(),
        event_time: TimeMs(0),
        receive_time: TimeMs(0),
        position: Position { lat: 0, lon: 0 },
        identity: Identity(0),
        seq: 0,
        accuracy_m: None,
        speed_mps: None,
        heading_deg: None,
        ignition: None,
        engine_rpm: None,
    };
    Entry::Ping {
        ping,
        payload: vec![0; payload].into(),
        message_id: String::new(),
        dropped: Default::default(),
    }
}

fn reject(id: &str) -> Entry {
    Entry::Rejected(DeadLetter { source_message_id: id.into(), ..DeadLetter::default() })
}

fn pings(n: usize) -> Vec<Entry> {
    (0..n).map(|i| ping(&format!("v{i}"), 10)).collect()
}

/// A vehicle that `shard` owns.
fn vehicle_of(shard: u32, shards: u32) -> String {
    (0..).map(|i| format!("v{i}")).find(|id| shard_of(id, shards) == shard).unwrap()
}

fn limits(max_pings: usize) -> QueueLimits {
    QueueLimits { max_pings, max_bytes: 1 << 20 }
}

fn accept_all(delivery: Delivery) {
    let verdicts = vec![Verdict::Accepted(Disposition::OnTime); delivery.entries.len()];
    delivery.ack.resolve(verdicts);
}

#[tokio::test]
async fn verdicts_come_back_in_the_order_of_the_submission() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(3), limits(100));
    let mut entries = pings(20);
    entries.insert(7, reject("junk"));
    let pending = intake.try_submit(1, Some(TimeMs(5)), true, entries.clone()).unwrap();
    for queue in &mut queues {
        let delivery = queue.try_recv().expect("20 vehicles meet every shard");
        assert_eq!((delivery.source, delivery.low_mark), (1, Some(TimeMs(5))));
        assert!(delivery.low_mark_bounds_lateness);
        assert_eq!(delivery.bytes, delivery.entries.iter().map(Entry::bytes).sum::<usize>());
        let name = |entry: &Entry| match entry {
            Entry::Ping { ping, .. } => ping.vehicle_id.to_string(),
            Entry::Rejected(letter) => letter.source_message_id.clone(),
        };
        let verdict =
            |entry| Verdict::Rejected(Rejection { code: name(entry), message: "".into() });
        let verdicts = delivery.entries.iter().map(verdict).collect();
        delivery.ack.resolve(verdicts);
    }
    let names: Vec<String> = (pending.wait().await.unwrap().into_iter())
        .map(|verdict| match verdict {
            Verdict::Rejected(rejection) => rejection.code,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut expected: Vec<String> = (0..20).map(|i| format!("v{i}")).collect();
    expected.insert(7, "junk".into());
    assert_eq!(names, expected);
}

#[tokio::test]
async fn no_verdict_before_every_shard_has_answered() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(2), limits(100));
    let mut waiting = pin!(intake.try_submit(0, None, false, pings(10)).unwrap().wait());
    accept_all(queues[1].try_recv().unwrap());
    assert!(waiting.as_mut().now_or_never().is_none());
    accept_all(queues[0].try_recv().unwrap());
    assert_eq!(waiting.await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_delivery_dropped_unanswered_is_not_acknowledged() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(100));
    let pending = intake.try_submit(0, None, false, pings(3)).unwrap();
    drop(queues[0].try_recv().unwrap());
    assert_eq!(pending.wait().await, Err(NoVerdict { shard: 0 }));
}

#[test]
#[should_panic(expected = "one verdict for each entry")]
fn a_wrong_number_of_verdicts_stops_the_shard() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(100));
    let _pending = intake.try_submit(0, None, false, pings(3)).unwrap();
    queues[0].try_recv().unwrap().ack.resolve(vec![Verdict::Duplicate]);
}

#[test]
fn nobody_asks_once_the_pending_verdicts_are_dropped() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(100));
    let pending = intake.try_submit(0, None, false, pings(1)).unwrap();
    let delivery = queues[0].try_recv().unwrap();
    assert!(delivery.ack.is_wanted());
    drop(pending);
    assert!(!delivery.ack.is_wanted());
    assert!(!Ack::none().is_wanted());
    accept_all(delivery);
}

#[test]
fn full_in_pings_at_the_exact_number_and_until_the_room_is_dropped() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(10));
    let _first = intake.try_submit(0, None, false, pings(7)).unwrap();
    let full = |n| intake.try_submit(0, None, false, pings(n)).map(drop);
    assert_eq!(full(4), Err(IntakeError::Full { shard: 0 }));
    let _second = intake.try_submit(0, None, false, pings(3)).unwrap();
    assert_eq!(full(1), Err(IntakeError::Full { shard: 0 }));
    assert_eq!(intake.pings_held(), 10);

    // Received is not durable: the room stays taken.
    let delivery = queues[0].try_recv().unwrap();
    assert_eq!(full(1), Err(IntakeError::Full { shard: 0 }));
    drop(delivery);
    assert_eq!(full(7), Ok(()));
    assert_eq!(full(1), Err(IntakeError::Full { shard: 0 }));
}

#[test]
fn full_in_bytes_at_the_exact_number() {
    let bytes = ping("v", 100).bytes();
    let exact = QueueLimits { max_pings: 100, max_bytes: 3 * bytes };
    let (intake, queues) = Intake::new(OwnedShards::all(1), exact);
    let _two = intake.try_submit(0, None, false, vec![ping("v", 100); 2]).unwrap();
    let more = |payload| intake.try_submit(0, None, false, vec![ping("v", payload)]).map(drop);
    assert_eq!(more(101), Err(IntakeError::Full { shard: 0 }));
    assert_eq!(more(100), Ok(()));
    assert_eq!(intake.bytes_held(), 3 * bytes);
    drop(queues);
}

#[test]
fn what_can_never_fit_is_told_apart_from_what_does_not_fit_now() {
    let (intake, _queues) = Intake::new(OwnedShards::all(1), limits(10));
    let error = intake.try_submit(0, None, false, pings(11)).map(drop).unwrap_err();
    assert!(matches!(error, IntakeError::TooLarge { pings: 11, .. }), "{error}");
    assert_eq!(intake.pings_held(), 0);
}

#[test]
fn one_full_shard_refuses_the_whole_submission_and_keeps_no_room_elsewhere() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(2), limits(4));
    let (first, second) = (vehicle_of(0, 2), vehicle_of(1, 2));
    let _fill = intake.try_submit(0, None, false, vec![ping(&second, 0); 4]).unwrap();
    let both = vec![ping(&first, 0), ping(&second, 0)];
    let refused = intake.try_submit(0, None, false, both.clone()).map(drop);
    assert_eq!(refused, Err(IntakeError::Full { shard: 1 }));
    assert!(queues[0].try_recv().is_none());
    assert_eq!(intake.pings_held(), 4);
    drop(queues[1].try_recv());
    assert!(intake.try_submit(0, None, false, both).is_ok());
}

#[tokio::test]
async fn a_low_mark_that_has_moved_goes_to_every_shard() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(2), limits(10));
    let entry = || vec![ping(&vehicle_of(0, 2), 0)];
    let mark = |ms| Some(TimeMs(ms));
    for (source, low_mark, told) in [
        (0, None, None),
        (0, mark(5), mark(5)),
        (0, mark(5), None),
        (0, mark(4), None),
        (0, mark(6), mark(6)),
        (1, mark(1), mark(1)),
    ] {
        let pending = intake.try_submit(source, low_mark, true, entry()).unwrap();
        let first = queues[0].try_recv().expect("it has the ping");
        assert_eq!((first.entries.len(), first.low_mark), (1, low_mark));
        let second = queues[1].try_recv();
        assert!(second.as_ref().is_none_or(|delivery| delivery.entries.is_empty()));
        assert_eq!(second.and_then(|delivery| delivery.low_mark), told, "{source} {low_mark:?}");
        // The shard without a ping is not waited for.
        accept_all(first);
        assert_eq!(pending.wait().await.unwrap().len(), 1);
    }
    // What was refused has told nobody.
    let too_many = vec![ping(&vehicle_of(0, 2), 0); 11];
    let full = intake.try_submit(0, mark(9), true, too_many);
    assert!(full.is_err());
    drop(intake.try_submit(0, mark(9), true, entry()).unwrap());
    assert_eq!(queues[1].try_recv().and_then(|delivery| delivery.low_mark), mark(9));
}

#[tokio::test]
async fn the_owned_shards_have_queues_in_their_order_and_take_every_reject() {
    let (intake, mut queues) = Intake::new(OwnedShards::some(4, [3, 1]), limits(10));
    assert_eq!(queues.len(), 2);
    let rejects = (0..6).map(|n| reject(&format!("m{n}")));
    let pings = [3, 1].map(|shard| ping(&vehicle_of(shard, 4), 0));
    let pending = intake.try_submit(0, None, false, pings.into_iter().chain(rejects).collect());
    let mut taken = 0;
    for (queue, shard) in queues.iter_mut().zip([1, 3]) {
        let delivery = queue.try_recv().expect("each has a ping");
        let vehicles = delivery.entries.iter().filter_map(|entry| match entry {
            Entry::Ping { ping, .. } => Some(&*ping.vehicle_id),
            Entry::Rejected(_) => None,
        });
        assert_eq!(vehicles.collect::<Vec<_>>(), [vehicle_of(shard, 4)]);
        taken += delivery.entries.len();
        accept_all(delivery);
    }
    assert_eq!((taken, pending.unwrap().wait().await.unwrap().len()), (8, 8));
    let too_many = vec![ping(&vehicle_of(3, 4), 0); 11];
    let error = intake.try_submit(0, None, false, too_many).map(drop).unwrap_err();
    assert!(matches!(error, IntakeError::TooLarge { shard: 3, .. }), "by its number: {error}");
}

#[tokio::test]
async fn submit_waits_for_room_and_takes_none_when_given_up() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(10));
    let _held = intake.try_submit(0, None, false, pings(8)).unwrap();
    {
        let mut given_up = pin!(intake.submit(0, None, false, pings(5)));
        assert!(given_up.as_mut().now_or_never().is_none());
    }
    let mut waiting = pin!(intake.submit(0, None, false, pings(6)));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(queues[0].try_recv().unwrap());
    let _pending = waiting.now_or_never().expect("room for 10").unwrap();
    assert_eq!(intake.pings_held(), 6);
}

#[tokio::test]
async fn a_pause_refuses_or_delays_until_its_last_reason_is_withdrawn() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(10));
    intake.pause(PauseReason::CommitStuck);
    intake.pause(PauseReason::DiskNearlyFull);
    let refused = intake.try_submit(0, None, false, pings(1)).map(drop);
    assert_eq!(refused, Err(IntakeError::Paused(PauseReason::DiskNearlyFull)));
    let mut waiting = pin!(intake.submit(0, None, false, pings(1)));
    assert!(waiting.as_mut().now_or_never().is_none());
    intake.resume(PauseReason::DiskNearlyFull);
    assert_eq!(intake.paused(), Some(PauseReason::CommitStuck));
    assert!(waiting.as_mut().now_or_never().is_none());
    intake.resume(PauseReason::CommitStuck);
    assert!(waiting.now_or_never().expect("open").is_ok());
    assert!(queues[0].try_recv().is_some());
}

#[tokio::test]
async fn draining_is_for_good_and_wakes_whoever_waits() {
    let (intake, queues) = Intake::new(OwnedShards::all(1), limits(10));
    intake.pause(PauseReason::CommitStuck);
    let mut waiting = pin!(intake.submit(0, None, false, pings(1)));
    assert!(waiting.as_mut().now_or_never().is_none());
    intake.pause(PauseReason::Draining);
    intake.resume(PauseReason::Draining);
    let refused = waiting.await.map(drop);
    assert_eq!(refused, Err(IntakeError::Paused(PauseReason::Draining)));
    drop(queues);
}

#[tokio::test]
async fn a_closed_queue_hands_over_what_it_took_and_takes_no_more() {
    let (intake, mut queues) = Intake::new(OwnedShards::all(1), limits(10));
    let _pending = intake.try_submit(0, None, false, pings(10)).unwrap();
    let mut waiting = pin!(intake.submit(0, None, false, pings(1)));
    assert!(waiting.as_mut().now_or_never().is_none());
    queues[0].close();
    assert_eq!(waiting.await.map(drop), Err(IntakeError::Closed { shard: 0 }));
    drop(queues[0].recv().await.expect("taken before the close"));
    let refused = intake.try_submit(0, None, false, pings(1)).map(drop);
    assert_eq!(refused, Err(IntakeError::Closed { shard: 0 }));
    assert!(queues[0].recv().await.is_none());
    assert_eq!(intake.pings_held(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    TrySubmit(Vec<(u8, u8)>),
    GiveUpSubmit(Vec<(u8, u8)>),
    Commit(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let entries = || prop::collection::vec((any::<u8>(), any::<u8>()), 0..12);
    prop_oneof![
        3 => entries().prop_map(Step::TrySubmit),
        1 => entries().prop_map(Step::GiveUpSubmit),
        2 => any::<usize>().prop_map(Step::Commit),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

proptest! {
    /// Whatever is taken, refused, given up, committed or lost: the room in
    /// use is that of the deliveries in existence, a refused submission leaves
    /// no trace on any shard, and all room is back at the end.
    #[test]
    fn room_never_leaks(
        shards in 1_u32..5,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let limits = QueueLimits { max_pings: 16, max_bytes: 12_000 };
        let (intake, mut queues) = Intake::new(OwnedShards::all(shards), limits);
        let mut queued = 0;
        let entries = |list: Vec<(u8, u8)>| -> Vec<Entry> {
            list.into_iter().map(|(v, size)| ping(&format!("v{v}"), size.into())).collect()
        };
        let mut answers = Vec::new();
        for step in steps {
            let held = (intake.pings_held(), intake.bytes_held());
            match step {
                Step::TrySubmit(list) => {
                    let list = entries(list);
                    let bytes: usize = list.iter().map(Entry::bytes).sum();
                    let pings = list.len();
                    match intake.try_submit(0, None, false, list) {
                        Ok(pending) => {
                            answers.push((pending, pings));
                            queued += pings;
                            let now = (held.0 + pings, held.1 + bytes);
                            prop_assert_eq!((intake.pings_held(), intake.bytes_held()), now);
                        }
                        Err(_) => prop_assert_eq!((intake.pings_held(), intake.bytes_held()), held),
                    }
                }
                Step::GiveUpSubmit(list) => {
                    let pings = list.len();
                    match intake.submit(0, None, false, entries(list)).now_or_never() {
                        Some(Ok(pending)) => {
                            answers.push((pending, pings));
                            queued += pings;
                        }
                        _ => prop_assert_eq!((intake.pings_held(), intake.bytes_held()), held),
                    }
                }
                Step::Commit(shard) => if let Some(delivery) = queues[shard % shards as usize].try_recv() {
                    queued -= delivery.entries.len();
                    accept_all(delivery);
                },
                Step::Drop(shard) => if let Some(delivery) = queues[shard % shards as usize].try_recv() {
                    queued -= delivery.entries.len();
                },
            }
            prop_assert_eq!(intake.pings_held(), queued);
        }
        for queue in &mut queues {
            while let Some(delivery) = queue.try_recv() {
                accept_all(delivery);
            }
        }
        prop_assert_eq!((intake.pings_held(), intake.bytes_held()), (0, 0));
        for (pending, pings) in answers {
            let verdicts = pending.wait().now_or_never().expect("every shard answered or dropped");
            prop_assert!(verdicts.is_err() || verdicts.is_ok_and(|v| v.len() == pings));
        }
    }
}
