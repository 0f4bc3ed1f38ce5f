//! A feature as it stands in a document, before anything is made of it.
//!
//! Coordinates are nearly all of a document. They are read into pairs of
//! numbers, where a tree of JSON values takes an allocation for each position.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The members of a feature that matter; of one that is no object, none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Feature {
    pub(super) kind: Option<Value>,
    pub(super) id: Option<Value>,
    pub(super) properties: Option<Value>,
    pub(super) geometry: Option<Geometry>,
}

/// The members of a geometry that matter; of one that is no object, none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Geometry {
    pub(super) is_null: bool,
    pub(super) kind: Option<Value>,
    pub(super) coordinates: Coordinates,
}

/// What stands for coordinates.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Coordinates {
    /// A list that begins with two numbers: longitude and latitude, if it is
    /// read as a position.
    Place(f64, f64),
    /// A list of such lists alone, of at least one.
    Places(Vec<(f64, f64)>),
    /// Any other list.
    List(Vec<Self>),
    /// No list.
    #[default]
    Other,
}

impl Coordinates {
    /// What stands in the list. A place's numbers are no lists, so that one of
    /// them stands for all.
    pub(super) fn list(&self) -> Option<Cow<'_, [Self]>> {
        match self {
            Self::Place(..) => Some(Cow::Borrowed(&[Self::Other])),
            Self::Places(places) => {
                Some(places.iter().map(|(lon, lat)| Self::Place(*lon, *lat)).collect())
            }
            Self::List(list) => Some(Cow::Borrowed(list)),
            Self::Other => None,
        }
    }
}

/// An object of which some members are kept, read from any JSON: of what is no
/// object, none are. The last member of a name counts.
trait Object: Default {
    /// Keeps the value of a member, or passes over it.
    fn take<'de, M: MapAccess<'de>>(&mut self, name: &str, members: &mut M)
    -> Result<(), M::Error>;

    /// What `null` is.
    fn null() -> Self {
        Self::default()
    }
}

impl Object for Feature {
    fn take<'de, M: MapAccess<'de>>(
        &mut self,
        name: &str,
        members: &mut M,
    ) -> Result<(), M::Error> {
        match name {
            "type" => self.kind = Some(members.next_value()?),
            "id" => self.id = Some(members.next_value()?),
            "properties" => self.properties = Some(members.next_value()?),
            "geometry" => self.geometry = Some(members.next_value()?),
            _ => drop(members.next_value::<Value>()?),
        }
        Ok(())
    }
}

impl Object for Geometry {
    fn take<'de, M: MapAccess<'de>>(
        &mut self,
        name: &str,
        members: &mut M,
    ) -> Result<(), M::Error> {
        match name {
            "type" => self.kind = Some(members.next_value()?),
            "coordinates" => self.coordinates = members.next_value()?,
            _ => drop(members.next_value::<Value>()?),
        }
        Ok(())
    }

    fn null() -> Self {
        Self { is_null: true, ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(Self::default()))
    }
}

impl<'de> Deserialize<'de> for Geometry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(Self::default()))
    }
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Item::deserialize(from)?.in_list())
    }
}

struct ObjectVisitor<T>(T);

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut members: M) -> Result<T, M::Error> {
        while let Some(name) = members.next_key::<String>()? {
            self.0.take(&name, &mut members)?;
        }
        Ok(self.0)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<T, S::Error> {
        while items.next_element::<Value>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::null())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }
}

/// What stands in a list.
enum Item {
    Number(f64),
    Coordinates(Coordinates),
}

