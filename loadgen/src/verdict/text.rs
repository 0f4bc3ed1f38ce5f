//! A report for people, as text.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::checks::{needed_for, why_without};
use super::{Check, KindScore, Pings, Rejects, Report};
use crate::latency::Percentiles;

/// The report as some lines of text, the verdict last.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = Lines::default();
    add_sending(&mut out, report);
    add_pings(&mut out, &report.pings);
    add_rejects(&mut out, &report.rejects);
    add_events(&mut out, report);
    add_kinds(&mut out, &report.kinds);
    add_latency(&mut out, report);
    add_processes(&mut out, report);
    out.line("");
    add_notes(&mut out, report);
    add_checks(&mut out, report);
    out.line(if report.pass { "PASS" } else { "FAIL" });
    out.0
}

/// Text that grows line by line.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: impl Display) {
        writeln!(self.0, "{text}").expect("a String takes every text");
    }

    /// Beneath what the line before is about.
    fn beneath(&mut self, texts: &[String]) {
        for text in texts {
            self.line(format_args!("          {text}"));
        }
    }
}

/// What was sent, and how well the schedule was kept.
fn add_sending(out: &mut Lines, report: &Report) {
    let sending = &report.sending;
    out.line(format_args!(
        "{} → {}, seed {}, {:.0} s from {}",
        report.profile, report.target, report.seed, report.seconds, report.start
    ));
    if report.interrupted {
        out.line("INTERRUPTED before its time: what follows is of what was sent until then");
    }
    out.line(format_args!(
        "rate      {:.0} of {:.0} messages/s; at most {} ms behind schedule",
        sending.achieved_rate, sending.intended_rate, sending.behind_ms_max
    ));
    if sending.intended_rate_max > 0 {
        out.line(format_args!(
            "schedule  up to {} pings/s; the last answer after {:.1} s",
            sending.intended_rate_max,
            sending.last_answer_ms as f64 / 1e3
        ));
    }
    let answers: Vec<String> = sending.answers.iter().map(|(a, n)| format!("{n} × {a}")).collect();
    if !answers.is_empty() {
        out.line(format_args!("answers   {}; {} sent again", answers.join(", "), sending.retries));
    }
    if sending.given_up + sending.refused > 0 {
        out.line(format_args!(
            "lost      {} given up, {} refused",
            sending.given_up, sending.refused
        ));
    }
}

/// What became of the pings, and of the positions they left.
fn add_pings(out: &mut Lines, pings: &Pings) {
    let tally = &pings.tally;
    out.line(format_args!(
        "pings     {} due, {} sent, {} acknowledged; {} copies, {} known as duplicates",
        pings.intended, tally.sent, tally.acknowledged, pings.copies, pings.duplicates
    ));
    if pings.archive_read {
        let missing = if pings.archive_cut_short { "not there yet" } else { "missing" };
        out.line(format_args!(
            "archive   {} there, {} {missing}, {} doubled, {} never sent, {} altered",
            tally.archived, tally.missing, tally.doubled, tally.strangers, tally.altered
        ));
        out.beneath(&pings.altered_examples);
    }
    if let Some(behind) = pings.archive_behind_max {
        out.line(format_args!(
            "          at most {behind} acknowledged pings behind while the run went on"
        ));
    }
    if let Some((wrong, of)) = pings.positions_wrong {
        out.line(format_args!("positions {wrong} of {of} not the newest"));
        out.beneath(&pings.position_examples);
    }
}

/// What had to be refused, and whether it was told.
fn add_rejects(out: &mut Lines, rejects: &Rejects) {
    if rejects.expected.is_empty() && rejects.wrongly == 0 {
        return;
    }
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    let mut parts = vec![format!("{} due", sum(&rejects.expected))];
    if rejects.told {
        parts.push(format!("{} answered, {} wrongly", sum(&rejects.answered), rejects.wrongly));
    }
    if let Some(letters) = &rejects.dead_letters {
        let repeated = rejects.dead_letters_repeated;
        let altered = rejects.dead_letters_altered;
        let letters = sum(letters);
        parts.push(format!("{letters} dead letters, {repeated} there again, {altered} altered"));
    }
    out.line(format_args!("rejects   {}", parts.join(", ")));
    out.beneath(&rejects.dead_letter_examples);
}

