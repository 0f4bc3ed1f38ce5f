//! Owners of a shard that do not know of each other.

use super::*;

/// Another worker writes what it has.
fn by_another(world: &mut World, position: LivePosition) {
    world.clock_of_store += 1;
    let at = Timestamp { seconds: world.clock_of_store, nanos: 0 };
    let id = Layout::Document.document_id(3, &position.vehicle_id);
    let document = world.stored.entry(id).or_default();
    document.0 = at;
    document.1.insert(position.vehicle_id.clone(), position);
}

#[test]
fn v41_a_stale_owners_write_is_refused() {
    let mut world = World::plain();
    world.offer(at(0.0, 10));
    world.settle();
    by_another(&mut world, at(500.0, 20));
    world.run_until(2000);
    world.offer(at(100.0, 11));
    world.run_until(10_000);
    assert_eq!(world.shown("v"), Some(&at(500.0, 20)));
    assert_eq!(world.tracker.counts().refused, 1);
    assert_eq!((world.tracker.unwritten(), world.tracker.through()), (0, 11));
    // Nor is anything that the stale owner has later, without asking again.
    let reads = world.reads;
    world.offer(at(200.0, 12));
    world.run_until(200_000);
    assert_eq!(world.shown("v"), Some(&at(500.0, 20)));
    assert_eq!((world.tracker.counts().refused, world.reads), (2, reads));
}

#[test]
fn a_write_of_an_earlier_segment_by_another_is_written_over() {
    let mut world = World::plain();
    world.offer(at(0.0, 10));
    world.settle();
    by_another(&mut world, at(500.0, 9));
    world.run_until(2000);
    world.offer(at(100.0, 11));
    world.settle();
    assert_eq!(world.shown("v"), Some(&at(100.0, 11)));
    assert_eq!(world.tracker.counts().refused, 0);
}

#[test]
fn in_a_collection_that_was_empty_only_what_is_there_after_all_is_read() {
    let mut world = World::plain();
    world.tracker.expect_none();
    for (vehicle, seq) in [("u", 10), ("v", 10), ("w", 10)] {
        world.offer(live_position(vehicle, 1.0, 2.0, seq));
    }
    by_another(&mut world, live_position("v", 1.1, 2.0, 9));
    by_another(&mut world, live_position("w", 1.1, 2.0, 11));
    world.run_until(10_000);
    assert_eq!(world.reads, 2);
    let seqs = ["u", "v", "w"].map(|vehicle| world.shown(vehicle).map(|it| it.seq));
    assert_eq!(seqs, [Some(10), Some(10), Some(11)]);
    let counts = world.tracker.counts();
    assert_eq!((counts.written, counts.refused, world.tracker.unwritten()), (2, 1, 0));
}

#[test]
fn a_restart_reads_before_it_writes() {
    let mut world = World::plain();
    by_another(&mut world, at(0.0, 10));
    by_another(&mut world, live_position("w", 1.0, 2.0, 10));
    by_another(&mut world, live_position("x", 1.0, 2.0, 12));
    // What is there already is not written again.
    world.offer(at(0.0, 10));
    world.offer(live_position("w", 1.1, 2.0, 11));
    world.offer(live_position("x", 1.1, 2.0, 11));
    world.settle();
    assert_eq!(world.reads, 3);
    let ids: Vec<&str> = world.writes.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids, ["w"]);
    assert_eq!(world.tracker.counts().refused, 1);
    assert_eq!((world.tracker.unwritten(), world.tracker.through()), (0, 11));
}

#[test]
fn a_document_that_was_deleted_is_made_again() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    world.settle();
    world.stored.clear();
    world.run_until(5000);
    world.offer(at(100.0, 2));
    world.settle();
    assert_eq!(world.shown("v"), Some(&at(100.0, 2)));
}

#[test]
fn a_write_that_was_made_without_our_knowing_is_found() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    world.settle();
    world.run_until(5000);
    world.offer(at(100.0, 2));
    let write = world.tracker.take(world.now(), ROOM).writes.pop().unwrap();
    world.write(&write);
    world.tracker.written(write, Written::Again(None), world.now());
    world.settle();
    assert_eq!(world.times(), [0, 5000], "it is not written twice");
    assert_eq!((world.tracker.unwritten(), world.tracker.through()), (0, 2));
    assert_eq!(world.tracker.counts().refused, 0);
}

#[test]
fn a_failed_read_is_made_again() {
    let mut world = World::plain();
    world.offer(at(0.0, 1));
    let id = world.tracker.take(world.now(), ROOM).reads.pop().unwrap();
    assert_eq!(world.tracker.next_due(), None);
    world.tracker.read(&id, Read::Again, world.now());
    world.settle();
    assert_eq!(world.shown("v"), Some(&at(0.0, 1)));
}

#[test]
fn of_a_packed_document_the_newer_vehicles_are_written() {
    let mut world = World::new(Layout::Packed { documents: 1 }, 1000);
    let ours = |lat, seq| ["a", "b"].map(|id| live_position(id, lat, 2.0, seq));
    ours(1.0, 10).into_iter().for_each(|position| world.offer(position));
    world.settle();
    // A later owner has moved `a` on.
    world.clock_of_store += 1;
    let clock = world.clock_of_store;
    let document = world.stored.get_mut("shard-0003-0000").unwrap();
    document.0 = Timestamp { seconds: clock, nanos: 0 };
    document.1.insert("a".into(), live_position("a", 9.0, 2.0, 20));
    world.run_until(5000);
    ours(2.0, 11).into_iter().for_each(|position| world.offer(position));
    world.settle();
    assert_eq!(world.shown("a"), Some(&live_position("a", 9.0, 2.0, 20)));
    assert_eq!(world.shown("b"), Some(&live_position("b", 2.0, 2.0, 11)));
    assert_eq!(world.tracker.counts().refused, 1);
}
