//! The convergence law (semantics §3): whatever the order of arrival within
//! the hot lateness, the fold is the batch run's.
//!
//! `ROBUST_WORLDS=25000 cargo test --release -p geofence --test robust convergence`
//! tries as many worlds, four orders each.

use geofence::OnSilence;
use protos::events::FleetEvent;

use super::fleet::{fold, kind, line};
use super::worlds::World;

/// Worlds tried where nothing else is asked for.
pub(crate) const WORLDS: u64 = 250;
const ORDERS: u64 = 4;

pub(crate) fn worlds() -> u64 {
    std::env::var("ROBUST_WORLDS").map_or(WORLDS, |n| n.parse().unwrap())
}

#[test]
fn any_arrival_order_folds_to_the_batch_run() {
    hold_the_law(OnSilence::Wait);
}

#[test]
fn what_silence_concluded_too_early_is_taken_back() {
    hold_the_law(OnSilence::Assume);
}

fn hold_the_law(on_silence: OnSilence) {
    let mut events = 0;
    let mut corrected = 0;
    for seed in 0..worlds() {
        let mut world = World::new(seed);
        world.settings.on_silence = on_silence;
        let batch = world.in_order();
        let wanted: Vec<_> = batch.fold().into_iter().filter(of_event_time).collect();
        events += wanted.len();
        for order in 0..ORDERS {
            let shard = world.out_of_order(seed * ORDERS + order);
            let found: Vec<_> = fold(&shard.log).into_iter().filter(of_event_time).collect();
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

/// Not one of §9's kinds, which the law excepts.
fn of_event_time(event: &FleetEvent) -> bool {
    !matches!(kind(event), "offline" | "online")
}
