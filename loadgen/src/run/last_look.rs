//! The last look at a target: what comes after the last ping is waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::archive::Source;
use super::live::Produced;
use super::readers::{Readers, Seen};
use super::{RunDirectory, RunPlan, event_table, judge};
use crate::ledger::Ledger;
use crate::read::DeadLetters;
use crate::read::disk::{DataDir, read_dead_letters};
use crate::read::positions::{ListError, Positions};
use crate::read::sse::Inbox;
use crate::read::told::Told;
use crate::send::Progress;
use crate::truth::Names;
use crate::verdict::{Part, Report};

/// Events have all come when none came for so long: longer than the engine
/// waits before it decides.
const QUIET: Duration = Duration::from_secs(5);
/// Longest wait for that.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for the last positions of a run that was interrupted, and time
/// between two looks.
const POSITIONS_WITHIN_INTERRUPTED: Duration = Duration::from_secs(10);
const POSITIONS_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for the last dead letters.
const LETTERS_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn wait_until_quiet(progress: &Progress, inbox: &Inbox) {
    let until = Instant::now() + QUIET_WITHIN;
    let began_us = progress.now_us();
    while Instant::now() < until {
        let quiet_us = progress.now_us() - inbox.seen().1.max(began_us);
        if quiet_us >= QUIET.as_micros() as i64 {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Enters how many vehicles' positions are not those of their newest pings, and
/// how many were looked at. The last ones may come late, where each vehicle's
/// are written only so often.
pub(super) async fn look_at_positions(
    positions: &Positions,
    names: &Names,
    report: &mut Report,
    produced: &Produced,
) {
    if report.pings.tally.acknowledged < report.pings.intended {
        report.notes.push("positions are not judged: not every ping was acknowledged".into());
        return;
    }
    let within =
        if report.interrupted { POSITIONS_WITHIN_INTERRUPTED } else { positions.settled_within() };
    let until = Instant::now() + within;
    loop {
        let listed = positions.list(names).await;
        let over = Instant::now() >= until;
        match listed {
            Ok(shown) => {
                let (wrong, examples) = produced.newest.wrong(&shown, names);
                if wrong == 0 || over {
                    report.pings.positions_wrong = Some((wrong, produced.newest.count()));
                    report.pings.position_examples = examples;
                    return;
                }
            }
            Err(error @ ListError::TooMany { .. }) => {
                report.notes.push(format!("positions are not judged: {error}"));
                return;
            }
            Err(ListError::Unreadable(error)) if over => {
                report.unread.insert(Part::Positions, format!("{error:#}"));
                return;
            }
            Err(ListError::Unreadable(_)) => {}
        }
        sleep(POSITIONS_EVERY).await;
    }
}

/// Enters how the table of events beside the archive compares with what came.
pub(super) async fn look_at_event_table(
    archive: &Source,
    names: &Names,
    report: &mut Report,
    directory: &RunDirectory,
    interrupt: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(operations) = directory.operations().filter(|_| report.events.is_some()) else {
        return Ok(());
    };
    if let Some(told) = Told::read(&operations, names)? {
        event_table::judge(archive, report, &told, interrupt).await;
    }
    Ok(())
}

/// Enters the dead letters, those of a subscription or of the target's files.
pub(super) async fn look_at_letters(
    plan: &RunPlan,
    names: &Names,
    report: &mut Report,
    readers: Readers,
    (seen, ledger): (&Seen, &Ledger),
) -> anyhow::Result<()> {
    let run = (names, plan.again());
    if plan.dead_letters_subscription.is_some() {
        wait_for_letters(report, seen).await;
        readers.finish_letters(&mut report.unread).await?;
        let letters = seen.letters.seen();
        let never_read = report.unread.contains_key(&Part::DeadLetters);
        if !never_read || letters != DeadLetters::default() {
            judge::take_letters(report, run, letters);
        }
    } else if let Some(data_dir) = &plan.data_dir {
        let read = |letters: &Path| read_dead_letters(letters, names, ledger);
        let files = DataDir::at(data_dir);
        match files.and_then(|files| files.dead_letters.as_deref().map(read).transpose()) {
            Ok(None) => {}
            Ok(Some(letters)) => {
                judge::take_letters(report, run, letters);
                report.from_files.insert(Part::DeadLetters);
            }
            Err(error) => drop(report.unread.insert(Part::DeadLetters, format!("{error:#}"))),
        }
    }
    Ok(())
}

/// Waits until as many dead letters have come as are due.
async fn wait_for_letters(report: &Report, seen: &Seen) {
    let expected: u64 = report.rejects.expected.values().sum();
    let until = Instant::now() + LETTERS_WITHIN;
    while seen.letters.seen().reasons.values().sum::<u64>() < expected && Instant::now() < until {
        sleep(Duration::from_millis(200)).await;
    }
}
