//! The fields of a ping by name: one list of names, types and units for
//! JSON keys, CSV headers and Parquet columns.

use std::borrow::Cow;

use protos::PingView;

use super::DecodeError;
use super::wire;

/// A field of a ping as text formats name it: the names of `VehiclePing`, and
/// the other spellings of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    VehicleId,
    PingId,
    Seq,
    EventTime,
    EventTimeUs,
    EventTimeMs,
    ReceiveTime,
    ReceiveTimeUs,
    ReceiveTimeMs,
    Lat,
    Lon,
    AltitudeM,
    AccuracyM,
    SpeedMps,
    HeadingDeg,
    OdometerM,
    Ignition,
    EngineRpm,
    FuelPercent,
    BatteryPercent,
    DriverId,
    RouteId,
    TripId,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Any number.
    Number,
    /// A whole number from 0 on.
    Whole,
    /// True or false.
    Flag,
    /// RFC 3339 text, or a typed timestamp where the format has them.
    Timestamp,
    /// A whole number of microseconds since the Unix epoch.
    Micros,
    /// A whole number of milliseconds since the Unix epoch.
    Millis,
}

impl Kind {
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Whole => "a whole number from 0 on",
            Self::Flag => "true or false",
            Self::Timestamp => "an RFC 3339 time such as 2016-11-25T12:00:00Z",
            Self::Micros => "a whole number of microseconds since 1970",
            Self::Millis => "a whole number of milliseconds since 1970",
        }
    }
}

impl Field {
    /// The field called `name`, if there is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Unit of a field that is measured.
    pub(crate) fn unit(self) -> Option<&'static str> {
        match self {
            Self::AltitudeM | Self::AccuracyM | Self::OdometerM => Some("metres"),
            Self::SpeedMps => Some("metres a second"),
            Self::HeadingDeg => Some("degrees clockwise from north"),
            Self::EngineRpm => Some("revolutions a minute"),
            Self::FuelPercent | Self::BatteryPercent => Some("percent"),
            _ => None,
        }
    }

    pub(crate) const ALL: [Self; 23] = [
        Self::VehicleId,
        Self::PingId,
        Self::Seq,
        Self::EventTime,
        Self::EventTimeUs,
        Self::EventTimeMs,
        Self::ReceiveTime,
        Self::ReceiveTimeUs,
        Self::ReceiveTimeMs,
        Self::Lat,
        Self::Lon,
        Self::AltitudeM,
        Self::AccuracyM,
        Self::SpeedMps,
        Self::HeadingDeg,
        Self::OdometerM,
        Self::Ignition,
        Self::EngineRpm,
        Self::FuelPercent,
        Self::BatteryPercent,
        Self::DriverId,
        Self::RouteId,
        Self::TripId,
    ];

    /// Key, header or column name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VehicleId => "vehicle_id",
            Self::PingId => "ping_id",
            Self::Seq => "seq",
            Self::EventTime => "event_time",
            Self::EventTimeUs => "event_time_us",
            Self::EventTimeMs => "event_time_ms",
            Self::ReceiveTime => "receive_time",
            Self::ReceiveTimeUs => "receive_time_us",
            Self::ReceiveTimeMs => "receive_time_ms",
            Self::Lat => "lat",
            Self::Lon => "lon",
            Self::AltitudeM => "altitude_m",
            Self::AccuracyM => "accuracy_m",
            Self::SpeedMps => "speed_mps",
            Self::HeadingDeg => "heading_deg",
            Self::OdometerM => "odometer_m",
            Self::Ignition => "ignition",
            Self::EngineRpm => "engine_rpm",
            Self::FuelPercent => "fuel_percent",
            Self::BatteryPercent => "battery_percent",
            Self::DriverId => "driver_id",
            Self::RouteId => "route_id",
            Self::TripId => "trip_id",
        }
    }

    /// What the field holds.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::VehicleId | Self::PingId | Self::DriverId | Self::RouteId | Self::TripId => {
                Kind::Text
            }
            Self::Seq => Kind::Whole,
            Self::EventTime | Self::ReceiveTime => Kind::Timestamp,
            Self::EventTimeUs | Self::ReceiveTimeUs => Kind::Micros,
            Self::EventTimeMs | Self::ReceiveTimeMs => Kind::Millis,
            Self::Ignition => Kind::Flag,
            Self::Lat
            | Self::Lon
            | Self::AltitudeM
            | Self::AccuracyM
            | Self::SpeedMps
            | Self::HeadingDeg
            | Self::OdometerM
            | Self::EngineRpm
            | Self::FuelPercent
            | Self::BatteryPercent => Kind::Number,
        }
    }

    /// True for the fields that say when a file's ping was received; messages
    /// have their own receive time and ignore these.
    pub(crate) fn is_receive_time(self) -> bool {
        matches!(self, Self::ReceiveTime | Self::ReceiveTimeUs | Self::ReceiveTimeMs)
    }
}

