//! What the Storage Write API does to tables, apart from how it is asked.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::RecordBatch;
use tonic::Code;

use super::name::{StreamName, TableName};
use super::proto::write_stream::{Type, WriteMode};
use super::proto::{RowError, WriteStream as StreamResource};
use super::refusal::Refusal;
use super::schema::Schema;
use super::stream::WriteStream;
use super::table::Table;
use super::warehouse::Warehouse;

/// What became of an append that was not refused as a whole.
#[derive(Debug)]
pub(crate) enum Appended {
    /// The rows are in, the first of them at this offset; a default stream
    /// tells none.
    Rows(Option<i64>),
    /// Some rows do not fit, so none is in.
    RowErrors(Vec<RowError>),
}

impl Warehouse {
    pub(crate) fn create_stream(
        &mut self,
        parent: &str,
        kind: Type,
    ) -> Result<StreamResource, Refusal> {
        if kind == Type::Unspecified {
            return Err(Refusal::invalid("The type of the stream must be specified.").of(parent));
        }
        let name = table_name(parent)?;
        let id = self.unique_id();
        let spill = self.spill.clone();
        let table = self.writable(&name)?;
        let stream = WriteStream::new(kind, SystemTime::now(), &spill);
        table.streams.insert(id.clone(), stream);
        let stream = StreamName { table: name, id };
        Ok(resource(&stream, table, true))
    }

    pub(crate) fn get_stream(
        &mut self,
        name: &str,
        with_schema: bool,
    ) -> Result<StreamResource, Refusal> {
        let name = stream_name(name)?;
        let table = self.writable(&name.table)?;
        if !name.is_default() {
            existing(table, &name)?;
        }
        Ok(resource(&name, table, with_schema))
    }

    /// The columns of the table behind `stream`, which must exist.
    pub(crate) fn destination(&mut self, name: &StreamName) -> Result<Arc<Schema>, Refusal> {
        let table = self.writable(&name.table)?;
        if !name.is_default() {
            existing(table, name)?;
        }
        Ok(table.schema.clone())
    }

    /// Appends the rows, or says what is wrong with them, at `offset`, or at
    /// the end where that is not given.
    pub(crate) fn append(
        &mut self,
        name: &StreamName,
        rows: Result<RecordBatch, Vec<RowError>>,
        offset: Option<i64>,
    ) -> Result<Appended, Refusal> {
        let table = self.writable(&name.table)?;
        if name.is_default() {
            if offset.is_some() {
                let message = "Offset must not be set on a request to a default stream.";
                return Err(Refusal::invalid(message).of(name));
            }
            return match rows {
                Ok(batch) => table.rows.push(batch).map(|()| Appended::Rows(None)).map_err(disk),
                Err(errors) => Ok(Appended::RowErrors(errors)),
            };
        }
        existing(table, name)?;
        let Table { streams, rows: visible, .. } = table;
        let stream = streams.get_mut(&name.id).expect("the stream was just found");
        if stream.finalized {
            return Err(Refusal::stream_finalized(name));
        }
        if let Some(offset) = offset.filter(|offset| *offset != stream.rows) {
            return Err(Refusal::offset(name, stream.rows, offset));
        }
        let batch = match rows {
            Ok(batch) => batch,
            Err(errors) => return Ok(Appended::RowErrors(errors)),
        };
        let start = stream.rows;
        stream.rows += batch.num_rows() as i64;
        match stream.kind {
            Type::Committed => visible.push(batch),
            _ => stream.hidden.push(batch),
        }
        .map_err(disk)?;
        Ok(Appended::Rows(Some(start)))
    }

    /// Ends a stream; the number of its rows. Ending it again changes nothing.
    pub(crate) fn finalize_stream(&mut self, name: &str) -> Result<i64, Refusal> {
        let name = stream_name(name)?;
        if name.is_default() {
            return Err(Refusal::stream_type(&name, "A default stream cannot be finalized."));
        }
        let table = self.writable(&name.table)?;
        let stream = existing(table, &name)?;
        stream.finalized = true;
        Ok(stream.rows)
    }

