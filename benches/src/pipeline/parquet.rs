//! The archive's rows written once more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde::{Deserialize, Serialize};
use sinks::schema;

use super::case::Who;
use super::naive_file::open;
use super::program;
use super::sample::Sample;
use super::scratch::{Scratch, World};
use super::table;
use crate::usage::thread_cpu;

/// What the engine archives of a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parquet {
    pub(super) who: Who,
    pub(super) world: World,
    pub(super) table: Table,
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Table {
    Pings,
    Events,
}

impl Table {
    /// As the engine writes it.
    fn properties(self) -> WriterProperties {
        match self {
            Self::Pings => schema::PINGS_PACKING.properties(schema::PINGS),
            Self::Events => schema::EVENTS_PACKING.properties(schema::EVENTS),
        }
    }

    /// Files of it that the engine has written, by day.
    fn files(self, data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let directory = match self {
            Self::Pings => "pings",
            Self::Events => "events",
        };
        let mut files = Vec::new();
        for day in sorted(&data_dir.join(directory))? {
            files.extend(sorted(&day)?);
        }
        Ok(files)
    }
}

impl Parquet {
    pub(super) fn run(&self, scratch: &Scratch) -> anyhow::Result<Sample> {
        let batches = self.archive(scratch)?;
        let properties = match self.who {
            Who::Ours | Who::Floor => self.table.properties(),
            Who::Naive => table::default_properties(),
        };
        let begun = thread_cpu();
        let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties))?;
        for batch in &batches {
            writer.write(batch)?;
        }
        let bytes = writer.into_inner()?.len() as u64;
        let cpu_s = (thread_cpu() - begun).as_secs_f64();
        let operations = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Sample { operations, cpu_s, bytes, ..Sample::default() }.with_own_memory())
    }

    /// The rows, in the order in which they were archived.
    fn archive(&self, scratch: &Scratch) -> anyhow::Result<Vec<RecordBatch>> {
        let (pings, fences) = (scratch.pings(&self.world)?, scratch.fences(&self.world)?);
        let archive = scratch
            .prepared("archive", |out| program::replay(&pings, &fences, out, &[]).map(drop))?;
        let mut batches = Vec::new();
        for file in self.table.files(&archive)? {
            batches.extend(open(&file)?.collect::<Result<Vec<_>, _>>()?);
        }
        ensure!(!batches.is_empty(), "replay archived nothing");
        Ok(batches)
    }
}

/// Fails unless the engine has archived so many pings under `data_dir`: what it
/// left out would cost nothing.
pub(super) fn ensure_archived(data_dir: &Path, pings: u64) -> anyhow::Result<()> {
    let rows = Table::Pings.files(data_dir)?.into_iter().map(|file| {
        let reader = SerializedFileReader::new(fs::File::open(file)?)?;
        Ok(u64::try_from(reader.metadata().file_metadata().num_rows())?)
    });
    let rows = rows.sum::<anyhow::Result<u64>>()?;
    ensure!(rows == pings, "{rows} of {pings} pings were archived");
    Ok(())
}

fn sorted(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
