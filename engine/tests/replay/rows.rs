//! Rows of the Parquet files of an output.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Content of one file, under its path within the table.
pub(crate) type TableFile = (PathBuf, Vec<RecordBatch>);

/// Every file of a table, in order of path: `dt=<day>/shard-<n>-<range>.parquet`.
pub(crate) fn table(directory: &Path) -> Vec<TableFile> {
    let mut paths = Vec::new();
    for day in entries(directory) {
        paths.extend(entries(&day));
    }
    paths.sort();
    let within = |path: &Path| path.strip_prefix(directory).expect("found in it").to_owned();
    paths.iter().map(|path| (within(path), batches(path))).collect()
}

/// Rows of a table.
pub(crate) fn count(files: &[TableFile]) -> u64 {
    files.iter().flat_map(|(_, batches)| batches).map(|batch| batch.num_rows() as u64).sum()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
    reader.expect("Parquet").collect::<Result<_, _>>().expect("whole")
}
