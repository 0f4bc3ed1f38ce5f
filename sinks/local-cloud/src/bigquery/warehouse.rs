//! All datasets and tables, and how they come and go.

use std::collections::BTreeMap;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use serde_json::Value;
use thiserror::Error;

use super::name::TableName;
use super::rows::log::Spill;
use super::rows::widened;
use super::table::Table;

/// The state of the stand-in. One lock holds it; no call waits inside.
#[derive(Debug)]
pub(crate) struct Warehouse {
    datasets: BTreeMap<(String, String), Value>,
    tables: BTreeMap<TableName, Table>,
    pub(super) spill: Spill,
    /// Sets the ids of one start apart from those of another: a client may
    /// still hold a stream of yesterday, and must be told that it is gone.
    start: u128,
    serial: u64,
}

/// Why the catalogue does not do as it is told.
#[derive(Debug, Error)]
pub(crate) enum CatalogueError {
    #[error("Not found: {0}")]
    NotFound(String),
    #[error("Already Exists: {0}")]
    AlreadyExists(String),
    #[error("{0}")]
    Invalid(String),
    #[error("Precondition check failed.")]
    EtagDiffers,
    #[error("{0}")]
    InUse(String),
}

impl Warehouse {
    pub(crate) fn new(memory_bytes_max: usize) -> io::Result<Self> {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
        let spill = Spill::new(memory_bytes_max)?;
        Ok(Self { datasets: BTreeMap::new(), tables: BTreeMap::new(), spill, start, serial: 0 })
    }

    /// An id that was never given before, by this start or another; ids of one
    /// start sort as they were given.
    pub(crate) fn unique_id(&mut self) -> String {
        self.serial += 1;
        format!("{:x}-{:06}", self.start, self.serial)
    }

    pub(crate) fn insert_dataset(
        &mut self,
        project: &str,
        dataset: &str,
        resource: Value,
    ) -> Result<&Value, CatalogueError> {
        let key = (project.to_owned(), dataset.to_owned());
        if self.datasets.contains_key(&key) {
            return Err(CatalogueError::AlreadyExists(format!("Dataset {project}:{dataset}")));
        }
        Ok(self.datasets.entry(key).or_insert(resource))
    }

    pub(crate) fn dataset(&self, project: &str, dataset: &str) -> Result<&Value, CatalogueError> {
        self.datasets
            .get(&(project.to_owned(), dataset.to_owned()))
            .ok_or_else(|| CatalogueError::NotFound(format!("Dataset {project}:{dataset}")))
    }

    pub(crate) fn datasets(&self, project: &str) -> impl Iterator<Item = &Value> {
        self.datasets.iter().filter(move |((of, _), _)| of == project).map(|(_, value)| value)
    }

    pub(crate) fn delete_dataset(
        &mut self,
        project: &str,
        dataset: &str,
        with_tables: bool,
    ) -> Result<(), CatalogueError> {
        self.dataset(project, dataset)?;
        let within = |name: &TableName| name.project == project && name.dataset == dataset;
        if !with_tables && self.tables.keys().any(within) {
            return Err(CatalogueError::InUse(format!(
                "Dataset {project}:{dataset} is still in use"
            )));
        }
        self.tables.retain(|name, _| !within(name));
        self.datasets.remove(&(project.to_owned(), dataset.to_owned()));
        Ok(())
    }

    pub(crate) fn insert_table(
        &mut self,
        name: &TableName,
        body: &Value,
    ) -> Result<&Table, CatalogueError> {
        self.dataset(&name.project, &name.dataset)?;
        if self.tables.contains_key(name) {
            return Err(CatalogueError::AlreadyExists(format!("Table {name}")));
        }
        self.check_view(body)?;
        let table = Table::new(name.clone(), body, &self.spill).map_err(CatalogueError::Invalid)?;
        Ok(self.tables.entry(name.clone()).or_insert(table))
    }

    /// Changes a table, if it is still the one of `etag` where there is one.
    pub(crate) fn change_table(
        &mut self,
        name: &TableName,
        body: &Value,
        replace: bool,
        etag: Option<&str>,
    ) -> Result<&Table, CatalogueError> {
        self.table(name)?;
        self.check_view(body)?;
        let table = self.table_mut(name)?;
        if etag.is_some_and(|etag| etag != table.etag()) {
            return Err(CatalogueError::EtagDiffers);
        }
        table.change(body, replace).map_err(CatalogueError::Invalid)?;
        Ok(table)
    }

    pub(crate) fn delete_table(&mut self, name: &TableName) -> Result<(), CatalogueError> {
        self.table(name)?;
        self.tables.remove(name);
        Ok(())
    }

    pub(crate) fn table(&self, name: &TableName) -> Result<&Table, CatalogueError> {
        self.tables.get(name).ok_or_else(|| not_found(name))
    }

    pub(crate) fn table_mut(&mut self, name: &TableName) -> Result<&mut Table, CatalogueError> {
        self.tables.get_mut(name).ok_or_else(|| not_found(name))
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (&TableName, &Table)> {
        self.tables.iter()
    }

    /// The one table of that name, `dataset.table` or `project.dataset.table`.
    pub(crate) fn find_table(&self, name: &str) -> Result<&TableName, CatalogueError> {
        let matches = |table: &&TableName| {
            let short = format!("{}.{}", table.dataset, table.table);
            name == short || name == format!("{}.{short}", table.project)
        };
        let mut found = self.tables.keys().filter(matches);
        match (found.next(), found.next()) {
            (Some(table), None) => Ok(table),
            (None, _) => Err(CatalogueError::NotFound(format!("Table {name}"))),
            _ => Err(CatalogueError::Invalid(format!("Table {name} is in several projects"))),
        }
    }

    /// Every visible row of a table, with the columns it has today.
    pub(crate) fn scan(table: &Table, mut visit: impl FnMut(RecordBatch)) -> io::Result<()> {
        table.rows.scan(|batch| visit(widened(&batch, &table.schema)))
    }

    /// A view must name tables that exist, in backticks and by their full
    /// name; its SQL is not read further.
    fn check_view(&self, body: &Value) -> Result<(), CatalogueError> {
        let query = body.get("view").and_then(|view| view.get("query")).and_then(Value::as_str);
        for name in query.into_iter().flat_map(quoted) {
            let parts: Vec<&str> = name.split('.').collect();
            if let [project, dataset, table] = parts[..] {
                self.table(&TableName::new(project, dataset, table))?;
            }
        }
        Ok(())
    }
}

fn not_found(name: &TableName) -> CatalogueError {
    CatalogueError::NotFound(format!("Table {name}"))
}

/// What stands between backticks.
fn quoted(query: &str) -> impl Iterator<Item = &str> {
    query.split('`').skip(1).step_by(2)
}
