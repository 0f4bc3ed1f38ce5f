//! An event operation, in one piece.
//!
//! The message `fleet.events.v1.FleetEvent` in a form of its own: ids are
//! numbers and not the texts they are on the wire, and names that are not long
//! lie in the event itself. So an event is made, handed on and dropped without
//! an allocation. On the wire it is what the generated type would make of the
//! same values, byte for byte; `tests/event.rs` holds it to that.

mod id;
mod text;

use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, bool, double, int32, int64, skip_field};
use prost::encoding::{uint32, uint64};
use prost::{DecodeError, Message, Oneof};
use smol_str::SmolStr;

use crate::events::{
    GeofenceCross, GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, IdleEnd, IdleStart,
    Op, Reason, SourceRecovered, SourceStalled, StationaryEnd, StationaryStart, VehicleOffline,
    VehicleOnline,
};

pub use id::{ID_DIGITS, Id, IdText, NoId};

/// The envelope; exactly one of `detail` is set and names the kind.
///
/// Times are milliseconds since the Unix epoch, UTC. A name of up to 23 bytes
/// takes no allocation, and a longer one shares its bytes with its copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetEvent {
    /// Stable over retries, restarts and corrections.
    pub event_id: Id,
    /// An [`Op`], or what this version does not know.
    pub op: i32,
    /// Sequence number of the journal segment that carries this operation.
    pub revision: u64,
    /// Empty for events of a source.
    pub vehicle_id: SmolStr,
    /// Empty where no fence is concerned.
    pub fence_id: SmolStr,
    /// 1 for a fence's first shape; 0 where no fence is concerned.
    pub fence_version: u32,
    /// Shared by the events of one visit.
    pub visit_id: Id,
    /// Shared by the events of one stationary or idle episode.
    pub episode_id: Id,
    /// When it happened.
    pub event_time_ms: i64,
    /// The true time is not before this.
    pub not_before_ms: i64,
    /// The true time is not after this.
    pub not_after_ms: i64,
    /// Receive time of the ping that decided the event.
    pub observed_at_ms: i64,
    /// Latitude of the cause, WGS 84 degrees.
    pub lat: Option<f64>,
    /// Longitude of the cause, WGS 84 degrees.
    pub lon: Option<f64>,
    /// Signed distance of the cause to the fence's edge, metres, positive inside.
    pub distance_m: Option<f64>,
    /// 68 % radius of the cause, metres.
    pub accuracy_m: Option<f64>,
    /// Probability that the cause lies inside the fence, 0 to 1.
    pub confidence: Option<f64>,
    /// A [`Reason`], or what this version does not know.
    pub reason: i32,
    /// Learnt from a ping that arrived behind its vehicle's watermark.
    pub late: bool,
    /// The event that a correction retracts in favour of this one.
    pub replaces: Id,
    /// Version of the envelope's schema.
    pub schema_version: u32,
    /// The kind, and what it alone says.
    pub detail: Option<Detail>,
}

/// The kind of an event, and what it alone says.
#[derive(Clone, PartialEq, Oneof)]
#[allow(missing_docs, reason = "the messages of these names")]
pub enum Detail {
    #[prost(message, tag = "32")]
    GeofenceEnter(GeofenceEnter),
    #[prost(message, tag = "33")]
    GeofenceExit(GeofenceExit),
    #[prost(message, tag = "34")]
    GeofenceCross(GeofenceCross),
    #[prost(message, tag = "35")]
    GeofenceDwell(GeofenceDwell),
    #[prost(message, tag = "36")]
    GeofenceVisit(GeofenceVisit),
    #[prost(message, tag = "37")]
    StationaryStart(StationaryStart),
    #[prost(message, tag = "38")]
    StationaryEnd(StationaryEnd),
    #[prost(message, tag = "39")]
    IdleStart(IdleStart),
    #[prost(message, tag = "40")]
    IdleEnd(IdleEnd),
    #[prost(message, tag = "41")]
    VehicleOffline(VehicleOffline),
    #[prost(message, tag = "42")]
    VehicleOnline(VehicleOnline),
    #[prost(message, tag = "43")]
    SourceStalled(SourceStalled),
    #[prost(message, tag = "44")]
    SourceRecovered(SourceRecovered),
}

impl FleetEvent {
    /// What the operation does; unspecified if this version does not know.
    #[must_use]
    pub fn op(&self) -> Op {
        Op::try_from(self.op).unwrap_or_default()
    }

    /// Why it happened; unspecified if this version does not know.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::try_from(self.reason).unwrap_or_default()
    }
}

/// Whether a message says the value, and does not have it by leaving it out.
fn is_any<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}

/// Appends a value unless it is the one that a message has without it.
macro_rules! encode_if_any {
    ($kind:ident, $tag:literal, $value:expr, $out:ident) => {
        if is_any(&$value) {
            $kind::encode($tag, &$value, $out);
        }
    };
}

/// The bytes that [`encode_if_any`] appends.
macro_rules! len_if_any {
    ($kind:ident, $tag:literal, $value:expr) => {
        if is_any(&$value) { $kind::encoded_len($tag, &$value) } else { 0 }
    };
}

