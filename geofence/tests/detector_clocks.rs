//! Which ping counts and when (semantics §1 and §2), and what the core forgets
//! to stay within its memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Disposition, FenceSet, Identity, Input, Outcome, PingRun, Settings, TimeMs};

use support::only_sq;
use support::pings::{Made, ping, ping_ms};
use support::shard::{Shard, kind, plain};

fn inside(t_s: i64) -> Made {
    ping(t_s, 10.005, 50.005)
}

fn outside(t_s: i64) -> Made {
    ping(t_s, 9.0, 50.005)
}

fn archived(disposition: Disposition) -> Outcome {
    Outcome::Archived { disposition, supersedes: None }
}

fn sq(settings: Settings) -> Shard {
    Shard::new(settings, only_sq(""))
}

/// A run of `source`, whose low mark in seconds bounds lateness.
fn backed(source: u32, low_mark_s: Option<i64>, pings: impl IntoIterator<Item = Made>) -> Input {
    Input::Pings(PingRun {
        source,
        low_mark: low_mark_s.map(|s| TimeMs(s * 1000)),
        low_mark_bounds_lateness: true,
        pings: pings.into_iter().map(Made::done).collect(),
    })
}

#[test]
fn of_one_time_the_best_ping_counts() {
    let at = || inside(10);
    // Worse, better: smaller radius, then larger seq, then larger identity.
    let mut cases = vec![
        (at().accuracy(Some(6.0)), at()),
        (at().accuracy(None), at().accuracy(Some(5000.0))),
        (at(), at().seq(Some(1))),
        (at().seq(Some(1)), at().seq(Some(2))),
        (at().seq(Some(9)).accuracy(None), at()),
    ];
    let (a, b) = (at().id("a"), at().id("b"));
    let a_is_larger = a.clone().done().identity > b.clone().done().identity;
    cases.push(if a_is_larger { (b, a) } else { (a, b) });
    for (loser, winner) in cases {
        let loser_id: Identity = loser.clone().done().identity;
        let mut winner_last = sq(plain());
        assert_eq!(winner_last.ping(loser.clone()), archived(Disposition::OnTime));
        let taken = winner_last.pings([winner.clone()]);
        let supersedes = Some(loser_id);
        let disposition = Disposition::OnTime;
        assert_eq!(taken.outcomes, [Outcome::Archived { disposition, supersedes }]);

        let mut winner_first = sq(plain());
        assert_eq!(winner_first.ping(winner.clone()), archived(Disposition::OnTime));
        let effects = winner_first.pings([loser.clone()]);
        assert_eq!(effects.outcomes, [archived(Disposition::Superseded)]);
        assert_eq!((effects.events, effects.positions), (vec![], vec![]));

        assert_eq!(winner_last.fold.contents(), winner_first.fold.contents());
        for known in [loser, winner] {
            assert_eq!(winner_last.ping(known.clone()), Outcome::Duplicate);
            assert_eq!(winner_first.ping(known), Outcome::Duplicate);
        }
    }
}

#[test]
fn a_ping_waits_for_the_watermark_or_the_reorder_delay() {
    let mut shard = sq(Settings { reorder_delay_ms: 2_000, ..plain() });
    assert_eq!(shard.pings([inside(10)]).events, []);
    assert_eq!(shard.detector.next_due(), Some(TimeMs(12_000)));
    // The watermark passes it.
    let effects = shard.pings([ping_ms(12_000, 10.005, 50.005)]);
    assert_eq!(effects.events.len(), 1);
    // Or time does, which moves neither W nor H.
    shard.pings([outside(20)]);
    assert_eq!(shard.tick(21).events, []);
    assert_eq!(shard.tick(22).events.len(), 2);
    assert_eq!(shard.ping(inside(18).received(22)), archived(Disposition::OnTime));
    assert_eq!(shard.ping(ping_ms(17_999, 10.005, 50.005)), archived(Disposition::Late));
    assert_eq!(shard.detector.next_due(), Some(TimeMs(24_000)));
    shard.tick(24);
    assert_eq!(shard.detector.next_due(), None);
}

