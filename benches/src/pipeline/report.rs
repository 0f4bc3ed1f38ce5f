//! What the samples say, as tables.

use std::fmt::Write as _;
use std::thread::available_parallelism;

use super::goal::Goal;
use super::rows::{Figure, Row};
use super::sample::{Sample, Samples};
use super::scaling::Point;
use super::section::Section;
use super::units::{memory, three_digits};

/// The whole page of results.
pub(super) struct Report {
    /// How it was measured.
    pub(super) head: String,
    pub(super) tables: Vec<Table>,
}

pub(super) struct Table {
    pub(super) section: Section,
    pub(super) lines: Vec<Line>,
}

/// One row, with its figures for each operation.
pub(super) struct Line {
    pub(super) what: String,
    pub(super) figure: Figure,
    pub(super) ours: Spread,
    pub(super) floor: Option<Spread>,
    pub(super) baseline: Option<Spread>,
    /// Baseline over ours, in the same round.
    pub(super) ratio: Option<Spread>,
    pub(super) goal: Option<Goal>,
    pub(super) peak_rss_bytes: f64,
    pub(super) point: Option<Point>,
}

/// Median and ends of what the rounds gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Self { median, least: sorted[0], most: sorted[sorted.len() - 1] }
    }

    fn text(self, show: impl Fn(f64) -> String) -> String {
        let Self { median, least, most } = self;
        let (median, least, most) = (show(median), show(least), show(most));
        if least == most { median } else { format!("{median} ({least}–{most})") }
    }
}

impl Report {
    pub(super) fn new(rows: &[Row], samples: &Samples, rounds: u32) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        for row in rows {
            let line = Line::new(row, samples);
            match tables.last_mut() {
                Some(table) if table.section == row.section => table.lines.push(line),
                _ => tables.push(Table { section: row.section, lines: vec![line] }),
            }
        }
        Self { head: head(rounds), tables }
    }

    /// As Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.head);
        for table in &self.tables {
            let _ = writeln!(text, "\n### {}\n", table.section.title());
            let _ = writeln!(text, "{}\n", table.section.about());
            let _ =
                writeln!(text, "| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
            for line in &table.lines {
                let _ = writeln!(text, "| {} |", line.cells().join(" | "));
            }
        }
        text
    }
}

/// Heads of [`Line::cells`].
pub(super) const COLUMNS: [&str; 7] =
    ["what", "measured", "floor", "baseline", "baseline / measured", "goal", "peak memory"];

impl Line {
    fn new(row: &Row, samples: &Samples) -> Self {
        let values = |samples: &[Sample]| {
            samples.iter().map(|sample| row.figure.of(sample)).collect::<Vec<_>>()
        };
        let spread = |case| Spread::of(values(samples.of(case)));
        let ours = samples.of(&row.ours);
        let ratio = row.baseline.as_ref().map(|baseline| {
            let pairs = values(samples.of(baseline)).into_iter().zip(values(ours));
            Spread::of(pairs.map(|(baseline, ours)| baseline / ours))
        });
        Self {
            what: row.what.clone(),
            figure: row.figure,
            ours: spread(&row.ours),
            floor: row.floor.as_ref().map(spread),
            baseline: row.baseline.as_ref().map(spread),
            ratio,
            goal: row.goal,
            peak_rss_bytes: Spread::of(ours.iter().map(|it| it.peak_rss_bytes as f64)).median,
            point: row.point,
        }
    }

    pub(super) fn cells(&self) -> [String; 7] {
        let show = |spread: Spread| spread.text(|value| self.figure.text(value));
        [
            self.what.clone(),
            show(self.ours),
            self.floor.map(show).unwrap_or_default(),
            self.baseline.map(show).unwrap_or_default(),
            self.ratio.map(|ratio| ratio.text(three_digits)).unwrap_or_default(),
            self.goal.map(|goal| self.verdict(goal)).unwrap_or_default(),
            memory(self.peak_rss_bytes),
        ]
    }

    fn verdict(&self, goal: Goal) -> String {
        let limit = match goal {
            Goal::AtMost(limit) => format!("≤ {}", self.figure.text(limit)),
            Goal::Faster(times) => format!("≥ {times} ×"),
            Goal::Share(share) => format!("≤ {share} of it"),
        };
        let is_reached = goal.is_reached(self.ours.median, self.ratio.map(|ratio| ratio.median));
        format!("{limit}: {}", if is_reached { "reached" } else { "**missed**" })
    }
}

fn head(rounds: u32) -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("unknown");
    let build =
        if cfg!(debug_assertions) { "DEBUG build, figures mean nothing" } else { "release build" };
    format!(
        "{build}, {cores} cores, load average {load} at the end; {rounds} interleaved rounds: \
         median (least–most)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of([3.0]).text(three_digits), "3.00");
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).text(three_digits), "2.00 (1.00–3.00)");
    }
}