impl Message for FleetEvent {
    fn encode_raw(&self, out: &mut impl BufMut) {
        id::encode(1, self.event_id, out);
        encode_if_any!(int32, 2, self.op, out);
        encode_if_any!(uint64, 3, self.revision, out);
        text::encode(4, &self.vehicle_id, out);
        text::encode(5, &self.fence_id, out);
        encode_if_any!(uint32, 6, self.fence_version, out);
        id::encode(7, self.visit_id, out);
        id::encode(8, self.episode_id, out);
        encode_if_any!(int64, 9, self.event_time_ms, out);
        encode_if_any!(int64, 10, self.not_before_ms, out);
        encode_if_any!(int64, 11, self.not_after_ms, out);
        encode_if_any!(int64, 12, self.observed_at_ms, out);
        for (tag, measure) in (13..).zip(self.measures()) {
            if let Some(measure) = measure {
                double::encode(tag, &measure, out);
            }
        }
        encode_if_any!(int32, 18, self.reason, out);
        encode_if_any!(bool, 19, self.late, out);
        id::encode(20, self.replaces, out);
        encode_if_any!(uint32, 21, self.schema_version, out);
        if let Some(detail) = &self.detail {
            detail.encode(out);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let (field, merged) = match tag {
            1 => ("event_id", id::merge(wire, &mut self.event_id, from, context)),
            2 => ("op", int32::merge(wire, &mut self.op, from, context)),
            3 => ("revision", uint64::merge(wire, &mut self.revision, from, context)),
            4 => ("vehicle_id", text::merge(wire, &mut self.vehicle_id, from, context)),
            5 => ("fence_id", text::merge(wire, &mut self.fence_id, from, context)),
            6 => ("fence_version", uint32::merge(wire, &mut self.fence_version, from, context)),
            7 => ("visit_id", id::merge(wire, &mut self.visit_id, from, context)),
            8 => ("episode_id", id::merge(wire, &mut self.episode_id, from, context)),
            9 => ("event_time_ms", int64::merge(wire, &mut self.event_time_ms, from, context)),
            10 => ("not_before_ms", int64::merge(wire, &mut self.not_before_ms, from, context)),
            11 => ("not_after_ms", int64::merge(wire, &mut self.not_after_ms, from, context)),
            12 => ("observed_at_ms", int64::merge(wire, &mut self.observed_at_ms, from, context)),
            13 => ("lat", merge_measure(wire, &mut self.lat, from, context)),
            14 => ("lon", merge_measure(wire, &mut self.lon, from, context)),
            15 => ("distance_m", merge_measure(wire, &mut self.distance_m, from, context)),
            16 => ("accuracy_m", merge_measure(wire, &mut self.accuracy_m, from, context)),
            17 => ("confidence", merge_measure(wire, &mut self.confidence, from, context)),
            18 => ("reason", int32::merge(wire, &mut self.reason, from, context)),
            19 => ("late", bool::merge(wire, &mut self.late, from, context)),
            20 => ("replaces", id::merge(wire, &mut self.replaces, from, context)),
            21 => ("schema_version", uint32::merge(wire, &mut self.schema_version, from, context)),
            32..=44 => ("detail", Detail::merge(&mut self.detail, tag, wire, from, context)),
            _ => return skip_field(wire, tag, from, context),
        };
        merged.map_err(|mut error| {
            error.push("FleetEvent", field);
            error
        })
    }

    fn encoded_len(&self) -> usize {
        id::encoded_len(1, self.event_id)
            + len_if_any!(int32, 2, self.op)
            + len_if_any!(uint64, 3, self.revision)
            + text::encoded_len(4, &self.vehicle_id)
            + text::encoded_len(5, &self.fence_id)
            + len_if_any!(uint32, 6, self.fence_version)
            + id::encoded_len(7, self.visit_id)
            + id::encoded_len(8, self.episode_id)
            + len_if_any!(int64, 9, self.event_time_ms)
            + len_if_any!(int64, 10, self.not_before_ms)
            + len_if_any!(int64, 11, self.not_after_ms)
            + len_if_any!(int64, 12, self.observed_at_ms)
            + (13..)
                .zip(self.measures())
                .map(|(tag, measure)| measure.map_or(0, |it| double::encoded_len(tag, &it)))
                .sum::<usize>()
            + len_if_any!(int32, 18, self.reason)
            + len_if_any!(bool, 19, self.late)
            + id::encoded_len(20, self.replaces)
            + len_if_any!(uint32, 21, self.schema_version)
            + self.detail.as_ref().map_or(0, Detail::encoded_len)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl FleetEvent {
    /// The fields from 13 on that an event may lack.
    fn measures(&self) -> [Option<f64>; 5] {
        [self.lat, self.lon, self.distance_m, self.accuracy_m, self.confidence]
    }
}

fn merge_measure(
    wire: WireType,
    measure: &mut Option<f64>,
    from: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    double::merge(wire, measure.get_or_insert_default(), from, context)
}
