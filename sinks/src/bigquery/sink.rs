//! The sink of one table and shard: which rows are in, which are on their way,
//! and by which stream.

mod queue;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, Segment};

use self::queue::{Queue, Queued};
use super::encode;
use super::service::{Mode, Service};
use super::slices::slices;
use super::stream::{Opening, Stream, Trouble};
use super::tables::DatasetTable;
use crate::{Flush, Progress, Sink, SinkError, fail_point};

/// What stands for the stream's name in the cursor of the default stream.
const DEFAULT_STREAM: &str = "_default";

/// The sink.
pub(super) struct StreamSink<T> {
    service: Service,
    rows: T,
    shard: u32,
    /// `projects/P/datasets/D/tables/T`.
    table: String,
    /// The table's name alone.
    table_name: String,
    /// Whether the table was seen to take the rows.
    checked: bool,
    /// Name of the stream; empty before there is one.
    stream: String,
    connection: Option<Connection>,
    /// The journal's last segment when this life began: later ones are its own,
    /// and nobody else has appended their rows.
    found_through: u64,
    /// The stream's end is where this life's rows end.
    is_own: bool,
    /// While a stream is left for having rows where this life's first belong:
    /// the offsets after rows of this life's that may be in.
    strange: Option<Vec<i64>>,
    /// Every row up to here is in.
    done: Place,
    /// The last place recorded with the stream's name.
    recorded: Option<Place>,
    /// Offsets of rows, none before `done`, that stubs stand for.
    refused: BTreeSet<i64>,
    /// To be recorded before anything else is done.
    announced: Option<Progress>,
    /// The last segment whose rows were queued, and the offset after them.
    taken: Place,
    queue: Queue,
}

struct Connection {
    stream: Stream,
    /// An append over it was answered, and had nothing against it.
    has_answered: bool,
}

/// A place between two segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment before it.
    through: u64,
    /// Offset of the first row after it.
    offset: i64,
}

impl<T: DatasetTable> StreamSink<T> {
    pub(super) fn new(
        service: Service,
        table_name: String,
        shard: u32,
        cursor: Option<&Cursor>,
        found_through: u64,
    ) -> Self {
        let table = service.settings().dataset.table_path(&table_name);
        let through = cursor.map_or(0, |cursor| cursor.through_seq);
        let mut sink = Self {
            service,
            rows: T::default(),
            shard,
            table,
            table_name,
            checked: false,
            stream: String::new(),
            connection: None,
            found_through,
            is_own: false,
            strange: None,
            done: Place { through, offset: 0 },
            recorded: None,
            refused: BTreeSet::new(),
            announced: None,
            taken: Place { through, offset: 0 },
            queue: Queue::default(),
        };
        // A stream of another table, or of the other mode, is left as it is:
        // rows go to a new one from the cursor on.
        if let Some(cursor) = cursor.filter(|cursor| sink.goes_on_with(&cursor.stream)) {
            sink.stream.clone_from(&cursor.stream);
            sink.done.offset = cursor.stream_rows;
            sink.refused = cursor.refused_rows.iter().copied().collect();
            sink.recorded = Some(sink.done);
            sink.taken = sink.done;
        }
        sink
    }

    fn goes_on_with(&self, stream: &str) -> bool {
        match self.service.settings().mode {
            Mode::DefaultStream => stream == DEFAULT_STREAM,
            Mode::Committed => stream.strip_prefix(&self.table).is_some_and(|rest| {
                rest.strip_prefix("/streams/").is_some_and(|name| name != DEFAULT_STREAM)
            }),
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            sink: T::SINK.to_owned(),
            through_seq: self.done.through,
            stream: self.stream.clone(),
            stream_rows: self.done.offset,
            refused_rows: self.refused.range(self.done.offset..).copied().collect(),
            ..Cursor::default()
        }
    }

    /// Asks for `progress` to be recorded; segments after it come again.
    fn announce(&mut self, progress: Progress) -> SinkError {
        self.queue.clear();
        self.taken = self.done;
        self.announced = Some(progress.clone());
        SinkError::Unrecorded(Box::new(progress))
    }

    fn refuse_unrecorded(&self) -> Result<(), SinkError> {
        match &self.announced {
            Some(progress) => Err(SinkError::Unrecorded(Box::new(progress.clone()))),
            None => Ok(()),
        }
    }

    /// Queues the rows of `segment`.
    async fn take(&mut self, segment: &Arc<Segment>) -> Result<(), SinkError> {
        if self.taken.through == 0 {
            // What came before the first segment is as good as done.
            self.done.through = segment.seq - 1;
        }
        let slices = slices(&mut self.rows, segment, self.taken.offset, &self.refused)?;
        if self.stream.is_empty() && !slices.is_empty() {
            self.begin().await?;
        }
        let mut queued = Vec::with_capacity(slices.len());
        let (mut offset, mut row) = (self.taken.offset, 0);
        for slice in slices {
            let rows = slice.num_rows();
            let end = offset + rows as i64;
            // Rows at negative offsets are in, by an earlier stream.
            let skip = usize::try_from(-offset).unwrap_or(0).min(rows);
            if skip < rows {
                let slice = slice.slice(skip, rows - skip);
                queued.push(Queued {
                    offset: offset + skip as i64,
                    first_row: row + skip,
                    end,
                    segment: Arc::clone(segment),
                    bytes: encode::rows(&slice)?,
                    done: None,
                    is_unanswered: false,
                    answer: None,
                });
            }
            (offset, row) = (end, row + rows);
        }
        self.taken = Place { through: segment.seq, offset };
        if let Some(done) = self.queue.extend(queued, self.taken) {
            self.done = done;
        }
        Ok(())
    }

