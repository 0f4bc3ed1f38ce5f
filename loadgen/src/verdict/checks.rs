//! What must hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{KindScore, Part, Report};
use crate::profile::Thresholds;

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The threshold's name, with the kind where there is one.
    pub name: String,
    /// What was found.
    pub value: f64,
    /// At least or at most this.
    pub limit: f64,
    /// Whether the limit is the least rather than the most.
    pub at_least: bool,
    /// Whether it holds.
    pub holds: bool,
}

/// Holds a report against thresholds, and enters the verdict.
///
/// It passes if every threshold that is given holds. One that nothing was looked
/// at for does not, unless that is allowed; one that there was nothing to hold
/// against is said and fails nothing. A run that was interrupted, could not read
/// what it was to read, or was told one revision of an event in two ways, fails
/// whatever the thresholds; so does one whose table of events says something else
/// than the events did.
pub fn pass_verdict(thresholds: &Thresholds, report: &mut Report) {
    report.checks = checks(thresholds, report);
    let unchecked = unchecked(thresholds, &report.checks).into_iter();
    (report.without, report.unchecked) = unchecked.partition(|name| is_without(name, report));
    let looked = report.unchecked.is_empty() || report.unchecked_allowed;
    report.pass = looked && report.checks.iter().all(|check| check.holds);
}

/// What it takes to look at what a threshold is about.
pub(super) fn needed_for(threshold: &str) -> &'static str {
    match threshold.split(' ').next().unwrap_or(threshold) {
        "missing_max" | "doubled_max" | "strangers_max" | "altered_max" => {
            "the archive: --data-dir, or --archive bigquery:…"
        }
        "positions_wrong_max" => {
            "positions, over HTTP or by --positions firestore:…, and every ping acknowledged"
        }
        "position_p99_ms_max" => "positions as they change, over HTTP or by --positions",
        "gaps_max" | "unreadable_max" => {
            "events, over HTTP or by --events or --events-subscription"
        }
        "f1_min" => "events, over HTTP or by --events or --events-subscription, and a truth",
        "time_error_p95_ms_max" | "inside_interval_min" => {
            "events that are true, over HTTP or by --events or --events-subscription"
        }
        "event_p99_ms_max" => {
            "enters or passes as they come, over HTTP or by --events or --events-subscription"
        }
        "published_p99_ms_max" => {
            "enters, exits or passes that a ping decided, by --events-subscription"
        }
        "received_p99_ms_max" => "enters, exits or passes that a ping decided, over HTTP",
        "answer_p99_ms_max" => "answers of the target",
        "rejects_exact" => {
            "answers over HTTP, or dead letters: --data-dir, or --dead-letters-subscription"
        }
        _ => "a target that pings are sent to",
    }
}

/// Checks what was looked at.
fn checks(thresholds: &Thresholds, report: &Report) -> Vec<Check> {
    let mut list = List::default();
    let most = |most: Option<u64>| most.map(|most| most as f64);
    if report.interrupted {
        list.at_most("interrupted", Some(0.0), 1.0);
    }
    if !report.unread.is_empty() {
        list.at_most("unread", Some(0.0), report.unread.len() as f64);
    }
    if let Some(events) = report.events.as_ref().filter(|events| events.contradicted > 0) {
        list.at_most("contradicted", Some(0.0), events.contradicted as f64);
    }
    if let Some(rows) = &report.event_rows {
        list.at_most("event_rows_wrong", Some(0.0), rows.wrong() as f64);
    }
    let pings = &report.pings;
    let sent = pings.intended.max(1) as f64;
    list.at_least(
        "acknowledged_min",
        thresholds.acknowledged_min,
        pings.tally.acknowledged as f64 / sent,
    );
    if pings.archive_read {
        let missing = most(thresholds.missing_max).filter(|_| !pings.archive_cut_short);
        list.at_most("missing_max", missing, pings.tally.missing as f64);
        list.at_most("doubled_max", most(thresholds.doubled_max), pings.tally.doubled as f64);
        let strangers = pings.tally.strangers as f64;
        list.at_most("strangers_max", most(thresholds.strangers_max), strangers);
        list.at_most("altered_max", most(thresholds.altered_max), pings.tally.altered as f64);
    }
    if let Some((wrong, _)) = pings.positions_wrong {
        list.at_most("positions_wrong_max", most(thresholds.positions_wrong_max), wrong as f64);
    }
    let sending = &report.sending;
    let rate = sending.achieved_rate / sending.intended_rate.max(1e-9);
    list.at_least("rate_min", thresholds.rate_min, rate);
    if let Some(events) = &report.events {
        list.at_most("gaps_max", most(thresholds.gaps_max), events.feed.gaps as f64);
        let unreadable = events.feed.unreadable as f64;
        list.at_most("unreadable_max", most(thresholds.unreadable_max), unreadable);
        if report.has_truth {
            check_kinds(thresholds, report, &mut list);
        }
    }
    let event = &report.latency.event;
    if event.count > 0 {
        list.at_most("event_p99_ms_max", thresholds.event_p99_ms_max, event.p99_ms);
    }
    let published = &report.latency.published;
    if published.count > 0 {
        list.at_most("published_p99_ms_max", thresholds.published_p99_ms_max, published.p99_ms);
    }
    let received = &report.latency.received;
    if received.count > 0 {
        list.at_most("received_p99_ms_max", thresholds.received_p99_ms_max, received.p99_ms);
    }
    let answer = &report.latency.answer;
    if answer.count > 0 {
        list.at_most("answer_p99_ms_max", thresholds.answer_p99_ms_max, answer.p99_ms);
    }
    let position = &report.latency.position;
    if position.count > 0 {
        list.at_most("position_p99_ms_max", thresholds.position_p99_ms_max, position.p99_ms);
    }
    let rejects_read = report.rejects.told || report.rejects.dead_letters.is_some();
    // Answers alone are less than what the run was judged by.
    let letters_gone = report.gone.contains(&Part::DeadLetters);
    if thresholds.rejects_exact && rejects_read && !letters_gone {
        list.at_most("rejects_exact", Some(0.0), wrong_rejects(report) as f64);
    }
    list.checks
}

