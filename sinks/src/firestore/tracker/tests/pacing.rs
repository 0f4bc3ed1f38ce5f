//! When positions go out.

use super::*;

#[test]
fn the_first_position_goes_out_at_once_and_the_next_after_the_interval() {
    let mut world = World::new(Layout::Document, 3000);
    world.offer(at(0.0, 1));
    world.run_until(100);
    world.offer(at(100.0, 2));
    world.run_until(10_000);
    assert_eq!(world.times(), [0, 3000]);
    assert_eq!(world.shown("v"), Some(&at(100.0, 2)));
}

#[test]
fn after_a_rest_a_position_goes_out_at_once() {
    let mut world = World::new(Layout::Document, 3000);
    world.offer(at(0.0, 1));
    world.run_until(20_000);
    world.offer(at(100.0, 2));
    world.settle();
    assert_eq!(world.times(), [0, 20_000]);
}

#[test]
fn v42_twenty_pings_a_second_are_one_write_a_second_and_the_last_is_shown() {
    let mut world = World::plain();
    for n in 0..200 {
        world.run_until(n * 50);
        world.offer(at(n as f64 * 20.0, n + 1));
    }
    let last_ping = world.now_ms;
    world.run_until(60_000);
    let times = world.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{times:?}");
    assert_eq!(times.len(), 11);
    assert!(times[10] - last_ping <= 1000);
    assert_eq!(world.shown("v"), Some(&at(199.0 * 20.0, 200)));
    let counts = world.tracker.counts();
    assert_eq!((counts.written, counts.written + counts.conflated), (11, 200));
}

#[test]
fn a_move_waits_for_the_position_that_is_about_to_come() {
    let mut world = World::with_patience(Layout::Document, 3000, 5000);
    for n in 0..10 {
        world.run_until(n * 1640);
        world.offer(at(n as f64 * 20.0, n + 1));
        world.settle();
    }
    // Each second one, as soon as it came: nothing old is ever written.
    assert_eq!(world.times(), [0, 3280, 6560, 9840, 13_120]);
    let written = world.writes.iter().map(|(.., positions)| positions[0].seq);
    assert_eq!(written.collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
}

#[test]
fn a_position_that_does_not_come_is_not_waited_for_long() {
    let mut world = World::with_patience(Layout::Document, 3000, 5000);
    for (ms, seq) in [(0, 1), (1640, 2)] {
        world.run_until(ms);
        world.offer(at(seq as f64 * 20.0, seq));
    }
    world.run_until(20_000);
    // Half as late again as it was due.
    assert_eq!(world.times(), [0, 1640 + 1640 + 820]);
}

#[test]
fn a_fresh_position_does_not_wait_for_a_later_one() {
    let mut world = World::with_patience(Layout::Document, 3000, 5000);
    for (ms, seq) in [(0, 1), (1400, 2), (2800, 3)] {
        world.run_until(ms);
        world.offer(at(seq as f64 * 20.0, seq));
    }
    world.run_until(20_000);
    assert_eq!(world.times(), [0, 3000]);
}

#[test]
fn a_small_move_waits_for_the_heartbeat() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    for seconds in 1..=130 {
        world.run_until(seconds * 1000);
        world.offer(at((seconds % 5) as f64, seconds + 1));
    }
    world.settle();
    assert_eq!(world.times(), [0, 60_000, 120_000]);
    assert!(world.tracker.counts().skipped > 100);
    // And goes out even if nothing follows.
    world.run_until(1_000_000);
    assert_eq!(world.times(), [0, 60_000, 120_000, 180_000]);
    assert_eq!(world.shown("v"), Some(&at(0.0, 131)));
}

#[test]
fn small_moves_add_up() {
    let mut world = World::plain();
    for n in 0..20 {
        world.run_until(n * 1000);
        world.offer(at(n as f64 * 2.0, n + 1));
    }
    world.settle();
    // Each third step is more than 5 m from what is shown.
    assert_eq!(world.times(), [0, 3000, 6000, 9000, 12_000, 15_000, 18_000]);
}

#[test]
fn status_and_fences_do_not_wait_for_the_interval() {
    let mut world = World::new(Layout::Document, 30_000);
    world.offer(at(0.0, 1));
    world.run_until(200);
    world.offer(idle(at(0.0, 2)));
    world.run_until(5000);
    // Never sooner than a second after the last write, though.
    assert_eq!(world.times(), [0, 1000]);
    world.offer(LivePosition { fences: ["depot"].into_iter().collect(), ..idle(at(0.0, 3)) });
    world.run_until(100_000);
    assert_eq!(world.times(), [0, 1000, 5000]);
}

