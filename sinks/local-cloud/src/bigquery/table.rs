//! One table or view: what REST says of it, and its rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::name::TableName;
use super::rows::log::{RowLog, Spill};
use super::schema::{Kind, Schema};
use super::stream::WriteStream;

/// Properties of the REST resource that a client sets and that are kept as
/// they came. Others are the server's, or none of the stand-in's.
const SETTINGS: [&str; 8] = [
    "clustering",
    "description",
    "expirationTime",
    "friendlyName",
    "labels",
    "requirePartitionFilter",
    "timePartitioning",
    "view",
];

/// Columns by which a table can be clustered, at most.
const CLUSTERING_MAX: usize = 4;

/// A table with its rows and streams, or a view, which has neither.
#[derive(Debug)]
pub(crate) struct Table {
    name: TableName,
    pub(crate) schema: Arc<Schema>,
    /// Visible rows.
    pub(crate) rows: RowLog,
    /// By id. They go with the table.
    pub(crate) streams: BTreeMap<String, WriteStream>,
    settings: Map<String, Value>,
    created_ms: u128,
    modified_ms: u128,
    /// Counts changes, for the etag.
    version: u64,
}

impl Table {
    /// A new table of the resource in `body`. The error is a sentence for a
    /// 400.
    pub(crate) fn new(name: TableName, body: &Value, spill: &Spill) -> Result<Self, String> {
        let settings = settings(body);
        let schema = Schema::from_rest(body.get("schema").unwrap_or(&Value::Null))?;
        if settings.contains_key("view") && !schema.columns.is_empty() {
            return Err("Schema field shouldn't be used as input with a view".to_owned());
        }
        check_layout(&settings, &schema)?;
        let now = now_ms();
        Ok(Self {
            name,
            schema: Arc::new(schema),
            rows: RowLog::new(spill),
            streams: BTreeMap::new(),
            settings,
            created_ms: now,
            modified_ms: now,
            version: 0,
        })
    }

    /// Takes over what `body` sets. With `replace`, as of PUT, what it leaves
    /// out goes; without, as of PATCH, only what it sets to null. Columns never
    /// go by being left out as a whole.
    pub(crate) fn change(&mut self, body: &Value, replace: bool) -> Result<(), String> {
        let mut next = if replace { Map::new() } else { self.settings.clone() };
        next.extend(settings(body));
        next.retain(|_, value| !value.is_null());
        let schema = match body.get("schema").filter(|schema| schema.get("fields").is_some()) {
            Some(schema) if !self.is_view() => Schema::from_rest(schema)?,
            _ => (*self.schema).clone(),
        };
        if let Some(obstacle) = self.schema.obstacle_to(&schema) {
            return Err(format!("Provided Schema does not match Table {}. {obstacle}", self.name));
        }
        if self.partitioning(&self.settings) != self.partitioning(&next) {
            return Err("Cannot change partitioning spec for a partitioned/non-partitioned table."
                .to_owned());
        }
        if self.is_view() != next.contains_key("view") {
            return Err("A table cannot become a view, nor a view a table.".to_owned());
        }
        check_layout(&next, &schema)?;
        if schema.columns != self.schema.columns {
            self.schema = Arc::new(schema);
        }
        self.settings = next;
        self.modified_ms = now_ms();
        self.version += 1;
        Ok(())
    }

    pub(crate) fn is_view(&self) -> bool {
        self.settings.contains_key("view")
    }

    /// The column of the partitions, when every query must bound it.
    pub(crate) fn required_filter(&self) -> Option<&str> {
        let partitioning = self.settings.get("timePartitioning");
        let required = |of: Option<&Value>| of.and_then(Value::as_bool).unwrap_or(false);
        let is_required = required(self.settings.get("requirePartitionFilter"))
            || required(partitioning.and_then(|p| p.get("requirePartitionFilter")));
        partitioning?.get("field")?.as_str().filter(|_| is_required)
    }

    pub(crate) fn etag(&self) -> String {
        format!("{}-{}", self.created_ms, self.version)
    }

    /// The resource, as REST answers it.
    pub(crate) fn resource(&self) -> Value {
        let mut resource = self.summary();
        let settings = self.settings.iter().map(|(key, value)| (key.clone(), value.clone()));
        let fields = resource.as_object_mut().expect("a summary is an object");
        fields.extend(settings);
        fields.insert("schema".into(), self.schema.to_rest());
        fields.insert("etag".into(), self.etag().into());
        fields.insert("lastModifiedTime".into(), self.modified_ms.to_string().into());
        fields.insert("location".into(), "US".into());
        if !self.is_view() {
            fields.insert("numRows".into(), self.rows.rows().to_string().into());
            fields.insert("numBytes".into(), "0".into());
        }
        resource
    }

    /// The table as an item of a list.
    pub(crate) fn summary(&self) -> Value {
        let TableName { project, dataset, table } = &self.name;
        json!({
            "kind": "bigquery#table",
            "id": self.name.to_string(),
            "selfLink": format!("/bigquery/v2/{}", self.name.resource()),
            "tableReference": { "projectId": project, "datasetId": dataset, "tableId": table },
            "type": if self.is_view() { "VIEW" } else { "TABLE" },
            "creationTime": self.created_ms.to_string(),
        })
    }

    fn partitioning(&self, settings: &Map<String, Value>) -> Option<(Value, Value)> {
        let partitioning = settings.get("timePartitioning")?;
        let part = |key: &str| partitioning.get(key).cloned().unwrap_or_default();
        Some((part("type"), part("field")))
    }
}

fn settings(body: &Value) -> Map<String, Value> {
    let given = body.as_object().into_iter().flatten();
    let kept = given.filter(|(key, _)| SETTINGS.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the columns named by partitioning and clustering can serve so.
fn check_layout(settings: &Map<String, Value>, schema: &Schema) -> Result<(), String> {
    let kind_of = |name: &str| schema.position(name).map(|index| schema.columns[index].kind);
    let partitioning = settings.get("timePartitioning").and_then(|p| p.get("field"));
    if let Some(field) = partitioning.and_then(Value::as_str) {
        match kind_of(field) {
            Some(Kind::Date | Kind::Timestamp | Kind::Datetime) => {}
            Some(kind) => {
                return Err(format!(
                    "The field specified for time partitioning, {field}, must be of type \
                     DATE, TIMESTAMP or DATETIME; it is {}",
                    kind.rest_name()
                ));
            }
            None => {
                return Err(format!(
                    "The field specified for time partitioning cannot be found in the schema: {field}"
                ));
            }
        }
    }
    let clustering = settings.get("clustering").and_then(|c| c.get("fields"));
    let clustering: Vec<&str> = clustering
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if clustering.len() > CLUSTERING_MAX {
        return Err(format!("Clustering takes at most {CLUSTERING_MAX} columns"));
    }
    for field in clustering {
        match kind_of(field) {
            None => {
                return Err(format!(
                    "The field specified for clustering cannot be found in the schema: {field}"
                ));
            }
            Some(Kind::Float | Kind::Bytes | Kind::Json | Kind::Time) => {
                return Err(format!("A table cannot be clustered by {field} because of its type"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn now_ms() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}
