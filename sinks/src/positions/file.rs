//! The file of the shared view: one JSON line for each vehicle, sorted by id,
//! replaced whole.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::json::{parse_position, push_position};
use super::store::PositionStore;
use crate::blocking::join;
use crate::disk::{create_directory, io_error, parent, sync_directory};
use crate::{SinkError, fail_point};

/// Writing may take one part in so many of the time: 5 %.
const DUTY: u32 = 20;

/// Keeps a [`PositionStore`] in a file.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    store: PositionStore,
    /// Shortest time between two writes.
    interval_min: Duration,
    /// State of the store that the file holds.
    written: Option<u64>,
}

impl PositionFile {
    /// A file at `path` for `store`, written when the store changed, never
    /// more often than every `interval_min` nor more than 5 % of the time.
    #[must_use]
    pub fn new(path: PathBuf, store: PositionStore, interval_min: Duration) -> Self {
        Self { path, store, interval_min, written: None }
    }

    /// Fills the store from the file, if there is one, with the positions of
    /// the vehicles that are `wanted`; returns how many. Blocks.
    ///
    /// A line that cannot be read is skipped with a warning: the state of the
    /// shards is what counts, the file only bridges the time until they are
    /// recovered.
    ///
    /// # Errors
    /// The file is there but cannot be read at all.
    pub fn load(&self, wanted: impl Fn(&str) -> bool) -> Result<usize, SinkError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(io_error(&self.path)(error)),
        };
        let mut read = 0;
        for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(io_error(&self.path))?;
            match parse_position(&line) {
                Ok(position) if wanted(&position.vehicle_id) => {
                    self.store.update([position]);
                    read += 1;
                }
                Ok(_) => {}
                Err(error) => {
                    let (path, line) = (self.path.display(), index + 1);
                    tracing::warn!(%path, line, error, "skipping a position that cannot be read");
                }
            }
        }
        Ok(read)
    }

    /// Writes the file as the store changes until `shutdown`, then once more.
    /// A write that fails is tried again at its next turn, with a warning.
    ///
    /// # Errors
    /// The last write failed.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), SinkError> {
        let mut pause = self.interval_min;
        let mut failing = false;
        while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let begun = Instant::now();
            self = match self.write_off_thread().await {
                Ok(file) => {
                    failing = false;
                    file
                }
                Err((file, error)) => {
                    // Told once: it is tried every few seconds.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "positions are not written; trying again");
                    }
                    file
                }
            };
            pause = self.pause_after(begun.elapsed());
        }
        self.write_off_thread().await.map(drop).map_err(|(_, error)| error)
    }

    fn pause_after(&self, write: Duration) -> Duration {
        self.interval_min.max(write * DUTY)
    }

    async fn write_off_thread(mut self) -> Result<Self, (Self, SinkError)> {
        let done = tokio::task::spawn_blocking(move || match self.write() {
            Ok(()) => Ok(self),
            Err(error) => Err((self, error)),
        });
        join(done).await
    }

    /// Replaces the file, if the store changed since the last time. Blocks.
    ///
    /// # Errors
    /// The file stays as it was.
    pub fn write(&mut self) -> Result<(), SinkError> {
        // Read before the positions: a change meanwhile is written again.
        let changes = self.store.changes();
        if self.written == Some(changes) {
            return Ok(());
        }
        let directory = parent(&self.path);
        create_directory(directory)?;
        let temporary = self.temporary();
        self.write_lines(&temporary).map_err(io_error(&temporary))?;
        fail_point::hit("positions.write");
        fs::rename(&temporary, &self.path).map_err(io_error(&self.path))?;
        sync_directory(directory)?;
        self.written = Some(changes);
        Ok(())
    }

    fn write_lines(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut line = Vec::new();
        for position in self.store.ids().iter().filter_map(|id| self.store.get(id)) {
            line.clear();
            push_position(&mut line, &position);
            line.push(b'\n');
            file.write_all(&line)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    fn temporary(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".tmp");
        self.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::live_position;

    fn file(directory: &Path) -> (PositionFile, PositionStore) {
        let store = PositionStore::new();
        let path = directory.join("data").join("positions.ndjson");
        (PositionFile::new(path, store.clone(), Duration::from_secs(1)), store)
    }

    #[test]
    fn positions_survive_in_the_order_of_their_ids() {
        let directory = tempfile::tempdir().unwrap();
        let (mut written, store) = file(directory.path());
        store.update(["c", "a", "b"].map(|id| live_position(id, 1.5, 2.5, 7)));
        written.write().unwrap();
        let text = fs::read_to_string(&written.path).unwrap();
        let ids: Vec<&str> = text.lines().map(|line| &line[15..16]).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert!(!written.temporary().exists());

        let (read, restored) = file(directory.path());
        assert_eq!(read.load(|_| true).unwrap(), 3);
        assert_eq!(restored.list(None, 9), store.list(None, 9));
    }

    #[test]
    fn no_file_is_an_empty_view() {
        let directory = tempfile::tempdir().unwrap();
        let (file, store) = file(directory.path());
        assert_eq!(file.load(|_| true).unwrap(), 0);
        assert!(store.is_empty());
    }

    #[test]
    fn a_corrupt_line_costs_one_vehicle() {
        let directory = tempfile::tempdir().unwrap();
        let (mut written, store) = file(directory.path());
        store.update(["a", "b", "c"].map(|id| live_position(id, 1.5, 2.5, 7)));
        written.write().unwrap();
        let text = fs::read_to_string(&written.path).unwrap();
        let torn: Vec<&str> = text
            .lines()
            .enumerate()
            .map(|(i, line)| if i == 1 { &line[..30] } else { line })
            .collect();
        fs::write(&written.path, torn.join("\n")).unwrap();

        let (read, restored) = file(directory.path());
        assert_eq!(read.load(|_| true).unwrap(), 2);
        assert!(restored.get("a").is_some() && restored.get("c").is_some());
        assert_eq!(restored.get("b"), None);
    }

    #[test]
    fn an_unchanged_store_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut file, store) = file(directory.path());
        store.update([live_position("a", 1.5, 2.5, 7)]);
        file.write().unwrap();
        fs::remove_file(&file.path).unwrap();
        file.write().unwrap();
        assert!(!file.path.exists());
        store.update([live_position("a", 1.5, 2.5, 8)]);
        file.write().unwrap();
        assert!(file.path.exists());
    }

    #[test]
    fn a_failed_write_keeps_the_file_and_can_be_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let (mut file, store) = file(directory.path());
        store.update([live_position("a", 1.5, 2.5, 7)]);
        file.write().unwrap();
        let before = fs::read(&file.path).unwrap();
        fs::create_dir(file.temporary()).unwrap();
        store.update([live_position("a", 3.5, 2.5, 8)]);
        let error = file.write().unwrap_err();
        assert!(error.to_string().contains("positions.ndjson"), "{error}");
        assert_eq!(fs::read(&file.path).unwrap(), before);
        fs::remove_dir(file.temporary()).unwrap();
        file.write().unwrap();
        assert_ne!(fs::read(&file.path).unwrap(), before);
    }

    #[test]
    fn pauses_keep_the_duty_below_a_twentieth() {
        let (file, _) = file(Path::new("."));
        assert_eq!(file.pause_after(Duration::from_millis(10)), Duration::from_secs(1));
        assert_eq!(file.pause_after(Duration::from_millis(100)), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_shutdown_writes_what_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut file, store) = file(directory.path());
        // No turn comes in this test's life.
        file.interval_min = Duration::from_secs(3600);
        let path = file.path.clone();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(file.run(shutdown.clone()));
        store.update([live_position("a", 1.5, 2.5, 7)]);
        shutdown.cancel();
        task.await.unwrap().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
    }
}
