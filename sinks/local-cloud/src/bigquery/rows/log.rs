//! Rows in the order they were appended, in memory up to a bound and past it
//! in files that go when the log goes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use tempfile::{TempDir, TempPath};

/// Where logs put what exceeds their memory.
#[derive(Clone, Debug)]
pub(crate) struct Spill {
    directory: Arc<TempDir>,
    memory_bytes_max: usize,
}

/// A queue of batches. Batches of one log may differ in schema; one file holds
/// only equal ones.
#[derive(Debug)]
pub(crate) struct RowLog {
    spill: Spill,
    chunks: VecDeque<Chunk>,
    rows: u64,
    memory_bytes: usize,
}

#[derive(Debug)]
enum Chunk {
    Memory(RecordBatch),
    File(TempPath),
}

impl Spill {
    /// `memory_bytes_max` is for each log: a table has one, and so has a
    /// stream whose rows are not visible yet.
    pub(crate) fn new(memory_bytes_max: usize) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("bigquery-standin-").tempdir()?;
        Ok(Self { directory: Arc::new(directory), memory_bytes_max })
    }
}

impl RowLog {
    pub(crate) fn new(spill: &Spill) -> Self {
        Self { spill: spill.clone(), chunks: VecDeque::new(), rows: 0, memory_bytes: 0 }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> io::Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.memory_bytes += bytes(&batch);
        self.chunks.push_back(Chunk::Memory(batch));
        if self.memory_bytes > self.spill.memory_bytes_max { self.spill_memory() } else { Ok(()) }
    }

    /// Moves the first `rows` rows, or all when there are fewer, to `other`.
    pub(crate) fn move_front(&mut self, rows: u64, other: &mut Self) -> io::Result<()> {
        let mut left = rows.min(self.rows) as usize;
        while left > 0 {
            let chunk = self.chunks.pop_front().expect("rows are counted with their chunks");
            let batches = self.load(chunk)?;
            let mut batches = batches.into_iter();
            for batch in batches.by_ref() {
                let taken = left.min(batch.num_rows());
                left -= taken;
                self.rows -= taken as u64;
                other.push(batch.slice(0, taken))?;
                if taken < batch.num_rows() {
                    self.put_back(batch.slice(taken, batch.num_rows() - taken), batches);
                    return Ok(());
                }
                if left == 0 {
                    break;
                }
            }
            if let Some(batch) = batches.next() {
                self.put_back(batch, batches);
            }
        }
        Ok(())
    }