#[test]
fn judged_early_or_in_time_is_told_the_same() {
    // A ping that comes after a later one was judged by its delay.
    let settings = Settings { reorder_delay_ms: 2_000, ..plain() };
    let mut early = sq(settings.clone());
    early.pings([outside(0), inside(20)]);
    early.tick(30);
    early.pings([inside(19).received(31)]);
    let mut sorted = sq(settings);
    sorted.pings([outside(0), inside(19), inside(20)]);
    early.end(20);
    sorted.end(20);
    assert_eq!(early.told(), ["enter sq @19"]);
    assert_eq!(early.fold.contents(), sorted.fold.contents());
}

#[test]
fn a_shorter_reorder_delay_skips_no_ping() {
    let engine_on = |t| inside(t).ignition(Some(true));
    let times = [300, 450, 600, 750, 900, 1000];
    let mut shard = sq(Settings { reorder_delay_ms: 600_000, ..plain() });
    shard.pings(times.map(engine_on));
    let settings = Settings { reorder_delay_ms: 2_000, ..plain() };
    shard.apply(&[Input::Settings(settings)], TimeMs(1_000_000));
    shard.tick(2_000);
    shard.end(1000);
    let mut sorted = sq(plain());
    sorted.pings(times.map(engine_on));
    assert_eq!(shard.fold.contents(), sorted.fold.contents());
}

#[test]
fn the_low_mark_holds_the_hot_window_back() {
    let mut shard = sq(plain());
    // The source's backlog reaches back to 100: so does what may still come.
    shard.apply(&[backed(1, Some(100), [outside(5000)])], TimeMs(5_000_000));
    let mut late = |mark, t, disposition| {
        let effects = shard.apply(&[backed(1, mark, [inside(t)])], TimeMs(5_000_000));
        assert_eq!(effects.outcomes, [archived(disposition)], "mark {mark:?}, {t}");
    };
    late(Some(100), 150, Disposition::Late);
    late(Some(1000), 100, Disposition::Late);
    late(Some(1000), 99, Disposition::TooLate);
    // It never goes back.
    late(Some(100), 98, Disposition::TooLate);
    late(None, 97, Disposition::TooLate);
    // And reaches no further than the vehicle's own newest ping allows.
    late(Some(900_000), 4100, Disposition::Late);
    late(Some(900_000), 4099, Disposition::TooLate);
}

#[test]
fn without_a_low_mark_nothing_is_too_late() {
    let mut shard = sq(plain());
    shard.apply(&[backed(1, None, [outside(1_000_000)])], TimeMs(1_000_000_000));
    let effects = shard.apply(&[backed(1, None, [inside(1)])], TimeMs(1_000_000_000));
    assert_eq!(effects.outcomes, [archived(Disposition::Late)]);
}

#[test]
fn a_low_mark_that_does_not_bound_lateness_judges_none() {
    let mut shard = sq(plain());
    let run = |mark: i64, made: Made| {
        Input::Pings(PingRun {
            source: 0,
            low_mark: Some(TimeMs(mark * 1000)),
            low_mark_bounds_lateness: false,
            pings: vec![made.done()],
        })
    };
    shard.apply(&[run(0, outside(5000))], TimeMs(5_000_000));
    let effects = shard.apply(&[run(0, inside(4099))], TimeMs(5_000_000));
    assert_eq!(effects.outcomes, [archived(Disposition::TooLate)]);
}

#[test]
fn the_hot_window_never_grows_back_with_another_source() {
    let mut shard = sq(plain());
    shard.apply(&[backed(1, Some(4500), [outside(5000)])], TimeMs(5_000_000));
    let too_late = shard.apply(&[backed(1, Some(5010), [inside(4050)])], TimeMs(5_010_000));
    assert_eq!(too_late.outcomes, [archived(Disposition::TooLate)]);
    // The newest ping now comes by a source with a backlog.
    shard.apply(&[backed(2, Some(0), [outside(5020)])], TimeMs(5_020_000));
    let effects = shard.apply(&[backed(2, Some(0), [inside(4050)])], TimeMs(5_020_000));
    assert_eq!(effects.outcomes, [archived(Disposition::TooLate)]);
}

