//! Any schedule of positions, failures and slow calls, against what semantics
//! §10 promises.

use proptest::prelude::*;

use super::*;
use crate::firestore::change::Change;
use crate::firestore::tracker::{FLOOR, HEARTBEAT};

/// A position that comes, this long after the one before.
#[derive(Clone, Debug)]
struct Ping {
    after_ms: u64,
    vehicle: u8,
    north_m: f64,
    status: Status,
}

/// What the store does with a write.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Made,
    MadeButNotTold,
    NotMade,
}

fn any_ping() -> impl Strategy<Value = Ping> {
    let after = prop_oneof![4 => 0..200_u64, 2 => 200..5000_u64, 1 => 5000..90_000_u64];
    let north = prop_oneof![3 => 0.0..4.0, 2 => 0.0..1000.0];
    let status = prop_oneof![5 => Just(Status::Moving), 1 => Just(Status::Idle)];
    (after, 0..4_u8, north, status).prop_map(|(after_ms, vehicle, north_m, status)| Ping {
        after_ms,
        vehicle,
        north_m,
        status,
    })
}

fn any_fate() -> impl Strategy<Value = (Fate, u64)> {
    let fate = prop_oneof![
        6 => Just(Fate::Made),
        1 => Just(Fate::MadeButNotTold),
        1 => Just(Fate::NotMade)
    ];
    (fate, prop_oneof![3 => 0..50_u64, 1 => 50..4000_u64])
}

fn position(ping: &Ping, seq: u64) -> LivePosition {
    let lat = 50.0 + ping.north_m / 111_132.0;
    LivePosition {
        status: ping.status,
        ..live_position(&format!("v{}", ping.vehicle), lat, 10.0, seq)
    }
}

/// Runs `pings` with a store that takes its time and sometimes fails; until
/// everything is told.
fn run(world: &mut World, pings: &[Ping], fates: &[(Fate, u64)]) {
    let mut fates = fates.iter().copied().cycle();
    let mut under_way: Vec<(u64, Write, Written)> = Vec::new();
    let mut pings = pings.iter();
    let mut next = pings.next();
    let mut next_at = next.map(|ping| ping.after_ms);
    let mut seq = 0;
    loop {
        let due = world.tracker.next_due().map(|at| world.ms(at).max(world.now_ms));
        let ends = under_way.iter().map(|(at, ..)| *at).min();
        // Idle documents fall due after an hour: nothing is left to tell.
        let over = next_at.is_none() && under_way.is_empty() && world.tracker.unwritten() == 0;
        let at = [due, ends, next_at].into_iter().flatten().min();
        let Some(at) = at.filter(|_| !over) else { return };
        world.now_ms = at;
        if let (Some(ping), Some(_)) = (next, next_at.filter(|it| *it == at)) {
            seq += 1;
            world.offer(position(ping, seq));
            next = pings.next();
            next_at = next.map(|ping| at + ping.after_ms);
        }
        let (ended, still): (Vec<_>, Vec<_>) = under_way.drain(..).partition(|it| it.0 <= at);
        under_way = still;
        for (_, write, written) in ended {
            world.tracker.written(write, written, world.now());
        }
        let Due { reads, writes } = world.tracker.take(world.now(), ROOM);
        for id in reads {
            let read = world.read(&id);
            world.tracker.read(&id, read, world.now());
        }
        for write in writes {
            let (fate, takes_ms) = fates.next().unwrap();
            let pause = Duration::from_millis(100);
            let written = match fate {
                Fate::Made => world.write(&write),
                Fate::MadeButNotTold => {
                    world.write(&write);
                    Written::Again(Some(pause))
                }
                Fate::NotMade => Written::Again(Some(pause)),
            };
            under_way.push((at + takes_ms, write, written));
        }
    }
}

