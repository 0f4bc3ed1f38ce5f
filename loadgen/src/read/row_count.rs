//! How many rows an archive of Parquet files has, while it grows.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use parquet::file::metadata::ParquetMetaDataReader;

use super::disk::files_under;

/// Counts rows by the footers of files, those of each file once: a file that
/// is published changes no more, and may be packed into another.
#[derive(Debug)]
pub struct RowCount {
    directory: PathBuf,
    before: u64,
    known: Mutex<HashMap<PathBuf, u64>>,
}

impl RowCount {
    /// Counts from now on the rows that come to the Parquet files under
    /// `directory`.
    ///
    /// # Errors
    /// A file that cannot be read, by its name.
    pub fn from_now(directory: &Path) -> anyhow::Result<Self> {
        let mut count =
            Self { directory: directory.to_owned(), before: 0, known: Mutex::default() };
        if directory.is_dir() {
            count.before = count.rows()?;
        }
        Ok(count)
    }

    /// How many rows came, whosever they are.
    ///
    /// # Errors
    /// A file that cannot be read, by its name: it may be gone into another in
    /// that moment.
    pub fn look(&self) -> anyhow::Result<u64> {
        Ok(self.rows()?.saturating_sub(self.before))
    }

    fn rows(&self) -> anyhow::Result<u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut there = HashMap::new();
        for path in files_under(&self.directory, ".parquet")? {
            let rows = match known.get(&path) {
                Some(&rows) => rows,
                None => {
                    footer_rows(&path).with_context(|| format!("reading {}", path.display()))?
                }
            };
            there.insert(path, rows);
        }
        let rows = there.values().sum();
        *known = there;
        Ok(rows)
    }
}

fn footer_rows(path: &Path) -> anyhow::Result<u64> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&File::open(path)?)?;
    Ok(u64::try_from(metadata.file_metadata().num_rows())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn write(path: &Path, rows: i64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let seqs = Arc::new(Int64Array::from_iter_values(0..rows)) as _;
        let batch = RecordBatch::try_from_iter([("seq", seqs)]).unwrap();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn rows_are_counted_from_the_start_on_over_all_days() {
        let directory = tempfile::tempdir().unwrap();
        let pings = directory.path().join("pings");
        let file = |name: &str| pings.join(name);
        write(&file("dt=2026-01-05/1-9.parquet"), 9);
        let count = RowCount::from_now(&pings).unwrap();
        assert_eq!(count.look().unwrap(), 0);
        write(&file("dt=2026-01-05/10-14.parquet"), 5);
        write(&file("dt=2026-01-06/10-14.parquet"), 2);
        fs::write(file("dt=2026-01-06/.15.tmp"), "half a file").unwrap();
        assert_eq!(count.look().unwrap(), 7);
        // Packed into one.
        write(&file("dt=2026-01-05/1-14.parquet"), 14);
        fs::remove_file(file("dt=2026-01-05/1-9.parquet")).unwrap();
        fs::remove_file(file("dt=2026-01-05/10-14.parquet")).unwrap();
        assert_eq!(count.look().unwrap(), 7);
        fs::write(file("dt=2026-01-06/15-15.parquet"), "no Parquet").unwrap();
        let error = format!("{:#}", count.look().unwrap_err());
        assert!(error.contains("15-15.parquet"), "{error}");
    }

    #[test]
    fn an_archive_may_begin_after_the_count() {
        let directory = tempfile::tempdir().unwrap();
        let pings = directory.path().join("pings");
        let count = RowCount::from_now(&pings).unwrap();
        assert!(count.look().is_err());
        write(&pings.join("dt=2026-01-05/1-9.parquet"), 9);
        assert_eq!(count.look().unwrap(), 9);
    }
}
