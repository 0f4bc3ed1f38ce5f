//! From the rows of every format to records in the window: the one place
//! where a row gets its arrival, is disturbed, or is refused.

use geofence::{TimeMs, admission};
use prost::Message;
use protos::journal::DeadLetter;
use sinks::dead_letters::content_id;

use super::disturb::Disturbance;
use super::error::FileError;
use super::input::FileName;
use super::window::{Kind, Window};
use crate::decode::DecodeError;
use crate::decode::check_size;
use crate::decode::fields::PingFields;

/// A row as its file has it, for a dead letter.
pub(super) struct Original {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
}

/// Takes rows in file order.
pub(super) struct Feed {
    pub(super) window: Window,
    disturbance: Disturbance,
    allow_null_island: bool,
    /// Rows taken, over all files.
    rows: u64,
    /// When the row before arrived, not delayed: a row without a readable time
    /// is taken to have come right after it.
    previous: TimeMs,
    payload: Vec<u8>,
}

impl Feed {
    pub(super) fn new(window: Window, disturbance: Disturbance, allow_null_island: bool) -> Self {
        Self {
            window,
            disturbance,
            allow_null_island,
            rows: 0,
            previous: TimeMs::MIN,
            payload: Vec::new(),
        }
    }

    /// Rows taken so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes the `row`-th row (from 1) of a file: its fields, or why it has
    /// none. `original` is asked for only when the row is refused.
    ///
    /// # Errors
    /// When the row arrives before one that was handed over.
    pub(super) fn take(
        &mut self,
        file: &FileName,
        row: u64,
        fields: Result<PingFields<'_>, DecodeError>,
        original: impl FnOnce() -> Original,
    ) -> Result<(), FileError> {
        let arrival = fields.as_ref().ok().and_then(arrival);
        self.payload.clear();
        let verdict = match &fields {
            Ok(fields) => self.judge(fields),
            Err(error) => Err((error.code(), error.to_string())),
        };
        let kind = match verdict {
            Ok(()) => Kind::Ping,
            Err((code, detail)) => {
                let Original { bytes, content_type } = original();
                self.payload.clear();
                DeadLetter {
                    reason: code.to_owned(),
                    detail: format!("row {row}: {detail}"),
                    source: file.short.clone(),
                    source_message_id: content_id(&bytes),
                    // Known once the row has its place.
                    receive_time_ms: 0,
                    payload: bytes.into(),
                    content_type: content_type.to_owned(),
                }
                .encode(&mut self.payload)
                .expect("a Vec grows");
                Kind::DeadLetter
            }
        };
        self.place(kind, arrival).map_err(|too_late| FileError::OutOfOrder {
            file: file.full.clone(),
            row,
            behind_ms: too_late.handed_over.since(too_late.arrival),
            limit: self.window.bytes_max(),
        })
    }

    /// Encodes an admissible ping into `payload`.
    fn judge(&mut self, fields: &PingFields<'_>) -> Result<(), (&'static str, String)> {
        let undecodable = |error: DecodeError| (error.code(), error.to_string());
        fields.check_required().map_err(undecodable)?;
        check_times(fields).map_err(undecodable)?;
        let mut ping = fields.view();
        admission::clear_unknown(&mut ping);
        admission::check(&ping, self.allow_null_island)
            .map_err(|reject| (reject.code(), reject.to_string()))?;
        fields.encode(&mut self.payload);
        check_size(self.payload.len()).map_err(undecodable)
    }

    /// Stores `payload`, and its copy if the row is to arrive twice.
    fn place(&mut self, kind: Kind, arrival: Option<TimeMs>) -> Result<(), super::error::TooLate> {
        let row = self.rows;
        self.rows += 1;
        let undelayed = arrival.unwrap_or(self.previous);
        self.previous = undelayed;
        let delayed = |from: TimeMs, ms| if from == TimeMs::MIN { from } else { from.plus(ms) };
        let mut arrival_at = delayed(undelayed, self.disturbance.delay_ms(row));
        if arrival.is_none() {
            // Its time is an assumption, which must not end the replay.
            arrival_at = arrival_at.max(self.window.earliest());
        }
        let place = self.window.store(kind, &self.payload);
        self.window.push(arrival_at, place)?;
        if let Some(after_ms) = self.disturbance.duplicate_after_ms(row) {
            self.window.push(delayed(arrival_at, after_ms), place)?;
        }
        Ok(())
    }
}

/// Refuses a time that no date can be written for. In a message it would be one
/// of the future, which detection leaves out; a row arrives at its own time, and
/// would be judged.
fn check_times(fields: &PingFields<'_>) -> Result<(), DecodeError> {
    let times = [("event_time", fields.event_time_us), ("receive_time", fields.receive_time_us)];
    match times.into_iter().find(|(_, us)| us.is_some_and(is_beyond_dates)) {
        None => Ok(()),
        Some((name, _)) => Err(DecodeError::Row(format!(
            "{name} is not within the years up to 9999; expected milliseconds since 1970 in \
             {name}_ms, microseconds in {name}_us"
        ))),
    }
}

fn is_beyond_dates(us: i64) -> bool {
    jiff::Timestamp::from_microsecond(us).is_err()
}

/// When a row arrives: its receive time, else its event time, in milliseconds.
fn arrival(fields: &PingFields<'_>) -> Option<TimeMs> {
    let us = fields.receive_time_us.or(fields.event_time_us)?;
    // One that is refused is no time to come by either.
    (!is_beyond_dates(us)).then_some(TimeMs(us.div_euclid(1000)))
}