/// A typed value on its way into a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Text of a typed format: taken for text or an RFC 3339 time only.
    Text(Cow<'a, str>),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
    /// Microseconds since the Unix epoch.
    Time(i64),
    /// Anything no field takes; says what it is.
    Other(&'static str),
}

impl Value<'_> {
    fn found(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Int(_) | Self::Uint(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Time(_) => "a timestamp",
            Self::Other(what) => what,
        }
    }
}

/// The fields of one ping, borrowed from the bytes they were read from where
/// that is possible. Absent fields are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PingFields<'a> {
    pub(crate) vehicle_id: Option<Cow<'a, str>>,
    pub(crate) ping_id: Option<Cow<'a, str>>,
    pub(crate) seq: Option<u64>,
    /// Microseconds since the Unix epoch.
    pub(crate) event_time_us: Option<i64>,
    /// Microseconds since the Unix epoch; files only.
    pub(crate) receive_time_us: Option<i64>,
    pub(crate) lat: Option<f64>,
    pub(crate) lon: Option<f64>,
    pub(crate) altitude_m: Option<f64>,
    pub(crate) accuracy_m: Option<f64>,
    pub(crate) speed_mps: Option<f64>,
    pub(crate) heading_deg: Option<f64>,
    pub(crate) odometer_m: Option<f64>,
    pub(crate) ignition: Option<bool>,
    pub(crate) engine_rpm: Option<f64>,
    pub(crate) fuel_percent: Option<f64>,
    pub(crate) battery_percent: Option<f64>,
    pub(crate) driver_id: Option<Cow<'a, str>>,
    pub(crate) route_id: Option<Cow<'a, str>>,
    pub(crate) trip_id: Option<Cow<'a, str>>,
}

impl<'a> PingFields<'a> {
    /// Stores a typed value.
    ///
    /// # Errors
    /// Names the field when the value is of another type than the field's, or
    /// when its time was given before under another name.
    pub(crate) fn set(&mut self, field: Field, value: Value<'a>) -> Result<(), DecodeError> {
        let wrong = |found| {
            Err(DecodeError::WrongType {
                field: field.name(),
                found,
                expected: field.kind().expected(),
            })
        };
        let found = value.found();
        match (self.slot(field), value) {
            (Slot::Text(slot), Value::Text(text)) => *slot = Some(text),
            (Slot::Number(slot), Value::Float(number)) => *slot = Some(number),
            (Slot::Number(slot), Value::Int(number)) => *slot = Some(number as f64),
            (Slot::Number(slot), Value::Uint(number)) => *slot = Some(number as f64),
            (Slot::Whole(slot), Value::Uint(number)) => *slot = Some(number),
            (Slot::Whole(slot), Value::Int(number)) => match u64::try_from(number) {
                Ok(number) => *slot = Some(number),
                Err(_) => return wrong("a negative number"),
            },
            (Slot::Flag(slot), Value::Bool(on)) => *slot = Some(on),
            (Slot::Time(slot), value) => {
                let us = match (field.kind(), value) {
                    (Kind::Timestamp, Value::Text(text)) => rfc3339_us(field, &text)?,
                    (Kind::Timestamp, Value::Time(us)) | (Kind::Micros, Value::Int(us)) => us,
                    (Kind::Millis, Value::Int(ms)) => millis_us(field, ms)?,
                    _ => return wrong(found),
                };
                set_once(slot, field, us)?;
            }
            _ => return wrong(found),
        }
        Ok(())
    }