/// Every vehicle's last position is the stored one, and the cursor says so.
fn everything_is_stored(world: &World, pings: &[Ping]) -> Result<(), TestCaseError> {
    for vehicle in 0..4 {
        let last = pings.iter().enumerate().rfind(|(_, ping)| ping.vehicle == vehicle);
        let last = last.map(|(index, ping)| position(ping, index as u64 + 1));
        prop_assert_eq!(world.shown(&format!("v{vehicle}")), last.as_ref());
    }
    prop_assert_eq!(world.tracker.through(), pings.len() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn v42_a_prompt_store_is_written_at_its_pace_and_told_everything_in_time(
        pings in proptest::collection::vec(any_ping(), 1..80),
        min_interval_ms in 1000..5000_u64,
        longer_ms in 0..4000_u64,
    ) {
        let max_delay_ms = min_interval_ms + longer_ms;
        let mut world = World::with_patience(Layout::Document, min_interval_ms, max_delay_ms);
        run(&mut world, &pings, &[(Fate::Made, 0)]);
        everything_is_stored(&world, &pings)?;

        let mut now_ms = 0;
        let mut offered: Vec<(u64, LivePosition)> = Vec::new();
        for (index, ping) in pings.iter().enumerate() {
            now_ms += ping.after_ms;
            offered.push((now_ms, position(ping, index as u64 + 1)));
        }
        for vehicle in 0..4 {
            let id = format!("v{vehicle}");
            let writes: Vec<(u64, &LivePosition)> = world
                .writes
                .iter()
                .filter(|(_, document, _)| *document == id)
                .map(|(at, _, positions)| (*at, &positions[0]))
                .collect();
            for pair in writes.windows(2) {
                let ((before, old), (at, new)) = (pair[0], pair[1]);
                prop_assert!(new.seq > old.seq, "the map never goes back");
                let gap = Duration::from_millis(at - before);
                prop_assert!(gap >= FLOOR);
                let told = offered
                    .iter()
                    .filter(|(_, it)| *it.vehicle_id == id && old.seq < it.seq && it.seq <= new.seq)
                    .any(|(_, it)| Change::between(old, it) == Change::Told);
                prop_assert!(told || gap.as_millis() >= u128::from(min_interval_ms));
            }
            // What somebody would see is shown, or something newer, in time.
            for (came, ping) in offered.iter().filter(|(_, it)| *it.vehicle_id == id) {
                let shown = writes.iter().rfind(|(at, _)| at <= came).map(|(_, it)| *it);
                let change = shown.map_or(Change::Moved, |shown| Change::between(shown, ping));
                let allowed_ms = match change {
                    Change::Told => 1000,
                    Change::Moved => min_interval_ms.max(max_delay_ms - 1000),
                    Change::Minor => HEARTBEAT.as_millis() as u64 + min_interval_ms,
                };
                let in_time = writes
                    .iter()
                    .any(|(at, it)| it.seq >= ping.seq && *at <= came + allowed_ms);
                prop_assert!(in_time, "{change:?} of seq {} came at {came}", ping.seq);
            }
        }
    }

    #[test]
    fn a_slow_and_failing_store_is_told_everything_in_the_end(
        pings in proptest::collection::vec(any_ping(), 1..80),
        fates in proptest::collection::vec(any_fate(), 1..20)
            .prop_filter("it works at times", |it| it.iter().any(|f| matches!(f.0, Fate::Made))),
        documents in 0..4_u32,
    ) {
        let layout = match documents {
            0 => Layout::Document,
            documents => Layout::Packed { documents },
        };
        let mut world = World::new(layout, 2000);
        run(&mut world, &pings, &fates);
        everything_is_stored(&world, &pings)?;
        let mut newest = BTreeMap::new();
        for position in world.writes.iter().flat_map(|(.., positions)| positions) {
            let before = newest.insert(position.vehicle_id.clone(), position.seq);
            prop_assert!(before <= Some(position.seq), "the map never goes back");
        }
        let counts = world.tracker.counts();
        prop_assert_eq!((counts.refused, counts.failed), (0, 0));
        prop_assert_eq!(world.tracker.visible_since(), None);
    }
}
