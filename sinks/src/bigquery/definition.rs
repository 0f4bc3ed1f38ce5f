//! What stands in the dataset: tables and views, as the files under
//! `bigquery/` say, which other tools that set them up read too.

use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;

use super::dataset::Dataset;
use super::service::Settings;

/// The column that tables are partitioned by.
pub(super) const PARTITIONED_BY: &str = "day";
/// The column that tables are clustered by.
pub(super) const CLUSTERED_BY: &str = "vehicle_id";

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct TableDefinition {
    /// Its name where the configuration gives no other.
    pub name: &'static str,
    /// What it is, for its readers.
    pub description: &'static str,
    /// Its columns, as BigQuery's JSON.
    pub schema: &'static str,
}

impl TableDefinition {
    pub(super) fn fields(&self) -> Vec<TableFieldSchema> {
        serde_json::from_str(self.schema).expect("a test reads the file")
    }
}

/// `pings` and `events`.
pub const TABLES: [TableDefinition; 2] = [
    TableDefinition {
        name: "pings",
        description: "Every ping that was taken in. One row for each, but for repeats that came \
                      after the hot window; the view pings_unique has no repeats.",
        schema: include_str!("../../bigquery/pings.schema.json"),
    },
    TableDefinition {
        name: "events",
        description: "Every operation on an event: the highest revision of an event_id wins, a \
                      retract hides. The view events_current has events as they stand.",
        schema: include_str!("../../bigquery/events.schema.json"),
    },
];

/// A view.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// What it is, for its readers.
    pub description: &'static str,
    /// Its query; `{dataset}` stands for project and dataset.
    pub query: &'static str,
}

impl View {
    /// The query in `dataset`, over the tables that `settings` name.
    pub(super) fn query_in(&self, dataset: &Dataset, settings: &Settings) -> String {
        // The tables may have other names than the files say.
        let tables = [("pings", &settings.pings_table), ("events", &settings.events_table)];
        let mut query = self.query.to_owned();
        for (name, table) in tables {
            query =
                query.replace(&format!("{{dataset}}.{name}`"), &format!("{{dataset}}.{table}`"));
        }
        query.replace("{dataset}", &dataset.in_sql())
    }
}

macro_rules! view {
    ($name:literal, $description:literal) => {
        View {
            name: $name,
            description: $description,
            query: include_str!(concat!("../../bigquery/views/", $name, ".sql")),
        }
    };
}

/// The views; each stands after those it reads.
pub const VIEWS: [View; 6] = [
    view!("pings_unique", "One row for each vehicle and event time, without repeats."),
    view!("events_current", "Events as they stand: corrections folded, retracted ones hidden."),
    view!("positions_latest", "The newest ping of every vehicle heard of in the last 31 days."),
    view!("visits", "Visits of vehicles to geofences, open ones included."),
    view!("idle_episodes", "Stretches in which a vehicle stood with its engine on."),
    view!("daily_vehicle_summary", "What each vehicle did on each day (UTC)."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schema::{self, Column, ColumnKind};

    fn bigquery_type(kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Name | ColumnKind::Text => "STRING",
            ColumnKind::Point => "GEOGRAPHY",
            ColumnKind::Integer => "INTEGER",
            ColumnKind::Number | ColumnKind::Measure => "FLOAT",
            ColumnKind::Flag => "BOOLEAN",
            ColumnKind::Time | ColumnKind::Moment => "TIMESTAMP",
            ColumnKind::Date => "DATE",
        }
    }

    fn as_in_the_file(column: &Column) -> serde_json::Value {
        let unit =
            if column.unit.is_empty() { String::new() } else { format!(" Unit: {}.", column.unit) };
        serde_json::json!({
            "name": column.name,
            "type": bigquery_type(column.kind),
            "mode": if column.nullable { "NULLABLE" } else { "REQUIRED" },
            "description": format!("{}{unit}", column.description),
        })
    }

    #[test]
    fn the_files_have_the_columns_that_are_written() {
        for (definition, columns) in TABLES.iter().zip([schema::PINGS, schema::EVENTS]) {
            let written: Vec<_> = columns.iter().map(as_in_the_file).collect();
            let file: Vec<serde_json::Value> = serde_json::from_str(definition.schema).unwrap();
            assert_eq!(file, written, "{}.schema.json", definition.name);
            assert_eq!(definition.fields().len(), columns.len());
        }
    }

    #[test]
    fn views_read_tables_and_views_that_stand_before_them() {
        let settings = Settings {
            pings_table: "raw_pings".into(),
            events_table: "raw_events".into(),
            ..Settings::new("projects/p/datasets/d".parse().unwrap())
        };
        let mut known: BTreeSet<String> =
            ["`p.d.raw_pings", "`p.d.raw_events"].map(String::from).into();
        for view in VIEWS {
            let query = view.query_in(&settings.dataset, &settings);
            let reads: Vec<_> = query.match_indices("`p.d.").map(|(at, _)| &query[at..]).collect();
            assert!(!reads.is_empty(), "{}", view.name);
            for read in reads {
                let name = read[1..].split('`').next().unwrap();
                assert!(known.contains(&format!("`{name}")), "{} reads {name}", view.name);
            }
            assert!(!query.contains('{'), "{}", view.name);
            known.insert(format!("`p.d.{}", view.name));
        }
    }
}
