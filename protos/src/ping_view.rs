//! A ping read in place: texts are borrowed from the payload, and nothing is
//! allocated.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_varint, skip_field};

use crate::telemetry::VehiclePing;

/// What a [`VehiclePing`] says, borrowed. Its fields are described there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields of VehiclePing")]
pub struct PingView<'a> {
    pub vehicle_id: &'a str,
    pub ping_id: Option<&'a str>,
    pub seq: Option<u64>,
    pub event_time_us: i64,
    pub lat: f64,
    pub lon: f64,
    pub altitude_m: Option<f64>,
    pub accuracy_m: Option<f64>,
    pub speed_mps: Option<f64>,
    pub heading_deg: Option<f64>,
    pub odometer_m: Option<f64>,
    pub ignition: Option<bool>,
    pub engine_rpm: Option<f64>,
    pub fuel_percent: Option<f64>,
    pub battery_percent: Option<f64>,
    pub driver_id: Option<&'a str>,
    pub route_id: Option<&'a str>,
    pub trip_id: Option<&'a str>,
}

/// Bytes that are no `VehiclePing`; the words are the generated decoder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPing(String);

impl std::fmt::Display for NoPing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoPing {}

impl NoPing {
    /// Says what the generated decoder says of the same bytes.
    #[cold]
    fn in_words(payload: &[u8]) -> Self {
        Self(match VehiclePing::decode(payload) {
            Err(error) => error.to_string(),
            Ok(_) => "no VehiclePing".to_owned(),
        })
    }
}

impl<'a> PingView<'a> {
    /// Reads one encoded `VehiclePing`. Understands exactly what the generated
    /// decoder does: fields in any order, the last one of each, unknown ones
    /// skipped.
    ///
    /// # Errors
    /// Whenever the generated decoder has one.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, NoPing> {
        let mut view = Self::default();
        view.merge(payload)?;
        Ok(view)
    }

    /// [`Self::decode`] into a view that says nothing yet: one is so large that
    /// to hand it from call to call costs as much as to read it.
    ///
    /// # Errors
    /// Those of [`Self::decode`]; the view is of no use then.
    #[inline]
    pub fn merge(&mut self, payload: &'a [u8]) -> Result<(), NoPing> {
        self.read(payload).ok_or_else(|| NoPing::in_words(payload))
    }

    /// Not inlined: there are not registers enough to hold what is read, and
    /// the compiler would try.
    #[inline(never)]
    fn read(&mut self, mut payload: &'a [u8]) -> Option<()> {
        while let [first, rest @ ..] = payload {
            payload = match first {
                ..0x80 => self.read_field(u64::from(*first), rest)?,
                _ => self.read_field_of_long_key(payload)?,
            };
        }
        Some(())
    }

    /// Reads the value of a field and gives what is left behind it. A key says
    /// field and wire type at once: a value of another type than its field's is
    /// not known.
    #[inline(always)]
    fn read_field(&mut self, key: u64, payload: &'a [u8]) -> Option<&'a [u8]> {
        let rest;
        match key {
            0x0a => (self.vehicle_id, rest) = text(payload)?,
            0x12 => (self.ping_id, rest) = some(text(payload)?),
            0x18 => (self.seq, rest) = some(varint(payload)?),
            0x20 => (self.event_time_us, rest) = signed(payload)?,
            0x29 => (self.lat, rest) = double(payload)?,
            0x31 => (self.lon, rest) = double(payload)?,
            0x39 => (self.altitude_m, rest) = some(double(payload)?),
            0x41 => (self.accuracy_m, rest) = some(double(payload)?),
            0x49 => (self.speed_mps, rest) = some(double(payload)?),
            0x51 => (self.heading_deg, rest) = some(double(payload)?),
            0x59 => (self.odometer_m, rest) = some(double(payload)?),
            0x60 => (self.ignition, rest) = some(flag(payload)?),
            0x69 => (self.engine_rpm, rest) = some(double(payload)?),
            0x71 => (self.fuel_percent, rest) = some(double(payload)?),
            0x79 => (self.battery_percent, rest) = some(double(payload)?),
            0x82 => (self.driver_id, rest) = some(text(payload)?),
            0x8a => (self.route_id, rest) = some(text(payload)?),
            0x92 => (self.trip_id, rest) = some(text(payload)?),
            _ => rest = skip_unknown(payload, key)?,
        }
        Some(rest)
    }

    /// The same with the key before it, one of several bytes: few fields of few
    /// pings have such.
    #[inline(never)]
    fn read_field_of_long_key(&mut self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let (key, rest) = varint(payload)?;
        self.read_field(key, rest)
    }

    /// The same as the message.
    #[must_use]
    pub fn to_ping(&self) -> VehiclePing {
        let text = |text: Option<&str>| text.map(str::to_owned);
        VehiclePing {
            vehicle_id: self.vehicle_id.to_owned(),
            ping_id: text(self.ping_id),
            seq: self.seq,
            event_time_us: self.event_time_us,
            lat: self.lat,
            lon: self.lon,
            altitude_m: self.altitude_m,
            accuracy_m: self.accuracy_m,
            speed_mps: self.speed_mps,
            heading_deg: self.heading_deg,
            odometer_m: self.odometer_m,
            ignition: self.ignition,
            engine_rpm: self.engine_rpm,
            fuel_percent: self.fuel_percent,
            battery_percent: self.battery_percent,
            driver_id: text(self.driver_id),
            route_id: text(self.route_id),
            trip_id: text(self.trip_id),
        }
    }
}