/// The thresholds given that none of the checks is of: nothing was looked at, or
/// found, that they could be held against.
fn unchecked(thresholds: &Thresholds, checks: &[Check]) -> Vec<String> {
    let is_of = |check: &Check, name: &str| {
        check.name == name || check.name.split(' ').next() == Some(name)
    };
    let given = thresholds.given().into_iter();
    given.filter(|name| !checks.iter().any(|it| is_of(it, name))).collect()
}

/// Whether it was looked at what this threshold is about, and there was nothing
/// to hold it against: nothing of the kind, or an archive that was not waited for.
fn is_without(threshold: &str, report: &Report) -> bool {
    let events_read = report.has_truth && report.events.is_some();
    (threshold.starts_with("f1_min ") && events_read)
        || (threshold == "missing_max" && report.pings.archive_cut_short)
}

/// Why there was nothing to hold a threshold against.
pub(super) fn why_without(threshold: &str) -> &'static str {
    match threshold {
        "missing_max" => "the archive was not waited for; loadgen verify looks again",
        _ => "nothing to find in the truth, and nothing was made up",
    }
}

fn check_kinds(thresholds: &Thresholds, report: &Report, list: &mut List) {
    // Where nothing was required and nothing was said, a score says nothing.
    let says_something = |score: &KindScore| score.required + score.made_up > 0;
    for (kind, score) in report.kinds.iter().filter(|(_, score)| says_something(score)) {
        // What nobody thought of must not pass for it.
        let least = thresholds.f1_min.get(kind).copied().unwrap_or(1.0);
        let judged = !thresholds.f1_min.is_empty();
        list.at_least(&format!("f1_min {kind}"), judged.then_some(least), score.f1);
    }
    for (kind, score) in report.kinds.iter().filter(|(_, score)| score.found > 0) {
        list.at_most(
            &format!("time_error_p95_ms_max {kind}"),
            thresholds.time_error_p95_ms_max,
            score.time_error_ms.p95,
        );
        list.at_least(
            &format!("inside_interval_min {kind}"),
            thresholds.inside_interval_min,
            score.inside_interval,
        );
    }
}

/// Messages whose fate is not the one they were made for: in the answers, and
/// in the dead letters where those were read.
fn wrong_rejects(report: &Report) -> u64 {
    let rejects = &report.rejects;
    let of_answers = if rejects.told {
        rejects.wrongly + differences(&rejects.expected, &rejects.answered)
    } else {
        0
    };
    let of_letters = rejects.dead_letters.as_ref().map_or(0, |letters| {
        differences(&rejects.expected, letters)
            + rejects.dead_letters_repeated
            + rejects.dead_letters_altered
    });
    of_answers + of_letters
}

