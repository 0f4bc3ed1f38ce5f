//! Silence taken for staying (semantics §8, `on_silence = "assume"`): dwell
//! events that no ping proves yet.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Effects, Input, OnSilence, PingRun, Profile, Settings, TimeMs};
use protos::events::{FleetEvent, Op};

use support::only_sq;
use support::pings::{Made, ping};
use support::shard::{Shard, kind, plain};

fn assume() -> Settings {
    Settings { on_silence: OnSilence::Assume, ..plain() }
}

/// SQ with a dwell of 300 s, in which a vehicle has been seen at 0.
fn parked(settings: Settings) -> Shard {
    let mut shard = Shard::new(settings, only_sq(r#","dwell_s":[300]"#));
    hear(&mut shard, 1, 0, [inside(0)]);
    shard
}

fn inside(t_s: i64) -> Made {
    ping(t_s, 10.005, 50.005).speed(Some(9.0))
}

/// 350 m from SQ.
fn outside(t_s: i64) -> Made {
    ping(t_s, 9.995, 50.005).speed(Some(9.0))
}

/// One segment of one source, whose low mark is at `mark_s`.
fn hear(
    shard: &mut Shard,
    source: u32,
    mark_s: i64,
    pings: impl IntoIterator<Item = Made>,
) -> Effects {
    let pings: Vec<_> = pings.into_iter().map(Made::done).collect();
    let now = pings.iter().map(|ping| ping.receive_time).max().unwrap_or(TimeMs::MIN);
    let low_mark = Some(TimeMs(mark_s * 1000));
    let run = PingRun { source, low_mark, low_mark_bounds_lateness: true, pings };
    shard.apply(&[Input::Pings(run)], now)
}

/// The operations on dwell events, as `op @seconds`.
fn dwells(effects: &Effects) -> Vec<String> {
    let dwells = effects.events.iter().filter(|event| kind(event) == "dwell");
    dwells.map(|event| format!("{:?} @{}", event.op(), event.event_time_ms / 1000)).collect()
}

fn dwell(shard: &Shard) -> FleetEvent {
    shard.only("dwell")
}

/// What holds at the fence.
fn told(shard: &Shard) -> Vec<String> {
    shard.told().into_iter().filter(|line| line.contains(" sq ")).collect()
}

#[test]
fn a_dwell_is_told_once_the_low_mark_has_reached_it() {
    let mut shard = parked(assume());
    assert_eq!(dwells(&hear(&mut shard, 1, 299, [])), [""; 0]);
    let effects = hear(&mut shard, 1, 300, []);
    assert_eq!(dwells(&effects), ["Assert @300"]);
    let told = &effects.events[0];
    assert_eq!((told.not_before_ms, told.not_after_ms, told.late), (300_000, 300_000, false));
    assert_eq!((told.lat, told.lon), (Some(50.005), Some(10.005)), "of the enter");
    assert_eq!(told.visit_id, shard.only("enter").visit_id);
    // Said once, however far the mark goes.
    assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [])), [""; 0]);
}

#[test]
fn nobody_stays_past_a_closing() {
    // SQ closes at 240 s, at 300 s, and at the end of that day.
    for (closes, wanted) in
        [("00:04", &[][..]), ("00:05", &["Assert @300"]), ("24:00", &["Assert @300"])]
    {
        let hours = format!(r#"{{"zone":"UTC","week":{{"thu":["00:00-{closes}"]}}}}"#);
        let fences = only_sq(&format!(r#","dwell_s":[300],"schedule":{hours}"#));
        let mut shard = Shard::new(assume(), fences);
        hear(&mut shard, 1, 0, [inside(0)]);
        assert_eq!(dwells(&hear(&mut shard, 1, 300, [])), wanted, "closing at {closes}");
        assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [])), [""; 0]);
    }
}

#[test]
fn by_default_a_ping_is_waited_for() {
    let mut shard = parked(plain());
    assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [])), [""; 0]);
    assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [inside(10_000)])), ["Assert @300"]);
    // Nor does it help that the visit lasted so long, or that the input ends.
    let mut shard = parked(plain());
    shard.end(10_000);
    assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [outside(10_001)])), [""; 0]);
}

#[test]
fn a_stalled_source_concludes_nothing() {
    let mut shard = parked(assume());
    hear(&mut shard, 1, 200, []);
    shard.tick(1_000_000);
    assert_eq!(dwells(&hear(&mut shard, 1, 200, [])), [""; 0]);
    assert_eq!(dwells(&hear(&mut shard, 2, 1_000_000, [])), [""; 0], "another source's mark");
    assert_eq!(dwells(&hear(&mut shard, 1, 300, [])), ["Assert @300"]);
}

