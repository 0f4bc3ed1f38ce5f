//! What the two tables add to their Parquet files: the input behind a row, as
//! a dead letter has it.

use prost::Message;
use protos::journal::{DeadLetter, Segment, input};

use super::definition::{TABLES, TableDefinition};
use super::{EVENTS, PINGS, REFUSED_EVENT, REFUSED_PING};
use crate::archive::{self, PingTable};
use crate::content_type;
use crate::dead_letters::of_output;
use crate::event_files::EventTable;
use crate::rolling::Table;

/// Source of the dead letters of refused rows.
const SOURCE: &str = "bigquery";

/// A table of a dataset.
pub(super) trait DatasetTable: Table + Default + Sync {
    /// Name of its sink.
    const SINK: &'static str;
    /// What it is in the dataset.
    const DEFINITION: &'static TableDefinition;

    /// The row of `segment` at `index` as a dead letter.
    fn dead_letter(segment: &Segment, index: usize, detail: String) -> DeadLetter;
}

impl DatasetTable for PingTable {
    const SINK: &'static str = PINGS;
    const DEFINITION: &'static TableDefinition = &TABLES[0];

    fn dead_letter(segment: &Segment, mut index: usize, detail: String) -> DeadLetter {
        for input in &segment.inputs {
            let Some(input::Input::Pings(run)) = &input.input else { continue };
            if index < run.payload_lengths.len() {
                let ping = archive::ping_of(run, index);
                let payload = ping.as_ref().map_or(&[][..], |ping| ping.payload);
                let received = ping.as_ref().map_or(segment.now_ms, |ping| ping.receive_time_ms);
                return of_ping(payload, received, detail);
            }
            index -= run.payload_lengths.len();
        }
        of_ping(&[], segment.now_ms, detail)
    }
}

impl DatasetTable for EventTable {
    const SINK: &'static str = EVENTS;
    const DEFINITION: &'static TableDefinition = &TABLES[1];

    fn dead_letter(segment: &Segment, index: usize, detail: String) -> DeadLetter {
        let payload = segment.events.get(index).map(Message::encode_to_vec).unwrap_or_default();
        let (reason, of) = (REFUSED_EVENT, content_type::EVENT);
        of_output(SOURCE, reason, of, &payload, segment.now_ms, detail)
    }
}

fn of_ping(payload: &[u8], receive_time_ms: i64, detail: String) -> DeadLetter {
    of_output(SOURCE, REFUSED_PING, content_type::PING, payload, receive_time_ms, detail)
}

#[cfg(test)]
mod tests {
    use protos::events::GeofenceEnter;
    use protos::events::fleet_event::Detail;

    use super::*;
    use crate::dead_letters::content_id;
    use crate::testing::{NOON_MS, event, ping, run, segment};

    #[test]
    fn two_pings_of_a_message_are_two_letters() {
        let pings = [ping(1, NOON_MS), ping(2, NOON_MS)];
        let mut run = run(&pings);
        run.message_ids = vec!["m7".into(); 2];
        let segment = segment(5, [run]);
        for (index, ping) in pings.iter().enumerate() {
            let letter = PingTable::dead_letter(&segment, index, String::new());
            assert_eq!(letter.payload, ping.encode_to_vec());
            assert_eq!(letter.source_message_id, content_id(&letter.payload));
            assert_eq!(letter.reason, "bigquery_refused");
            assert_eq!(letter.content_type, "application/x-protobuf");
        }
    }

    #[test]
    fn an_operation_on_an_event_is_told_from_a_ping_and_from_others() {
        let mut operation = event(0x0af7, Detail::GeofenceEnter(GeofenceEnter {}));
        let mut segment = segment(5, []);
        for revision in [1, 2] {
            operation.revision = revision;
            segment.events.push(operation.clone());
        }
        let letters = [0, 1].map(|row| EventTable::dead_letter(&segment, row, String::new()));
        assert_ne!(letters[0].source_message_id, letters[1].source_message_id);
        for (letter, operation) in letters.iter().zip(&segment.events) {
            assert_eq!(letter.payload, operation.encode_to_vec());
            assert_eq!(letter.reason, "bigquery_refused_event");
            assert!(letter.content_type.ends_with("messageType=fleet.events.v1.FleetEvent"));
        }
    }
}
