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
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::HttpLimits;
use super::routes::{Services, routes};
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

/// A server that listens; nothing is answered before [`HttpServer::serve`].
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    limits: HttpLimits,
    stop: CancellationToken,
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
        services: Services,
        stop: CancellationToken,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::new(address, source);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = routes(services, &limits, stop.clone());
        Ok(Self { listener, address, router, limits, stop })
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
        let Self { listener, router, limits, stop, .. } = self;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let mut connections = JoinSet::new();
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
                    let connection = converse(stream, router.clone(), limits.clone(), stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
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
async fn converse(stream: TcpStream, router: Router, limits: HttpLimits, stop: CancellationToken) {
    // Answers are small and complete: waiting to fill a packet only delays.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY was refused");
    }
    let io = TokioIo::new(StallGuard::new(stream, limits.write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, TowerToHyperService::new(router));
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
