//! Positions in Firestore, over its REST interface: a document for each
//! vehicle, or many of them packed in a document's map `vehicles`.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::Context as _;
use geofence::Position;
use serde::Deserialize;
use serde_json::json;

use super::positions::Shown;
use crate::google::rest::Rest;

/// The collection that the engine writes to if it is told of no other.
const COLLECTION: &str = "LiveMap";
/// Documents of a page: as many as Firestore gives.
const PAGE: &str = "300";

/// Name of a collection of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionName {
    /// `projects/P/databases/D`.
    pub database: String,
    /// Its name in the database.
    pub collection: String,
}

/// Text that names no collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected projects/PROJECT/databases/DATABASE, with /COLLECTION if it is not LiveMap")]
pub struct CollectionNameError;

impl FromStr for CollectionName {
    type Err = CollectionNameError;

    fn from_str(text: &str) -> Result<Self, CollectionNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (project, database, collection) = match parts[..] {
            ["projects", project, "databases", database] => (project, database, COLLECTION),
            ["projects", project, "databases", database, collection] => {
                (project, database, collection)
            }
            _ => return Err(CollectionNameError),
        };
        if [project, database, collection].contains(&"") {
            return Err(CollectionNameError);
        }
        let database = format!("projects/{project}/databases/{database}");
        Ok(Self { database, collection: collection.to_owned() })
    }
}

/// A collection that is read.
#[derive(Clone, Debug)]
pub struct Collection {
    rest: Rest,
    name: CollectionName,
}

impl Collection {
    /// The collection of this name, read with this client of Firestore.
    #[must_use]
    pub fn new(rest: Rest, name: CollectionName) -> Self {
        Self { rest, name }
    }

    /// What the documents of these vehicles say; nothing of those that have
    /// none. Positions that are packed are not found.
    ///
    /// # Errors
    /// Firestore does not answer.
    pub async fn of_vehicles(&self, ids: &[String]) -> anyhow::Result<Vec<Shown>> {
        #[derive(Deserialize)]
        struct Answer {
            found: Option<Document>,
        }
        let CollectionName { database, collection } = &self.name;
        let names: Vec<String> =
            ids.iter().map(|id| format!("{database}/documents/{collection}/{id}")).collect();
        let url = self.documents(&["documents:batchGet"]);
        let body = json!({
            "documents": names,
            "mask": { "fieldPaths": ["vehicle_id", "event_time", "location"] },
        });
        let answers: Vec<Answer> = self.rest.ask(url, &body).await.context("positions")?;
        let found = answers.into_iter().filter_map(|answer| answer.found?.fields.shown());
        Ok(found.collect())
    }

    /// Every position, page by page, to `take`.
    ///
    /// # Errors
    /// Firestore does not answer.
    pub async fn each(&self, mut take: impl FnMut(Shown)) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            documents: Vec<Document>,
            #[serde(default)]
            next_page_token: String,
        }
        let mut token = String::new();
        loop {
            let url = self.documents(&["documents", &self.name.collection]);
            let query = [
                ("pageSize", PAGE),
                ("pageToken", &token),
                ("mask.fieldPaths", "vehicle_id"),
                ("mask.fieldPaths", "event_time"),
                ("mask.fieldPaths", "location"),
                ("mask.fieldPaths", "vehicles"),
            ];
            let page: Page = self.rest.get(url, &query).await.context("positions")?;
            for document in page.documents {
                let Document { mut fields } = document;
                let packed = fields.vehicles.take().into_iter().flat_map(|it| it.map_value.fields);
                packed.filter_map(|(_, it)| it.map_value.fields.shown()).for_each(&mut take);
                fields.shown().into_iter().for_each(&mut take);
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            token = page.next_page_token;
        }
    }

    fn documents(&self, path: &[&str]) -> reqwest::Url {
        let database = self.name.database.split('/');
        self.rest.url(["v1"].into_iter().chain(database).chain(path.iter().copied()))
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    fields: Fields,
}

/// The fields that matter, of a vehicle's document or of a packed one.
#[derive(Default, Deserialize)]
struct Fields {
    vehicle_id: Option<Text>,
    event_time: Option<Time>,
    location: Option<Location>,
    vehicles: Option<MapOf<HashMap<String, MapOf<Fields>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    string_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    timestamp_value: jiff::Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    geo_point_value: GeoPoint,
}

/// What is 0 is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GeoPoint {
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapOf<T> {
    map_value: Map<T>,
}

#[derive(Deserialize)]
struct Map<T> {
    fields: T,
}

impl Fields {
    fn shown(self) -> Option<Shown> {
        let time = self.event_time?.timestamp_value;
        let point = self.location.map(|it| it.geo_point_value);
        Some(Shown {
            id: self.vehicle_id?.string_value,
            event_ms: time.as_millisecond(),
            position: point.and_then(|it| Position::from_degrees(it.latitude, it.longitude)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_named_with_or_without_its_own_name() {
        let name = |text: &str| {
            text.parse::<CollectionName>().map(|name| (name.database, name.collection))
        };
        let database = "projects/p/databases/(default)".to_owned();
        assert_eq!(
            name("projects/p/databases/(default)"),
            Ok((database.clone(), "LiveMap".to_owned()))
        );
        assert_eq!(
            name("projects/p/databases/(default)/Fleet"),
            Ok((database, "Fleet".to_owned()))
        );
        for text in [
            "",
            "p",
            "projects/p/databases/",
            "projects//databases/d",
            "projects/p/databases/d/",
            "projects/p/databases/d/a/b",
        ] {
            assert_eq!(name(text), Err(CollectionNameError), "{text}");
        }
    }

    #[test]
    fn a_vehicle_is_read_alone_and_packed() {
        let vehicle = r#"{"vehicle_id":{"stringValue":"bus-7"},"seq":{"integerValue":"4"},
            "location":{"geoPointValue":{"latitude":48.1234567}},
            "event_time":{"timestampValue":"2026-01-05T06:00:01.250Z"}}"#;
        let shown = Some(Shown {
            id: "bus-7".to_owned(),
            event_ms: 1_767_592_801_250,
            position: Some(Position { lat: 481_234_567, lon: 0 }),
        });
        let alone: Document =
            serde_json::from_str(&format!(r#"{{"name":"x","fields":{vehicle}}}"#)).unwrap();
        assert_eq!(alone.fields.shown(), shown);
        let packed: Document = serde_json::from_str(&format!(
            r#"{{"fields":{{"shard":{{"integerValue":"0"}},"vehicles":{{"mapValue":{{"fields":
               {{"bus-7":{{"mapValue":{{"fields":{vehicle}}}}}}}}}}}}}}}"#
        ))
        .unwrap();
        let vehicles = packed.fields.vehicles.unwrap().map_value.fields;
        let vehicles: Vec<_> =
            vehicles.into_values().map(|it| it.map_value.fields.shown()).collect();
        assert_eq!(vehicles, [shown]);
    }
}