#[test]
fn a_change_of_status_takes_a_waiting_move_along() {
    let mut world = World::new(Layout::Document, 30_000);
    world.offer(at(0.0, 1));
    world.run_until(2000);
    world.offer(at(50.0, 2));
    world.run_until(3000);
    world.offer(idle(at(51.0, 3)));
    world.run_until(100_000);
    assert_eq!(world.times(), [0, 3000]);
}

#[test]
fn an_older_segment_never_takes_the_place_of_a_newer() {
    let mut world = World::plain();
    world.offer(at(100.0, 9));
    world.offer(at(0.0, 8));
    world.run_until(10_000);
    assert_eq!(world.shown("v"), Some(&at(100.0, 9)));
}

#[test]
fn what_comes_while_a_write_is_under_way_follows_it() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    world.settle();
    world.run_until(5000);
    world.offer(at(100.0, 2));
    let mut due = world.tracker.take(world.now(), ROOM);
    let slow = due.writes.pop().unwrap();
    world.run_until(7500);
    world.offer(at(200.0, 3));
    world.run_until(8000);
    assert_eq!(world.tracker.next_due(), None, "never two writes of one document");
    assert_eq!(world.tracker.through(), 1);
    let written = world.write(&slow);
    world.tracker.written(slow, written, world.now());
    assert_eq!(world.tracker.through(), 2);
    assert_eq!(world.tracker.visible_since(), Some(world.start + Duration::from_millis(7500)));
    world.run_until(20_000);
    assert_eq!(world.shown("v"), Some(&at(200.0, 3)));
}

#[test]
fn a_failed_write_is_made_again_with_the_newest() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    world.settle();
    world.run_until(5000);
    world.offer(at(100.0, 2));
    let failed = world.tracker.take(world.now(), ROOM).writes.pop().unwrap();
    world.offer(at(200.0, 3));
    let pause = Duration::from_millis(700);
    world.tracker.written(failed, Written::Again(Some(pause)), world.now());
    assert_eq!((world.tracker.through(), world.tracker.failures("v")), (1, 1));
    assert_eq!(world.tracker.visible_since(), Some(world.now()));
    world.run_until(20_000);
    assert_eq!(world.times(), [0, 5700]);
    assert_eq!(world.shown("v"), Some(&at(200.0, 3)));
    assert_eq!((world.tracker.through(), world.tracker.failures("v")), (3, 0));
}

#[test]
fn what_is_refused_for_good_is_left_alone_for_a_minute() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    let reads = world.tracker.take(world.now(), ROOM).reads;
    world.tracker.read(&reads[0], Read::Missing, world.now());
    let poison = world.tracker.take(world.now(), ROOM).writes.pop().unwrap();
    world.tracker.written(poison, Written::Never, world.now());
    assert_eq!((world.tracker.counts().failed, world.tracker.through()), (1, 1));
    assert_eq!(world.tracker.unwritten(), 0);
    world.run_until(5000);
    world.offer(at(100.0, 2));
    world.run_until(200_000);
    assert_eq!(world.times(), [60_000]);
}

#[test]
fn what_can_never_be_read_is_left_alone_too() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    let id = world.tracker.take(world.now(), ROOM).reads.pop().unwrap();
    world.tracker.read(&id, Read::Never, world.now());
    assert_eq!((world.tracker.counts().failed, world.tracker.through()), (1, 1));
    assert_eq!(world.tracker.unwritten(), 0);
    world.run_until(59_000);
    world.offer(at(100.0, 2));
    world.run_until(59_999);
    assert_eq!((world.reads, world.times()), (0, vec![]));
    world.run_until(60_000);
    assert_eq!((world.reads, world.times()), (1, vec![60_000]));
}

#[test]
fn the_longest_waiting_go_first_and_the_rest_keep_their_turn() {
    let mut world = World::plain();
    let offer = |world: &mut World, n: u64| {
        world.offer(live_position(&format!("v{n}"), 1.0, 2.0, n + 1));
    };
    for n in 0..10 {
        world.now_ms = n * 10;
        offer(&mut world, n);
    }
    let reads = world.tracker.take(world.now(), Room { reads: 4, ..ROOM }).reads;
    let ids: Vec<&str> = reads.iter().map(|id| &**id).collect();
    assert_eq!(ids, ["v0", "v1", "v2", "v3"]);
    assert_eq!((world.tracker.through(), world.tracker.unwritten()), (0, 10));
    for id in &reads {
        world.tracker.read(id, Read::Missing, world.now());
    }
    let few = world.tracker.take(world.now(), Room { writes: 3, ..ROOM }).writes;
    assert_eq!(few.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["v0", "v1", "v2"]);
    let tight = Room { bytes: 1, ..ROOM };
    let one = world.tracker.take(world.now(), tight);
    assert_eq!(one.writes.len(), 1, "one document goes out however long it is");
}

