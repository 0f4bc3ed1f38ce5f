//! A stand-in for BigQuery, where Google has no emulator.
//!
//! For tests and local trials only. It serves, over plain text on loopback:
//!
//! - the Storage Write API (gRPC): default, committed, buffered and pending
//!   streams, offsets, Arrow and proto rows, row errors, the size limit;
//! - the REST calls that make and check tables and views ([`Standin::rest_endpoint`]
//!   with or without `/bigquery/v2`), and a few counting queries;
//! - under `/standin` on the REST address, what a test in another process asks
//!   of it: faults, streams that end or vanish, Parquet.
//!
//! Rows are held in memory up to a bound and past it in temporary files, and go
//! with the process, unless they are written as Parquet.
//!
//! It is not BigQuery. It runs no SQL, so it checks no view's columns; it has
//! no quotas, no latency and no credentials; tables are flat (no RECORD,
//! REPEATED or NUMERIC columns). Where the service's answer is documented or
//! its clients depend on it, the answer is the same, and Google's clients are
//! what it is tested with.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use local_cloud::bigquery::{Call, Code, Fault, Options, Standin};
//!
//! let standin = Standin::start(Options::default()).await?;
//! // … a client makes project:dataset.table and appends to it …
//! standin.inject(Call::AppendRows, Fault::Status(Code::Unavailable), 3)?;
//! let rows: usize = standin.rows("dataset.table")?.iter().map(|batch| batch.num_rows()).sum();
//! # Ok(()) }
//! ```

mod append;
mod export;
mod faults;
mod name;
pub mod proto;
mod query;
mod refusal;
mod rest;
mod rows;
mod schema;
mod service;
mod stream;
mod table;
mod warehouse;
mod wire;
mod write;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use futures::TryStreamExt;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;

pub use self::faults::{Call, Code, Fault, Misfit};
pub use self::name::TableName;

use self::faults::Faults;
use self::proto::big_query_write_server::BigQueryWriteServer;
use self::rest::jobs::Jobs;
use self::service::Service;
use self::warehouse::Warehouse;
use self::wire::Wire;

/// Above the limit of the API, so that a request past it is answered and not
/// cut off by the transport.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How to start a [`Standin`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the Storage Write API listens; port 0 picks one. Loopback only.
    pub grpc: SocketAddr,
    /// Where REST listens; port 0 picks one. Loopback only.
    pub rest: SocketAddr,
    /// Where `POST /standin/parquet` and the binary, when it ends, write
    /// Parquet; `None` is nowhere.
    pub out: Option<PathBuf>,
    /// Rows of one table, or of one stream's rows that are not visible yet,
    /// held in memory; in bytes of Arrow arrays. What exceeds it goes to
    /// temporary files.
    pub memory_bytes_max: usize,
}

impl Default for Options {
    /// Free ports of 127.0.0.1, no output, 64 MiB a table.
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { grpc: any, rest: any, out: None, memory_bytes_max: 64 * 1024 * 1024 }
    }
}

/// Why a [`Standin`] does not start or answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StandinError {
    /// An address is not of this machine alone. The stand-in asks for no
    /// credentials: choose one of 127.0.0.0/8 or ::1.
    #[error("{0} is not a loopback address: the BigQuery stand-in serves this machine only")]
    NotLoopback(SocketAddr),
    /// A socket, a temporary file or an output file.
    #[error("{what}")]
    Io {
        /// What was attempted, and where.
        what: String,
        /// The system's word on it.
        source: io::Error,
    },
    /// No such table or stream.
    #[error("{0}")]
    NotFound(String),
    /// A dataset or table cannot be made: it exists, or its schema will not do.
    #[error("{0}")]
    Refused(String),
}

/// A running stand-in. Dropped, it ends without waiting for its calls.
#[derive(Debug)]
pub struct Standin {
    shared: Arc<Shared>,
    servers: JoinSet<()>,
    grpc: SocketAddr,
    rest: SocketAddr,
}

/// What the two servers and the handle work on.
#[derive(Debug)]
pub(crate) struct Shared {
    warehouse: Mutex<Warehouse>,
    faults: Mutex<Faults>,
    jobs: Mutex<Jobs>,
    out: Option<PathBuf>,
    stop: CancellationToken,
}

impl Standin {
    /// Starts both servers on the caller's Tokio runtime.
    ///
    /// # Errors
    ///
    /// An address is not loopback, or cannot be bound; no temporary directory.
    pub async fn start(options: Options) -> Result<Self, StandinError> {
        let warehouse = Warehouse::new(options.memory_bytes_max)
            .map_err(|source| StandinError::Io { what: "no temporary directory".into(), source })?;
        let shared = Arc::new(Shared {
            warehouse: Mutex::new(warehouse),
            faults: Mutex::default(),
            jobs: Mutex::default(),
            out: options.out,
            stop: CancellationToken::new(),
        });
        let (grpc_listener, grpc) = listen(options.grpc).await?;
        let (rest_listener, rest) = listen(options.rest).await?;
        let mut servers = JoinSet::new();
        servers.spawn(serve_grpc(grpc_listener, shared.clone()));
        servers.spawn(serve_rest(rest_listener, shared.clone()));
        Ok(Self { shared, servers, grpc, rest })
    }

    /// `http://127.0.0.1:port` of the Storage Write API; what
    /// `BIGQUERY_STORAGE_ENDPOINT` is to hold.
    pub fn storage_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// `http://127.0.0.1:port` of REST; what `BIGQUERY_REST_ENDPOINT` is to
    /// hold. Paths begin with `/bigquery/v2/projects` or `/projects`.
    pub fn rest_endpoint(&self) -> String {
        format!("http://{}", self.rest)
    }

