//! Live positions in Firestore, for maps and apps that listen to it.
//!
//! Not a [`crate::Sink`]: positions read the core's state, not segments. Each
//! shard has a [`LiveWriter`] that is fed after every commit and writes at its
//! own pace (semantics §10): a leading write, then at most one for each
//! `min_interval`, sooner for another status or set of fences, later for moves
//! that nobody would see. However slow or dead Firestore is, nobody waits for
//! it, and of each vehicle only the newest position waits.
//!
//! A document is written on the condition that it is as this process last saw
//! it, and read first where this process has not seen it yet, unless the whole
//! collection was empty when it began. So a worker
//! whose shard another has taken over finds the other's position, which
//! carries the seq of a later segment, and leaves it alone.

mod budget;
mod change;
mod client;
mod codec;
mod layout;
mod requests;
mod tracker;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{info, warn};

pub use layout::Layout;
pub use tracker::Counts;
pub use writer::{LiveWriter, Report};

use crate::google::{CredentialsError, Endpoint, Failure};
use crate::positions::PositionFeed;
use budget::Budget;
use client::Client;

/// Name in cursors, metrics and logs.
pub const NAME: &str = "firestore";

/// At the start the database may take so long to answer; without an answer
/// the worker starts all the same.
const START_MAX: Duration = Duration::from_secs(5);

/// Where positions go, and how often.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// `projects/P/databases/D`.
    pub database: String,
    /// Id of the collection.
    pub collection: String,
    /// How vehicles lie in documents.
    pub layout: Layout,
    /// Shortest time between two writes of a document, but for a change of
    /// status or fences; at least 1 s.
    pub min_interval: Duration,
    /// A visible change that waits for longer than this is warned of.
    pub max_delay: Duration,
    /// Documents written a second, at the most, by all shards together; none
    /// for no limit.
    pub writes_per_second_max: Option<u32>,
}

impl LiveOptions {
    /// The documents that are written, in a word: two options with different
    /// places write none in common, or the same in different layouts.
    #[must_use]
    pub fn place(&self) -> String {
        let Self { database, collection, layout, .. } = self;
        match layout {
            Layout::Document => format!("{database}/documents/{collection}:document"),
            Layout::Packed { documents } => {
                format!("{database}/documents/{collection}:packed/{documents}")
            }
        }
    }
}

/// Positions cannot be written to Firestore as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum FirestoreError {
    /// Nobody to ask as.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No connection can be made to such an address.
    #[error("Firestore at {address}: {source}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Such a name cannot be sent.
    #[error("firestore.database = {name:?} is no name of a database")]
    Name {
        /// The name.
        name: String,
    },
    /// The database answers, and what it says will not change by itself.
    #[error(
        "Firestore database {database}, collection {collection}: {code:?}: {message}. {advice}"
    )]
    Refused {
        /// The database.
        database: String,
        /// The collection.
        collection: String,
        /// As gRPC calls it.
        code: Code,
        /// What Firestore said.
        message: String,
        /// What to do.
        advice: &'static str,
    },
}

impl FirestoreError {
    /// Whether the same may succeed later with nothing put right by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Credentials(error) if error.passes())
    }
}

/// A collection of live positions. Clones share its connection and its limit
/// of writes.
#[derive(Clone, Debug)]
pub struct LiveMap {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    options: LiveOptions,
    /// An emulator on this machine, which is met with everything at once.
    is_local: bool,
    /// The collection held nothing when this process began to write.
    was_empty: AtomicBool,
    /// None until it is known whether the collection was empty.
    budget: Mutex<Option<Budget>>,
}

impl LiveMap {
    /// Connects to the collection at `endpoint`. A database that does not
    /// answer is no error: positions wait until it does.
    ///
    /// # Errors
    /// There are no credentials, or the database refuses them or does not
    /// exist.
    pub async fn connect(
        options: LiveOptions,
        endpoint: &Endpoint,
    ) -> Result<Self, FirestoreError> {
        let client = Client::new(endpoint, &options.database, &options.collection).await?;
        let shared = Arc::new(Shared {
            client,
            options,
            is_local: endpoint.is_local(),
            was_empty: AtomicBool::new(false),
            budget: Mutex::new(None),
        });
        shared.look().await?;
        Ok(Self { shared })
    }

    /// Looks whether the collection is empty, when it is filled slowly (but in
    /// an emulator), and no document is read before it is made. To be called
    /// once nobody else writes, before the first [`Self::writer`]: whoever
    /// stands by for days does not know it from [`Self::connect`].
    ///
    /// # Errors
    /// As for [`Self::connect`].
    pub async fn begin(&self) -> Result<(), FirestoreError> {
        match self.shared.look().await? {
            Some(empty) => {
                self.shared.was_empty.store(empty, Ordering::Relaxed);
                self.shared.settle(empty);
            }
            None if self.shared.is_local => self.shared.settle(false),
            None => {}
        }
        Ok(())
    }

    /// What is written: see [`LiveOptions::place`].
    #[must_use]
    pub fn place(&self) -> String {
        self.shared.options.place()
    }

    /// The writer of `shard`, of which everything up to the segment `through`
    /// is written, and what feeds it: to be given every position that changed
    /// since.
    #[must_use]
    pub fn writer(&self, shard: u32, through: u64) -> (PositionFeed, LiveWriter) {
        let feed = PositionFeed::new();
        let writer = LiveWriter::new(Arc::clone(&self.shared), shard, through, feed.clone());
        (feed, writer)
    }
}

impl Shared {
    /// Whether the collection is empty; `None` if nobody answers.
    async fn look(&self) -> Result<Option<bool>, FirestoreError> {
        match tokio::time::timeout(START_MAX, self.client.is_empty()).await {
            Ok(Ok(empty)) => return Ok(Some(empty)),
            Ok(Err(status)) if is_for_good(&status) => return Err(self.refused(&status)),
            Ok(Err(status)) => {
                let code = status.code();
                warn!(?code, error = status.message(), "Firestore is away: positions wait");
            }
            Err(_) => warn!("Firestore does not answer: positions wait"),
        }
        Ok(None)
    }

    /// It is known whether the collection was empty, and is filled slowly.
    fn settle(&self, empty: bool) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if budget.is_some() {
            return;
        }
        let now = Instant::now();
        let budget = budget.insert(Budget::new(self.options.writes_per_second_max, now));
        if empty && !self.is_local {
            info!(
                "the collection is empty: it is filled with 500 writes/s, and 50 % more each 5 min"
            );
            budget.begin_ramp(now);
        }
    }

    /// Asks the limit of writes, if it is known.
    fn with_budget<T>(&self, ask: impl FnOnce(&mut Budget) -> T) -> Option<T> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(ask)
    }

    fn refused(&self, status: &Status) -> FirestoreError {
        FirestoreError::Refused {
            database: self.options.database.clone(),
            collection: self.options.collection.clone(),
            code: status.code(),
            message: status.message().to_owned(),
            advice: match status.code() {
                Code::NotFound => "Create the database, or mend firestore.database",
                Code::PermissionDenied | Code::Unauthenticated => {
                    "The worker's identity needs roles/datastore.user on the database"
                }
                _ => "Mend firestore.database and firestore.collection",
            },
        }
    }
}

/// Whether an answer at the start is a mistake in the configuration.
fn is_for_good(status: &Status) -> bool {
    match Failure::of_grpc(status.code() as i32) {
        Failure::Setup | Failure::Permanent => true,
        Failure::Transient => false,
    }
}
