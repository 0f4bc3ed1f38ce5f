//! Tables and views as they should be: created where they are missing, altered
//! where that loses nothing, left alone otherwise.

use gcp_bigquery_client::model::clustering::Clustering;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_schema::TableSchema;
use gcp_bigquery_client::model::time_partitioning::TimePartitioning;
use gcp_bigquery_client::model::view_definition::ViewDefinition;

use super::check::{Difference, differences};
use super::definition::{CLUSTERED_BY, PARTITIONED_BY, TABLES, TableDefinition, VIEWS, View};
use super::rest::{Rest, RestError};
use super::service::{ConnectError, Endpoints, Settings};

/// What became of a table or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `projects/P/datasets/D/tables/T`.
    pub target: String,
    /// What was done, or would be.
    pub action: Action,
}

/// What is done to a table or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is as it should be.
    Keep,
    /// It was missing.
    Create,
    /// These changes, none of which touches a row.
    Alter(Vec<String>),
    /// It cannot be made what it should be, for these reasons; nothing was
    /// changed.
    Refuse(Vec<String>),
}

/// Tables and views could not be seen to.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// BigQuery cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The dataset is for whoever owns the project to create: its place on
    /// earth can never be changed.
    #[error(
        "{0} does not exist. It is not created here, because where its data are kept can never be \
         changed; `bq --location=… mk --dataset PROJECT:DATASET` or the Terraform module does"
    )]
    NoDataset(String),
    /// A call failed. What was done before it stays done.
    #[error(transparent)]
    Rest(#[from] RestError),
}

/// Sees to every table and view that `settings` name, one after another. With
/// `dry_run` nothing is changed.
///
/// # Errors
/// The dataset does not exist, or a call failed.
pub async fn ensure(
    settings: &Settings,
    endpoints: &Endpoints,
    dry_run: bool,
) -> Result<Vec<Step>, EnsureError> {
    let rest = Rest::connect(&endpoints.rest).await?;
    let dataset = &settings.dataset;
    if !rest.has_dataset(dataset).await? {
        return Err(EnsureError::NoDataset(dataset.to_string()));
    }
    let mut steps = Vec::new();
    for (definition, name) in TABLES.iter().zip(settings.table_names()) {
        let wanted = wanted_table(settings, definition, name);
        let found = rest.table(dataset, name).await?;
        let action = see_to(&rest, wanted, found, table_action, dry_run).await?;
        steps.push(Step { target: dataset.table_path(name), action });
    }
    for view in &VIEWS {
        let wanted = wanted_view(settings, view);
        let found = rest.table(dataset, view.name).await?;
        let action = see_to(&rest, wanted, found, view_action, dry_run).await?;
        steps.push(Step { target: dataset.table_path(view.name), action });
    }
    Ok(steps)
}

async fn see_to(
    rest: &Rest,
    mut wanted: Table,
    found: Option<Table>,
    compare: fn(&mut Table, &Table) -> Action,
    dry_run: bool,
) -> Result<Action, RestError> {
    let action = match &found {
        None => Action::Create,
        Some(found) => compare(&mut wanted, found),
    };
    match &action {
        _ if dry_run => {}
        Action::Create => rest.create(wanted).await?,
        Action::Alter(_) => rest.patch(wanted).await?,
        Action::Keep | Action::Refuse(_) => {}
    }
    Ok(action)
}

fn wanted_table(settings: &Settings, definition: &TableDefinition, name: &str) -> Table {
    let dataset = &settings.dataset;
    let clustering = Clustering { fields: Some(vec![CLUSTERED_BY.to_owned()]) };
    Table::new(&dataset.project, &dataset.dataset, name, TableSchema::new(definition.fields()))
        .description(definition.description)
        .time_partitioning(TimePartitioning::per_day().field(PARTITIONED_BY))
        .clustering(clustering)
}

fn wanted_view(settings: &Settings, view: &View) -> Table {
    let dataset = &settings.dataset;
    let definition = ViewDefinition {
        query: view.query_in(dataset, settings),
        use_legacy_sql: Some(false),
        user_defined_function_resources: None,
    };
    Table::new(&dataset.project, &dataset.dataset, view.name, TableSchema::default())
        .description(view.description)
        .view(definition)
}