    /// Stores a value written as text, as CSV has it. Text that is empty but
    /// for blanks stands for an absent value.
    ///
    /// # Errors
    /// Names the field and quotes the text when it does not parse, or when the
    /// time was given before under another name.
    pub(crate) fn parse(&mut self, field: Field, text: &'a str) -> Result<(), DecodeError> {
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            return Ok(());
        }
        let wrong = || bad_text(field, text);
        match self.slot(field) {
            Slot::Text(slot) => *slot = Some(Cow::Borrowed(text)),
            Slot::Number(slot) => *slot = Some(trimmed.parse().map_err(|_| wrong())?),
            Slot::Whole(slot) => *slot = Some(trimmed.parse().map_err(|_| wrong())?),
            Slot::Flag(slot) => {
                *slot = Some(match trimmed {
                    "1" => true,
                    "0" => false,
                    _ if trimmed.eq_ignore_ascii_case("true") => true,
                    _ if trimmed.eq_ignore_ascii_case("false") => false,
                    _ => return Err(wrong()),
                });
            }
            Slot::Time(slot) => {
                let whole = || trimmed.parse::<i64>().map_err(|_| wrong());
                let us = match field.kind() {
                    Kind::Micros => whole()?,
                    Kind::Millis => millis_us(field, whole()?)?,
                    _ => rfc3339_us(field, trimmed)?,
                };
                set_once(slot, field, us)?;
            }
        }
        Ok(())
    }

    /// Checks what every text format must give: a time and a position.
    ///
    /// # Errors
    /// Names the missing field.
    pub(crate) fn check_required(&self) -> Result<(), DecodeError> {
        if self.event_time_us.unwrap_or(0) == 0 {
            return Err(DecodeError::EventTimeMissing);
        }
        // Without this a missing longitude would be read as 0, and the ping
        // would be judged at a place where nobody was.
        if self.lat.is_none() {
            return Err(DecodeError::Missing { field: Field::Lat.name() });
        }
        if self.lon.is_none() {
            return Err(DecodeError::Missing { field: Field::Lon.name() });
        }
        Ok(())
    }

    /// The ping, borrowed.
    pub(crate) fn view(&self) -> PingView<'_> {
        PingView {
            vehicle_id: self.vehicle_id.as_deref().unwrap_or_default(),
            ping_id: self.ping_id.as_deref(),
            seq: self.seq,
            event_time_us: self.event_time_us.unwrap_or(0),
            lat: self.lat.unwrap_or(0.0),
            lon: self.lon.unwrap_or(0.0),
            altitude_m: self.altitude_m,
            accuracy_m: self.accuracy_m,
            speed_mps: self.speed_mps,
            heading_deg: self.heading_deg,
            odometer_m: self.odometer_m,
            ignition: self.ignition,
            engine_rpm: self.engine_rpm,
            fuel_percent: self.fuel_percent,
            battery_percent: self.battery_percent,
            driver_id: self.driver_id.as_deref(),
            route_id: self.route_id.as_deref(),
            trip_id: self.trip_id.as_deref(),
        }
    }

    /// Appends the encoded `VehiclePing`, byte for byte what prost writes for
    /// it, without building it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let text = |out: &mut Vec<u8>, tag, text: &Option<Cow<'_, str>>| {
            if let Some(text) = text {
                wire::bytes(out, tag, text.as_bytes());
            }
        };
        let number = |out: &mut Vec<u8>, tag, number: Option<f64>| {
            if let Some(number) = number {
                wire::double(out, tag, number);
            }
        };
        // Fields without presence are left out when they hold the default.
        if let Some(id) = self.vehicle_id.as_deref().filter(|id| !id.is_empty()) {
            wire::bytes(out, 1, id.as_bytes());
        }
        text(out, 2, &self.ping_id);
        if let Some(seq) = self.seq {
            wire::varint(out, 3, seq);
        }
        if let Some(us) = self.event_time_us.filter(|&us| us != 0) {
            wire::varint(out, 4, us.cast_unsigned());
        }
        number(out, 5, self.lat.filter(|&lat| lat != 0.0));
        number(out, 6, self.lon.filter(|&lon| lon != 0.0));
        number(out, 7, self.altitude_m);
        number(out, 8, self.accuracy_m);
        number(out, 9, self.speed_mps);
        number(out, 10, self.heading_deg);
        number(out, 11, self.odometer_m);
        if let Some(on) = self.ignition {
            wire::varint(out, 12, u64::from(on));
        }
        number(out, 13, self.engine_rpm);
        number(out, 14, self.fuel_percent);
        number(out, 15, self.battery_percent);
        text(out, 16, &self.driver_id);
        text(out, 17, &self.route_id);
        text(out, 18, &self.trip_id);
    }

    fn slot(&mut self, field: Field) -> Slot<'_, 'a> {
        match field {
            Field::VehicleId => Slot::Text(&mut self.vehicle_id),
            Field::PingId => Slot::Text(&mut self.ping_id),
            Field::DriverId => Slot::Text(&mut self.driver_id),
            Field::RouteId => Slot::Text(&mut self.route_id),
            Field::TripId => Slot::Text(&mut self.trip_id),
            Field::Seq => Slot::Whole(&mut self.seq),
            Field::Ignition => Slot::Flag(&mut self.ignition),
            Field::EventTime | Field::EventTimeUs | Field::EventTimeMs => {
                Slot::Time(&mut self.event_time_us)
            }
            Field::ReceiveTime | Field::ReceiveTimeUs | Field::ReceiveTimeMs => {
                Slot::Time(&mut self.receive_time_us)
            }
            Field::Lat => Slot::Number(&mut self.lat),
            Field::Lon => Slot::Number(&mut self.lon),
            Field::AltitudeM => Slot::Number(&mut self.altitude_m),
            Field::AccuracyM => Slot::Number(&mut self.accuracy_m),
            Field::SpeedMps => Slot::Number(&mut self.speed_mps),
            Field::HeadingDeg => Slot::Number(&mut self.heading_deg),
            Field::OdometerM => Slot::Number(&mut self.odometer_m),
            Field::EngineRpm => Slot::Number(&mut self.engine_rpm),
            Field::FuelPercent => Slot::Number(&mut self.fuel_percent),
            Field::BatteryPercent => Slot::Number(&mut self.battery_percent),
        }
    }
}

