//! The run on a terminal: one line that moves.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::send::Snapshot;

/// A bar over the schedule's time with what matters beside it; draws on
/// standard error, and only if that is a terminal.
pub(super) struct View {
    bar: ProgressBar,
    answered_before: u64,
}

impl View {
    pub(super) fn new(shown: bool, length_ms: i64) -> Self {
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(length_ms.unsigned_abs() / 1000), target);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} s  {msg}");
        bar.set_style(style.expect("the template names known keys"));
        Self { bar, answered_before: 0 }
    }

    /// A second has passed.
    pub(super) fn tick(
        &mut self,
        now_ms: i64,
        seen: &Snapshot,
        operations: u64,
        archived: Option<u64>,
    ) {
        let second = seen.seconds.last().copied().unwrap_or_default();
        let troubles: u64 = seen.seconds.iter().map(|second| second.troubles).sum();
        let rate = seen.answered - std::mem::replace(&mut self.answered_before, seen.answered);
        self.bar.set_position(now_ms.max(0).unsigned_abs() / 1000);
        let archived = archived.map(|rows| format!("  {rows} archived")).unwrap_or_default();
        let settled = seen.answered + seen.given_up + seen.refused;
        self.bar.set_message(format!(
            "{rate}/s  p99 {:.0} ms  behind {} ms  {} waiting  {operations} events{archived}  \
             {troubles} errors",
            second.p99_ms,
            second.behind_ms.max(0),
            seen.sent.saturating_sub(settled),
        ));
    }

    pub(super) fn say(&self, what: &'static str) {
        self.bar.set_message(what);
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
