//! Opening hours: what is read and written, what is refused, and when they
//! open and close, changes of the clocks included.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

use geofence::{Schedule, TimeMs};
use rstest::rstest;
use serde_json::{Value, json};

fn week(zone: &str, week: &Value) -> Schedule {
    Schedule::read(&json!({ "zone": zone, "week": week })).unwrap()
}

fn daily(zone: &str, span: &str) -> Schedule {
    week(zone, &json!({ "mon-sun": [span] }))
}

fn rule(zone: &str, rrule: &str, duration: &str) -> Schedule {
    Schedule::read(&json!({ "zone": zone, "rrule": rrule, "duration": duration })).unwrap()
}

fn time(text: &str) -> TimeMs {
    TimeMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Openings `+` and closings `-` in `[from, to)`, as minutes of UTC.
fn turns(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let (mut t, to) = (time(from).plus(-1), time(to));
    let mut turns = vec![];
    loop {
        let next = schedule.still_until(t);
        if next >= to {
            return turns;
        }
        let (before, after) = (schedule.is_open(t), schedule.is_open(next));
        assert_eq!(schedule.is_open(next.plus(-1)), before, "still until then");
        if before != after {
            let at = jiff::Timestamp::from_millisecond(next.0).unwrap();
            turns.push(format!("{}{}", if after { '+' } else { '-' }, at.strftime("%dT%H:%M")));
        }
        t = next;
    }
}

#[rstest]
#[case::the_day_before("28", ["+28T07:00", "-28T17:00"])]
#[case::the_day_of_the_change("29", ["+29T06:00", "-29T16:00"])]
fn eight_to_six_in_berlin_when_summer_begins(#[case] day: &str, #[case] wanted: [&str; 2]) {
    let schedule = daily("Europe/Berlin", "08:00-18:00");
    let (from, to) = (format!("2026-03-{day}T00:00Z"), format!("2026-03-{day}T23:59Z"));
    assert_eq!(turns(&schedule, &from, &to), wanted);
}

/// 02:00 to 03:00 is skipped on 29 March, and told twice on 25 October.
#[rstest]
#[case::over_the_gap("22:00-06:00", "2026-03-28T12:00Z", "2026-03-29T12:00Z", &["+28T21:00", "-29T04:00"])]
#[case::from_within_the_gap("02:30-06:00", "2026-03-29T00:00Z", "2026-03-29T12:00Z", &["+29T01:30", "-29T04:00"])]
#[case::to_within_the_gap("01:00-02:30", "2026-03-29T00:00Z", "2026-03-29T12:00Z", &["+29T00:00", "-29T01:30"])]
#[case::within_the_gap("02:15-02:45", "2026-03-29T00:00Z", "2026-03-29T12:00Z", &["+29T01:15", "-29T01:45"])]
#[case::nothing_left("02:30-03:15", "2026-03-29T00:00Z", "2026-03-29T12:00Z", &[])]
#[case::over_the_fold("22:00-06:00", "2026-10-24T12:00Z", "2026-10-25T12:00Z", &["+24T20:00", "-25T05:00"])]
#[case::from_within_the_fold("02:30-06:00", "2026-10-25T00:00Z", "2026-10-25T12:00Z", &["+25T00:30", "-25T05:00"])]
#[case::to_within_the_fold("01:00-02:30", "2026-10-25T00:00Z", "2026-10-25T12:00Z", &["-25T00:30"])]
fn when_the_clocks_change(
    #[case] span: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] wanted: &[&str],
) {
    assert_eq!(turns(&daily("Europe/Berlin", span), from, to), wanted);
}

#[test]
fn a_recurrence_within_the_gap_opens_later() {
    let schedule = rule("Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "PT2H");
    let wanted = ["+29T01:30", "-29T03:30", "+30T00:30", "-30T02:30"];
    assert_eq!(turns(&schedule, "2026-03-28T12:00Z", "2026-03-30T12:00Z"), wanted);
}

#[test]
fn a_recurrence_lasts_as_long_as_it_says() {
    let schedule = rule("Europe/Berlin", "FREQ=DAILY;BYHOUR=22", "PT8H");
    // Eight hours from 22:00 on, whatever the clocks show then.
    let wanted = ["+28T21:00", "-29T05:00", "+29T20:00"];
    assert_eq!(turns(&schedule, "2026-03-28T12:00Z", "2026-03-29T22:00Z"), wanted);
}

#[test]
fn spans_that_meet_are_one() {
    let schedule = week(
        "UTC",
        &json!({ "mon": ["08:00-12:00", "12:00-14:00", "13:00-18:00", "20:00-24:00"], "tue": ["00:00-02:00"] }),
    );
    // 2 March 2026 is a Monday.
    assert_eq!(
        turns(&schedule, "2026-03-02T00:00Z", "2026-03-09T00:00Z"),
        ["+02T08:00", "-02T18:00", "+02T20:00", "-03T02:00"]
    );
    let always = daily("Europe/Berlin", "00:00-24:00");
    assert_eq!(turns(&always, "2025-12-01T00:00Z", "2028-02-01T00:00Z"), [] as [&str; 0]);
    assert!(always.is_open(time("2026-03-29T01:00Z")));
    assert_eq!(always.opening(time("2026-03-29T01:00Z"), time("2020-01-01T00:00Z")), None);
}

#[rstest]
#[case::the_second_opens_first(["02:30-06:00", "03:00-05:00"], &["+29T01:00", "-29T04:00"])]
#[case::the_first_closes_last(["01:00-02:45", "02:30-03:10"], &["+29T00:00", "-29T01:45"])]
#[case::nothing_left_of_the_first(["02:30-03:00", "03:00-05:00"], &["+29T01:00", "-29T03:00"])]
#[case::nothing_left_of_the_second(["01:00-02:30", "02:30-03:10"], &["+29T00:00", "-29T01:30"])]
fn spans_that_meet_by_the_clock_are_told_apart_when_it_skips(
    #[case] spans: [&str; 2],
    #[case] wanted: &[&str],
) {
    let schedule = week("Europe/Berlin", &json!({ "mon-sun": spans }));
    assert_eq!(turns(&schedule, "2026-03-29T00:00Z", "2026-03-29T12:00Z"), wanted);
}

/// Of two spans a day, of every half hour that the changes of the clocks touch.
#[test]
fn it_is_open_when_one_of_its_spans_is() {
    let clock = |half: usize| format!("{:02}:{:02}", half / 2, half % 2 * 30);
    let spans: Vec<String> = (2..9)
        .flat_map(|from| (from + 1..9).map(move |to| (from, to)))
        .map(|(from, to)| format!("{}-{}", clock(from), clock(to)))
        .collect();
    let mornings = ["2026-03-28T22:00Z", "2026-10-24T22:00Z"].map(time);
    let open = |spans: Value| -> Vec<bool> {
        let schedule = week("Europe/Berlin", &json!({ "sun": spans }));
        let moments = mornings.iter().flat_map(|t| (0..48).map(|n| t.plus(n * 900_000)));
        moments.map(|t| schedule.is_open(t)).collect()
    };
    let alone: Vec<Vec<bool>> = spans.iter().map(|span| open(json!([span]))).collect();
    for (i, one) in spans.iter().enumerate() {
        for (j, other) in spans.iter().enumerate().skip(i) {
            let either: Vec<bool> = alone[i].iter().zip(&alone[j]).map(|(a, b)| *a || *b).collect();
            assert_eq!(open(json!([one, other])), either, "{one} {other}");
        }
    }
}

#[test]
fn a_date_that_is_excepted_has_its_own_spans() {
    let schedule = Schedule::read(&json!({
        "zone": "Europe/Berlin",
        "week": { "mon-sun": ["22:00-06:00"] },
        "exceptions": { "2026-12-24": ["08:00-12:00"], "2026-12-25": [] },
    }))
    .unwrap();
    // The night that begins on the 23rd ends as ever.
    assert_eq!(
        turns(&schedule, "2026-12-23T12:00Z", "2026-12-27T00:00Z"),
        ["+23T21:00", "-24T05:00", "+24T07:00", "-24T11:00", "+26T21:00"]
    );
}

#[test]
fn an_opening_is_found_over_the_turn_of_a_laid_out_year() {
    let schedule = week("UTC", &json!({ "mon": ["00:00-24:00"], "tue": ["00:00-24:00"] }));
    for week in 0..300 {
        let monday = time("2026-03-02T00:00Z").plus(week * 7 * 86_400_000);
        let tuesday = monday.plus(36 * 3_600_000);
        assert_eq!(schedule.opening(tuesday, monday.plus(-1)), Some(monday));
        assert_eq!(schedule.opening(tuesday, monday), None);
        assert!(!schedule.is_open(monday.plus(-1)) && !schedule.is_open(monday.plus(172_800_000)));
    }
}

/// Years outside those that are kept for good, asked for by turns and by
/// several threads, are told as ever.
#[test]
fn years_long_ago_and_far_ahead_are_told_by_whoever_asks() {
    let schedule = daily("UTC", "08:00-18:00");
    let mornings: Vec<TimeMs> =
        (1950..2150).step_by(7).map(|year| time(&format!("{year}-06-01T08:00Z"))).collect();
    let told = |mornings: &mut dyn Iterator<Item = &TimeMs>| {
        for morning in mornings {
            let (noon, evening) = (morning.plus(4 * 3_600_000), morning.plus(10 * 3_600_000));
            assert!(schedule.is_open(noon) && !schedule.is_open(morning.plus(-1)));
            assert_eq!(schedule.opening(noon, morning.plus(-1)), Some(*morning));
            assert_eq!(schedule.closing(noon, evening), Some(evening));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..3).for_each(|_| told(&mut mornings.iter())));
            scope.spawn(|| (0..3).for_each(|_| told(&mut mornings.iter().rev())));
        }
    });
}