/// Events as they were delivered, and the rows of their table.
fn add_events(out: &mut Lines, report: &Report) {
    if let Some(events) = &report.events {
        out.line(format_args!(
            "events    {} operations, {} corrections, {} delivered again, {} of them other than before",
            events.operations, events.corrections, events.repeated, events.contradicted
        ));
        let feed = &events.feed;
        if feed.reconnects + feed.gaps + feed.unreadable > 0 {
            out.line(format_args!(
                "          {} times opened again, {} gaps, {} unreadable",
                feed.reconnects, feed.gaps, feed.unreadable
            ));
        }
    }
    if let Some(rows) = &report.event_rows {
        out.line(format_args!(
            "          {} rows: {} missing, {} doubled, {} of what never came, {} altered",
            rows.rows, rows.missing, rows.doubled, rows.strangers, rows.altered
        ));
        out.beneath(&rows.examples);
    }
}

/// A table of the kinds of events against the truth.
fn add_kinds(out: &mut Lines, kinds: &BTreeMap<String, KindScore>) {
    if kinds.is_empty() {
        return;
    }
    out.line(format_args!(
        "\n{:18} {:>8} {:>7} {:>7} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "kind",
        "required",
        "missed",
        "made up",
        "corrected",
        "recall",
        "precis.",
        "error p50",
        "p95 ms",
        "inside"
    ));
    for (kind, score) in kinds {
        out.line(format_args!(
            "{kind:18} {:>8} {:>7} {:>7} {:>9} {:>8.4} {:>8.4} {:>9.0} {:>9.0} {:>8.4}",
            score.required,
            score.missed,
            score.made_up,
            score.corrections,
            score.recall,
            score.precision,
            score.time_error_ms.p50,
            score.time_error_ms.p95,
            score.inside_interval
        ));
    }
}

/// A table of how long things took, and what its numbers leave out.
fn add_latency(out: &mut Lines, report: &Report) {
    out.line(format_args!(
        "\n{:18} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency, ms", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    ));
    if report.warm_up_s > 0 {
        out.line(format_args!(
            "(of events and positions only what happened from {} s on)",
            report.warm_up_s
        ));
    }
    if report.sending.given_up > 0 {
        out.line("(a message that was given up counts as an hour to the answer)");
    }
    let timing = &report.latency;
    let rows = [
        ("ping to answer", &timing.answer),
        ("ping to enter", &timing.event),
        ("ping to exit", &timing.exit),
        ("publish to publish", &timing.published),
        ("receipt to event", &timing.received),
        ("ping to position", &timing.position),
    ];
    for (name, of) in rows.iter().filter(|(_, of)| of.count > 0) {
        out.line(percentiles(name, of));
    }
    for (name, of) in rows.iter().filter(|(_, of)| of.early > 0) {
        out.line(format_args!(
            "{name}: {} more came before they were sent: clocks differ",
            of.early
        ));
    }
}

/// What the target took of its machine, and what sending took.
fn add_processes(out: &mut Lines, report: &Report) {
    if let Some(process) = &report.process {
        out.line(format_args!(
            "\ntarget    {:.1} s of CPU, {:.2} of a core; {:.0} MiB at first, {:.0} MiB at most",
            process.cpu_s,
            process.cpu_s / report.seconds.max(1e-9),
            process.rss_bytes_first as f64 / 1_048_576.0,
            process.rss_bytes_max as f64 / 1_048_576.0
        ));
    }
    if let Some(own) = &report.own {
        out.line(format_args!(
            "loadgen   {:.1} s of CPU, {:.2} of a core, {:.1} µs a message at {:.0}/s; {:.0} MiB",
            own.cpu_s,
            own.cores,
            own.us_per_message,
            own.messages_per_s,
            own.rss_bytes_max as f64 / 1_048_576.0
        ));
    }
}

/// What else there is to know before the checks are read.
fn add_notes(out: &mut Lines, report: &Report) {
    report.notes.iter().for_each(|note| out.line(format_args!("note: {note}")));
    for part in &report.gone {
        out.line(format_args!("not read again: {part}, from files"));
    }
    for (part, why) in &report.unread {
        out.line(format_args!("cannot be read: {part}: {why}"));
    }
}

/// What was looked at, what there was no need to, and what was not.
fn add_checks(out: &mut Lines, report: &Report) {
    report.checks.iter().for_each(|check| out.line(check_line(check)));
    for name in &report.without {
        out.line(format_args!("--   {name:42} {}", why_without(name)));
    }
    for name in &report.unchecked {
        let mark = if report.unchecked_allowed { "--  " } else { "FAIL" };
        out.line(format_args!("{mark} {name:42} not looked at; needs {}", needed_for(name)));
    }
    if !report.unchecked.is_empty() && !report.unchecked_allowed {
        out.line("     (--allow-unchecked is for runs that only measure what sending costs)");
    }
}

