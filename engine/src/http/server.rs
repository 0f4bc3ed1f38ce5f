//! The listening socket, its connections, and their orderly end.
//!
//! HTTP/1.1 only: with it every phase of a connection has a time limit (head,
//! body, answer, reading of the answer), which a version negotiated on the
//! first bytes does not give.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::HttpLimits;
use super::routes::{Services, routes, while_recovering};
use super::stall_guard::StallGuard;

/// Bytes a connection buffers in each direction; also the largest head of a
/// request.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Pause after the system refused a connection, mostly for want of file
/// descriptors, which need time to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server could not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error(
        "cannot listen on {address}: the port is in use; end the process that listens there (is \
         another worker running?) or set another port"
    )]
    InUse {
        /// Where.
        address: SocketAddr,
    },
    /// The address is none of this machine's.
    #[error(
        "cannot listen on {address}: this machine has no such address; use 127.0.0.1 for local \
         access or 0.0.0.0 for every interface"
    )]
    NoSuchAddress {
        /// Where.
        address: SocketAddr,
    },
    /// The port is reserved.
    #[error(
        "cannot listen on {address}: permission denied; ports below 1024 are reserved, set \
         another port"
    )]
    Denied {
        /// Where.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            _ => Self::Other { address, source },
        }
    }
}

/// A server that listens; nothing is answered before [`HttpServer::serve`],
/// and nothing but for its health before its [`Door`] is opened.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
    limits: HttpLimits,
    stop: CancellationToken,
}

/// What a server answers by now. Clones are of the same server.
#[derive(Clone, Debug)]
pub struct Door {
    router: Arc<watch::Sender<Router>>,
    limits: HttpLimits,
    stop: CancellationToken,
}

impl Door {
    /// From the next request on every route is answered, on connections that
    /// stand already too.
    pub fn open(&self, services: Services) {
        drop(self.router.send_replace(routes(services, &self.limits, self.stop.clone())));
    }
}

impl HttpServer {
    /// Listens on `address` (port 0: any free one). Bind to the loopback
    /// interface unless the network around is trusted: whoever reaches the
    /// server can read positions and send pings.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(
        address: SocketAddr,
        limits: HttpLimits,
        stop: CancellationToken,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::new(address, source);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = Arc::new(watch::Sender::new(while_recovering(&limits)));
        let door = Door { router, limits: limits.clone(), stop: stop.clone() };
        Ok(Self { listener, address, door, limits, stop })
    }

    /// What opens the routes to everybody.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Where it listens, the port chosen by the system included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the token given to [`HttpServer::bind`] is
    /// cancelled: then accepts no connection, ends event streams, lets
    /// requests under way finish for [`HttpLimits::drain_timeout`], and
    /// returns when every connection is closed.
    pub async fn serve(self) {
        let Self { listener, door, limits, stop, .. } = self;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let mut connections = JoinSet::new();
        let mut refused = false;
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let place = place.expect("nobody closes the semaphore");
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            while let Some(ended) = connections.try_join_next() {
                report(ended);
            }
            match accepted {
                Ok((stream, _)) => {
                    refused = false;
                    let connection = converse(stream, door.clone(), limits.clone(), stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Told once: it comes again until it is over.
                    if !std::mem::replace(&mut refused, true) {
                        warn!(%error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
            warn!(connections = connections.len(), "connections are cut off at shutdown");
            connections.shutdown().await;
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task failed");
    }
}

/// One connection from its first byte to its last.
async fn converse(stream: TcpStream, door: Door, limits: HttpLimits, stop: CancellationToken) {
    // Answers are small and complete: waiting to fill a packet only delays.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY was refused");
    }
    let io = TokioIo::new(StallGuard::new(stream, limits.write_timeout));
    let service = service_fn(move |request| {
        let router = door.router.borrow().clone();
        TowerToHyperService::new(router).call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client's doing: gone, too slow, or not speaking HTTP.
        debug!(%error, "a connection ended early");
    }
}