/// Where a field's value goes.
enum Slot<'s, 'a> {
    Text(&'s mut Option<Cow<'a, str>>),
    Number(&'s mut Option<f64>),
    Whole(&'s mut Option<u64>),
    Flag(&'s mut Option<bool>),
    /// Microseconds since the Unix epoch.
    Time(&'s mut Option<i64>),
}

fn set_once(slot: &mut Option<i64>, field: Field, us: i64) -> Result<(), DecodeError> {
    match slot.replace(us) {
        None => Ok(()),
        Some(_) => Err(DecodeError::TimeGivenTwice { field: field.name() }),
    }
}

fn rfc3339_us(field: Field, text: &str) -> Result<i64, DecodeError> {
    let time: jiff::Timestamp = text.parse().map_err(|_| bad_text(field, text))?;
    i64::try_from(time.as_nanosecond().div_euclid(1000)).map_err(|_| bad_text(field, text))
}

fn millis_us(field: Field, ms: i64) -> Result<i64, DecodeError> {
    ms.checked_mul(1000).ok_or_else(|| DecodeError::BadText {
        field: field.name(),
        found: ms.to_string(),
        expected: "milliseconds since 1970, less than 292,000 years from then",
    })
}

fn bad_text(field: Field, text: &str) -> DecodeError {
    DecodeError::BadText {
        field: field.name(),
        found: quoted(text),
        expected: field.kind().expected(),
    }
}

/// `text` in quotes, cut to what a message can hold.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
