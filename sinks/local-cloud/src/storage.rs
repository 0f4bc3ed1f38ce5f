//! A stand-in for Cloud Storage, for tests and local trials: buckets in
//! memory, served over HTTP on loopback.
//!
//! Answers the calls of the XML API that `object_store` makes, and those of
//! the JSON API that Google's own Python client makes, over the same objects;
//! anything else is answered 501. As the service does, it is consistent: an
//! object whose creation was answered is found by every read and listing
//! after it. Keeps nothing when it ends, checks no credentials, and knows of
//! no other machine.

mod bucket;
mod faults;
mod json;
mod reply;
mod xml;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use bucket::Bucket;

pub use bucket::Stored;
pub use faults::{Fault, Faults, Trouble};

/// The largest body taken: more than the largest segment and any snapshot of
/// a test.
const BODY_BYTES_MAX: usize = 512 << 20;

/// A running stand-in; dropped, it ends.
#[derive(Debug)]
pub struct Storage {
    address: SocketAddr,
    buckets: Buckets,
    faults: Faults,
    _stop: oneshot::Sender<()>,
}

impl Storage {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// What the system says.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens on `address`.
    ///
    /// # Errors
    /// What the system says; an address that is not of this machine's loopback
    /// is refused.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let refusal = format!("{address}: only loopback addresses are served");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (buckets, faults) = (Buckets::default(), Faults::default());
        let routes = Router::new()
            .merge(json::routes())
            .merge(xml::routes())
            .layer(middleware::from_fn_with_state(faults.clone(), faults::trouble))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(buckets.clone());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            // Ends when the other end is dropped.
            let until = async move { stopped.await.unwrap_or(()) };
            tokio::select! {
                served = axum::serve(listener, routes) => served,
                () = until => Ok(()),
            }
        });
        Ok(Self { address, buckets, faults, _stop: stop })
    }

    /// What `STORAGE_EMULATOR_HOST` is to be: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, name: &str) {
        self.buckets.lock().entry(name.to_owned()).or_default();
    }

    /// The names of a bucket's objects, sorted; none without the bucket.
    #[must_use]
    pub fn names(&self, bucket: &str) -> Vec<String> {
        self.buckets.lock().get(bucket).map(Bucket::names).unwrap_or_default()
    }

    /// An object as it stands.
    #[must_use]
    pub fn object(&self, bucket: &str, name: &str) -> Option<Stored> {
        self.buckets.lock().get(bucket)?.get(name).cloned()
    }

    /// What goes wrong from here on.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

/// All buckets; clones are handles on the same ones.
#[derive(Clone, Debug, Default)]
struct Buckets(Arc<Mutex<BTreeMap<String, Bucket>>>);

impl Buckets {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        // Each change is one insertion or removal: a panic elsewhere leaves
        // the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