impl<'a> From<&'a VehiclePing> for PingView<'a> {
    fn from(ping: &'a VehiclePing) -> Self {
        Self {
            vehicle_id: &ping.vehicle_id,
            ping_id: ping.ping_id.as_deref(),
            seq: ping.seq,
            event_time_us: ping.event_time_us,
            lat: ping.lat,
            lon: ping.lon,
            altitude_m: ping.altitude_m,
            accuracy_m: ping.accuracy_m,
            speed_mps: ping.speed_mps,
            heading_deg: ping.heading_deg,
            odometer_m: ping.odometer_m,
            ignition: ping.ignition,
            engine_rpm: ping.engine_rpm,
            fuel_percent: ping.fuel_percent,
            battery_percent: ping.battery_percent,
            driver_id: ping.driver_id.as_deref(),
            route_id: ping.route_id.as_deref(),
            trip_id: ping.trip_id.as_deref(),
        }
    }
}

/// The value at the start of a payload, and what is left behind it. Handed on
/// by value: given a reference to what is left, a call that is not inlined would
/// have it in memory instead of registers all along.
type Read<'a, T> = Option<(T, &'a [u8])>;

fn some<T, R>((value, rest): (T, R)) -> (Option<T>, R) {
    (Some(value), rest)
}

#[inline(always)]
fn varint(payload: &[u8]) -> Read<'_, u64> {
    match payload {
        [byte @ ..0x80, rest @ ..] => Some((u64::from(*byte), rest)),
        _ => long_varint(payload),
    }
}

/// One of up to eight bytes, as times are, is read without a look at each.
#[inline(always)]
fn long_varint(payload: &[u8]) -> Read<'_, u64> {
    const MORE: u64 = 0x8080_8080_8080_8080;
    let Some(bytes) = payload.first_chunk() else { return any_varint(payload) };
    let word = u64::from_le_bytes(*bytes);
    let last = (!word & MORE).trailing_zeros() / 8;
    if last == 8 {
        return any_varint(payload);
    }
    // Groups of seven bits close up by pairs, then fours, then all.
    let groups = word & !MORE & (u64::MAX >> (56 - 8 * last));
    let pairs = groups & 0x007f_007f_007f_007f | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, &payload[last as usize + 1..]))
}

#[cold]
fn any_varint(mut payload: &[u8]) -> Read<'_, u64> {
    let value = decode_varint(&mut payload).ok()?;
    Some((value, payload))
}

/// An int64 travels as the varint of its bits.
#[inline(always)]
fn signed(payload: &[u8]) -> Read<'_, i64> {
    varint(payload).map(|(value, rest)| (value.cast_signed(), rest))
}

#[inline(always)]
fn flag(payload: &[u8]) -> Read<'_, bool> {
    varint(payload).map(|(value, rest)| (value != 0, rest))
}

#[inline(always)]
fn double(payload: &[u8]) -> Read<'_, f64> {
    payload.split_first_chunk().map(|(bytes, rest)| (f64::from_le_bytes(*bytes), rest))
}

#[inline(always)]
fn text(payload: &[u8]) -> Read<'_, &str> {
    let (length, rest) = varint(payload)?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((std::str::from_utf8(bytes).ok()?, rest))
}

/// What is left behind the value of a field that no ping has.
#[cold]
fn skip_unknown(mut payload: &[u8], key: u64) -> Option<&[u8]> {
    let key = u32::try_from(key).ok()?;
    let tag = key >> 3;
    let wire = WireType::try_from(u64::from(key & 7)).ok()?;
    if tag <= FIELD_MAX {
        // A ping has it, as another type.
        return None;
    }
    skip_field(wire, tag, &mut payload, DecodeContext::default()).ok()?;
    Some(payload)
}

/// The last field of a ping.
const FIELD_MAX: u32 = 18;