impl Item {
    /// As one of a list that is no position.
    fn in_list(self) -> Coordinates {
        match self {
            Self::Number(_) => Coordinates::Other,
            Self::Coordinates(coordinates) => coordinates,
        }
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Item, S::Error> {
        let mut list = match items.next_element()? {
            None => Vec::new(),
            Some(Item::Number(lon)) => match items.next_element()? {
                Some(Item::Number(lat)) => {
                    // What follows changes nothing: an altitude, mostly.
                    while items.next_element::<Item>()?.is_some() {}
                    return Ok(Item::Coordinates(Coordinates::Place(lon, lat)));
                }
                second => [Some(Item::Number(lon)), second]
                    .into_iter()
                    .flatten()
                    .map(Item::in_list)
                    .collect(),
            },
            Some(Item::Coordinates(Coordinates::Place(lon, lat))) => {
                let mut places = vec![(lon, lat)];
                loop {
                    match items.next_element()? {
                        Some(Item::Coordinates(Coordinates::Place(lon, lat))) => {
                            places.push((lon, lat));
                        }
                        None => return Ok(Item::Coordinates(Coordinates::Places(places))),
                        Some(other) => {
                            let places = Coordinates::Places(places);
                            let mut list = places.list().unwrap_or_default().into_owned();
                            list.push(other.in_list());
                            break list;
                        }
                    }
                }
            }
            Some(first) => vec![first.in_list()],
        };
        while let Some(item) = items.next_element::<Item>()? {
            list.push(item.in_list());
        }
        Ok(Item::Coordinates(Coordinates::List(list)))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Item, M::Error> {
        while members.next_entry::<String, Value>()?.is_some() {}
        Ok(Item::Coordinates(Coordinates::Other))
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Coordinates(Coordinates::Other))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item, E> {
        Ok(Item::Coordinates(Coordinates::Other))
    }

    fn visit_str<E>(self, _: &str) -> Result<Item, E> {
        Ok(Item::Coordinates(Coordinates::Other))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Item, E> {
        Ok(Item::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(json: &str) -> Coordinates {
        let read: Coordinates = serde_json::from_str(json).unwrap();
        let tree: Value = serde_json::from_str(json).unwrap();
        assert_eq!(read, Coordinates::deserialize(&tree).unwrap(), "{json}");
        read
    }

    #[test]
    fn coordinates_are_read_whatever_they_are() {
        use Coordinates::{List, Other, Place, Places};
        let cases = [
            ("[1, 2]", Place(1.0, 2.0)),
            ("[1.5, -2, 30, \"m\"]", Place(1.5, -2.0)),
            ("[[1, 2], [3, 4, 5]]", Places(vec![(1.0, 2.0), (3.0, 4.0)])),
            ("[[[1, 2]]]", List(vec![Places(vec![(1.0, 2.0)])])),
            ("[]", List(vec![])),
            ("[[]]", List(vec![List(vec![])])),
            ("[1]", List(vec![Other])),
            ("[1, [2, 3]]", List(vec![Other, Place(2.0, 3.0)])),
            ("[[1, 2], 3, [4, 5]]", List(vec![Place(1.0, 2.0), Other, Place(4.0, 5.0)])),
            ("[[1, 2], [[3, 4]]]", List(vec![Place(1.0, 2.0), Places(vec![(3.0, 4.0)])])),
            ("[null, true, \"x\", {\"a\": [1, 2]}]", List(vec![Other, Other, Other, Other])),
            ("7", Other),
            ("null", Other),
            ("{\"coordinates\": [1, 2]}", Other),
        ];
        for (json, expected) in cases {
            assert_eq!(coordinates(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for json in ["[\"Feature\", 1]", "\"Feature\"", "1", "-1", "1.5", "true", "null"] {
            assert_eq!(
                serde_json::from_str::<Feature>(json).unwrap(),
                Feature::default(),
                "{json}"
            );
        }
        let geometry = |json| serde_json::from_str::<Geometry>(json).unwrap();
        assert_eq!(geometry("[1]"), Geometry::default());
        assert!(geometry("null").is_null);
    }

    #[test]
    fn of_members_of_one_name_the_last_counts() {
        let json = r#"{"id": 1, "id": 2, "bbox": [1], "geometry": {"coordinates": [1, 2],
            "coordinates": [3, 4]}}"#;
        let feature: Feature = serde_json::from_str(json).unwrap();
        assert_eq!(feature.id, Some(Value::from(2)));
        assert_eq!(feature.geometry.unwrap().coordinates, Coordinates::Place(3.0, 4.0));
    }
}