#[test]
fn closing_does_not_wait_for_intervals_or_heartbeats() {
    let mut world = World::new(Layout::Document, 30_000);
    world.offer(at(0.0, 1));
    world.settle();
    world.run_until(300);
    world.offer(at(100.0, 2));
    world.offer(live_position("w", 1.0, 2.0, 2));
    world.run_until(2000);
    world.offer(live_position("w", 1.0, 2.000_01, 3));
    assert_eq!(world.times(), [0, 300]);
    world.tracker.close();
    world.run_until(3000);
    assert_eq!(world.tracker.unwritten(), 0);
    assert_eq!(world.shown("v"), Some(&at(100.0, 2)));
    assert_eq!(world.shown("w").unwrap().seq, 3);
    assert_eq!(world.tracker.through(), 3);
}

#[test]
fn an_idle_document_is_forgotten_and_read_again() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    world.run_until(3_599_000);
    assert_eq!((world.tracker.documents(), world.reads), (1, 1));
    world.run_until(3_700_000);
    assert_eq!(world.tracker.documents(), 0);
    world.offer(at(100.0, 2));
    world.settle();
    assert_eq!((world.tracker.documents(), world.reads), (1, 2));
    assert_eq!(world.shown("v"), Some(&at(100.0, 2)));
}

#[test]
fn a_packed_document_is_written_for_all_its_vehicles_at_once() {
    let mut world = World::new(Layout::Packed { documents: 2 }, 3000);
    for round in 0..10_u64 {
        for vehicle in 0..50 {
            world.run_until(round * 3000 + vehicle * 60);
            let lat = 1.0 + round as f64 * 0.01;
            world.offer(live_position(&format!("v{vehicle}"), lat, 2.0, round * 50 + vehicle + 1));
        }
    }
    world.run_until(60_000);
    let mut times_by_document: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (at, id, _) in &world.writes {
        times_by_document.entry(id).or_default().push(*at);
    }
    assert_eq!(times_by_document.len(), 2);
    for times in times_by_document.values() {
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 3000), "{times:?}");
        assert!(times.len() <= 12, "{times:?}");
    }
    for vehicle in 0..50 {
        assert_eq!(world.shown(&format!("v{vehicle}")).unwrap().seq, 451 + vehicle);
    }
    assert_eq!(world.tracker.through(), 500);
}

#[test]
fn a_packed_document_takes_small_moves_along() {
    let mut world = World::new(Layout::Packed { documents: 1 }, 1000);
    world.offer(live_position("a", 1.0, 2.0, 1));
    world.offer(live_position("b", 1.0, 2.0, 1));
    world.run_until(5000);
    world.offer(live_position("b", 1.0, 2.000_01, 2));
    world.run_until(6000);
    assert_eq!(world.times(), [0]);
    world.offer(live_position("a", 1.1, 2.0, 3));
    world.settle();
    assert_eq!(world.times(), [0, 6000]);
    assert_eq!(world.shown("b").unwrap().seq, 2);
}

#[test]
fn a_hundred_thousand_vehicles_wait_for_as_long_as_it_takes_and_take_no_more_room() {
    let mut world = World::plain();
    let vehicles = 100_000_u64;
    for round in 1..=3 {
        for vehicle in 0..vehicles {
            let lat = 1.0 + round as f64;
            world.offer(live_position(&format!("v{vehicle}"), lat, 2.0, round));
        }
        world.now_ms += 1000;
    }
    assert_eq!((world.tracker.documents(), world.tracker.unwritten()), (100_000, 100_000));
    assert_eq!(world.tracker.counts().conflated, 2 * vehicles);
    assert_eq!(world.tracker.visible_since(), Some(world.start));
    world.settle();
    assert_eq!((world.writes.len() as u64, world.tracker.through()), (vehicles, 3));
    assert!(world.writes.iter().all(|(.., positions)| positions[0].seq == 3));
}
