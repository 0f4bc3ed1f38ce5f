//! From what was sent and read to a report.

use std::collections::BTreeSet;
use std::path::Path;

use super::again::Again;
use super::{RunDirectory, examples};
use crate::dials::CODES;
use crate::ledger::{Ledger, Tally};
use crate::profile::World;
use crate::read::disk::{Archive, DataDir, read_archive, read_dead_letters, read_events};
use crate::read::event_rows::compare;
use crate::read::sse::Feed;
use crate::read::told::Told;
use crate::read::{DeadLetters, EventReader, Fold};
use crate::stream::Counts;
use crate::truth::{Names, Record};
use crate::verdict::{Part, Report, pass_verdict, score};

/// How far from its true time an event may be to be taken for it, milliseconds;
/// at least two fixes of its vehicle.
const WINDOW_MS: i64 = 60_000;

/// Where the things are that a run left behind.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'p> {
    /// The target's data directory.
    pub data_dir: Option<&'p Path>,
    /// A file or directory of events, instead of the data directory's.
    pub events: Option<&'p Path>,
}

/// Judges a run again, from its directory and from what the target left.
/// What only the run could see stays as it was measured: sending, latencies,
/// positions, and what was read elsewhere than from files. Of what it read from
/// files nothing is known that is not read again. `unchecked_allowed` says
/// whether it passes although nothing was looked at for some threshold.
///
/// # Errors
/// Something cannot be read, or the run has not ended.
pub fn verify(
    directory: &RunDirectory,
    kept: Kept<'_>,
    unchecked_allowed: bool,
) -> anyhow::Result<Report> {
    let (world, names) = directory.read_run()?;
    let mut report = Report { unchecked_allowed, ..directory.read_measured()? };
    let again = if report.has_truth { Again::World(&world) } else { Again::Unknown };
    let mut read = BTreeSet::new();
    let files = kept.data_dir.map(DataDir::at).transpose()?;
    let log = files.as_ref().and_then(|files| files.event_log.as_deref());
    if let Some(path) = kept.events.or(log) {
        let truth = directory.read_truth(&world.fences, &names)?;
        let fold = read_events(path, &EventReader::new(&world.fences, names.clone()))?;
        // A file has no gaps, and its lines can all be read.
        report.events.get_or_insert_default().feed = Feed::default();
        take_events(&mut report, &world, &truth, &fold);
        read.insert(Part::Events);
    }
    let operations = kept.events.or(log).map(Path::to_owned).or_else(|| directory.operations());
    let table = files.as_ref().and_then(|files| files.events.as_deref());
    if let Some((table, operations)) = table.zip(operations).filter(|_| report.events.is_some()) {
        match Told::read(&operations, &names)? {
            Some(told) => {
                report.event_rows = Some(compare(table, &told, report.events_may_lack())?);
                read.insert(Part::EventTable);
            }
            None => report.notes.push(format!(
                "the table of events is not judged: those in {} are folded",
                operations.display()
            )),
        }
    }
    if let Some(pings) = files.as_ref().and_then(|files| files.pings.as_deref()) {
        let mut ledger = directory.read_ledger()?;
        let archive = read_archive(pings, &names, &mut ledger)?;
        take_archive(&mut report, (&world, &names, again), archive, &ledger);
        read.insert(Part::Archive);
    }
    if let Some(letters) = files.as_ref().and_then(|files| files.dead_letters.as_deref()) {
        let letters = read_dead_letters(letters, &names, &directory.read_ledger()?)?;
        take_letters(&mut report, (&names, again), letters);
        read.insert(Part::DeadLetters);
    }
    report.unread.retain(|part, _| !read.contains(part));
    report.gone = report.from_files.difference(&read).copied().collect();
    report.from_files = read;
    forget_gone(&mut report);
    conclude(&mut report, &world, directory)?;
    Ok(report)
}

/// Takes out what is not read again.
fn forget_gone(report: &mut Report) {
    for part in report.gone.clone() {
        match part {
            Part::Archive => {
                let Tally { sent, acknowledged, .. } = report.pings.tally;
                report.pings.tally = Tally { sent, acknowledged, ..Tally::default() };
                report.pings.archive_read = false;
                report.pings.altered_examples.clear();
                report.pings.archive_cut_short = false;
                report.pings.dispositions.clear();
            }
            Part::DeadLetters => {
                report.rejects.dead_letters = None;
                report.rejects.dead_letters_repeated = 0;
                report.rejects.dead_letters_altered = 0;
                report.rejects.dead_letter_examples.clear();
            }
            Part::Events => {
                report.events = None;
                report.kinds.clear();
            }
            Part::EventTable => report.event_rows = None,
            // In no files.
            Part::Positions => {}
        }
    }
}

/// Enters what the schedule has.
pub(super) fn take_counts(report: &mut Report, counts: &Counts) {
    let malformed: u64 = counts.malformed.iter().sum();
    report.sending.intended = counts.pings + counts.copies + malformed;
    report.sending.intended_rate = report.sending.intended as f64 / report.seconds.max(1e-9);
    report.pings.intended = counts.pings;
    report.pings.copies = counts.copies;
    report.pings.future = counts.future;
    report.pings.rollover = counts.rollover;
    let expected = CODES.iter().zip(counts.malformed).filter(|(_, count)| *count > 0);
    report.rejects.expected = expected.map(|(code, count)| ((*code).to_owned(), count)).collect();
}

/// Enters events, against the truth.
pub(super) fn take_events(report: &mut Report, world: &World, truth: &[Record], fold: &Fold) {
    let events = report.events.get_or_insert_default();
    events.operations = fold.operations();
    events.corrections = fold.corrections();
    events.repeated = fold.repeated();
    events.contradicted = fold.contradicted();
    if !report.has_truth {
        return;
    }
    let interval_ms = f64::from(world.plan.vehicles) / report.sending.intended_rate.max(1e-9) * 1e3;
    let window_ms = WINDOW_MS.max(2 * interval_ms as i64);
    let name = |number: u32| world.fences.get(number).id.clone();
    report.kinds = score(truth, fold, window_ms, name);
}

/// Enters the archive, whose rows are in the ledger.
pub(super) fn take_archive(
    report: &mut Report,
    (world, names, again): (&World, &Names, Again<'_>),
    archive: Archive,
    ledger: &Ledger,
) {
    report.pings.tally = ledger.tally(|vehicle| world.clock_of(vehicle).is_usable());
    report.pings.archive_read = true;
    report.pings.archive_cut_short = false;
    report.pings.dispositions = archive.dispositions;
    report.pings.altered_examples = examples::altered(&archive.altered, names, again);
}

/// Enters the dead letters.
pub(super) fn take_letters(
    report: &mut Report,
    (names, again): (&Names, Again<'_>),
    letters: DeadLetters,
) {
    report.rejects.dead_letters_altered = letters.altered;
    report.rejects.dead_letter_examples = examples::letters(&letters.examples, names, again);
    report.rejects.dead_letters = Some(letters.reasons);
    report.rejects.dead_letters_repeated = letters.repeated;
}

/// Ends a run: keeps what it measured, for [`verify`], and concludes.
pub(super) fn conclude_run(
    report: &mut Report,
    world: &World,
    directory: &RunDirectory,
) -> anyhow::Result<()> {
    directory.write_measured(report)?;
    conclude(report, world, directory)
}

/// Passes the verdict and writes the report.
fn conclude(report: &mut Report, world: &World, directory: &RunDirectory) -> anyhow::Result<()> {
    pass_verdict(&world.profile.thresholds, report);
    directory.write_report(report)
}