#[test]
fn a_run_that_leaves_nothing_to_record_judges_no_later_ping() {
    // Whether the empty run was applied or not, as after a restart.
    let mut outcomes = Vec::new();
    for told in [true, false] {
        let mut shard = sq(plain());
        shard.apply(&[backed(1, Some(0), [outside(5000)])], TimeMs(5_000_000));
        shard.apply(&[backed(2, Some(0), [outside(10).of("other")])], TimeMs(5_000_000));
        if told {
            let effects = shard.apply(&[backed(1, Some(4000), [])], TimeMs(5_000_000));
            assert_eq!((effects.events, effects.outcomes), (vec![], vec![]));
        }
        let effects = shard.apply(&[backed(2, Some(0), [inside(100)])], TimeMs(5_000_000));
        outcomes.push(effects.outcomes);
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn too_many_vehicles_are_refused_and_known_ones_are_not() {
    let mut shard = sq(Settings { vehicles_max: 2, ..plain() });
    let effects =
        shard.pings([inside(0).of("a"), inside(0).of("b"), inside(0).of("c"), inside(1).of("a")]);
    let on_time = archived(Disposition::OnTime);
    assert_eq!(effects.outcomes, [on_time, on_time, Outcome::VehicleLimit, on_time]);
    assert_eq!(effects.counters.get("vehicle_limit"), 1);
    assert_eq!(shard.detector.vehicle_count(), 2);
    assert_eq!(shard.told(), ["enter sq @0", "enter sq @0"]);
}

#[test]
fn a_vehicle_silent_for_thirty_days_is_forgotten() {
    const DAY: i64 = 86_400;
    let mut shard = sq(Settings { vehicles_max: 1, ..plain() });
    shard.pings([inside(0)]);
    assert_eq!(shard.ping(inside(30 * DAY).of("w")), Outcome::VehicleLimit);
    // The hour after.
    assert_eq!(shard.ping(inside(30 * DAY + 3_600).of("w")), archived(Disposition::OnTime));
    assert_eq!(shard.detector.vehicle_count(), 1);
    let effects = shard.pings([inside(60 * DAY + 7_200)]);
    assert_eq!(effects.outcomes, [archived(Disposition::OnTime)]);
    assert_eq!(effects.events.len(), 1, "first seen again");
    assert_eq!(shard.detector.hot_bytes(), sq_bytes(1));
}

#[test]
fn a_message_sent_again_after_a_month_is_no_silent_vehicle() {
    const DAY: i64 = 86_400;
    let mut shard = sq(Settings { reorder_delay_ms: 2_000, ..plain() });
    let now = TimeMs(50 * DAY * 1000);
    shard.apply(&[backed(1, None, [inside(10)])], now);
    let effects = shard.apply(&[], now.plus(3_600_000));
    assert_eq!(effects.events.len(), 1, "its ping is judged");
    assert_eq!(shard.detector.vehicle_count(), 1);
    let effects = shard.apply(&[backed(1, None, [outside(20)])], now.plus(3_600_000));
    assert_eq!(effects.outcomes, [archived(Disposition::OnTime)]);
    shard.end(20);
    assert_eq!(shard.told(), ["enter sq @10", "exit sq @20", "visit sq @20"]);
}

/// Bytes of hot window that `fixes` pings take.
fn sq_bytes(fixes: u64) -> u64 {
    let mut one = sq(plain());
    one.pings([inside(0)]);
    one.detector.hot_bytes() * fixes
}

/// Pings in segments of 500.
fn fill(shard: &mut Shard, pings: impl IntoIterator<Item = Made>) {
    let pings: Vec<Made> = pings.into_iter().collect();
    for chunk in pings.chunks(500) {
        shard.pings(chunk.iter().cloned());
    }
}

#[test]
fn a_window_holds_so_many_pings_and_no_more() {
    let fast = |i: i64| ping_ms(i * 10, 10.005, 50.005);
    let frozen = |i: i64| inside(50).id(&i.to_string()).received(50);
    let backwards = |i: i64| ping_ms(400_000 - i * 10, 10.005, 50.005).received(400);
    let feeds: [(&str, &dyn Fn(i64) -> Made); 3] =
        [("many", &fast), ("of one time", &frozen), ("newest first", &backwards)];
    for (feed, made) in feeds {
        let mut shard = sq(plain());
        fill(&mut shard, (0..40_000).map(made));
        let held = shard.detector.hot_bytes() / sq_bytes(1);
        assert!(held < 16_384, "{feed}: {held} pings");
        let gave_way = shard.counters.get("hot_window_capped");
        let too_late = shard.counters.get("too_late");
        assert!(gave_way > 0, "{feed}");
        assert_eq!(held + gave_way + too_late, 40_000, "{feed}");
    }
}

#[test]
fn windows_keep_within_the_bytes_of_the_shard() {
    let limit = sq_bytes(2_000);
    let mut shard = sq(Settings { hot_bytes_max: limit, ..plain() });
    for i in 0..600 {
        shard.pings((0..10).map(|v| inside(i).of(&format!("v{v}"))));
        assert!(shard.detector.hot_bytes() <= limit + sq_bytes(10));
    }
    assert!(shard.counters.get("hot_window_capped") > 0);
    // What was counted as held is what is held.
    let restored = shard.restored();
    assert_eq!(restored.hot_bytes(), shard.detector.hot_bytes());
}

/// A window that gives way begins where the vehicle was judged up to, which
/// fences in force may have moved past a gap that is not known yet.
#[test]
fn what_is_known_after_a_window_gave_way_is_told_once() {
    let mut shard = sq(Settings { hot_bytes_max: sq_bytes(9), ..plain() });
    let parked = |t_s: i64| outside(t_s).ignition(Some(true));
    shard.pings((0..=400).step_by(50).map(parked));
    shard.fences(FenceSet::empty(), 10_000);
    shard.ping(ping(10_000, 8.0, 50.0).of("other"));
    assert_eq!(shard.counters.get("hot_window_capped"), 9);
    shard.ping(parked(10_100));
    assert_eq!(shard.ping(parked(10_050)), archived(Disposition::Late));
    assert_eq!(shard.log.iter().filter(|event| kind(event) == "idle_end").count(), 1);
    let told = ["stationary_start @0", "idle_start @0", "idle_end @400"];
    assert_eq!(shard.told()[..3], told.map(String::from));
}

#[test]
fn a_vehicle_keeps_no_more_than_its_window() {
    let mut shard = Shard::new(plain(), FenceSet::empty());
    let mut sizes = Vec::new();
    for hour in 0..30 {
        fill(&mut shard, (0..3600).step_by(5).map(|s| inside(hour * 3600 + s)));
        sizes.push(shard.detector.encode_state().len());
    }
    let (early, late) = (sizes[3], sizes[29]);
    assert!(late < early * 11 / 10, "{early} bytes became {late}");
}

#[test]
fn times_at_the_ends_of_the_clock_do_no_harm() {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX].map(TimeMs);
    for t in ends {
        for r in ends {
            let mut shard = sq(Settings { reorder_delay_ms: 2_000, ..plain() });
            let mut one = inside(0).done();
            (one.event_time, one.receive_time) = (t, r);
            let run = PingRun {
                low_mark: Some(r),
                low_mark_bounds_lateness: true,
                pings: vec![one],
                ..PingRun::default()
            };
            shard.apply(&[Input::Pings(run)], r);
            shard.apply(&[Input::End { end: t }], t);
            let restored = shard.restored();
            assert_eq!(restored.encode_state(), shard.detector.encode_state());
        }
    }
}
