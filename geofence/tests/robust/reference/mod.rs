//! The robust profile as slowly and plainly as it can be said: sort, set
//! aside what is not believed, then tell each fence's story on its own by
//! looking ahead. No index, no increments, no state carried along. Geometry is
//! asked of [`Shape`], which has references of its own.

mod events;
mod story;
mod versions;

use std::collections::BTreeSet;

use geofence::{Ping, Plane};
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id};

use super::fleet::fold;
use super::worlds::World;
use story::Story;
use versions::versions;

/// Every geofence event of a world but for its ids, in any order.
fn told(world: &World) -> Vec<FleetEvent> {
    let mut sets = vec![(i64::MIN, world.fences.clone())];
    sets.extend(world.changes.iter().cloned());
    let ids: BTreeSet<&str> =
        sets.iter().flat_map(|(_, fences)| fences).map(|fence| fence.id.as_str()).collect();
    let mut events = vec![];
    for pings in &world.pings {
        let accepted = accepted(pings);
        for id in &ids {
            let vehicle = &pings[0].vehicle_id;
            let versions =
                versions(id, &sets, vehicle, &world.tags, pings[0].event_time.0, world.end_ms);
            let story = Story::new(&world.settings, &versions, &accepted, world.end_ms);
            events.extend(story.tell());
        }
    }
    events
}

/// The pings that later rules see.
fn accepted(pings: &[Ping]) -> Vec<&Ping> {
    let believed: Vec<&Ping> = pings.iter().filter(|ping| accuracy(ping) <= 200.0).collect();
    let possible = |a: &Ping, b: &Ping| {
        let slack = accuracy(a) + accuracy(b);
        (distance(a, b) - slack) / gap_s(a, b) <= 70.0
    };
    let mut accepted: Vec<&Ping> = vec![];
    for (i, ping) in believed.iter().enumerate() {
        let borne_out = || believed.get(i + 1).is_some_and(|next| possible(ping, next));
        if accepted.last().is_none_or(|last| possible(last, ping)) || borne_out() {
            accepted.push(ping);
        }
    }
    accepted
}

fn accuracy(ping: &Ping) -> f64 {
    ping.accuracy_m.unwrap_or(10.0)
}

fn distance(a: &Ping, b: &Ping) -> f64 {
    Plane::at(b.position).distance_m(a.position)
}

fn gap_s(a: &Ping, b: &Ping) -> f64 {
    (b.event_time.0 - a.event_time.0) as f64 / 1000.0
}

/// Ids are hashes: what they must tell apart is checked, and they are dropped.
fn without_ids(events: Vec<FleetEvent>) -> Vec<FleetEvent> {
    events
        .into_iter()
        .filter(|event| !event.fence_id.is_empty())
        .map(|event| FleetEvent { event_id: Id::NONE, visit_id: Id::NONE, ..event })
        .collect()
}

fn lines(events: &[FleetEvent]) -> Vec<String> {
    let mut lines: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_core_tells_what_the_reference_tells() {
    let mut kinds = std::collections::BTreeMap::new();
    for seed in 0..super::convergence::worlds() {
        let world = World::new(seed);
        let found = fold(&world.in_order().log);
        let visits: BTreeSet<_> = found
            .iter()
            .filter(|event| matches!(event.detail, Some(Detail::GeofenceEnter(_))))
            .map(|event| event.visit_id)
            .collect();
        for event in &found {
            let key = (super::fleet::kind(event), event.reason().as_str_name());
            *kinds.entry(key).or_insert(0) += 1;
            let of_visit = !event.visit_id.is_none();
            assert!(!of_visit || visits.contains(&event.visit_id), "world {seed}: {event:?}");
        }
        let (found, wanted) = (lines(&without_ids(found)), lines(&told(&world)));
        if found != wanted {
            let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
            let surplus: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
            panic!("world {seed}: missing {missing:#?}, surplus {surplus:#?}");
        }
    }
    // Every kind and reason that the robust profile and §7 know of came up.
    for kind in ["enter", "exit", "cross", "dwell", "visit"] {
        assert!(kinds.keys().any(|key| key.0 == kind), "{kinds:?}");
    }
    for reason in ["CROSSED", "FIRST_SEEN", "REAPPEARED"] {
        assert!(kinds.contains_key(&("enter", &*format!("REASON_{reason}"))), "{kinds:?}");
    }
    for key in [
        ("enter", "REASON_FENCE_CREATED"),
        ("enter", "REASON_FENCE_CHANGED"),
        ("exit", "REASON_FENCE_CHANGED"),
        ("exit", "REASON_FENCE_DELETED"),
        ("exit", "REASON_REAPPEARED"),
        ("enter", "REASON_SCHEDULE_OPENED"),
        ("exit", "REASON_SCHEDULE_CLOSED"),
        ("enter", "REASON_ASSIGNMENT_CHANGED"),
        ("exit", "REASON_ASSIGNMENT_CHANGED"),
    ] {
        assert!(kinds.contains_key(&key), "{key:?} of {kinds:?}");
    }
}
