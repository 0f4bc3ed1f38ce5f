use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Identity;
use crate::decided::Body;
use crate::machine::{Scratch, Visit};
use crate::world::World;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A fix of this time comes, in so many copies.
    Comes(i64, u8),
    /// What came is judged up to this time.
    Judged(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    // Times grow, so that a fix often waits alone, and not always.
    let one = prop_oneof![
        3 => (-6_i64..4, 1_u8..3).prop_map(|(t, copies)| Move::Comes(t, copies)),
        2 => (-4_i64..4).prop_map(Move::Judged),
    ];
    let grown = |(at, one): (usize, Move)| match one {
        Move::Comes(t, copies) => Move::Comes(at as i64 + t, copies),
        Move::Judged(through) => Move::Judged(at as i64 + through),
    };
    proptest::collection::vec(one, 1..40)
        .prop_map(move |moves| moves.into_iter().enumerate().map(grown).collect())
}

fn fix(t: i64) -> Fix {
    Fix {
        identity: Identity(t.unsigned_abs().into()),
        t: TimeMs(t),
        received: TimeMs(t),
        seq: 0,
        position: Position { lat: 0, lon: 0 },
        accuracy: None.into(),
        speed_mps: None.into(),
        engine: None,
    }
}

/// A million vehicles have a million of each: whoever adds to one is to know.
#[test]
fn what_every_vehicle_has_is_of_this_size() {
    assert_eq!(size_of::<Option<Vehicle>>(), 392);
    assert_eq!(size_of::<Machine>(), 104);
    assert_eq!(size_of::<Visit>(), 144);
    assert_eq!((size_of::<Decided>(), size_of::<Body>()), (32, 176));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// How a fix that waits alone is found, without a look into the window, must
    /// not show.
    #[test]
    fn every_fix_that_has_come_is_judged_in_its_turn(moves in moves()) {
        let world = World::new(Settings::default());
        let rules = world.rules(TimeMs::MIN);
        let mut scratch = Scratch::default();
        let liveness = Liveness::new(TimeMs(0), Identity(0), TimeMs(0));
        let mut vehicle = Vehicle::new("v".into(), 0, liveness);
        let (mut come, mut judged) = (BTreeSet::new(), i64::MIN);
        for one in moves {
            match one {
                Move::Comes(t, copies) => {
                    let late = t <= judged && !come.contains(&t);
                    for _ in 0..copies {
                        vehicle.insert(&fix(t), TimeMs::MIN, &mut scratch.spares.chunks);
                    }
                    come.insert(t);
                    prop_assert!(!late || vehicle.is_stale());
                }
                Move::Judged(through) => {
                    let last = come.range(..=through.max(judged)).next_back().copied();
                    let is_due = vehicle.is_stale() || last.is_some_and(|last| last > judged);
                    prop_assert!(vehicle.has_due(rules, TimeMs(through)) || !is_due);
                    if let Some(last) = last {
                        vehicle.judge(rules, TimeMs(through), &mut scratch);
                        judged = last;
                        prop_assert_eq!(vehicle.machine.last.map(|last| last.t), Some(TimeMs(last)));
                        prop_assert_eq!(vehicle.judged, TimeMs(last));
                        let from = vehicle.checkpoints.all().last().map(|it| it.at.plus(1));
                        let since = come.range(from.unwrap_or(TimeMs::MIN).0..=judged).count() as u32;
                        prop_assert_eq!(vehicle.since_checkpoint, since, "passed over");
                        prop_assert!(!vehicle.is_stale());
                    }
                }
            }
        }
    }
}
