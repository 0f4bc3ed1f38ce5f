//! The archive of a target: watched while the run goes on, and read at its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::profile::World;
use crate::read::bigquery::Rows;
use crate::read::disk::{Archive, DataDir, read_archive};
use crate::read::row_count::RowCount;
use crate::send::Progress;
use crate::truth::Names;
use crate::verdict::{Part, Report};

use super::again::Again;
use super::judge;

/// Longest wait for the archive; of a run that was interrupted; and time between
/// two looks.
const WITHIN: Duration = Duration::from_secs(90);
const WITHIN_INTERRUPTED: Duration = Duration::from_secs(15);
pub(super) const EVERY: Duration = Duration::from_secs(3);

/// Where the archive of a run is.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Parquet under the target's data directory.
    DataDir(PathBuf),
    /// A table.
    Bigquery(Box<Rows>),
}

/// How long rows are waited for.
pub(super) struct Patience<'t> {
    until: Instant,
    /// Ends it too; `None` if it was cancelled before.
    interrupt: Option<&'t CancellationToken>,
}

impl<'t> Patience<'t> {
    pub(super) fn new(interrupt: &'t CancellationToken) -> Self {
        let interrupted = interrupt.is_cancelled();
        let within = if interrupted { WITHIN_INTERRUPTED } else { WITHIN };
        Self { until: Instant::now() + within, interrupt: (!interrupted).then_some(interrupt) }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.interrupt.is_some_and(CancellationToken::is_cancelled)
    }

    pub(super) async fn pause(&self, pause: Duration) {
        match self.interrupt {
            Some(interrupt) => drop(interrupt.run_until_cancelled(sleep(pause)).await),
            None => sleep(pause).await,
        }
    }
}

/// How many rows there are, as last seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    rows: AtomicU64,
    behind_max: AtomicU64,
    looks: AtomicU64,
}

impl Watched {
    /// Rows seen last; `None` before the first look.
    pub(super) fn rows(&self) -> Option<u64> {
        (self.looks.load(Ordering::Relaxed) > 0).then(|| self.rows.load(Ordering::Relaxed))
    }

    /// The most pings that were acknowledged and had no row yet.
    pub(super) fn behind_max(&self) -> Option<u64> {
        self.rows().map(|_| self.behind_max.load(Ordering::Relaxed))
    }
}

/// What tells how many rows of a run there are: in a table those of its
/// vehicles, in files all that came since it began.
#[derive(Clone, Debug)]
enum Counter {
    Files(Arc<RowCount>),
    Table(Box<Rows>),
}

impl Counter {
    async fn count(&self) -> anyhow::Result<u64> {
        match self {
            Self::Files(files) => {
                let files = Arc::clone(files);
                spawn_blocking(move || files.look()).await.context("counting rows panicked")?
            }
            Self::Table(rows) => rows.count().await,
        }
    }
}

/// Counts rows until told to stop. A look that fails counts for nothing: the
/// last one, at the end, must not.
pub(super) async fn watch(
    source: Source,
    progress: Arc<Progress>,
    watched: Arc<Watched>,
    stop: CancellationToken,
) {
    let counter = match source.counter().await {
        Ok(counter) => counter,
        Err(error) => {
            eprintln!("warning: {error:#}; the archive is read at the end only");
            return;
        }
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = async || {
        ticks.tick().await;
        // Before the rows are counted: what is acknowledged meanwhile is not
        // behind.
        let acknowledged = progress.acknowledged();
        (acknowledged, counter.count().await)
    };
    while let Some((acknowledged, count)) = stop.run_until_cancelled(look()).await {
        let Ok(count) = count else { continue };
        watched.rows.store(count, Ordering::Relaxed);
        let behind = acknowledged.saturating_sub(count);
        watched.behind_max.fetch_max(behind, Ordering::Relaxed);
        watched.looks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Source {
    /// What counts its rows from now on.
    async fn counter(&self) -> anyhow::Result<Counter> {
        Ok(match self {
            Self::DataDir(data_dir) => {
                let pings = data_dir.join("pings");
                let counting = spawn_blocking(move || RowCount::from_now(&pings));
                Counter::Files(Arc::new(counting.await.context("counting rows panicked")??))
            }
            Self::Bigquery(rows) => Counter::Table(rows.clone()),
        })
    }

    /// Reads the archive until everything acknowledged is there, for as long as
    /// it may take, and then once more: what is there twice may come later. A file
    /// may take longer to close than the end of a run that was interrupted is
    /// waited for: that is said in the report, as is an archive that cannot be
    /// read.
    pub(super) async fn judge(
        &self,
        report: &mut Report,
        run: (&World, &Names, Again<'_>),
        ledger: &mut Ledger,
        interrupt: &CancellationToken,
    ) {
        let patience = Patience::new(interrupt);
        if let Self::DataDir(data_dir) = self {
            match DataDir::at(data_dir) {
                Ok(DataDir { pings: Some(_), .. }) => {}
                Ok(_) => {
                    let no_pings = data_dir.join("pings").display().to_string();
                    report.notes.push(format!("the archive is not judged: there is no {no_pings}"));
                    return;
                }
                Err(error) => {
                    report.unread.insert(Part::Archive, format!("{error:#}"));
                    return;
                }
            }
        }
        if let Self::Bigquery(rows) = self {
            wait_for_rows(rows, report.pings.tally.acknowledged, &patience).await;
        }
        let mut whole_before = false;
        loop {
            let looked = self.read(run.1, ledger).await;
            let over = patience.is_over();
            let whole = match looked {
                Ok(archive) => {
                    judge::take_archive(report, run, archive, ledger);
                    if let Self::DataDir(_) = self {
                        report.from_files.insert(Part::Archive);
                    }
                    report.pings.tally.missing == 0
                }
                // Files may be packed, and tables be away, in that moment.
                Err(error) if over => {
                    report.unread.insert(Part::Archive, format!("{error:#}"));
                    return;
                }
                Err(_) => false,
            };
            if over || whole && whole_before {
                report.pings.archive_cut_short = !whole && interrupt.is_cancelled();
                return;
            }
            whole_before = whole;
            patience.pause(if whole { 2 * EVERY } else { EVERY }).await;
        }
    }

    async fn read(&self, names: &Names, ledger: &mut Ledger) -> anyhow::Result<Archive> {
        match self {
            Self::DataDir(data_dir) => read_archive(&data_dir.join("pings"), names, ledger),
            Self::Bigquery(rows) => rows.read(ledger).await,
        }
    }
}

/// Counting costs a fraction of reading.
async fn wait_for_rows(rows: &Rows, acknowledged: u64, patience: &Patience<'_>) {
    while !patience.is_over() {
        if rows.count().await.is_ok_and(|count| count >= acknowledged) {
            return;
        }
        patience.pause(EVERY).await;
    }
}
