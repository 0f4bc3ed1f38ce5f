//! Pings as JSON.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{Field, PingFields, Value};
use super::{DecodeError, Decoded, Item, PINGS_PER_BATCH_MAX, all_of, check_size, pieces};

/// Decodes a whole message: an object or an array of objects.
///
/// # Errors
/// When it is no JSON, neither of both, or has too many pings.
pub(super) fn decode_message(bytes: &Bytes) -> Result<Decoded, DecodeError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => {
            let pings = all_of(pieces::cut_array(bytes, PINGS_PER_BATCH_MAX).map_err(syntax)?)?;
            Ok(pings.into_iter().map(item).collect())
        }
        _ => {
            let item = item(bytes.clone());
            match item.encoded {
                // What is no object is no message; an object with a wrong
                // value is a message that was read and whose ping is refused.
                Some(Err(
                    error @ (DecodeError::Json(_)
                    | DecodeError::NotAnObject(_)
                    | DecodeError::TooLarge { .. }),
                )) => Err(error),
                _ => Ok(vec![item]),
            }
        }
    }
}

/// Decodes one object a line.
///
/// # Errors
/// When there are too many pings. A line that is no JSON is refused alone.
pub(super) fn decode_lines(bytes: &Bytes) -> Result<Decoded, DecodeError> {
    let pings = all_of(pieces::cut_lines(bytes, PINGS_PER_BATCH_MAX))?;
    Ok(pings.into_iter().map(item).collect())
}

/// Decodes one object.
pub(super) fn item(original: Bytes) -> Item {
    let encoded = Some(encode_object(&original));
    Item { original, encoded }
}

fn encode_object(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    check_size(bytes.len())?;
    let fields = read_object(bytes, Times::Event)?;
    fields.check_required()?;
    let mut payload = Vec::with_capacity(96);
    fields.encode(&mut payload);
    Ok(payload.into())
}

/// Which times of an object are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// The event time; a receive time is an unknown key.
    Event,
    /// The receive time as well, as files have it.
    EventAndReceive,
}

/// Reads the fields of one JSON object.
///
/// # Errors
/// When it is no JSON object, or a known key has a value of the wrong type.
pub(crate) fn read_object(bytes: &[u8], times: Times) -> Result<PingFields<'_>, DecodeError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let object = json.deserialize_any(Object { times }).map_err(syntax)??;
    json.end().map_err(syntax)?;
    Ok(object)
}

fn syntax(error: serde_json::Error) -> DecodeError {
    DecodeError::Json(error.to_string())
}

/// Reads an object into fields. What is wrong with a value is an inner error,
/// so that the rest is still read and a syntax error behind it is not missed.
struct Object {
    times: Times,
}

impl<'de> Visitor<'de> for Object {
    type Value = Result<PingFields<'de>, DecodeError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ping as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = PingFields::default();
        let mut wrong = None;
        while let Some(field) = map.next_key_seed(Key)? {
            let read =
                |field: &Field| !field.is_receive_time() || self.times == Times::EventAndReceive;
            let Some(field) = field.filter(read) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(value) = map.next_value_seed(Scalar)?
                && let Err(error) = fields.set(field, value)
            {
                wrong.get_or_insert(error);
            }
        }
        Ok(wrong.map_or(Ok(fields), Err))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(DecodeError::NotAnObject("an array")))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("null")))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("a boolean")))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("a number")))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("a number")))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("a number")))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err(DecodeError::NotAnObject("a string")))
    }
}

/// A key: the field it names, or `None`.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<Field>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Field::named(name))
    }
}

/// A value; `None` for null.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Option<Value<'de>>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Int(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(value).map_or(Value::Uint(value), Value::Int)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Value::Float(value)))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Borrowed(value))))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Owned(value.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Value::Other("an array")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Some(Value::Other("an object")))
    }
}
