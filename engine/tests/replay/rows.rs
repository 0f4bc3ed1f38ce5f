//! Rows of the Parquet files of an output.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The rows of a table by day, in order. Where one file of a day ends and the
/// next begins depends on the time that passed meanwhile, and is no content.
pub(crate) fn table(directory: &Path) -> BTreeMap<PathBuf, RecordBatch> {
    let mut days = BTreeMap::new();
    for day in entries(directory) {
        let mut files = entries(&day);
        // `shard-<n>-<first seq>-<last seq>.parquet`, in digits of one length.
        files.sort();
        let batches: Vec<RecordBatch> = files.iter().flat_map(|file| batches(file)).collect();
        let schema = batches.first().expect("a file without rows is not written").schema();
        let rows = concat_batches(&schema, &batches).expect("one schema");
        days.insert(day.strip_prefix(directory).expect("found in it").to_owned(), rows);
    }
    days
}

/// Rows of a table.
pub(crate) fn count(days: &BTreeMap<PathBuf, RecordBatch>) -> u64 {
    days.values().map(|rows| rows.num_rows() as u64).sum()
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
