//! A report for people, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::checks::{needed_for, why_without};
use super::{Check, Report};
use crate::latency::Percentiles;

/// The report as some lines of text, the verdict last.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes every text");
    let sending = &report.sending;
    line(format!(
        "{} → {}, seed {}, {:.0} s from {}",
        report.profile, report.target, report.seed, report.seconds, report.start
    ));
    if report.interrupted {
        line("INTERRUPTED before its time: what follows is of what was sent until then".into());
    }
    line(format!(
        "rate      {:.0} of {:.0} messages/s; at most {} ms behind schedule",
        sending.achieved_rate, sending.intended_rate, sending.behind_ms_max
    ));
    if sending.intended_rate_max > 0 {
        line(format!(
            "schedule  up to {} pings/s; the last answer after {:.1} s",
            sending.intended_rate_max,
            sending.last_answer_ms as f64 / 1e3
        ));
    }
    let answers: Vec<String> = sending.answers.iter().map(|(a, n)| format!("{n} × {a}")).collect();
    if !answers.is_empty() {
        line(format!("answers   {}; {} sent again", answers.join(", "), sending.retries));
    }
    if sending.given_up + sending.refused > 0 {
        line(format!("lost      {} given up, {} refused", sending.given_up, sending.refused));
    }
    let pings = &report.pings;
    let tally = &pings.tally;
    line(format!(
        "pings     {} due, {} sent, {} acknowledged; {} copies, {} known as duplicates",
        pings.intended, tally.sent, tally.acknowledged, pings.copies, pings.duplicates
    ));
    if pings.archive_read {
        let missing = if pings.archive_cut_short { "not there yet" } else { "missing" };
        line(format!(
            "archive   {} there, {} {missing}, {} doubled, {} never sent, {} altered",
            tally.archived, tally.missing, tally.doubled, tally.strangers, tally.altered
        ));
        for example in &pings.altered_examples {
            line(format!("          {example}"));
        }
    }
    if let Some(behind) = pings.archive_behind_max {
        line(format!("          at most {behind} acknowledged pings behind while the run went on"));
    }
    if let Some((wrong, of)) = pings.positions_wrong {
        line(format!("positions {wrong} of {of} not the newest"));
        pings.position_examples.iter().for_each(|it| line(format!("          {it}")));
    }
    let rejects = &report.rejects;
    if !rejects.expected.is_empty() || rejects.wrongly > 0 {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let mut parts = vec![format!("{} due", sum(&rejects.expected))];
        if rejects.told {
            parts.push(format!("{} answered, {} wrongly", sum(&rejects.answered), rejects.wrongly));
        }
        if let Some(letters) = &rejects.dead_letters {
            let repeated = rejects.dead_letters_repeated;
            let altered = rejects.dead_letters_altered;
            let letters = sum(letters);
            parts
                .push(format!("{letters} dead letters, {repeated} there again, {altered} altered"));
        }
        line(format!("rejects   {}", parts.join(", ")));
        rejects.dead_letter_examples.iter().for_each(|it| line(format!("          {it}")));
    }
    if let Some(events) = &report.events {
        line(format!(
            "events    {} operations, {} corrections, {} delivered again, {} of them other than before",
            events.operations, events.corrections, events.repeated, events.contradicted
        ));
        let feed = &events.feed;
        if feed.reconnects + feed.gaps + feed.unreadable > 0 {
            line(format!(
                "          {} times opened again, {} gaps, {} unreadable",
                feed.reconnects, feed.gaps, feed.unreadable
            ));
        }
    }
    if let Some(rows) = &report.event_rows {
        line(format!(
            "          {} rows: {} missing, {} doubled, {} of what never came, {} altered",
            rows.rows, rows.missing, rows.doubled, rows.strangers, rows.altered
        ));
        rows.examples.iter().for_each(|example| line(format!("          {example}")));
    }
    if !report.kinds.is_empty() {
        line(format!(
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
    }
    for (kind, score) in &report.kinds {
        line(format!(
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
    let timing = &report.latency;
    line(format!(
        "\n{:18} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency, ms", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    ));
    if report.warm_up_s > 0 {
        line(format!(
            "(of events and positions only what happened from {} s on)",
            report.warm_up_s
        ));
    }
    if sending.given_up > 0 {
        line("(a message that was given up counts as an hour to the answer)".into());
    }
    let rows = [
        ("ping to answer", &timing.answer),
        ("ping to enter", &timing.event),
        ("ping to exit", &timing.exit),
        ("publish to publish", &timing.published),
        ("ping to position", &timing.position),
    ];
    for (name, of) in rows.iter().filter(|(_, of)| of.count > 0) {
        line(percentiles(name, of));
    }
    for (name, of) in rows.iter().filter(|(_, of)| of.early > 0) {
        line(format!("{name}: {} more came before they were sent: clocks differ", of.early));
    }
    if let Some(process) = &report.process {
        line(format!(
            "\ntarget    {:.1} s of CPU, {:.2} of a core; {:.0} MiB at first, {:.0} MiB at most",
            process.cpu_s,
            process.cpu_s / report.seconds.max(1e-9),
            process.rss_bytes_first as f64 / 1_048_576.0,
            process.rss_bytes_max as f64 / 1_048_576.0
        ));
    }
    if let Some(own) = &report.own {
        line(format!(
            "loadgen   {:.1} s of CPU, {:.2} of a core, {:.1} µs a message at {:.0}/s; {:.0} MiB",
            own.cpu_s,
            own.cores,
            own.us_per_message,
            own.messages_per_s,
            own.rss_bytes_max as f64 / 1_048_576.0
        ));
    }
    line(String::new());
    report.notes.iter().for_each(|note| line(format!("note: {note}")));
    report.gone.iter().for_each(|part| line(format!("not read again: {part}, from files")));
    report.unread.iter().for_each(|(part, why)| line(format!("cannot be read: {part}: {why}")));
    report.checks.iter().for_each(|check| line(check_line(check)));
    for name in &report.without {
        line(format!("--   {name:42} {}", why_without(name)));
    }
    for name in &report.unchecked {
        let mark = if report.unchecked_allowed { "--  " } else { "FAIL" };
        line(format!("{mark} {name:42} not looked at; needs {}", needed_for(name)));
    }
    if !report.unchecked.is_empty() && !report.unchecked_allowed {
        line("     (--allow-unchecked is for runs that only measure what sending costs)".into());
    }
    line((if report.pass { "PASS" } else { "FAIL" }).to_owned());
    out
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
    use crate::verdict::KindScore;

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
        assert_eq!(text.matches("clocks differ").count(), 1);
        assert!(text.contains("publish to publish: 4 more came before they were sent"), "{text}");
    }
}
