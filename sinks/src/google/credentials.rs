//! Who asks: application default credentials, and nobody on this machine's
//! emulators.

use std::time::Duration;

use google_cloud_auth::credentials::{Builder, Credentials, anonymous};
use google_cloud_auth::errors::CredentialsError as TokenError;

use super::Endpoint;
use super::renewed::Renewed;

/// A token comes within this time or the network is not what it should be.
pub(super) const TOKEN_MAX: Duration = Duration::from_secs(20);

/// A Google service cannot be asked, for want of credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There are none that can be used.
    #[error(
        "no credentials for {endpoint}: {detail}. Only application default credentials are used: \
         the service account of the machine, workload identity, GOOGLE_APPLICATION_CREDENTIALS, \
         or `gcloud auth application-default login`; an emulator on this machine needs none"
    )]
    Missing {
        /// The service's address.
        endpoint: String,
        /// What was found instead.
        detail: String,
    },
    /// Whoever gives out tokens did not. A machine that has no credentials at
    /// all, and is none of Google's, cannot be told from one that is only cut
    /// off.
    #[error(
        "no token for {endpoint} within {TOKEN_MAX:?}: {detail}. On a machine that has no service \
         account, set GOOGLE_APPLICATION_CREDENTIALS or run `gcloud auth application-default \
         login`; an emulator on this machine needs none"
    )]
    Unanswered {
        /// The service's address.
        endpoint: String,
        /// What was said instead.
        detail: String,
    },
}

impl CredentialsError {
    /// Whether there may be a token later with nothing put right by anybody.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unanswered { .. })
    }
}

/// The credentials for `endpoint`, proven by a first token: application
/// default ones, or anonymous ones for an emulator on this machine. However
/// they fail later, they are found again once whoever gives out tokens does.
///
/// # Errors
/// There are none, or no token is given for them.
pub async fn credentials(endpoint: &Endpoint) -> Result<Credentials, CredentialsError> {
    if endpoint.is_local() {
        return Ok(anonymous::Builder::new().build());
    }
    super::install_crypto();
    let credentials = Renewed::new(|| Builder::default().build())
        .map_err(|error| missing(endpoint, error.to_string()))?;
    let credentials = Credentials::from(credentials);
    // Without a file the client falls back to the machine's metadata server,
    // which it asks only when a token is needed: ask now, not at the first
    // message.
    first_token(endpoint, || credentials.headers(Default::default())).await?;
    Ok(credentials)
}

/// Asks until there is a token, there can be none, or the time for it is over.
async fn first_token<T, F>(endpoint: &Endpoint, ask: impl Fn() -> F) -> Result<(), CredentialsError>
where
    F: Future<Output = Result<T, TokenError>>,
{
    let mut backoff = super::backoff();
    let mut said = None;
    let asking = async {
        loop {
            match ask().await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_transient() => said = Some(error.to_string()),
                Err(error) => return Err(missing(endpoint, error.to_string())),
            }
            backoff.pause().await;
        }
    };
    if let Ok(proven) = tokio::time::timeout(TOKEN_MAX, asking).await {
        return proven;
    }
    let detail = said.unwrap_or_else(|| "no answer".to_owned());
    Err(CredentialsError::Unanswered { endpoint: endpoint.url().to_owned(), detail })
}

fn missing(endpoint: &Endpoint, detail: String) -> CredentialsError {
    CredentialsError::Missing { endpoint: endpoint.url().to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::google::Service;

    /// What comes of it if the n-th attempt is answered by `answer(n)`.
    async fn asked(
        answer: impl Fn(u32) -> Result<(), TokenError>,
    ) -> (Result<(), CredentialsError>, u32) {
        let endpoint = Endpoint::read(Service::Pubsub, None).unwrap();
        let attempts = Cell::new(0);
        let ask = || {
            attempts.set(attempts.get() + 1);
            std::future::ready(answer(attempts.get()))
        };
        (first_token(&endpoint, ask).await, attempts.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_fails_for_now_is_asked_for_again() {
        let away = || Err(TokenError::from_msg(true, "starting up"));
        let (proven, attempts) = asked(|n| if n < 4 { away() } else { Ok(()) }).await;
        assert_eq!((proven.is_ok(), attempts), (true, 4));
        let (proven, _) = asked(|_| away()).await;
        let error = proven.unwrap_err();
        assert!(error.passes(), "{error}");
        assert!(error.to_string().contains("starting up"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_refused_is_a_mistake_at_once() {
        let (proven, attempts) = asked(|_| Err(TokenError::from_msg(false, "revoked"))).await;
        let error = proven.unwrap_err();
        assert!(!error.passes() && attempts == 1, "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_never_comes_is_not_waited_for_for_ever() {
        let endpoint = Endpoint::read(Service::Pubsub, None).unwrap();
        let proven = first_token(&endpoint, std::future::pending::<Result<(), TokenError>>).await;
        assert!(proven.unwrap_err().passes());
    }

    #[tokio::test]
    async fn an_emulator_is_asked_by_nobody() {
        let local = Endpoint::read(Service::Pubsub, Some("127.0.0.1:1")).unwrap();
        credentials(&local).await.expect("none are needed");
    }
}
