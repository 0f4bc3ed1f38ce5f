//! A report for people, as text.

use std::fmt::Write as _;

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
    line(format!(
        "rate      {:.0} of {:.0} messages/s; at most {} ms behind schedule",
        sending.achieved_rate, sending.intended_rate, sending.behind_ms_max
    ));
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
        line(format!(
            "archive   {} there, {} missing, {} doubled",
            tally.archived, tally.missing, tally.doubled
        ));
    }
    if let Some((wrong, of)) = pings.positions_wrong {
        line(format!("positions {} of {of} not the newest", wrong));
    }
    if !report.rejects.expected.is_empty() || report.rejects.wrongly > 0 {
        let expected: u64 = report.rejects.expected.values().sum();
        let answered: u64 = report.rejects.answered.values().sum();
        line(format!(
            "rejects   {expected} due, {answered} answered, {} wrongly",
            report.rejects.wrongly
        ));
    }
    if let Some(events) = &report.events {
        line(format!(
            "events    {} operations, {} corrections, {} delivered again",
            events.operations, events.corrections, events.repeated
        ));
    }
    if !report.kinds.is_empty() {
        line(format!(
            "\n{:18} {:>8} {:>7} {:>7} {:>8} {:>8} {:>9} {:>9} {:>8}",
            "kind",
            "required",
            "missed",
            "made up",
            "recall",
            "precis.",
            "error p50",
            "p95 ms",
            "inside"
        ));
    }
    for (kind, score) in &report.kinds {
        line(format!(
            "{kind:18} {:>8} {:>7} {:>7} {:>8.4} {:>8.4} {:>9.0} {:>9.0} {:>8.4}",
            score.required,
            score.missed,
            score.made_up,
            score.recall,
            score.precision,
            score.time_error_ms.p50,
            score.time_error_ms.p95,
            score.inside_interval
        ));
    }
    let timing = &report.latency;
    line(format!(
        "\n{:18} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency, ms", "count", "p50", "p90", "p99", "p99.9", "max"
    ));
    for (name, of) in [
        ("ping to answer", &timing.answer),
        ("ping to enter", &timing.event),
        ("ping to exit", &timing.exit),
        ("ping to position", &timing.position),
    ] {
        if of.count > 0 {
            line(percentiles(name, of));
        }
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
    line(String::new());
    report.checks.iter().for_each(|check| line(check_line(check)));
    line((if report.pass { "PASS" } else { "FAIL" }).to_owned());
    out
}

fn percentiles(name: &str, of: &Percentiles) -> String {
    format!(
        "{name:18} {:>8} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        of.count, of.p50_ms, of.p90_ms, of.p99_ms, of.p99_9_ms, of.max_ms
    )
}

fn check_line(check: &Check) -> String {
    let sign = if check.at_least { '≥' } else { '≤' };
    let mark = if check.holds { "ok  " } else { "FAIL" };
    format!("{mark} {:42} {:>12.4} {sign} {}", check.name, check.value, check.limit)
}
