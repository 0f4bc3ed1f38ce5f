//! The event log: every operation on an event as one JSON line, in the order
//! of the journal.

use std::path::{Path, PathBuf};

use protos::event_json::{Rendering, push_event};
use protos::events::FleetEvent;
use protos::journal::{Cursor, Segment};

use crate::ndjson::{self, Lines, NdjsonLog};
use crate::{Sink, SinkError};

/// Name of the sink in cursors, metrics and logs.
pub const NAME: &str = "event_log";

/// The file of one shard in `directory`, whether it is there or not.
#[must_use]
pub fn path(directory: &Path, shard: u32) -> PathBuf {
    ndjson::path(directory, shard)
}

/// Opens `<directory>/shard-<shard>.ndjson`. Blocks.
///
/// # Errors
/// The file cannot be opened or cut back, or is shorter than its cursor says.
pub fn open(
    directory: &Path,
    shard: u32,
    cursor: Option<&Cursor>,
) -> Result<impl Sink + use<>, SinkError> {
    NdjsonLog::open(EventLines, directory, shard, cursor)
}

/// Events in full.
pub(crate) struct EventLines;

impl Lines for EventLines {
    const NAME: &'static str = NAME;

    type Item = FleetEvent;

    fn items(segment: &Segment) -> &[FleetEvent] {
        &segment.events
    }

    fn append(&mut self, _: &Segment, event: &FleetEvent, out: &mut Vec<u8>) {
        push_event(out, event, Rendering::Full);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_sink_outlives_what_it_was_opened_with() {
        let directory = tempfile::tempdir().unwrap();
        let sink: Box<dyn Sink> = {
            let path = directory.path().join("event_log");
            Box::new(open(&path, 3, None).unwrap())
        };
        assert_eq!(sink.name(), "event_log");
    }
}
