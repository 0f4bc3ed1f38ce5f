//! The features of a FeatureCollection as the texts that they are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The texts of the features; nothing if `text` is no FeatureCollection, or no
/// JSON as far as it must be read to know them.
pub(super) fn features(text: &str) -> Option<Vec<&RawValue>> {
    let Collection { features } = serde_json::from_str(text).ok()?;
    Some(features)
}

struct Collection<'a> {
    features: Vec<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Collection<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(CollectionVisitor)
    }
}

struct CollectionVisitor;

impl<'de> Visitor<'de> for CollectionVisitor {
    type Value = Collection<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a FeatureCollection")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let (mut kind, mut features) = (None, None);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "type" => kind = Some(members.next_value::<String>()?),
                "features" => features = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        match features {
            Some(features) if kind.as_deref() == Some("FeatureCollection") => {
                Ok(Collection { features })
            }
            _ => Err(M::Error::custom("no FeatureCollection")),
        }
    }
}