fn percentiles(name: &str, of: &Percentiles) -> String {
    format!(
        "{name:18} {:>8} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        of.count, of.p50_ms, of.p90_ms, of.p99_ms, of.p99_9_ms, of.p99_99_ms, of.max_ms
    )
}

fn check_line(check: &Check) -> String {
    let sign = if check.at_least { '≥' } else { '≤' };
    let mark = if check.holds { "ok  " } else { "FAIL" };
    format!("{mark} {:42} {:>12.4} {sign} {}", check.name, check.value, check.limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Tally;
    use crate::read::sse::Feed;
    use crate::read::told::EventRows;
    use crate::target_process::Usage;
    use crate::verdict::{Cost, Events, Part, Sending, Timing};

    #[test]
    fn every_number_of_a_kind_and_of_a_latency_stands_under_its_name() {
        let mut report = Report::default();
        let score = KindScore { required: 70, missed: 3, corrections: 41, ..KindScore::default() };
        report.kinds.insert("geofence_exit".into(), score);
        report.latency.event = Percentiles {
            count: 9,
            early: 0,
            p50_ms: 1.0,
            p90_ms: 2.0,
            p99_ms: 3.0,
            p99_9_ms: 4.0,
            p99_99_ms: 5.5,
            max_ms: 6.0,
        };
        report.latency.published = Percentiles { p99_ms: 7.0, early: 4, ..report.latency.event };
        report.latency.received = Percentiles { p99_ms: 8.0, ..report.latency.event };
        let text = text(&report);
        let of = |head: &str, row: &str, name: &str| {
            let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
            // A column ends where its name does.
            let end = line(head).find(name).unwrap() + name.len();
            line(row)[..end].rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(of("kind", "geofence_exit", "required"), "70");
        assert_eq!(of("kind", "geofence_exit", "missed"), "3");
        assert_eq!(of("kind", "geofence_exit", "corrected"), "41");
        assert_eq!(of("latency", "ping to enter", "p99.99"), "5.5");
        assert_eq!(of("latency", "ping to enter", "max"), "6.0");
        assert_eq!(of("latency", "publish to publish", "p99"), "7.0");
        assert_eq!(of("latency", "receipt to event", "p99"), "8.0");
        assert_eq!(text.matches("clocks differ").count(), 1);
        assert!(text.contains("publish to publish: 4 more came before they were sent"), "{text}");
    }

    fn percentiles_from(ms: f64) -> Percentiles {
        Percentiles {
            count: 9,
            early: 0,
            p50_ms: ms,
            p90_ms: ms + 1.0,
            p99_ms: ms + 2.0,
            p99_9_ms: ms + 3.0,
            p99_99_ms: ms + 4.0,
            max_ms: ms + 5.0,
        }
    }

    /// A report that has everything of which there is a line.
    fn full() -> Report {
        let counts =
            |of: &[(&str, u64)]| of.iter().map(|&(name, n)| (name.to_owned(), n)).collect();
        let check = |name: &str, at_least, holds| Check {
            name: name.into(),
            value: 0.5,
            limit: 0.25,
            at_least,
            holds,
        };
        Report {
            pass: false,
            interrupted: true,
            checks: vec![
                check("recall_min geofence_exit", true, true),
                check("event_p99_ms_max", false, false),
            ],
            unchecked: vec!["missing_max".into()],
            without: vec!["f1_min geofence_cross".into()],
            unread: [(Part::EventTable, "no such table".to_owned())].into(),
            gone: [Part::DeadLetters].into(),
            notes: vec!["the clock stood still".into()],
            profile: "small".into(),
            seed: 7,
            target: "http://worker".into(),
            start: "2026-03-01T12:00:00.000Z".into(),
            seconds: 60.0,
            warm_up_s: 5,
            sending: Sending {
                intended_rate: 100.0,
                intended_rate_max: 200,
                achieved_rate: 99.0,
                answers: counts(&[("202", 10), ("503", 2)]),
                retries: 2,
                given_up: 1,
                refused: 3,
                behind_ms_max: 4,
                last_answer_ms: 61_500,
                ..Sending::default()
            },
            pings: Pings {
                intended: 11,
                tally: Tally {
                    sent: 12,
                    acknowledged: 13,
                    archived: 14,
                    missing: 15,
                    doubled: 16,
                    strangers: 17,
                    altered: 18,
                },
                archive_read: true,
                altered_examples: vec!["v7 seq 3: lat must be 1 and is 2".into()],
                archive_behind_max: Some(19),
                copies: 20,
                duplicates: 21,
                positions_wrong: Some((22, 23)),
                position_examples: vec!["v8 is elsewhere".into()],
                ..Pings::default()
            },
            rejects: Rejects {
                expected: counts(&[("undecodable", 1), ("null_island", 2)]),
                told: true,
                answered: counts(&[("undecodable", 4)]),
                wrongly: 5,
                dead_letters: Some(counts(&[("undecodable", 6)])),
                dead_letters_repeated: 7,
                dead_letters_altered: 8,
                dead_letter_examples: vec!["one was never sent".into()],
            },
            events: Some(Events {
                operations: 30,
                corrections: 31,
                repeated: 32,
                contradicted: 33,
                feed: Feed { reconnects: 34, gaps: 35, unreadable: 36 },
            }),
            event_rows: Some(EventRows {
                rows: 40,
                missing: 41,
                doubled: 42,
                strangers: 43,
                altered: 44,
                examples: vec!["of an exit the time differs".into()],
            }),
            kinds: [("geofence_exit".to_owned(), KindScore { required: 50, ..Default::default() })]
                .into(),
            latency: Timing {
                answer: percentiles_from(1.0),
                position: Percentiles { early: 2, ..percentiles_from(10.0) },
                ..Timing::default()
            },
            process: Some(Usage {
                cpu_s: 6.0,
                rss_bytes_first: 1 << 20,
                rss_bytes_max: 2 << 20,
                ..Usage::default()
            }),
            own: Some(Cost {
                cpu_s: 3.0,
                cores: 0.05,
                us_per_message: 4.5,
                messages_per_s: 100.0,
                rss_bytes_max: 3 << 20,
            }),
            ..Report::default()
        }
    }

    #[test]
    fn a_report_says_all_it_has_line_by_line() {
        assert_eq!(text(&full()), FULL);
    }

    const FULL: &str = "\
small → http://worker, seed 7, 60 s from 2026-03-01T12:00:00.000Z
INTERRUPTED before its time: what follows is of what was sent until then
rate      99 of 100 messages/s; at most 4 ms behind schedule
schedule  up to 200 pings/s; the last answer after 61.5 s
answers   10 × 202, 2 × 503; 2 sent again
lost      1 given up, 3 refused
pings     11 due, 12 sent, 13 acknowledged; 20 copies, 21 known as duplicates
archive   14 there, 15 missing, 16 doubled, 17 never sent, 18 altered
          v7 seq 3: lat must be 1 and is 2
          at most 19 acknowledged pings behind while the run went on
positions 22 of 23 not the newest
          v8 is elsewhere
rejects   3 due, 4 answered, 5 wrongly, 6 dead letters, 7 there again, 8 altered
          one was never sent
events    30 operations, 31 corrections, 32 delivered again, 33 of them other than before
          34 times opened again, 35 gaps, 36 unreadable
          40 rows: 41 missing, 42 doubled, 43 of what never came, 44 altered
          of an exit the time differs

kind               required  missed made up corrected   recall  precis. error p50    p95 ms   inside
geofence_exit            50       0       0         0   0.0000   0.0000         0         0   0.0000

latency, ms           count       p50       p90       p99     p99.9    p99.99       max
(of events and positions only what happened from 5 s on)
(a message that was given up counts as an hour to the answer)
ping to answer            9       1.0       2.0       3.0       4.0       5.0       6.0
ping to position          9      10.0      11.0      12.0      13.0      14.0      15.0
ping to position: 2 more came before they were sent: clocks differ

target    6.0 s of CPU, 0.10 of a core; 1 MiB at first, 2 MiB at most
loadgen   3.0 s of CPU, 0.05 of a core, 4.5 µs a message at 100/s; 3 MiB

note: the clock stood still
not read again: dead letters, from files
cannot be read: the table of events: no such table
ok   recall_min geofence_exit                         0.5000 ≥ 0.25
FAIL event_p99_ms_max                                 0.5000 ≤ 0.25
--   f1_min geofence_cross                      nothing to find in the truth, and nothing was made up
FAIL missing_max                                not looked at; needs the archive: --data-dir, or --archive bigquery:…
     (--allow-unchecked is for runs that only measure what sending costs)
FAIL
";
}