#[test]
fn far_from_all_calendars_a_fence_is_closed() {
    let schedule = daily("Europe/Berlin", "00:00-24:00");
    for t in [i64::MIN, i64::MAX] {
        assert!(!schedule.is_open(TimeMs(t)));
    }
    assert!(schedule.is_open(TimeMs(0)) && schedule.is_open(time("2199-01-01T00:00Z")));
}

#[rstest]
#[case::days_in_a_row(
    json!({"zone": "europe/BERLIN", "week": {"fri": ["8"], "mon-thu": ["8"]}}),
    json!({"zone": "Europe/Berlin", "week": {"mon-fri": ["08:00-18:00"]}})
)]
#[case::spans_in_order(
    json!({"zone": "UTC", "week": {"mon": ["22:00-06:00", "12:00-13:00", "8", "12:00-13:00"]}}),
    json!({"zone": "UTC", "week": {"mon": ["08:00-18:00", "12:00-13:00", "22:00-06:00"]}})
)]
#[case::no_spans(
    json!({"zone": "UTC", "week": {"mon": ["00:00-24:00"], "tue": []}, "exceptions": {}}),
    json!({"zone": "UTC", "week": {"mon": ["00:00-24:00"]}})
)]
#[case::a_recurrence(
    json!({"zone": "UTC", "rrule": "RRULE:BYDAY=FR,MO;FREQ=WEEKLY;BYHOUR=16,8,8", "duration": "PT90M"}),
    json!({"zone": "UTC", "rrule": "FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=8,16;BYMINUTE=0", "duration": "PT1H30M"})
)]
#[case::null_beside_a_rule(
    json!({"zone": "UTC", "week": null, "rrule": "FREQ=DAILY;BYHOUR=8", "duration": "PT1H"}),
    json!({"zone": "UTC", "rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", "duration": "PT1H"})
)]
#[case::null_beside_a_week(
    json!({"zone": "UTC", "week": {"mon": ["8"]}, "rrule": null, "duration": null}),
    json!({"zone": "UTC", "week": {"mon": ["08:00-18:00"]}})
)]
#[case::every_day(
    json!({"zone": "UTC", "rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=8", "duration": "PT24H"}),
    json!({"zone": "UTC", "rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", "duration": "PT24H"})
)]
fn one_text_for_what_means_the_same(#[case] read: Value, #[case] written: Value) {
    let text = read.to_string().replace("\"8\"", "\"08:00-18:00\"");
    let schedule = Schedule::read(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(schedule.to_json(), written);
    let again = Schedule::read(&written).unwrap();
    assert_eq!((&again, again.to_json()), (&schedule, written));
}

#[rstest]
#[case(json!("08:00-18:00"), "`schedule`: an object")]
#[case(json!({"week": {"mon": []}}), "`schedule.zone`: missing")]
#[case(json!({"zone": "Berlin", "week": {}}), "\"Europe/Berlin\"")]
#[case(json!({"zone": "etc/UNKNOWN", "week": {"mon": ["08:00-18:00"]}}), "\"etc/UNKNOWN\" is no time zone")]
#[case(json!({"zone": "UTC"}), "`week` or `rrule` is missing")]
#[case(json!({"zone": "UTC", "week": null}), "`week` or `rrule` is missing")]
#[case(json!({"zone": "UTC", "week": {}, "rrule": "FREQ=DAILY"}), "one of them is needed")]
#[case(json!({"zone": "UTC", "week": {}}), "it never opens")]
#[case(json!({"zone": "UTC", "hours": {}}), "`schedule.hours`: unknown")]
#[case(json!({"zone": "UTC", "week": {"monday": []}}), "`schedule.week.monday`: no day")]
#[case(json!({"zone": "UTC", "week": {"fri-mon": []}}), "`schedule.week.fri-mon`: no day")]
#[case(json!({"zone": "UTC", "week": {"mon-fri": [], "tue": []}}), "tue is given twice")]
#[case(json!({"zone": "UTC", "week": {"mon": "08:00-18:00"}}), "a list of spans")]
#[case(json!({"zone": "UTC", "week": {"mon": ["8:00-18:00"]}}), "no span of local times")]
#[case(json!({"zone": "UTC", "week": {"mon": ["08:00-18:60"]}}), "no span of local times")]
#[case(json!({"zone": "UTC", "week": {"mon": ["08:00-24:01"]}}), "no span of local times")]
#[case(json!({"zone": "UTC", "week": {"mon": ["08:00-08:00"]}}), "is empty")]
#[case(json!({"zone": "UTC", "week": {"mon": ["24:00-08:00"]}}), "begins at 24:00")]
#[case(json!({"zone": "UTC", "week": {}, "exceptions": {"2026-02-30": []}}), "no date")]
#[case(json!({"zone": "UTC", "week": {"mon": ["08:00-09:00"]}, "duration": "PT1H"}), "goes with `rrule` only")]
#[case(json!({"zone": "UTC", "rrule": "FREQ=DAILY;BYHOUR=8"}), "`schedule.duration`: missing")]
#[case(json!({"zone": "UTC", "rrule": "FREQ=DAILY;BYHOUR=8", "duration": "P1D"}), "\"P1D\": \"PT1M\" to")]
#[case(json!({"zone": "UTC", "rrule": "FREQ=DAILY;BYHOUR=8", "duration": "PT25H"}), "to \"PT24H\"")]
fn what_is_no_schedule_is_refused_with_its_place(#[case] value: Value, #[case] problem: &str) {
    let error = Schedule::read(&value).unwrap_err().to_string();
    assert!(error.contains(problem), "{error}");
}

#[test]
fn a_zone_far_too_long_is_told_by_its_beginning() {
    let read = |zone: String| {
        let value = json!({ "zone": zone, "week": { "mon": ["08:00-18:00"] } });
        Schedule::read(&value).unwrap_err().to_string()
    };
    let (longest, longer) = (read("é".repeat(64)), read("é".repeat(65)));
    assert!(longest.contains(&format!("{:?} is no time zone", "é".repeat(64))), "{longest}");
    assert!(longest.contains("near to it are \""), "{longest}");
    let beginning = format!("\"{}…\", 65 characters long, is no time zone", "é".repeat(64));
    assert!(longer.contains(&beginning) && !longer.contains("near"), "{longer}");
    assert!(read("Europe/Berlin".repeat(3_000)).len() < 300);
}

#[rstest]
#[case("FREQ=MONTHLY;BYHOUR=8", "FREQ=MONTHLY is not supported")]
#[case("FREQ=DAILY;INTERVAL=2;BYHOUR=8", "INTERVAL is not supported")]
#[case("FREQ=DAILY;BYHOUR=8;COUNT=3", "COUNT is not supported")]
#[case("FREQ=DAILY;BYHOUR=8;UNTIL=20260101T000000Z", "UNTIL is not supported")]
#[case("BYHOUR=8", "FREQ is missing")]
#[case("FREQ=DAILY", "BYHOUR is missing")]
#[case("FREQ=WEEKLY;BYHOUR=8", "FREQ=WEEKLY needs BYDAY")]
#[case("FREQ=WEEKLY;BYDAY=1MO;BYHOUR=8", "BYDAY=1MO is none of MO")]
#[case("FREQ=DAILY;BYHOUR=24", "BYHOUR=24: numbers from 0 to 23")]
#[case("FREQ=DAILY;BYHOUR=+8", "BYHOUR=+8: numbers from 0 to 23")]
#[case("FREQ=DAILY;BYHOUR=008", "BYHOUR=008: numbers from 0 to 23")]
#[case("FREQ=DAILY;BYHOUR=8;BYMINUTE=", "BYMINUTE=: numbers from 0 to 59")]
#[case("FREQ=DAILY;BYHOUR=8;BYHOUR=9", "BYHOUR is given twice")]
#[case("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12", "52 spans a day")]
#[case("daily", "\"daily\" is no NAME=VALUE")]
fn what_no_rule_may_hold_is_refused_by_name(#[case] rrule: &str, #[case] problem: &str) {
    let value = json!({ "zone": "UTC", "rrule": rrule, "duration": "PT1H" });
    let error = Schedule::read(&value).unwrap_err().to_string();
    assert!(error.contains("`schedule.rrule`") && error.contains(problem), "{error}");
}
