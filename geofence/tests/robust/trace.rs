//! Traces: the rule that each vector turns on, and that what is traced is
//! what was detected.

use std::sync::Arc;

use geofence::trace::{Change, Fate, Held, Moment, Presence, Seen, Step, Trail};
use geofence::{
    Disposition, Fence, FenceSet, Input, OnSilence, Outcome, PingRun, Settings, Shape, TimeMs,
    order_key,
};
use protos::events::FleetEvent;

use super::convergence::worlds;
use super::fleet::{At, Recorded, Shard, T_MS, at, fold, kind, line, robust};
use super::schedules::open;
use super::support::{ho, polygon, ring, sm, sq};
use super::vectors::named;
use super::worlds::World;

const MID: f64 = 50.005;

/// Has `trail` read along with what a journal holds of `vehicle`.
fn read(trail: &mut Trail, journal: &[Recorded], vehicle: &str) {
    for segment in journal {
        let mut outcomes = segment.outcomes.iter();
        let mut dispositions = vec![];
        let mut inputs = segment.inputs.clone();
        for input in &mut inputs {
            let Input::Pings(run) = input else { continue };
            run.pings.retain(|ping| {
                let Some(Outcome::Archived { disposition, .. }) = outcomes.next() else {
                    return false;
                };
                let ours = ping.vehicle_id == vehicle;
                dispositions.extend(ours.then_some(*disposition));
                ours
            });
        }
        trail.take(&inputs, &dispositions, segment.now, segment.seq);
    }
}

fn trail(shard: &Shard, vehicle: &str) -> Trail {
    let mut trail = Trail::new(vehicle, shard.detector.settings().clone());
    read(&mut trail, &shard.journal, vehicle);
    trail
}

fn over(shape: Shape, pings: &[At]) -> Shard {
    let mut shard = Shard::new(robust(), vec![named("f", shape)]);
    shard.each(pings);
    shard
}

/// Every step of `v` at fence `f`, and that no event but these was detected.
fn steps(shard: &Shard) -> Vec<Step> {
    let trail = trail(shard, "v");
    let steps = trail.steps(Some("f"), TimeMs::MIN, TimeMs(i64::MAX));
    let told: Vec<_> = steps.iter().flat_map(|step| &step.events).map(line).collect();
    let detected: Vec<_> =
        shard.fold().iter().filter(|event| event.fence_id == "f").map(line).collect();
    assert_eq!(sorted(told), sorted(detected));
    steps
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn refused(step: &Step) -> Vec<&'static str> {
    step.refusals.iter().map(|refused| refused.rule).collect()
}

fn seen(step: &Step) -> &Seen {
    match &step.moment {
        Moment::Ping(seen) => seen,
        other => panic!("no ping: {other:?}"),
    }
}

fn after_t(s: f64) -> TimeMs {
    TimeMs(T_MS + (s * 1000.0) as i64)
}

#[test]
fn v01_the_step_that_enters() {
    let steps = steps(&over(sq(), &[at(0.0, 9.995, MID), at(30.0, 10.005, MID)]));
    assert_eq!((steps[0].before, steps[0].after), (Presence::Unknown, Presence::Outside));
    let inside = Presence::Inside { since: after_t(15.0), last: Some(after_t(30.0)) };
    assert_eq!((steps[1].before, steps[1].after), (Presence::Outside, inside));
    assert_eq!(steps[1].events.iter().map(kind).collect::<Vec<_>>(), ["enter"]);
    let leg = seen(&steps[1]).step.unwrap();
    assert_eq!((leg.gap_ms, leg.length_m.round()), (30_000, 717.0));
    let sight = steps[1].sight.unwrap();
    assert!(sight.inside && !sight.decisive && sight.version == 1);
    assert_eq!(sight.distance_m.round(), 358.0);
}

#[test]
fn v04_and_v05_a_pass_and_one_over_a_large_gap() {
    let pass = |s| over(sm(), &[at(0.0, 10.018, MID), at(s, 10.022, MID)]);
    let crossed = &steps(&pass(20.0))[1];
    assert_eq!(crossed.events.iter().map(kind).collect::<Vec<_>>(), ["cross"]);
    assert!(crossed.refusals.is_empty());

    let refusing = &steps(&pass(3.0 * 3600.0))[1];
    assert_eq!(refused(refusing), ["cross_gap"]);
    assert_eq!(refusing.refusals[0].inside_m.unwrap().round(), 100.0);
    assert_eq!(seen(refusing).step.unwrap().gap_ms, 3 * 3_600_000);
}

