//! The table of a target's events, held against what was read as it came.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::archive::{EVERY, Patience, Source};
use crate::read::bigquery::Rows;
use crate::read::disk::DataDir;
use crate::read::event_rows::compare;
use crate::read::told::{EventRows, Told};
use crate::verdict::{Part, Report};

/// Where the table is.
#[derive(Debug)]
enum Table {
    /// Parquet files under a directory.
    Files(PathBuf),
    /// In the dataset of the archive.
    Bigquery(Box<Rows>),
}

impl Table {
    /// That beside an archive, if there is one.
    fn beside(archive: &Source) -> Option<Self> {
        match archive {
            // What is no data directory is told of by the archive.
            Source::DataDir(data_dir) => DataDir::at(data_dir).ok()?.events.map(Self::Files),
            Source::Bigquery(rows) => rows.has_events().then(|| Self::Bigquery(rows.clone())),
        }
    }

    async fn compare(&self, told: &Told, had_gaps: bool) -> anyhow::Result<EventRows> {
        match self {
            Self::Files(directory) => compare(directory, told, had_gaps),
            Self::Bigquery(rows) => rows.compare_events(told, had_gaps).await,
        }
    }
}

/// Compares the table beside `archive` until every operation has a row, for as
/// long as that may take; one that was not waited for, as the run was interrupted,
/// is not judged. That, or that it cannot be read, is said in the report.
pub(super) async fn judge(
    archive: &Source,
    report: &mut Report,
    told: &Told,
    interrupt: &CancellationToken,
) {
    let Some(table) = Table::beside(archive) else { return };
    let patience = Patience::new(interrupt);
    let had_gaps = report.events_may_lack();
    loop {
        let compared = table.compare(told, had_gaps).await;
        let over = patience.is_over();
        match compared {
            Ok(rows) if over && rows.missing > 0 && interrupt.is_cancelled() => {
                report.notes.push(format!(
                    "the table of events is not judged: it was not waited for, and {} operations \
                     have no row yet; loadgen verify looks again",
                    rows.missing
                ));
                return;
            }
            Ok(rows) if over || rows.missing == 0 => {
                report.event_rows = Some(rows);
                if let Table::Files(_) = table {
                    report.from_files.insert(Part::EventTable);
                }
                return;
            }
            // Files may be packed, and tables be away, in that moment.
            Err(error) if over => {
                report.unread.insert(Part::EventTable, format!("{error:#}"));
                return;
            }
            Ok(_) | Err(_) => patience.pause(EVERY).await,
        }
    }
}