    /// Every row, from the first.
    pub(crate) fn scan(&self, mut visit: impl FnMut(RecordBatch)) -> io::Result<()> {
        for chunk in &self.chunks {
            match chunk {
                Chunk::Memory(batch) => visit(batch.clone()),
                Chunk::File(path) => {
                    for batch in open(path)? {
                        visit(batch.map_err(io::Error::other)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Undoes the taking of a chunk whose rest, `first` and `others`, stays.
    fn put_back(&mut self, first: RecordBatch, others: impl Iterator<Item = RecordBatch>) {
        let batches: Vec<RecordBatch> = std::iter::once(first).chain(others).collect();
        for batch in batches.into_iter().rev() {
            self.memory_bytes += bytes(&batch);
            self.chunks.push_front(Chunk::Memory(batch));
        }
    }

    fn load(&mut self, chunk: Chunk) -> io::Result<Vec<RecordBatch>> {
        match chunk {
            Chunk::Memory(batch) => {
                self.memory_bytes = self.memory_bytes.saturating_sub(bytes(&batch));
                Ok(vec![batch])
            }
            Chunk::File(path) => open(&path)?.collect::<Result<_, _>>().map_err(io::Error::other),
        }
    }

    fn spill_memory(&mut self) -> io::Result<()> {
        let mut kept = VecDeque::with_capacity(self.chunks.len());
        let mut run: Vec<RecordBatch> = Vec::new();
        for chunk in std::mem::take(&mut self.chunks) {
            match chunk {
                Chunk::Memory(batch) => {
                    if run.first().is_some_and(|first| first.schema() != batch.schema()) {
                        kept.push_back(self.write(&std::mem::take(&mut run))?);
                    }
                    run.push(batch);
                }
                file => {
                    if !run.is_empty() {
                        kept.push_back(self.write(&std::mem::take(&mut run))?);
                    }
                    kept.push_back(file);
                }
            }
        }
        if !run.is_empty() {
            kept.push_back(self.write(&run)?);
        }
        self.chunks = kept;
        self.memory_bytes = 0;
        Ok(())
    }

    fn write(&self, batches: &[RecordBatch]) -> io::Result<Chunk> {
        let file =
            tempfile::Builder::new().suffix(".arrows").tempfile_in(self.spill.directory.path())?;
        let schema = batches.first().expect("a run has a batch").schema();
        let write = || -> Result<(), ArrowError> {
            let mut writer = StreamWriter::try_new(BufWriter::new(file.as_file()), &schema)?;
            for batch in batches {
                writer.write(batch)?;
            }
            writer.finish()
        };
        write().map_err(io::Error::other)?;
        Ok(Chunk::File(file.into_temp_path()))
    }
}

/// Bytes of the rows themselves. `get_array_memory_size` counts the allocation
/// behind every buffer, and all buffers of a batch that came by IPC share one.
fn bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns.map(|array| array.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

fn open(path: &TempPath) -> io::Result<StreamReader<BufReader<File>>> {
    StreamReader::try_new_buffered(File::open(path)?, None).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::*;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let array: Int64Array = values.collect();
        RecordBatch::try_from_iter([("n", Arc::new(array) as _)]).unwrap()
    }

    fn values(log: &RowLog) -> Vec<i64> {
        let mut seen = Vec::new();
        log.scan(|batch| {
            let array = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone();
            seen.extend(array.values().iter().copied());
        })
        .unwrap();
        seen
    }

    #[test]
    fn rows_keep_their_order_through_memory_files_and_moves() {
        for memory_bytes_max in [0, 2_000, usize::MAX] {
            let spill = Spill::new(memory_bytes_max).unwrap();
            let (mut hidden, mut visible) = (RowLog::new(&spill), RowLog::new(&spill));
            for start in (0..100).step_by(10) {
                hidden.push(batch(start..start + 10)).unwrap();
            }
            hidden.move_front(25, &mut visible).unwrap();
            assert_eq!((hidden.rows(), visible.rows()), (75, 25));
            assert_eq!(values(&hidden), (25..100).collect::<Vec<_>>());
            hidden.push(batch(100..110)).unwrap();
            hidden.move_front(15, &mut visible).unwrap();
            hidden.move_front(1_000, &mut visible).unwrap();
            assert_eq!(values(&visible), (0..110).collect::<Vec<_>>());
            assert_eq!(values(&hidden), Vec::<i64>::new());
            assert_eq!(hidden.rows(), 0);
        }
    }

    #[test]
    fn rows_that_came_by_ipc_count_once() {
        let numbers: Int64Array = (0..1_000).collect();
        let columns = ["a", "b", "c", "d"].map(|name| (name, Arc::new(numbers.clone()) as _));
        let mut message = Vec::new();
        let sent = RecordBatch::try_from_iter(columns).unwrap();
        let mut stream = StreamWriter::try_new(&mut message, &sent.schema()).unwrap();
        stream.write(&sent).unwrap();
        stream.finish().unwrap();
        drop(stream);
        let received = StreamReader::try_new(&message[..], None).unwrap().next().unwrap().unwrap();
        assert_eq!(received, sent);
        assert_eq!(bytes(&received), 4 * 8 * 1_000);
    }

    #[test]
    fn what_exceeds_memory_is_in_files_which_go_with_the_log() {
        let spill = Spill::new(1).unwrap();
        let files = || std::fs::read_dir(spill.directory.path()).unwrap().count();
        let mut log = RowLog::new(&spill);
        log.push(batch(0..10)).unwrap();
        assert_eq!((files(), log.memory_bytes), (1, 0));
        drop(log);
        assert_eq!(files(), 0);
    }
}
