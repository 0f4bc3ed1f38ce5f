//! The convergence law (semantics §3): whatever the order of arrival within
//! the hot lateness, the fold is the batch run's.
//!
//! `ROBUST_WORLDS=20000 cargo test -p geofence --test robust convergence`
//! tries as many worlds, four orders each.

use super::fleet::{fold, line};
use super::worlds::World;

/// Worlds tried where nothing else is asked for.
pub(crate) const WORLDS: u64 = 250;
const ORDERS: u64 = 4;

pub(crate) fn worlds() -> u64 {
    std::env::var("ROBUST_WORLDS").map_or(WORLDS, |n| n.parse().unwrap())
}

#[test]
fn any_arrival_order_folds_to_the_batch_run() {
    let mut events = 0;
    let mut corrected = 0;
    for seed in 0..worlds() {
        let world = World::new(seed);
        let batch = world.in_order();
        let wanted = batch.fold();
        events += wanted.len();
        for order in 0..ORDERS {
            let shard = world.out_of_order(seed * ORDERS + order);
            let found = fold(&shard.log);
            corrected += shard.log.len() - found.len();
            if found != wanted {
                let missing: Vec<_> = wanted.iter().filter(|e| !found.contains(e)).collect();
                let surplus: Vec<_> = found.iter().filter(|e| !wanted.contains(e)).collect();
                let short = |events: &[&_]| events.iter().map(|e| line(e)).collect::<Vec<_>>();
                panic!(
                    "world {seed}, order {order}: missing {:#?}, surplus {:#?}",
                    short(&missing),
                    short(&surplus)
                );
            }
        }
    }
    // Worlds in which nothing happens prove nothing.
    assert!(events as u64 > 10 * worlds(), "{events} events");
    assert!(corrected as u64 > worlds(), "{corrected} corrections");
}
