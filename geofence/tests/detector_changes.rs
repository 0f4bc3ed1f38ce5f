//! Settings, fences and the end of input, which come while vehicles are silent
//! or their fixes wait: what follows must not hang on when they are looked at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Effects, FenceSet, Input, OnSilence, PingRun, Settings, TimeMs};

use support::only_sq;
use support::pings::{Made, ping};
use support::shard::{Shard, kind, plain};

/// In the fence, under way.
fn inside(t_s: i64) -> Made {
    ping(t_s, 10.005, 50.005).speed(Some(9.0))
}

/// One segment at `now_s` of the source that all vehicles here have, whose low
/// mark is at `mark_s`.
fn hear(
    shard: &mut Shard,
    now_s: i64,
    mark_s: Option<i64>,
    pings: impl IntoIterator<Item = Made>,
) -> Effects {
    let pings = pings.into_iter().map(Made::done).collect();
    let low_mark = mark_s.map(|s| TimeMs(s * 1000));
    let run = PingRun { source: 1, low_mark, low_mark_bounds_lateness: false, pings };
    shard.apply(&[Input::Pings(run)], TimeMs(now_s * 1000))
}

fn set(shard: &mut Shard, settings: Settings, now_s: i64) -> Effects {
    shard.apply(&[Input::Settings(settings)], TimeMs(now_s * 1000))
}

fn kinds(effects: &Effects) -> Vec<&'static str> {
    effects.events.iter().map(kind).collect()
}

#[test]
fn dwells_changed_hold_for_vehicles_that_are_silent() {
    let dwells = |dwell_s: &[u32]| Settings {
        on_silence: OnSilence::Assume,
        dwell_s: dwell_s.to_vec(),
        offline_after_ms: 86_400_000,
        ..plain()
    };
    let cases: [(&[u32], &[u32], &[&str]); 3] = [
        (&[], &[300], &["dwell sq @300", "enter sq @0"]),
        (&[300], &[60, 300], &["dwell sq @300", "dwell sq @60", "enter sq @0"]),
        (&[300], &[], &["enter sq @0"]),
    ];
    for (before, after, expected) in cases {
        let mut shard = Shard::new(dwells(before), only_sq(""));
        hear(&mut shard, 0, Some(0), [inside(0)]);
        hear(&mut shard, 1_000, Some(1_000), [inside(999).of("other").received(999)]);
        set(&mut shard, dwells(after), 1_001);
        let told = shard.told().into_iter().filter(|line| !line.ends_with("@999"));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        assert_eq!(told, expected, "{before:?} to {after:?}");
        assert_eq!(shard.detector.encode_state(), shard.restored().encode_state());
    }
}

#[test]
fn a_shorter_silence_makes_vehicles_offline_that_are_silent() {
    let after = |ms| Settings { offline_after_ms: ms, ..plain() };
    let mut shard = Shard::new(after(36_000_000), FenceSet::empty());
    hear(&mut shard, 0, Some(0), [inside(0)]);
    set(&mut shard, after(300_000), 20);
    assert_eq!(kinds(&hear(&mut shard, 300, Some(300), [])), [""; 0]);
    assert_eq!(kinds(&hear(&mut shard, 400, Some(400), [])), ["offline"]);
}

#[test]
fn a_shorter_reorder_delay_keeps_nobody_waiting() {
    let delay = |ms| Settings { reorder_delay_ms: ms, ..plain() };
    let mut shard = Shard::new(delay(60_000), only_sq(""));
    hear(&mut shard, 0, None, [inside(0)]);
    set(&mut shard, delay(2_000), 1);
    hear(&mut shard, 1, None, [inside(1).of("other")]);
    assert_eq!(shard.detector.next_due(), Some(TimeMs(3_000)));
    assert_eq!(kinds(&shard.tick(3)), ["enter", "enter"]);
}

/// A first ping may be old: it is judged by the fences of its time, whichever
/// other vehicles the shard has.
#[test]
fn fences_are_kept_for_vehicles_that_are_not_known_yet() {
    for others in [&["a"][..], &["a", "b"]] {
        let mut shard = Shard::new(plain(), only_sq(""));
        for (k, other) in (1..).zip(others) {
            hear(&mut shard, 60 * k, None, [ping(60 * k, 11.0, 50.0).of(other)]);
        }
        shard.fences(FenceSet::empty(), 600);
        for t in (700..3_550).step_by(30) {
            hear(&mut shard, t, None, [ping(t, 11.0, 50.0).of("a")]);
        }
        hear(&mut shard, 3_700, None, [inside(500).received(3_700)]);
        let told: Vec<_> = shard.told().into_iter().filter(|line| line.contains(" sq ")).collect();
        assert_eq!(told, ["enter sq @500", "exit sq @600", "visit sq @600"], "{others:?}");
    }
}

/// An apply that nothing comes of need not be recorded.
#[test]
fn it_does_not_matter_whether_a_low_mark_was_told_before() {
    for before in [true, false] {
        let mut shard = Shard::new(plain(), FenceSet::empty());
        let other = |t| inside(t).of("other");
        hear(&mut shard, 0, Some(0), [other(0)]);
        hear(&mut shard, 990, Some(10), [other(400).received(990)]);
        if before {
            assert_eq!(kinds(&hear(&mut shard, 1_000, Some(1_000), [])), [""; 0]);
        }
        hear(&mut shard, 1_001, None, [inside(0)]);
        let effects = hear(&mut shard, 1_002, Some(1_000), [other(1_002)]);
        assert_eq!(kinds(&effects), ["offline"], "{before}");
    }
}

/// While a fix is held, timers and changes of fences wait for the next one that
/// can show whether it is true; one that is too vague cannot.
#[test]
fn the_end_of_input_waits_for_fixes_that_wait() {
    let held = || {
        [
            ping(0, 10.005, 50.005).accuracy(Some(5.0)),
            ping(1, 10.03, 50.005).accuracy(Some(5.0)).speed(Some(9.0)),
        ]
    };
    let late = || {
        [
            ping(600, 10.03, 50.005).accuracy(Some(300.0)),
            ping(601, 10.03, 50.005).accuracy(Some(5.0)).speed(Some(9.0)),
        ]
    };
    let told = |reorder_delay_ms| {
        let settings = Settings { reorder_delay_ms, dwell_s: vec![], ..Settings::default() };
        let mut shard = Shard::new(settings, only_sq(""));
        shard.pings(held());
        shard.tick(50);
        shard.fences(FenceSet::empty(), 100);
        for fix in late() {
            shard.ping(fix);
        }
        shard.end(601);
        shard.told()
    };
    assert_eq!(told(0), told(2_000));
    assert_eq!(told(0)[..2], ["enter sq @0", "exit sq @1"]);
}