    /// Makes the rows of a buffered stream visible up to and including
    /// `offset`.
    pub(crate) fn flush(&mut self, name: &str, offset: Option<i64>) -> Result<i64, Refusal> {
        let name = stream_name(name)?;
        let table = self.writable(&name.table)?;
        if !name.is_default() {
            existing(table, &name)?;
        }
        let Table { streams, rows: visible, .. } = table;
        let Some(stream) = streams.get_mut(&name.id).filter(|s| s.kind == Type::Buffered) else {
            return Err(Refusal::stream_type(&name, "Only a buffered stream can be flushed."));
        };
        let offset = offset.unwrap_or(stream.rows - 1);
        if !(0..stream.rows).contains(&offset) {
            let message =
                format!("Cannot flush to offset {offset}, the stream holds {} rows", stream.rows);
            return Err(Refusal::new(Code::OutOfRange, message).of(&name));
        }
        stream.reveal(offset + 1, visible).map_err(disk)?;
        Ok(offset)
    }

    /// Makes the rows of pending streams visible, of all or of none. The error
    /// names each stream that stands against it.
    pub(crate) fn commit(
        &mut self,
        parent: &str,
        names: &[String],
    ) -> Result<Result<SystemTime, Vec<Refusal>>, Refusal> {
        let parent = table_name(parent)?;
        let table = self.writable(&parent)?;
        if names.is_empty() {
            return Err(Refusal::invalid("No stream is named.").of(parent.resource()));
        }
        let mut obstacles = Vec::new();
        let mut ids = Vec::new();
        for name in names {
            match committable(table, &parent, name) {
                Ok(name) => ids.push(name.id),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        if !obstacles.is_empty() {
            return Ok(Err(obstacles));
        }
        let now = SystemTime::now();
        let Table { streams, rows: visible, .. } = table;
        for id in ids {
            let stream = streams.get_mut(&id).expect("the stream was just found");
            stream.reveal(stream.rows, visible).map_err(disk)?;
            stream.committed = Some(now);
        }
        Ok(Ok(now))
    }

    /// Forgets a stream, as the service does some days after its last use.
    pub(crate) fn drop_stream(&mut self, name: &str) -> Result<(), Refusal> {
        let name = stream_name(name)?;
        let table = self.writable(&name.table)?;
        let dropped = table.streams.remove(&name.id);
        dropped.map(|_| ()).ok_or_else(|| Refusal::stream_not_found(&name))
    }

    fn writable(&mut self, name: &TableName) -> Result<&mut Table, Refusal> {
        let table = self.table_mut(name).map_err(|_| Refusal::table_not_found(name))?;
        match table.is_view() {
            true => Err(Refusal::invalid("Rows cannot be appended to a view.").of(name.resource())),
            false => Ok(table),
        }
    }
}

fn table_name(text: &str) -> Result<TableName, Refusal> {
    TableName::from_resource(text).ok_or_else(|| {
        Refusal::invalid(format!(
            "\"{text}\" is not projects/{{project}}/datasets/{{dataset}}/tables/{{table}}."
        ))
    })
}

pub(crate) fn stream_name(text: &str) -> Result<StreamName, Refusal> {
    StreamName::from_resource(text)
        .ok_or_else(|| Refusal::invalid(format!("\"{text}\" is not the name of a write stream.")))
}

fn existing<'a>(table: &'a mut Table, name: &StreamName) -> Result<&'a mut WriteStream, Refusal> {
    table.streams.get_mut(&name.id).ok_or_else(|| Refusal::stream_not_found(name))
}

fn committable(table: &mut Table, parent: &TableName, name: &str) -> Result<StreamName, Refusal> {
    let name = stream_name(name)?;
    if &name.table != parent {
        return Err(Refusal::invalid("The stream is of another table.").of(&name));
    }
    let stream = existing(table, &name)?;
    if stream.kind != Type::Pending {
        return Err(Refusal::stream_type(&name, "Only a pending stream can be committed."));
    }
    if stream.committed.is_some() {
        return Err(Refusal::stream_already_committed(&name));
    }
    if !stream.finalized {
        return Err(Refusal::stream_state(&name, "The stream is not finalized."));
    }
    Ok(name)
}

fn resource(name: &StreamName, table: &Table, with_schema: bool) -> StreamResource {
    let stream = table.streams.get(&name.id);
    StreamResource {
        name: name.to_string(),
        r#type: stream.map_or(Type::Committed, |stream| stream.kind).into(),
        create_time: stream.map(|stream| stream.created.into()),
        commit_time: stream.and_then(|stream| stream.committed).map(Into::into),
        table_schema: with_schema.then(|| table.schema.to_write()),
        write_mode: WriteMode::Insert.into(),
        location: "us".to_owned(),
    }
}

fn disk(error: io::Error) -> Refusal {
    Refusal::new(Code::Internal, format!("The stand-in cannot keep rows on its disk: {error}"))
}