#[test]
fn v06_a_teleport_is_held_and_then_dropped_or_borne_out() {
    let held = [at(0.0, 10.018, MID), at(1.0, 10.022, MID)];
    let dropped = steps(&over(sm(), &[held[0].clone(), held[1].clone(), at(2.0, 10.018, MID)]));
    assert_eq!(seen(&dropped[1]).fate, Fate::Held);
    assert!(seen(&dropped[1]).step.unwrap().speed_mps_min() > 70.0);
    assert_eq!(refused(&dropped[2]), ["teleport"]);
    let held_at = after_t(1.0);
    assert_eq!(seen(&dropped[2]).held, Some(Held { event_time: held_at, accepted: false }));
    assert_eq!(seen(&dropped[2]).step.unwrap().from, after_t(0.0));

    let borne_out = steps(&over(sm(), &[held[0].clone(), held[1].clone(), at(2.0, 10.0221, MID)]));
    assert_eq!(seen(&borne_out[2]).held, Some(Held { event_time: held_at, accepted: true }));
    assert_eq!(seen(&borne_out[2]).step.unwrap().from, held_at);
    assert_eq!(refused(&borne_out[2]), ["cross_too_fast"]);
}

#[test]
fn v12_the_final_state_is_traced_not_the_first() {
    let mut shard = over(sq(), &[at(0.0, 9.999, MID), at(60.0, 10.001, MID)]);
    shard.pings(&[at(30.0, 10.001, MID).received(61.0)]);
    let steps = steps(&shard);
    assert_eq!(
        steps[1].events.iter().map(line).collect::<Vec<_>>(),
        ["enter f 15.0 [0.0, 30.0] crossed"]
    );
    assert!(steps[2].events.is_empty());
}

#[test]
fn v14_a_ping_behind_the_hot_window_takes_no_part() {
    let mut shard = over(sq(), &[at(0.0, 9.995, MID), at(1000.0, 9.995, MID)]);
    shard.pings(&[at(99.0, 10.005, MID).received(1001.0)]);
    assert_eq!(steps(&shard).len(), 2);
    let trail = trail(&shard, "v");
    let arrival = trail.arrivals().last().unwrap();
    assert_eq!(arrival.disposition, Disposition::TooLate);
    assert_eq!((arrival.newest, arrival.hot_from), (Some(after_t(1000.0)), Some(after_t(100.0))));
}

#[test]
fn v15_and_v16_an_outlier_is_voided() {
    let parked = |lon: f64| [0.0, 60.0, 180.0].map(|s| at(s, lon, MID));
    let precise = at(120.0, 10.0 - 200.0 / 71_695.0, MID).accuracy(1.7);
    let vague = at(120.0, 10.02 + 200.0 / 71_695.0, MID).accuracy(100.0);
    for (shape, lon, outlier) in [(sq(), 10.0005, precise), (sm(), 10.02, vague)] {
        let [first, second, last] = parked(lon);
        let steps = steps(&over(shape, &[first, second, outlier, last]));
        let Presence::PendingOut { first_outside, pings, decisive, .. } = steps[2].after else {
            panic!("{:?}", steps[2]);
        };
        assert_eq!((first_outside, pings, decisive), (after_t(120.0), 1, true));
        assert!(steps[2].sight.unwrap().decisive);
        assert_eq!(refused(&steps[3]), ["exit_void"]);
        assert!(matches!(steps[3].after, Presence::Inside { .. }));
    }
}

#[test]
fn an_exit_that_is_not_decisive_stays_pending() {
    // 12 m west of the edge: SQ's margin is the most, 50 m.
    let close = at(60.0, 10.0 - 12.0 / 71_695.0, MID);
    let shard = over(sq(), &[at(0.0, 10.0005, MID), close]);
    let steps = steps(&shard);
    let sight = steps[1].sight.unwrap();
    assert_eq!(
        (sight.distance_m.round(), sight.margin_m, sight.accuracy_share_m),
        (-12.0, 50.0, 5.0)
    );
    assert!(matches!(steps[1].after, Presence::PendingOut { pings: 1, decisive: false, .. }));
    let thresholds = trail(&shard, "v").thresholds(Some("f"), after_t(60.0));
    assert_eq!((thresholds.margin_m, thresholds.exit_confirm), (Some(50.0), 2));
}