    /// Makes the first stream.
    async fn begin(&mut self) -> Result<(), SinkError> {
        if !self.checked {
            let checked = self.service.check_table(T::DEFINITION, &self.table_name).await;
            checked.map_err(|error| SinkError::Remote {
                target: self.table.clone(),
                source: Box::new(error),
            })?;
            self.checked = true;
        }
        match self.service.settings().mode {
            Mode::DefaultStream => {
                self.stream = DEFAULT_STREAM.to_owned();
                Ok(())
            }
            Mode::Committed => Err(self.begin_stream(self.done, BTreeSet::new()).await?),
        }
    }

    /// Makes a stream that goes on at `place`, where a negative offset says
    /// that the next rows are in already, and these are `refused`. The answer
    /// asks for the stream to be recorded.
    async fn begin_stream(
        &mut self,
        place: Place,
        refused: BTreeSet<i64>,
    ) -> Result<SinkError, SinkError> {
        let created = self.opening().create().await.map_err(|trouble| trouble.on(&self.table));
        let (connection, name) = created?;
        fail_point::hit_in(T::SINK, "created");
        let Place { through, offset } = place;
        tracing::info!(sink = T::SINK, shard = self.shard, through, offset, "begins a stream");
        self.connection = Some(Connection::new(connection));
        self.is_own = true;
        self.strange = None;
        self.stream = name;
        self.done = place;
        self.recorded = None;
        self.refused = refused;
        Ok(self.announce(Progress::from(self.cursor())))
    }