#[test]
fn a_ping_inside_confirms_it_without_a_word() {
    for t_s in [250, 300, 5_000] {
        let mut shard = parked(assume());
        hear(&mut shard, 1, 320, []);
        let told = dwell(&shard);
        assert_eq!(dwells(&hear(&mut shard, 1, 320, [inside(t_s).received(6_000)])), [""; 0]);
        assert_eq!(dwell(&shard), told);
        // What a ping has proved needs no more assumption.
        assert_eq!(dwells(&hear(&mut shard, 1, 320, [outside(7_000)])), [""; 0]);
        assert_eq!(dwell(&shard), told);
    }
}

#[test]
fn a_ping_that_shows_an_earlier_exit_takes_it_back() {
    let mut shard = parked(assume());
    hear(&mut shard, 1, 320, []);
    let id = dwell(&shard).event_id;
    let effects = hear(&mut shard, 1, 320, [outside(290).received(400)]);
    assert_eq!(dwells(&effects), ["Retract @300"]);
    assert!(effects.events.iter().any(|event| event.event_id == id && event.late));
    assert_eq!(told(&shard), ["enter sq @0", "exit sq @290", "visit sq @290"]);
    // It has left: no mark says otherwise.
    assert_eq!(dwells(&hear(&mut shard, 1, 9_999, [])), [""; 0]);
}

#[test]
fn a_late_ping_between_others_takes_it_back_and_another_brings_it_back() {
    let mut shard = parked(assume());
    hear(&mut shard, 1, 0, [inside(200)]);
    hear(&mut shard, 1, 320, []);
    let told = dwell(&shard).event_id;
    // Outside at 100: the visit that is open begins at 200.
    let effects = hear(&mut shard, 1, 320, [outside(100).received(330)]);
    assert_eq!(dwells(&effects), ["Retract @300"]);
    let effects = hear(&mut shard, 1, 500, []);
    assert_eq!(dwells(&effects), ["Assert @500"]);
    // A better fix of that time: it was inside after all.
    let better = inside(100).accuracy(Some(1.0)).received(510);
    let effects = hear(&mut shard, 1, 500, [better]);
    assert_eq!(dwells(&effects), ["Assert @300", "Retract @500"]);
    let back = dwell(&shard);
    assert_eq!((back.event_id, back.late), (told, true));
}