#[test]
fn v18_an_uncertain_fix_is_pending_and_a_vague_one_takes_no_part() {
    let first = at(0.0, 10.02, MID).accuracy(200.0);
    let second = at(599.0, 10.02, MID).accuracy(200.0);
    let pending = &steps(&over(sm(), &[first.clone(), second]))[0];
    let since = after_t(0.0);
    assert_eq!(pending.after, Presence::PendingIn { since, last: since, sure: false });
    assert_eq!(format!("{:.3}", pending.sight.unwrap().confidence), "0.069");

    // Seen outside by far meanwhile, or not again in time.
    let away = at(60.0, 10.05, MID);
    assert_eq!(refused(&steps(&over(sm(), &[first.clone(), away]))[1]), ["pending_voided"]);
    let too_late = at(601.0, 10.02, MID).accuracy(200.0);
    assert_eq!(refused(&steps(&over(sm(), &[first, too_late]))[1]), ["pending_voided"]);

    let vague = &steps(&over(sm(), &[at(0.0, 10.02, MID).accuracy(250.0)]))[0];
    assert_eq!((seen(vague).fate, refused(vague)), (Fate::TooVague, vec!["accuracy_too_low"]));
    assert_eq!(vague.after, Presence::Unknown);
}

#[test]
fn v21_and_v22_a_change_of_fences_is_a_step_of_its_own() {
    let mut shard = over(sq(), &[at(0.0, 10.009, MID)]);
    let west_half = polygon(&format!("[{}]", ring(10.0, 50.0, 10.005, 50.01)));
    shard.fences(vec![named("f", west_half), named("g", sm())], 100.0);
    shard.each(&[at(120.0, 10.009, MID)]);
    shard.fences(vec![named("f", ho())], 200.0);
    shard.fences(vec![], 300.0);
    let steps = steps(&shard);
    let moments: Vec<_> = steps
        .iter()
        .map(|step| (step.moment.time(), matches!(step.moment, Moment::Turn { .. })))
        .collect();
    assert_eq!(
        moments,
        [(0.0, false), (100.0, true), (120.0, false), (200.0, true), (300.0, true)]
            .map(|(s, change)| (after_t(s), change))
    );
    assert_eq!(steps[1].events.iter().map(kind).collect::<Vec<_>>(), ["exit", "visit"]);
    assert_eq!(steps[4].after, Presence::NoFence);
    // The other fence came with the first change and went with the second.
    let of_g = trail(&shard, "v").steps(Some("g"), TimeMs::MIN, TimeMs(i64::MAX));
    assert_eq!(of_g.len(), 4);
}

/// Of each turn: when it was, what changed, what it decided.
fn turns(steps: &[Step]) -> Vec<(f64, Change, Vec<String>)> {
    let turn = |step: &Step| match step.moment {
        Moment::Turn { at, change } => Some((
            at.since(TimeMs(T_MS)) as f64 / 1000.0,
            change,
            step.events.iter().map(line).collect(),
        )),
        _ => None,
    };
    steps.iter().filter_map(turn).collect()
}

#[test]
fn a_change_of_tags_after_the_last_ping_is_a_step_of_its_own() {
    let van = Fence { tags: vec!["van".to_owned()], ..named("f", sq()) };
    let mut shard = Shard::new(robust(), vec![van]);
    shard.tags(&[("v", &["van"])], -3_600.0);
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.tags(&[("v", &["truck"])], 60.0);
    let steps = steps(&shard);
    let [(at_s, Change::Tags, events)] = &turns(&steps)[..] else { panic!("{steps:?}") };
    assert_eq!(*at_s, 60.0);
    assert_eq!(events[0], "exit f 60.0 [60.0, 60.0] assignment_changed");
}

