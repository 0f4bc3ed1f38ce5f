//! Connections to Google's services over gRPC, where a client is our own.

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_auth::errors::CredentialsError;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint as Address, Error};

use super::Endpoint;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A connection on which nothing comes back for so long is dead.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A channel to `endpoint`. No connection is made before the first call, and a
/// lost one is made anew.
///
/// # Errors
/// It is no address, or there is no TLS to be had.
pub(crate) fn channel(endpoint: &Endpoint) -> Result<Channel, Error> {
    super::install_crypto();
    let address = Address::from_shared(endpoint.url().to_owned())?
        .connect_timeout(CONNECT_MAX)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let address = match endpoint.is_local() {
        true => address,
        false => address.tls_config(ClientTlsConfig::new().with_native_roots())?,
    };
    Ok(address.connect_lazy())
}

/// What a call says of who makes it.
///
/// # Errors
/// There is no token for it; whether one may come later is in the status.
pub(crate) async fn authorization(credentials: &Credentials) -> Result<MetadataMap, Status> {
    match credentials.headers(Default::default()).await {
        Ok(CacheableResource::New { data, .. }) => Ok(MetadataMap::from_headers(data)),
        // Without a tag of ours there is nothing that it could be unmodified
        // since.
        Ok(_) => Ok(MetadataMap::new()),
        Err(error) => Err(no_token(&error)),
    }
}

/// A call that could not be made for want of a token.
fn no_token(error: &CredentialsError) -> Status {
    let said = error.to_string();
    if error.is_transient() { Status::unavailable(said) } else { Status::unauthenticated(said) }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_token_that_fails_for_now_is_no_refusal() {
        let code = |transient| no_token(&CredentialsError::from_msg(transient, "no token")).code();
        assert_eq!(code(true), Code::Unavailable);
        assert_eq!(code(false), Code::Unauthenticated);
    }
}