#[test]
fn an_enter_that_moves_amends_it() {
    let settings = Settings { profile: Profile::Robust, ..assume() };
    let mut shard = Shard::new(settings, only_sq(r#","dwell_s":[300]"#));
    hear(&mut shard, 1, 0, [outside(0), inside(100)]);
    assert_eq!(dwells(&hear(&mut shard, 1, 500, [])), ["Assert @350"], "half way between");
    let effects = hear(&mut shard, 1, 500, [outside(60).received(510)]);
    assert_eq!(dwells(&effects), ["Amend @380"], "the cause is the same");
    // To after the low mark: nothing is known of that yet.
    let effects = hear(&mut shard, 1, 500, [inside(90).received(510)]);
    assert_eq!(dwells(&effects), ["Assert @375", "Retract @380"]);
    let told = effects.events.iter().find(|event| event.op() == Op::Assert).unwrap();
    assert!(!told.replaces.is_none());
}

#[test]
fn a_visit_that_lasts_to_it_keeps_it() {
    // Asleep for hours, then seen far away: it had stayed for 300 s.
    let mut shard = parked(assume());
    hear(&mut shard, 1, 320, []);
    assert_eq!(dwells(&hear(&mut shard, 1, 320, [outside(30_000)])), [""; 0]);
    let story = told(&shard);
    assert_eq!(story, ["enter sq @0", "dwell sq @300", "exit sq @30000", "visit sq @30000"]);
    // The same where the low mark was behind all the while.
    let mut shard = parked(assume());
    assert_eq!(dwells(&hear(&mut shard, 1, 0, [outside(30_000)])), ["Assert @300"]);
    assert_eq!(told(&shard), story);
}

#[test]
fn an_exit_that_is_pending_holds_it_up() {
    let settings = Settings { profile: Profile::Robust, ..assume() };
    let mut shard = Shard::new(settings, only_sq(r#","dwell_s":[300]"#));
    hear(&mut shard, 1, 0, [inside(0), inside(200)]);
    // One fix outside by 72 m is no exit yet; the way out would be at 200 s.
    hear(&mut shard, 1, 0, [ping(240, 9.999, 50.005)]);
    assert_eq!(dwells(&hear(&mut shard, 1, 900, [])), [""; 0]);
    // Void: the vehicle had never left.
    assert_eq!(dwells(&hear(&mut shard, 1, 900, [inside(260)])), ["Assert @300"]);
}

#[test]
fn every_threshold_has_its_own_and_the_end_tells_those_before_it() {
    let mut shard = Shard::new(assume(), only_sq(r#","dwell_s":[60,300,900]"#));
    hear(&mut shard, 1, 0, [inside(0)]);
    assert_eq!(dwells(&hear(&mut shard, 1, 100, [])), ["Assert @60"]);
    assert_eq!(dwells(&hear(&mut shard, 1, 100, [inside(110)])), [""; 0]);
    assert_eq!(dwells(&shard.end(400)), ["Assert @300"]);
    assert_eq!(dwells(&hear(&mut shard, 1, 1_000, [])), ["Assert @900"]);
}

#[test]
fn the_source_of_the_newest_ping_decides() {
    let mut shard = parked(assume());
    hear(&mut shard, 1, 320, []);
    // It moves to a source that is behind: that one has to come so far.
    let effects = hear(&mut shard, 2, 100, [inside(150).received(330)]);
    assert_eq!(dwells(&effects), ["Retract @300"]);
    assert_eq!(dwells(&hear(&mut shard, 1, 9_000, [])), [""; 0]);
    assert_eq!(dwells(&hear(&mut shard, 2, 300, [])), ["Assert @300"]);
}

#[test]
fn a_restart_in_between_changes_nothing() {
    for restart_at in 0..4 {
        let mut shard = parked(assume());
        let pings = |t_s: i64, pings: Vec<Made>| {
            let pings = pings.into_iter().map(Made::done).collect();
            let low_mark = Some(TimeMs(t_s * 1000));
            Input::Pings(PingRun { source: 1, low_mark, low_mark_bounds_lateness: true, pings })
        };
        let segments = [
            pings(200, vec![]),
            pings(310, vec![]),
            pings(320, vec![inside(310).received(330)]),
            pings(320, vec![outside(200).received(331)]),
        ];
        let mut restored = None;
        for (i, segment) in segments.into_iter().enumerate() {
            if i == restart_at {
                restored = Some(shard.restored());
            }
            let effects = shard.apply(std::slice::from_ref(&segment), TimeMs::MIN);
            if let Some(restored) = &mut restored {
                let again = restored.apply(&[segment], TimeMs::MIN, shard.seq);
                assert_eq!(again, effects, "restart before {restart_at}, segment {i}");
                assert_eq!(restored.encode_state(), shard.detector.encode_state());
            }
        }
        let story = ["enter sq @0", "exit sq @200", "visit sq @200", "enter sq @310"];
        assert_eq!(told(&shard), story);
    }
}

#[test]
fn a_record_that_lacks_it_or_has_too_much_is_put_right() {
    let mut shard = parked(assume());
    let computed = hear(&mut shard, 1, 300, []).events;
    assert_eq!(shard.detector.reconcile(&computed, &[]), 1);
    let again = shard.detector.apply(&[], TimeMs::MIN, shard.seq + 1).events;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].op(), &again[0].event_id), (Op::Assert, &computed[0].event_id));

    let mut early = parked(assume());
    let computed_early = hear(&mut early, 1, 299, []).events;
    assert_eq!(early.detector.reconcile(&computed_early, &computed), 1);
    let taken_back = early.detector.apply(&[], TimeMs::MIN, early.seq + 1).events;
    assert_eq!((taken_back.len(), taken_back[0].op()), (1, Op::Retract));
}

#[test]
fn a_changed_setting_holds_for_those_that_stay_silent_too() {
    let mut shard = parked(plain());
    hear(&mut shard, 1, 500, []);
    hear(&mut shard, 1, 500, [ping(400, 9.0, 50.0).of("other")]);
    let effects = shard.apply(&[Input::Settings(assume())], TimeMs::MIN);
    assert_eq!(dwells(&effects), ["Assert @300"]);
    let effects = shard.apply(&[Input::Settings(plain())], TimeMs::MIN);
    assert_eq!(dwells(&effects), ["Retract @300"]);
}

#[test]
fn what_was_told_is_kept_as_it_was_told() {
    let settings = Settings { reorder_delay_ms: 2_000, ..assume() };
    let fences = only_sq(r#","dwell_s":[60,600]"#);
    let mut shards = [true, false].map(|idles| {
        let mut shard = Shard::new(settings.clone(), fences.clone());
        hear(&mut shard, 1, 0, [inside(0)]);
        let told = hear(&mut shard, 1, 700, [inside(100).received(700)]);
        assert_eq!(dwells(&told), ["Assert @60", "Assert @600"]);
        if idles {
            // The first is proved by now, the second is assumed anew.
            let now = TimeMs(702_000);
            let effects = shard.detector.apply(&[], now, shard.seq + 1);
            assert_eq!(effects.events, [], "nothing to record");
        }
        shard
    });
    for shard in &mut shards {
        assert_eq!(dwells(&hear(shard, 1, 700, [inside(99).received(3_200)])), [""; 0]);
    }
    let [idled, went_on] = shards.map(|shard| shard.detector.encode_state());
    assert_eq!(idled, went_on);
}