    fn opening(&self) -> Opening<'_> {
        let schema = &T::schema().arrow;
        Opening { client: self.service.write(), table: &self.table, schema }
    }

    async fn connect(&self) -> Result<Stream, Trouble> {
        match self.service.settings().mode {
            Mode::Committed => self.opening().attach(&self.stream).await,
            Mode::DefaultStream => self.opening().default_stream().await,
        }
    }

    /// Sends what is queued and waits for answers until no more than `left`
    /// slices are without one.
    async fn drive(&mut self, left: usize) -> Result<(), SinkError> {
        self.refuse_unrecorded()?;
        while !self.queue.is_empty() {
            let trouble = match self.step(left).await {
                Ok(true) => continue,
                Ok(false) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::AlreadyIn if self.is_strange() => {
                    self.strange.get_or_insert_with(|| self.queue.ends_unanswered());
                    return Err(self.replace("it has rows where others belong").await?);
                }
                Trouble::AlreadyIn => self.done_with_first(),
                Trouble::Rows(rows) => return Err(self.refuse(rows)),
                Trouble::Unusable(reason) if self.is_committed() => {
                    return Err(self.replace(&reason).await?);
                }
                // A service ends calls on which nothing came for a while, and
                // others in their time.
                Trouble::Ended(reason) if self.has_answered() && self.is_committed() => {
                    tracing::debug!(sink = T::SINK, reason, "a connection ended");
                    self.disconnect();
                }
                Trouble::Unusable(_) | Trouble::Ended(_) | Trouble::Passing(_) => {
                    self.disconnect();
                    return Err(trouble.on(&self.table));
                }
            }
        }
        Ok(())
    }

    /// One answer; whether there may be another to wait for.
    async fn step(&mut self, left: usize) -> Result<bool, Trouble> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::new(self.connect().await?),
        };
        let connection = self.connection.insert(connection);
        fail_point::hit_in(T::SINK, "append");
        self.queue.send(&connection.stream);
        if self.queue.len() <= left {
            return Ok(false);
        }
        self.queue.first_answer().await?;
        connection.has_answered = true;
        self.is_own = true;
        fail_point::hit_in(T::SINK, "appended");
        self.done_with_first();
        Ok(true)
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.queue.unsend();
    }

    fn has_answered(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.has_answered)
    }

    fn is_committed(&self) -> bool {
        self.service.settings().mode == Mode::Committed
    }

    /// Whether the first slice cannot have been in before this life, and the
    /// stream may end in rows of segments that the journal no longer has.
    fn is_strange(&self) -> bool {
        let is_new = |first: &Queued| first.segment.seq > self.found_through;
        !self.is_own && self.queue.first().is_some_and(is_new)
    }

    fn done_with_first(&mut self) {
        if let Some(done) = self.queue.pop() {
            self.done = done;
            self.refused = self.refused.split_off(&done.offset);
        }
    }

    /// Sets rows of the first slice aside for good.
    fn refuse(&mut self, mut rows: Vec<(usize, String)>) -> SinkError {
        // A row that is refused for two columns is told of twice.
        rows.sort_by_key(|(index, _)| *index);
        rows.dedup_by_key(|(index, _)| *index);
        let first = self.queue.first().expect("an answer was to the first slice");
        let refused: Vec<_> = rows
            .into_iter()
            .map(|(index, detail)| {
                (first.offset.saturating_add_unsigned(index as u64), index, detail)
            })
            .collect();
        let is_row = |offset: i64| (first.offset..first.end).contains(&offset);
        if let Some((_, index, detail)) =
            refused.iter().find(|(offset, ..)| self.refused.contains(offset) || !is_row(*offset))
        {
            let reason = format!("row {index} cannot even be left out: {detail}");
            self.disconnect();
            return Trouble::Passing(reason).on(&self.table);
        }
        let mut dead_letters = Vec::with_capacity(refused.len());
        let mut offsets = Vec::with_capacity(refused.len());
        for (offset, index, detail) in refused {
            let row = first.first_row + index;
            let detail = format!("{}: {detail}", self.table);
            dead_letters.push(T::dead_letter(&first.segment, row, detail));
            offsets.push(offset);
        }
        self.refused.extend(offsets);
        self.announce(Progress { cursor: self.cursor(), dead_letters })
    }

    /// Another stream in the place of one that takes no rows: the answer asks
    /// for it to be recorded.
    async fn replace(&mut self, reason: &str) -> Result<SinkError, SinkError> {
        tracing::warn!(sink = T::SINK, shard = self.shard, reason, "a stream is replaced");
        self.queue.unsend();
        let counted = self.count().await?;
        let rows = self.own_rows(counted);
        // Rows after a place that are in are passed; there is no place for a
        // stream that has fewer rows than were recorded.
        let known = [Some(self.done), self.recorded].into_iter().flatten();
        let Some(place) = known.into_iter().find(|place| place.offset <= rows) else {
            return Err(SinkError::Cursor {
                path: self.stream.clone(),
                contradiction: format!(
                    "has {rows} rows, but {} of them are recorded as written up to segment {}; \
                     rows were deleted, or the stream is another's",
                    self.done.offset, self.done.through
                ),
            });
        };
        let refused = self.refused.iter().map(|offset| offset - rows).collect();
        let place = Place { through: place.through, offset: place.offset - rows };
        self.begin_stream(place, refused).await
    }

    /// How many of the rows `counted` in a stream that is left are of segments
    /// that the journal has. After a copy of it was restored, or its end was set
    /// aside, the stream may have more. They stay in the table.
    fn own_rows(&self, counted: i64) -> i64 {
        let Some((own_ends, first)) = self.strange.as_ref().zip(self.queue.first()) else {
            return counted;
        };
        if own_ends.contains(&counted) {
            return counted;
        }
        let (shard, rows) = (self.shard, counted - first.offset);
        tracing::warn!(sink = T::SINK, shard, rows, "the table has rows that the journal has not");
        first.offset
    }

    /// Rows of the stream, which takes none from now on.
    async fn count(&mut self) -> Result<i64, SinkError> {
        let counted = match self.connect().await {
            Ok(stream) => stream.finalize().await,
            Err(trouble) => Err(trouble),
        };
        self.connection = None;
        match counted {
            Ok(Some(rows)) => Ok(rows),
            // The stream is gone; its rows are not.
            Ok(None) | Err(Trouble::Unusable(_)) => self.count_by_query().await,
            Err(trouble) => Err(trouble.on(&self.stream)),
        }
    }

    async fn count_by_query(&self) -> Result<i64, SinkError> {
        let dataset = &self.service.settings().dataset;
        let rest = self.service.rest();
        let counted = rest.rows_after(dataset, &self.table_name, self.shard, self.done.through);
        match counted.await {
            Ok(rows) => Ok(self.done.offset + rows),
            Err(error) => {
                Err(SinkError::Remote { target: self.table.clone(), source: Box::new(error) })
            }
        }
    }
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self { stream, has_answered: false }
    }
}

#[async_trait]
impl<T: DatasetTable> Sink for StreamSink<T> {
    fn name(&self) -> &'static str {
        T::SINK
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        self.refuse_unrecorded()?;
        if segment.seq > self.taken.through {
            self.take(&segment).await?;
        }
        self.drive(queue::UNANSWERED_MAX).await
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        self.drive(0).await?;
        fail_point::hit_in(T::SINK, "flush");
        Ok(self.cursor())
    }

    async fn recorded(&mut self, cursor: &Cursor) -> Result<Option<Cursor>, SinkError> {
        if cursor.stream == self.stream {
            self.recorded = Some(Place { through: cursor.through_seq, offset: cursor.stream_rows });
        }
        if self.announced.as_ref().is_some_and(|progress| progress.cursor == *cursor) {
            fail_point::hit_in(T::SINK, "recorded");
            self.announced = None;
        }
        Ok(None)
    }
}
