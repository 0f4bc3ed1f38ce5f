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
        Ok(match Item::deserialize(from)? {
            Item::Number(_) => Self::Other,
            Item::Coordinates(coordinates) => coordinates,
        })
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
        let mut list = List::default();
        // What follows two numbers changes nothing: an altitude, mostly.
        while !list.is_place() {
            let Some(item) = items.next_element()? else { break };
            list.push(item);
        }
        while items.next_element::<Item>()?.is_some() {}
        Ok(Item::Coordinates(list.into_coordinates()))
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

/// A list as it is read.
#[derive(Default)]
struct List {
    /// The numbers that it begins with, up to two.
    numbers: ([f64; 2], usize),
    /// As long as there is nothing else.
    places: Vec<(f64, f64)>,
    /// All, once there is.
    mixed: Option<Vec<Coordinates>>,
}

impl List {
    fn is_place(&self) -> bool {
        self.numbers.1 == 2
    }

    fn push(&mut self, item: Item) {
        let is_first = self.places.is_empty() && self.mixed.is_none();
        match item {
            Item::Number(number) if is_first => {
                self.numbers.0[self.numbers.1] = number;
                self.numbers.1 += 1;
            }
            Item::Coordinates(Coordinates::Place(lon, lat))
                if self.mixed.is_none() && self.numbers.1 == 0 =>
            {
                self.places.push((lon, lat));
            }
            item => {
                let item = match item {
                    Item::Number(_) => Coordinates::Other,
                    Item::Coordinates(coordinates) => coordinates,
                };
                self.as_mixed().push(item);
            }
        }
    }

    fn as_mixed(&mut self) -> &mut Vec<Coordinates> {
        let Self { numbers, places, mixed } = self;
        mixed.get_or_insert_with(|| {
            let numbers = std::iter::repeat_n(Coordinates::Other, std::mem::take(&mut numbers.1));
            let places = std::mem::take(places).into_iter();
            numbers.chain(places.map(|(lon, lat)| Coordinates::Place(lon, lat))).collect()
        })
    }

    fn into_coordinates(mut self) -> Coordinates {
        if self.is_place() {
            return Coordinates::Place(self.numbers.0[0], self.numbers.0[1]);
        }
        if !self.places.is_empty() {
            return Coordinates::Places(self.places);
        }
        Coordinates::List(std::mem::take(self.as_mixed()))
    }
}
