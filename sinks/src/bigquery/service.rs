//! What the sinks of all shards share: settings and connections.

use std::sync::Arc;

use google_cloud_bigquery::client::Write;
use protos::journal::Cursor;

use super::check::{self, CheckError};
use super::dataset::Dataset;
use super::definition::TableDefinition;
use super::rest::Rest;
use super::sink::StreamSink;
use crate::Sink;
use crate::archive::PingTable;
use crate::event_files::EventTable;
use crate::google::{self, CredentialsError, Endpoint, EndpointError};

/// How rows are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A stream for each shard and table, with offsets: each row once.
    Committed,
    /// The default stream of each table: each row at least once.
    DefaultStream,
}

/// Where rows go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The dataset; it must exist.
    pub dataset: Dataset,
    /// The table of pings in it.
    pub pings_table: String,
    /// The table of event operations in it.
    pub events_table: String,
    /// How rows are appended.
    pub mode: Mode,
}

impl Settings {
    /// Tables `pings` and `events` of `dataset`, each row once.
    #[must_use]
    pub fn new(dataset: Dataset) -> Self {
        Self {
            dataset,
            pings_table: "pings".to_owned(),
            events_table: "events".to_owned(),
            mode: Mode::Committed,
        }
    }

    /// Names of the tables, in the order of [`super::TABLES`].
    pub(super) fn table_names(&self) -> [&str; 2] {
        [&self.pings_table, &self.events_table]
    }
}

/// Why BigQuery cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody to ask as.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A client could not be made.
    #[error("the client of BigQuery cannot be made: {0}")]
    Client(String),
}

impl ConnectError {
    /// Whether the same may succeed later with nothing put right by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Credentials(error) if error.passes())
    }
}

/// Where BigQuery is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The Storage Write API.
    pub storage: Endpoint,
    /// Tables and queries.
    pub rest: Endpoint,
}

impl Endpoints {
    /// The addresses that this process's environment names
    /// (`BIGQUERY_STORAGE_ENDPOINT`, `BIGQUERY_REST_ENDPOINT`), else Google's.
    ///
    /// # Errors
    /// An address that is not spoken to.
    pub fn of_environment() -> Result<Self, EndpointError> {
        let storage = Endpoint::of(google::Service::BigqueryStorage)?;
        Ok(Self { storage, rest: Endpoint::of(google::Service::BigqueryRest)? })
    }
}

/// BigQuery, for every sink of a worker.
#[derive(Clone)]
pub struct Service(Arc<Parts>);

struct Parts {
    settings: Settings,
    write: Write,
    rest: Rest,
}

impl Service {
    /// Makes the clients.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn connect(settings: Settings, endpoints: &Endpoints) -> Result<Self, ConnectError> {
        google::install_crypto();
        let rest = Rest::connect(&endpoints.rest).await?;
        let write = Write::builder()
            .with_endpoint(endpoints.storage.url())
            .with_credentials(google::credentials(&endpoints.storage).await?)
            .build()
            .await
            .map_err(|error| ConnectError::Client(error.to_string()))?;
        Ok(Self(Arc::new(Parts { settings, write, rest })))
    }

    /// Whether both tables are there and take the rows that are written.
    ///
    /// # Errors
    /// What is missing or does not fit, or why nobody could tell.
    pub async fn check(&self) -> Result<(), CheckError> {
        for (definition, name) in super::TABLES.iter().zip(self.settings().table_names()) {
            self.check_table(definition, name).await?;
        }
        Ok(())
    }

    /// The same of one table.
    pub(super) async fn check_table(
        &self,
        definition: &TableDefinition,
        name: &str,
    ) -> Result<(), CheckError> {
        check::check(self.rest(), &self.settings().dataset, name, definition).await
    }

    /// The sink of `shard`'s pings, at `cursor`. The journal's last segment is
    /// `tail`: those after it are committed by this process.
    #[must_use]
    pub fn pings(&self, shard: u32, cursor: Option<&Cursor>, tail: u64) -> impl Sink + use<> {
        let table = self.0.settings.pings_table.clone();
        StreamSink::<PingTable>::new(self.clone(), table, shard, cursor, tail)
    }

    /// The sink of `shard`'s event operations, at `cursor`; for `tail` see
    /// [`Service::pings`].
    #[must_use]
    pub fn events(&self, shard: u32, cursor: Option<&Cursor>, tail: u64) -> impl Sink + use<> {
        let table = self.0.settings.events_table.clone();
        StreamSink::<EventTable>::new(self.clone(), table, shard, cursor, tail)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn write(&self) -> &Write {
        &self.0.write
    }

    pub(super) fn rest(&self) -> &Rest {
        &self.0.rest
    }
}
