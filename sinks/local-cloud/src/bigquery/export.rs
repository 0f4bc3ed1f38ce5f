//! Visible rows as Parquet, one file for each table.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::table::Table;
use super::warehouse::Warehouse;

/// Writes `{directory}/{dataset}.{table}.parquet` for every table, each
/// replaced as a whole. Tables without rows get a file too: the columns.
pub(crate) fn parquet(warehouse: &Warehouse, directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let tables = warehouse.tables().filter(|(_, table)| !table.is_view());
    let written = tables.map(|(name, table)| {
        let path = directory.join(format!("{}.{}.parquet", name.dataset, name.table));
        write(table, &path)?;
        Ok(path)
    });
    written.collect()
}

fn write(table: &Table, path: &Path) -> io::Result<()> {
    let level = ZstdLevel::try_new(1).map_err(io::Error::other)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let unfinished = path.with_extension("parquet.tmp");
    let file = File::create(&unfinished)?;
    let mut writer = ArrowWriter::try_new(file, table.schema.arrow.clone(), Some(properties))
        .map_err(io::Error::other)?;
    let mut result = Ok(());
    Warehouse::scan(table, |batch| {
        if result.is_ok() {
            result = writer.write(&batch);
        }
    })?;
    result.map_err(io::Error::other)?;
    writer.close().map_err(io::Error::other)?;
    fs::rename(unfinished, path)
}
