//! One Parquet file in the making.
//!
//! The encoder writes to memory and cannot fail for want of disk; its bytes
//! are moved to the file apart, as often as it takes. So a full disk costs
//! neither rows nor the file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::{BATCH_ROWS, Columns};
use crate::SinkError;
use crate::day::Day;
use crate::disk::{create_directory, drain, io_error, parent, sync_error};
use crate::schema::TableSchema;

/// A file that takes rows.
pub(super) struct OpenPart<C> {
    pub(super) day: Day,
    /// Rows that all files had taken when rows moved on to another day.
    pub(super) left_at: u64,
    columns: C,
    writer: ArrowWriter<Vec<u8>>,
    schema: &'static TableSchema,
    file: TemporaryFile,
}

/// A file whose rows are complete.
pub(super) struct FinishedPart {
    pub(super) day: Day,
    unsent: Vec<u8>,
    bytes: u64,
    file: TemporaryFile,
}

/// Created when there is something to put into it.
struct TemporaryFile {
    path: PathBuf,
    file: Option<File>,
    state: FileState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileState {
    Written,
    Synced,
    Published,
}

impl<C: Columns> OpenPart<C> {
    pub(super) fn new(
        day: Day,
        path: PathBuf,
        schema: &'static TableSchema,
    ) -> Result<Self, SinkError> {
        let writer =
            ArrowWriter::try_new(Vec::new(), schema.arrow.clone(), Some(schema.properties.clone()))
                .map_err(parquet_error)?;
        let file = TemporaryFile { path, file: None, state: FileState::Written };
        Ok(Self { day, left_at: 0, columns: C::with_capacity(0), writer, schema, file })
    }

    /// Where the next row goes.
    pub(super) fn columns(&mut self) -> Result<&mut C, SinkError> {
        if self.columns.rows() >= BATCH_ROWS {
            self.encode_batch(BATCH_ROWS)?;
        }
        Ok(&mut self.columns)
    }

    fn encode_batch(&mut self, next_capacity: usize) -> Result<(), SinkError> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        let columns = std::mem::replace(&mut self.columns, C::with_capacity(next_capacity));
        let batch = RecordBatch::try_new(self.schema.arrow.clone(), columns.finish()).map_err(
            |source| SinkError::Encode { what: "a batch of rows", source: source.into() },
        )?;
        self.writer.write(&batch).map_err(parquet_error)
    }

    /// Moves what is encoded to the file.
    pub(super) fn drain(&mut self) -> Result<(), SinkError> {
        self.file.take(self.writer.inner_mut())
    }

    /// Memory of the open row group.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.writer.memory_size()
    }

    /// Ends the open row group, if there is one, to free its memory.
    pub(super) fn end_row_group(&mut self) -> Result<(), SinkError> {
        self.encode_batch(0)?;
        self.writer.flush().map_err(parquet_error)
    }

    /// What the file would have if it ended here, roughly.
    pub(super) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<FinishedPart, SinkError> {
        self.encode_batch(0)?;
        self.writer.finish().map_err(parquet_error)?;
        let bytes = self.writer.bytes_written() as u64;
        let unsent = std::mem::take(self.writer.inner_mut());
        Ok(FinishedPart { day: self.day, unsent, bytes, file: self.file })
    }
}

impl FinishedPart {
    /// Moves what is encoded to the file.
    pub(super) fn drain(&mut self) -> Result<(), SinkError> {
        self.file.take(&mut self.unsent)
    }

    /// Length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file durable, under its temporary name.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        self.drain()?;
        if let Some(file) = &self.file.file
            && self.file.state == FileState::Written
        {
            file.sync_all().map_err(sync_error(&self.file.path))?;
            self.file.state = FileState::Synced;
            // A range may have many parts: none keeps its file open.
            self.file.file = None;
        }
        Ok(())
    }

    /// Gives the file its name; a second call does nothing. The name is not
    /// durable until its directory is synced.
    pub(super) fn publish(&mut self, name: &Path) -> Result<(), SinkError> {
        if self.file.state == FileState::Synced {
            fs::rename(&self.file.path, name).map_err(|error| self.file.unnamed(name, error))?;
            self.file.state = FileState::Published;
        }
        Ok(())
    }
}

impl TemporaryFile {
    fn take(&mut self, bytes: &mut Vec<u8>) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            create_directory(parent(&self.path))?;
            self.file = Some(File::create(&self.path).map_err(io_error(&self.path))?);
        }
        let file = self.file.as_ref().expect("created above");
        drain(file, bytes).map_err(io_error(&self.path))?;
        // It held a whole row group, and the next may be days away.
        *bytes = Vec::new();
        Ok(())
    }

    /// Why it did not get its `name`.
    fn unnamed(&self, name: &Path, error: io::Error) -> SinkError {
        if !matches!(self.path.try_exists(), Ok(false)) {
            return io_error(name)(error);
        }
        let what = "was moved or deleted before it had its name: put it back, or start again, \
                    which writes its rows once more";
        SinkError::Displaced { path: self.path.display().to_string(), what: what.to_owned() }
    }
}

fn parquet_error(source: parquet::errors::ParquetError) -> SinkError {
    SinkError::Encode { what: "a Parquet file", source: source.into() }
}