#[test]
fn hours_that_pass_before_another_fence_changes_are_steps_of_their_own() {
    // T is 14:00; the other fence changes once this one has opened and closed.
    let mut shard = Shard::new(robust(), vec![open("14:01-14:03")]);
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.fences(vec![open("14:01-14:03"), named("g", sm())], 240.0);
    shard.each(&[at(300.0, 10.005, MID), at(400.0, 10.005, MID)]);
    let steps = steps(&shard);
    let told = turns(&steps);
    let when: Vec<_> = told.iter().map(|(at_s, change, _)| (*at_s, *change)).collect();
    assert_eq!(when, [(60.0, Change::Hours), (180.0, Change::Hours)]);
    assert_eq!(told[0].2, ["enter f 60.0 [60.0, 60.0] schedule_opened"]);
    assert_eq!(told[1].2[0], "exit f 180.0 [180.0, 180.0] schedule_closed");
}

/// The first ping is judged by the tags of its time, however long ago.
#[test]
fn tags_of_long_ago_are_not_forgotten() {
    let van = Fence { tags: vec!["van".to_owned()], ..named("f", sq()) };
    let mut shard = Shard::new(robust(), vec![van]);
    shard.tags(&[("v", &["van"])], -3_600.0);
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.tags(&[("v", &["truck"])], 60.0);
    let days = |n: f64| n * 86_400.0;
    shard.tags(&[("v", &["car"])], days(40.0));
    shard.tags(&[("v", &["car", "late"])], days(80.0));
    assert_eq!(trail(&shard, "v").tags_at(TimeMs(T_MS)), ["van"]);
    assert_eq!(steps(&shard)[0].events.iter().map(kind).collect::<Vec<_>>(), ["enter"]);
}

#[test]
fn a_vehicle_that_was_forgotten_begins_anew() {
    let settings = Settings { forget_after_ms: 86_400_000, ..robust() };
    let mut shard = Shard::new(settings, vec![named("f", sq())]);
    shard.each(&[at(0.0, 10.005, MID), at(30.0, 10.005, MID)]);
    shard.each(&[at(2.0 * 86_400.0, 10.005, MID)]);
    assert_eq!(shard.kinds(), ["enter", "enter"]);
    let last = trail(&shard, "v").steps(Some("f"), TimeMs::MIN, TimeMs(i64::MAX));
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].before, Presence::Unknown);
    assert_eq!(trail(&shard, "v").arrivals().len(), 3);
}

#[test]
fn a_dwell_that_silence_alone_tells_is_traced() {
    let settings = Settings { on_silence: OnSilence::Assume, dwell_s: vec![60, 300], ..robust() };
    let mut shard = Shard::new(settings, vec![named("f", sq())]);
    shard.each(&[at(0.0, 10.005, MID)]);
    for mark_s in [59.0, 61.0, 200.0] {
        let low_mark = Some(after_t(mark_s));
        shard.apply(Input::Pings(PingRun { low_mark, ..PingRun::default() }), TimeMs::MIN);
    }
    let steps = steps(&shard);
    let last = steps.last().unwrap();
    assert_eq!(last.events.iter().map(kind).collect::<Vec<_>>(), ["dwell"]);
    assert!(matches!(last.moment, Moment::Silence { through } if through == after_t(60.0)));
    assert_eq!((last.before, last.after), (steps[0].after, steps[0].after));
    let silent = trail(&shard, "v").decisions();
    assert_eq!(silent.last().map(|decision| decision.at), Some(after_t(60.0)));
}

/// What holds of `vehicle`, and without how it was learnt.
fn held(shard: &Shard, vehicle: &str) -> Vec<FleetEvent> {
    let events = fold(&shard.log).into_iter();
    events.filter(|event| event.vehicle_id == vehicle && !by_silence(event)).collect()
}

fn by_silence(event: &FleetEvent) -> bool {
    matches!(kind(event), "offline" | "online")
}

fn in_order(events: impl IntoIterator<Item = FleetEvent>) -> Vec<FleetEvent> {
    let untold = |event| FleetEvent { op: 0, observed_at_ms: 0, ..event };
    let mut events: Vec<_> = events.into_iter().map(untold).collect();
    events.sort_by(|a, b| order_key(a).cmp(&order_key(b)));
    events
}

