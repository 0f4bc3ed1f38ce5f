//! What every sink and source in Google Cloud shares: where a service is,
//! who asks, and what a failed call asks for.

mod channel;
mod credentials;
mod endpoint;
mod failure;
mod renewed;
#[cfg(test)]
pub(crate) mod testing;

use std::time::Duration;

pub(crate) use channel::{authorization, channel};
pub use credentials::{CredentialsError, credentials};
pub use endpoint::{Endpoint, EndpointError, Service};
pub use failure::Failure;

use crate::Backoff;

/// Has TLS done by ring. Every client of a Google service needs it done once
/// before it is made; to do it again changes nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already, which is ours.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The pauses between attempts of one call to a Google service: from 100 ms,
/// doubling to 10 s at most, with jitter. A service that comes back is found
/// within that time, and a fleet of workers does not come back in step.
#[must_use]
pub fn backoff() -> Backoff {
    Backoff::between(Duration::from_millis(100), Duration::from_secs(10))
}
