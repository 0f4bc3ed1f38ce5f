//! Who asks: application default credentials, and nobody on this machine's
//! emulators.

use std::time::Duration;

use google_cloud_auth::credentials::{Builder, Credentials, anonymous};

use super::Endpoint;

/// A token comes within this time or the network is not what it should be.
const TOKEN_MAX: Duration = Duration::from_secs(20);

/// There are no usable credentials for a Google service.
#[derive(Debug, thiserror::Error)]
#[error(
    "no credentials for {endpoint}: {detail}. Only application default credentials are used: \
     the service account of the machine, workload identity, GOOGLE_APPLICATION_CREDENTIALS, or \
     `gcloud auth application-default login`; an emulator on this machine needs none"
)]
pub struct CredentialsMissing {
    /// The service's address.
    pub endpoint: String,
    /// What was found instead.
    pub detail: String,
}

/// The credentials for `endpoint`, proven by a first token: application
/// default ones, or anonymous ones for an emulator on this machine.
///
/// # Errors
/// There are none, or no token is given for them.
pub async fn credentials(endpoint: &Endpoint) -> Result<Credentials, CredentialsMissing> {
    if endpoint.is_local() {
        return Ok(anonymous::Builder::new().build());
    }
    super::install_crypto();
    let missing = |detail: String| CredentialsMissing { endpoint: endpoint.url().into(), detail };
    let credentials = Builder::default().build().map_err(|error| missing(error.to_string()))?;
    // Without a file the client falls back to the machine's metadata server,
    // which it asks only when a token is needed: ask now, not at the first
    // message.
    match tokio::time::timeout(TOKEN_MAX, credentials.headers(Default::default())).await {
        Ok(Ok(_)) => Ok(credentials),
        Ok(Err(error)) => Err(missing(error.to_string())),
        Err(_) => Err(missing(format!("no token within {TOKEN_MAX:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google::Service;

    #[tokio::test]
    async fn an_emulator_is_asked_by_nobody() {
        let local = Endpoint::read(Service::Pubsub, Some("127.0.0.1:1")).unwrap();
        credentials(&local).await.expect("none are needed");
    }
}