    /// Makes a dataset, as `datasets.insert` does.
    ///
    /// # Errors
    ///
    /// It exists.
    pub fn create_dataset(&self, project: &str, dataset: &str) -> Result<(), StandinError> {
        let resource = rest::datasets::resource(project, dataset, serde_json::Map::new());
        let mut warehouse = self.shared.warehouse();
        let made = warehouse.insert_dataset(project, dataset, resource);
        made.map(|_| ()).map_err(|error| StandinError::Refused(error.to_string()))
    }

    /// Makes a table or view of the REST resource in `resource`, as
    /// `tables.insert` does.
    ///
    /// # Errors
    ///
    /// No such dataset, the table exists, or its schema will not do.
    pub fn create_table(
        &self,
        name: &TableName,
        resource: &serde_json::Value,
    ) -> Result<(), StandinError> {
        let mut warehouse = self.shared.warehouse();
        let made = warehouse.insert_table(name, resource);
        made.map(|_| ()).map_err(|error| StandinError::Refused(error.to_string()))
    }

    /// The visible rows of `dataset.table` or `project.dataset.table`, in the
    /// order in which they became visible. TIMESTAMP is microseconds in UTC,
    /// DATE `Date32`, GEOGRAPHY and JSON the text as it came.
    ///
    /// # Errors
    ///
    /// No such table, or its spilled rows cannot be read.
    pub fn rows(&self, table: &str) -> Result<Vec<RecordBatch>, StandinError> {
        let warehouse = self.shared.warehouse();
        let missing = |error: warehouse::CatalogueError| StandinError::NotFound(error.to_string());
        let name = warehouse.find_table(table).map_err(missing)?;
        let mut batches = Vec::new();
        let scanned =
            Warehouse::scan(warehouse.table(name).map_err(missing)?, |batch| batches.push(batch));
        scanned.map_err(|source| StandinError::Io {
            what: format!("cannot read the spilled rows of {table}"),
            source,
        })?;
        Ok(batches)
    }

    /// After faults asked for before, the next `times` calls go wrong.
    ///
    /// # Errors
    ///
    /// The call cannot go wrong that way.
    pub fn inject(&self, call: Call, fault: Fault, times: u32) -> Result<(), Misfit> {
        self.shared.faults().inject(call, fault, times)
    }

    /// Every such call takes so much longer from here on; zero ends it.
    pub fn delay(&self, call: Call, delay: Duration) {
        self.shared.faults().delay(call, delay);
    }

    /// Forgets faults and delays that are still due.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// How often it was called, those that went wrong among them.
    pub fn calls(&self, call: Call) -> u64 {
        self.shared.faults().seen(call)
    }

    /// Names of the streams of a table that clients created and that are not
    /// dropped, in order of creation within one start.
    ///
    /// # Errors
    ///
    /// No such table.
    pub fn streams(&self, table: &str) -> Result<Vec<String>, StandinError> {
        let warehouse = self.shared.warehouse();
        let missing = |error: warehouse::CatalogueError| StandinError::NotFound(error.to_string());
        let name = warehouse.find_table(table).map_err(missing)?;
        let streams = warehouse.table(name).map_err(missing)?.streams.keys();
        Ok(streams.map(|id| format!("{}/streams/{id}", name.resource())).collect())
    }

    /// Finalizes a stream behind its client's back; the number of its rows.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub fn finalize_stream(&self, stream: &str) -> Result<i64, StandinError> {
        let finalized = self.shared.warehouse().finalize_stream(stream);
        finalized.map_err(|refusal| StandinError::NotFound(refusal.status().message().to_owned()))
    }

    /// Forgets a stream, as the service does with old ones: calls that name it
    /// get NOT_FOUND. Rows that were visible stay.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub fn drop_stream(&self, stream: &str) -> Result<(), StandinError> {
        let dropped = self.shared.warehouse().drop_stream(stream);
        dropped.map_err(|refusal| StandinError::NotFound(refusal.status().message().to_owned()))
    }

    /// Writes the visible rows of every table to
    /// `{directory}/{dataset}.{table}.parquet`; the files.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or spilled rows not be read.
    pub fn write_parquet(&self, directory: &Path) -> Result<Vec<PathBuf>, StandinError> {
        export::parquet(&self.shared.warehouse(), directory).map_err(|source| StandinError::Io {
            what: format!("cannot write Parquet to {}", directory.display()),
            source,
        })
    }

    /// Ends connections with UNAVAILABLE, and both servers.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        while self.servers.join_next().await.is_some() {}
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    pub(crate) fn warehouse(&self) -> MutexGuard<'_, Warehouse> {
        self.warehouse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and makes it wait; what is to go wrong with it.
    pub(crate) async fn begin(&self, call: Call) -> Option<Fault> {
        let (delay, fault) = self.faults().next(call);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        fault
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StandinError> {
    if !address.ip().is_loopback() {
        return Err(StandinError::NotLoopback(address));
    }
    let bind = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind.await
        .map_err(|source| StandinError::Io { what: format!("cannot listen on {address}"), source })
}

async fn serve_grpc(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let service = BigQueryWriteServer::new(Service::new(shared))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let wires = TcpListenerStream::new(listener).map_ok(|socket| {
        // An answer is small, and a client waits for it.
        let _ = socket.set_nodelay(true);
        Wire::new(socket)
    });
    let served = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(wires, stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the Storage Write API of the stand-in ended");
    }
}

async fn serve_rest(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let served = axum::serve(listener, rest::router(shared))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "REST of the stand-in ended");
    }
}