/// Makes of `wanted` what `found` is to become.
fn table_action(wanted: &mut Table, found: &Table) -> Action {
    let (mut changes, mut refusals) = (Vec::new(), Vec::new());
    let columns = wanted.schema.fields.take().unwrap_or_default();
    let mut altered = found.schema.fields.clone().unwrap_or_default();
    if found.view.is_some() {
        refusals.push("it is a view, not a table".to_owned());
    }
    for difference in differences(&columns, &altered) {
        match difference {
            Difference::Missing(name) => {
                let added = columns.iter().find(|column| column.name == name);
                let added = added.expect("it was found missing among them").clone();
                // A table that has rows takes no further REQUIRED column.
                altered.push(TableFieldSchema { mode: Some("NULLABLE".to_owned()), ..added });
                changes.push(format!("column {name} added"));
            }
            Difference::Required(name) => {
                let field = altered.iter_mut().find(|field| field.name.eq_ignore_ascii_case(&name));
                field.expect("it was found among them").mode = Some("NULLABLE".to_owned());
                changes.push(format!("column {name} may be null"));
            }
            Difference::Kind { .. } => refusals.push(difference.to_string()),
        }
    }
    for column in &columns {
        let same = |field: &&mut TableFieldSchema| field.name.eq_ignore_ascii_case(&column.name);
        if let Some(field) = altered.iter_mut().find(same)
            && field.description != column.description
        {
            field.description.clone_from(&column.description);
            changes.push(format!("column {} described", column.name));
        }
    }
    wanted.schema.fields = Some(altered);
    let by = found.time_partitioning.as_ref().and_then(|it| it.field.as_deref());
    if by != Some(PARTITIONED_BY) {
        let by = by.unwrap_or("nothing");
        refusals.push(format!(
            "it is partitioned by {by}, not by {PARTITIONED_BY}, which cannot be changed"
        ));
    }
    // Not among what may be altered; sent, it would have to be the same.
    wanted.time_partitioning = None;
    let fields = |table: &Table| table.clustering.as_ref().and_then(|it| it.fields.clone());
    if fields(found) != fields(wanted) {
        changes.push(format!("clustered by {CLUSTERED_BY}"));
    }
    if found.description != wanted.description {
        changes.push("described".to_owned());
    }
    action(changes, refusals)
}

fn view_action(wanted: &mut Table, found: &Table) -> Action {
    let Some(view) = &found.view else {
        return Action::Refuse(vec!["it is a table, not a view".to_owned()]);
    };
    let mut changes = Vec::new();
    let query = wanted.view.as_ref().map(|view| view.query.trim());
    if query != Some(view.query.trim()) {
        changes.push("query replaced".to_owned());
    }
    if found.description != wanted.description {
        changes.push("described".to_owned());
    }
    action(changes, Vec::new())
}

fn action(changes: Vec<String>, refusals: Vec<String>) -> Action {
    match (changes.is_empty(), refusals.is_empty()) {
        (_, false) => Action::Refuse(refusals),
        (true, true) => Action::Keep,
        (false, true) => Action::Alter(changes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("projects/p/datasets/d".parse().unwrap())
    }

    fn pings() -> Table {
        wanted_table(&settings(), &TABLES[0], "pings")
    }

    #[test]
    fn what_was_created_is_kept() {
        assert_eq!(table_action(&mut pings(), &pings()), Action::Keep);
        for view in &VIEWS {
            let view = || wanted_view(&settings(), view);
            assert_eq!(view_action(&mut view(), &view()), Action::Keep);
        }
    }

    #[test]
    fn what_loses_nothing_is_altered() {
        let mut found = pings();
        let fields = found.schema.fields.as_mut().unwrap();
        let missing = fields.remove(0);
        fields[0].description = None;
        fields[0].mode = Some("REQUIRED".into());
        fields.push(TableFieldSchema::string("mine"));
        found.clustering = None;
        let mut altered = pings();
        let Action::Alter(changes) = table_action(&mut altered, &found) else { panic!() };
        assert_eq!(
            changes,
            [
                "column vehicle_id added",
                "column ping_id may be null",
                "column ping_id described",
                "clustered by vehicle_id"
            ]
        );
        let fields = altered.schema.fields.unwrap();
        let last: Vec<_> = fields.iter().rev().take(2).rev().collect();
        assert_eq!((last[0].name.as_str(), last[1].name.as_str()), ("mine", "vehicle_id"));
        assert_eq!(missing.mode.as_deref(), Some("REQUIRED"));
        assert_eq!(last[1].mode.as_deref(), Some("NULLABLE"));
        assert!(altered.time_partitioning.is_none());
    }

    #[test]
    fn what_cannot_be_altered_is_refused_whole() {
        let mut found = pings();
        found.schema.fields.as_mut().unwrap()[4] = TableFieldSchema::string("lat");
        found.time_partitioning = Some(TimePartitioning::per_day());
        found.description = None;
        assert_eq!(
            table_action(&mut pings(), &found),
            Action::Refuse(vec![
                "column lat is STRING, not FLOAT".into(),
                "it is partitioned by nothing, not by day, which cannot be changed".into(),
            ])
        );
        let view = wanted_view(&settings(), &VIEWS[0]);
        assert!(matches!(table_action(&mut pings(), &view), Action::Refuse(_)));
        let mut view = view;
        assert!(matches!(view_action(&mut view, &pings()), Action::Refuse(_)));
    }
}