/// Nothing that is traced differs from what was detected: all events of every
/// vehicle, and at every fence by itself.
#[test]
fn what_is_traced_is_what_was_detected() {
    let mut events = 0;
    for seed in 0..worlds() / 4 {
        let mut world = World::new(seed);
        world.settings.on_silence = if seed % 2 == 0 { OnSilence::Wait } else { OnSilence::Assume };
        for shard in [world.in_order(), world.out_of_order(seed)] {
            for pings in &world.pings {
                let vehicle = pings[0].vehicle_id.as_str();
                let wanted = held(&shard, vehicle);
                let trail = trail(&shard, vehicle);
                let decided = trail.decisions().into_iter().map(|decision| decision.event);
                assert_eq!(in_order(decided), wanted, "world {seed}, {vehicle}");

                let all = (TimeMs::MIN, TimeMs(i64::MAX));
                let fences = trail.fences();
                let ids = fences.epochs.iter().flat_map(|epoch| epoch.set.fences().iter());
                let mut ids: Vec<_> = ids.map(|fence| Some(fence.id.as_str())).collect();
                ids.push(None);
                ids.sort_unstable();
                ids.dedup();
                let steps = ids.iter().flat_map(|id| trail.steps(*id, all.0, all.1));
                let traced = in_order(steps.flat_map(|step| step.events));
                assert_eq!(traced, wanted, "world {seed}, {vehicle}");
                events += traced.len();
            }
        }
    }
    assert!(events as u64 > 5 * worlds(), "{events} events");
}

/// A trail from a snapshot tells the same from its window's start on.
#[test]
fn a_trail_from_a_snapshot_tells_the_same() {
    let mut compared = 0;
    for seed in 0..worlds() / 4 {
        let world = World::new(seed);
        let whole = world.out_of_order(seed);
        let half = whole.journal.len() / 2;
        let mut shard = Shard::new(whole.detector.settings().clone(), world.fences.clone());
        for recorded in &whole.journal[1..half] {
            shard.segment(&recorded.inputs, recorded.now);
        }
        let state = shard.detector.encode_state().into();
        for pings in &world.pings {
            let vehicle = pings[0].vehicle_id.as_str();
            let find = |hash: &str| shard.sets.get(hash).cloned();
            let mut late = Trail::from_state(&state, vehicle, find).unwrap();
            read(&mut late, &whole.journal[half..], vehicle);
            let known_from = late.known_from().unwrap_or(TimeMs::MIN);
            let after = |trail: &Trail| {
                let decisions = trail.decisions().into_iter();
                let later = decisions.filter(|decision| decision.at > known_from);
                in_order(later.map(|decision| decision.event))
            };
            let wanted = after(&trail(&whole, vehicle));
            assert_eq!(after(&late), wanted, "world {seed}, {vehicle}, from {known_from}");
            compared += wanted.len();
        }
    }
    assert!(compared as u64 > worlds(), "{compared} events");
}

#[test]
fn a_fence_that_is_closed_or_asks_for_other_tags_says_so() {
    // 14:00 in Berlin is before the opening.
    let mut shard = Shard::new(robust(), vec![super::schedules::open("15:00-16:00")]);
    shard.each(&[at(0.0, 10.005, MID)]);
    let steps_closed = steps(&shard);
    let sight = steps_closed[0].sight.unwrap();
    assert!(sight.inside && !sight.open && sight.assigned);
    assert_eq!(steps_closed[0].after, Presence::Outside);

    let vans = Fence { tags: vec!["van".into()], ..named("f", sq()) };
    let mut shard = Shard::new(robust(), vec![vans]);
    shard.tags(&[("v", &["bus"])], -60.0);
    shard.each(&[at(0.0, 10.005, MID)]);
    let sight = steps(&shard)[0].sight.unwrap();
    assert!(sight.inside && sight.open && !sight.assigned);
    let trail = trail(&shard, "v");
    assert_eq!(trail.tags_at(after_t(0.0)), ["bus"]);
    assert_eq!(trail.fence_at("f", after_t(0.0)).unwrap().tags, ["van"]);
}

#[test]
fn fences_announced_come_into_force_by_the_clock_of_other_vehicles_pings() {
    let mut shard = over(sq(), &[at(0.0, 10.005, MID)]);
    let gone = Arc::new(FenceSet::empty());
    shard.apply(Input::Fences { set: gone, valid_from: after_t(600.0) }, after_t(10.0));
    shard.each(&[at(700.0, 11.0, MID).of("other"), at(1_700.0, 11.0, MID).of("other")]);
    let kinds: Vec<_> = steps(&shard).iter().flat_map(|step| &step.events).map(kind).collect();
    assert_eq!(kinds, ["enter", "exit", "visit"]);
}