fn differences(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> u64 {
    let missing_or_more =
        |(code, count): (&String, &u64)| found.get(code).copied().unwrap_or(0).abs_diff(*count);
    let unknown = found.iter().filter(|(code, _)| !expected.contains_key(*code));
    expected.iter().map(missing_or_more).sum::<u64>() + unknown.map(|(_, count)| count).sum::<u64>()
}

#[derive(Default)]
struct List {
    checks: Vec<Check>,
}

impl List {
    fn at_least(&mut self, name: &str, limit: Option<f64>, value: f64) {
        self.push(name, limit, value, true);
    }

    fn at_most(&mut self, name: &str, limit: Option<f64>, value: f64) {
        self.push(name, limit, value, false);
    }

    fn push(&mut self, name: &str, limit: Option<f64>, value: f64, at_least: bool) {
        let Some(limit) = limit else { return };
        let holds = if at_least { value >= limit } else { value <= limit };
        self.checks.push(Check { name: name.to_owned(), value, limit, at_least, holds });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Percentiles;
    use crate::read::sse::Feed;
    use crate::read::told::EventRows;
    use crate::verdict::{Events, Timing};

    fn report() -> Report {
        let mut report = Report::default();
        report.pings.intended = 1_000;
        report.pings.tally.acknowledged = 999;
        report.sending.intended_rate = 100.0;
        report.sending.achieved_rate = 98.0;
        let enter = KindScore {
            f1: 0.97,
            required: 3,
            found: 3,
            inside_interval: 1.0,
            ..KindScore::default()
        };
        report.kinds.insert("geofence_enter".into(), enter);
        report.rejects.expected.insert("null_island".into(), 3);
        report
    }

    fn failing(thresholds: &Thresholds, report: &Report) -> Vec<String> {
        let failed = checks(thresholds, report).into_iter().filter(|check| !check.holds);
        failed.map(|check| check.name).collect()
    }

    #[test]
    fn each_threshold_is_checked_where_it_is_given_and_was_looked_at() {
        let thresholds = Thresholds {
            acknowledged_min: Some(1.0),
            missing_max: Some(0),
            rate_min: Some(0.98),
            f1_min: BTreeMap::from([("geofence_enter".into(), 0.99)]),
            rejects_exact: true,
            ..Thresholds::default()
        };
        let mut report = report();
        assert!(checks(&Thresholds::default(), &report).is_empty());
        assert_eq!(failing(&thresholds, &report), ["acknowledged_min"]);
        let passed_over = unchecked(&thresholds, &checks(&thresholds, &report));
        assert_eq!(passed_over, ["missing_max", "rejects_exact", "f1_min geofence_enter"]);
        report.has_truth = true;
        report.rejects.told = true;
        report.events = Some(Events { feed: Feed::default(), ..Events::default() });
        report.pings.archive_read = true;
        report.pings.tally.missing = 1;
        report.rejects.answered.insert("null_island".into(), 2);
        let failed = failing(&thresholds, &report);
        let expected =
            ["acknowledged_min", "missing_max", "f1_min geofence_enter", "rejects_exact"];
        assert_eq!(failed, expected);
        report.rejects.answered.insert("null_island".into(), 3);
        report.rejects.dead_letters = Some(report.rejects.expected.clone());
        assert!(!failing(&thresholds, &report).contains(&"rejects_exact".to_owned()));
        report.rejects.dead_letters_repeated = 1;
        assert!(failing(&thresholds, &report).contains(&"rejects_exact".to_owned()));
        report.rejects.dead_letters_repeated = 0;
        report.rejects.dead_letters_altered = 1;
        assert!(failing(&thresholds, &report).contains(&"rejects_exact".to_owned()));
        // Of dead letters that are not there any more, answers do not tell.
        let gone = Report { gone: [Part::DeadLetters].into(), ..report.clone() };
        assert_eq!(unchecked(&thresholds, &checks(&thresholds, &gone)), ["rejects_exact"]);
        assert!(unchecked(&thresholds, &checks(&thresholds, &report)).is_empty());
    }

    #[test]
    fn a_threshold_that_nothing_was_looked_at_for_does_not_hold() {
        let thresholds = Thresholds {
            acknowledged_min: Some(0.9),
            missing_max: Some(0),
            event_p99_ms_max: Some(1_000.0),
            ..Thresholds::default()
        };
        let mut report = report();
        // Events were read, and none of them tells of a latency.
        report.events = Some(Events::default());
        pass_verdict(&thresholds, &mut report);
        assert_eq!(report.unchecked, ["missing_max", "event_p99_ms_max"]);
        assert!(!report.pass && report.checks.iter().all(|check| check.holds));
        let said = crate::verdict::text(&report);
        assert!(said.contains("FAIL missing_max") && said.contains("--data-dir"), "{said}");
        assert!(said.contains("--allow-unchecked"), "{said}");
        report.unchecked_allowed = true;
        pass_verdict(&thresholds, &mut report);
        assert!(report.pass);
        let said = crate::verdict::text(&report);
        assert!(said.contains("missing_max") && !said.contains("FAIL"), "{said}");
        // What was looked at and does not hold is not allowed.
        report.pings.archive_read = true;
        report.pings.tally.missing = 1;
        pass_verdict(&thresholds, &mut report);
        assert!(!report.pass);
    }

    #[test]
    fn a_kind_that_there_is_nothing_of_is_said_and_fails_nothing() {
        let f1_min = ["geofence_cross", "geofence_dwell", "geofence_enter", "idle_start"];
        let thresholds = Thresholds {
            f1_min: f1_min.map(|kind| (kind.to_owned(), 0.9)).into(),
            ..Thresholds::default()
        };
        let mut report = report();
        // Without events nothing is known of any kind.
        report.has_truth = true;
        pass_verdict(&thresholds, &mut report);
        assert_eq!((report.unchecked.len(), report.without.len()), (4, 0));
        report.events = Some(Events::default());
        // Right, as nothing was required and nothing said; and said though nothing was.
        let nothing = KindScore { f1: 1.0, undecidable: 2, corrections: 1, ..Default::default() };
        report.kinds.insert("geofence_dwell".into(), nothing);
        let made_up = KindScore { f1: 0.0, made_up: 1, ..Default::default() };
        report.kinds.insert("idle_start".into(), made_up);
        pass_verdict(&thresholds, &mut report);
        assert_eq!(report.without, ["f1_min geofence_cross", "f1_min geofence_dwell"]);
        assert_eq!(report.unchecked, [""; 0]);
        assert_eq!(failing(&thresholds, &report), ["f1_min idle_start"]);
        let said = crate::verdict::text(&report);
        assert!(said.contains("--   f1_min geofence_cross") && said.contains("truth"), "{said}");
        report.kinds.remove("idle_start");
        pass_verdict(&thresholds, &mut report);
        assert!(report.pass, "{report:?}");
    }

    #[test]
    fn what_is_not_in_an_archive_that_was_not_waited_for_is_not_missing() {
        let thresholds = Thresholds { missing_max: Some(0), ..Thresholds::default() };
        let mut report = report();
        (report.interrupted, report.pings.archive_read) = (true, true);
        report.pings.tally.missing = 609;
        assert_eq!(failing(&thresholds, &report), ["interrupted", "missing_max"]);
        report.pings.archive_cut_short = true;
        pass_verdict(&thresholds, &mut report);
        assert_eq!(failing(&thresholds, &report), ["interrupted"]);
        let said = crate::verdict::text(&report);
        assert!(said.contains("609 not there yet") && said.contains("not waited for"), "{said}");
    }

    #[test]
    fn what_was_altered_is_judged_and_told() {
        let thresholds = Thresholds { altered_max: Some(0), ..Thresholds::default() };
        let mut report = report();
        pass_verdict(&thresholds, &mut report);
        assert_eq!((&report.unchecked[..], report.pass), (&["altered_max".into()][..], false));
        report.pings.archive_read = true;
        pass_verdict(&thresholds, &mut report);
        assert!(report.pass, "{report:?}");
        report.pings.tally.altered = 1;
        report.pings.altered_examples = vec!["v7 seq 3: lat must be 1 and is 2".into()];
        pass_verdict(&thresholds, &mut report);
        assert_eq!(
            (failing(&thresholds, &report), report.pass),
            (vec!["altered_max".into()], false)
        );
        let said = crate::verdict::text(&report);
        assert!(said.contains("1 altered") && said.contains("lat must be 1 and is 2"), "{said}");
    }

    #[test]
    fn a_kind_without_a_threshold_must_be_exact() {
        let f1_min =
            BTreeMap::from([("geofence_enter".into(), 0.9), ("geofence_cross".into(), 0.0)]);
        let thresholds = Thresholds { f1_min, ..Thresholds::default() };
        let mut report = report();
        (report.has_truth, report.events) = (true, Some(Events::default()));
        let missed = KindScore { f1: 0.0, required: 3, missed: 3, ..Default::default() };
        report.kinds.insert("geofence_visit".into(), missed.clone());
        let made_up = KindScore { f1: 0.0, made_up: 1, ..Default::default() };
        report.kinds.insert("vehicle_offline".into(), made_up);
        // Left out by 0, and said so.
        report.kinds.insert("geofence_cross".into(), missed);
        let failed = failing(&thresholds, &report);
        assert_eq!(failed, ["f1_min geofence_visit", "f1_min vehicle_offline"]);
        // Where no kind has a threshold, events are not judged.
        assert_eq!(failing(&Thresholds::default(), &report), [""; 0]);
    }

    #[test]
    fn how_soon_events_are_published_is_judged_where_a_topic_was_read() {
        let thresholds = Thresholds { published_p99_ms_max: Some(700.0), ..Thresholds::default() };
        expect_judged_where_known(&thresholds, "published_p99_ms_max", |timing| {
            &mut timing.published
        });
    }

    #[test]
    fn how_soon_events_come_after_their_ping_is_judged_where_that_is_known() {
        let thresholds = Thresholds { received_p99_ms_max: Some(700.0), ..Thresholds::default() };
        expect_judged_where_known(&thresholds, "received_p99_ms_max", |timing| {
            &mut timing.received
        });
    }

    /// That the threshold, 700 ms, is unchecked without any of the latencies, and
    /// held against their 99th percentile.
    fn expect_judged_where_known(
        thresholds: &Thresholds,
        name: &str,
        latency: impl Fn(&mut Timing) -> &mut Percentiles,
    ) {
        let mut report = report();
        // Events came, and tell of no such latency.
        report.events = Some(Events::default());
        report.latency.event = Percentiles { count: 9, p99_ms: 9.0, ..Percentiles::default() };
        pass_verdict(thresholds, &mut report);
        assert_eq!((&report.unchecked[..], report.pass), (&[name.into()][..], false));
        for (p99_ms, passes) in [(700.0, true), (701.0, false)] {
            *latency(&mut report.latency) =
                Percentiles { count: 1, p99_ms, ..Percentiles::default() };
            pass_verdict(thresholds, &mut report);
            assert_eq!((report.unchecked.len(), report.pass), (0, passes), "{p99_ms}");
        }
    }

    #[test]
    fn nothing_is_judged_of_rejects_that_nobody_tells_of() {
        let thresholds = Thresholds { rejects_exact: true, ..Thresholds::default() };
        let mut report = report();
        assert!(checks(&thresholds, &report).is_empty());
        // An answer without any reject, where three were due.
        report.rejects.told = true;
        assert_eq!(failing(&thresholds, &report), ["rejects_exact"]);
        report.rejects.told = false;
        report.rejects.dead_letters = Some(report.rejects.expected.clone());
        assert_eq!(checks(&thresholds, &report).len(), 1);
        assert!(failing(&thresholds, &report).is_empty());
    }

    #[test]
    fn what_was_found_beside_the_pings_counts_too() {
        let thresholds = Thresholds {
            strangers_max: Some(0),
            positions_wrong_max: Some(1),
            gaps_max: Some(0),
            unreadable_max: Some(0),
            ..Thresholds::default()
        };
        let mut report = report();
        report.pings.archive_read = true;
        report.events = Some(Events::default());
        report.pings.positions_wrong = Some((1, 8));
        assert_eq!(failing(&thresholds, &report), [""; 0]);
        report.pings.tally.strangers = 1;
        report.pings.positions_wrong = Some((2, 8));
        report.events = Some(Events {
            feed: Feed { gaps: 1, unreadable: 1, ..Feed::default() },
            ..Events::default()
        });
        let expected = ["strangers_max", "positions_wrong_max", "gaps_max", "unreadable_max"];
        assert_eq!(failing(&thresholds, &report), expected);
    }

    #[test]
    fn what_no_run_may_be_fails_without_thresholds() {
        let mut report = report();
        report.interrupted = true;
        report.unread.insert(Part::Archive, "no such table".into());
        report.events = Some(Events { contradicted: 1, ..Events::default() });
        let lat = "event 1: lat must be 1 and is 2".to_owned();
        report.event_rows =
            Some(EventRows { altered: 1, examples: vec![lat.clone()], ..EventRows::default() });
        let expected = ["interrupted", "unread", "contradicted", "event_rows_wrong"];
        assert_eq!(failing(&Thresholds::default(), &report), expected);
        let said = crate::verdict::text(&report);
        assert!(said.contains("1 altered") && said.contains(&lat), "{said}");
        for right in [None, Some(EventRows { rows: 3, ..EventRows::default() })] {
            report.event_rows = right;
            assert_eq!(failing(&Thresholds::default(), &report), expected[..3]);
        }
    }
}
