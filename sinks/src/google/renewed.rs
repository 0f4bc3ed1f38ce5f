//! Credentials that outlive a bad answer of whoever gives out tokens.
//!
//! Google's library fetches tokens in a task that ends for good at the first
//! error it takes for permanent, and that waits for an answer for as long as
//! none comes. A metadata server or a role that is mended later would go
//! unnoticed until the process is started again. So its credentials are given
//! up here, after such an error or [`TOKEN_MAX`] without a token, and made anew
//! for whoever asks after a pause. Until then everybody is told the error.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError as TokenError;
use tokio::runtime::{self, Runtime};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::codegen::http::{Extensions, HeaderMap};
use tracing::{info, warn};

use super::credentials::TOKEN_MAX;
use crate::Backoff;

/// What the library makes.
type Built = Result<Credentials, google_cloud_auth::build_errors::Error>;
type Build = dyn Fn() -> Built + Send + Sync;

/// Credentials of the library's, made anew when they have failed.
pub(super) struct Renewed {
    build: Box<Build>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// Pauses of this series of failures.
    backoff: Option<Backoff>,
}

enum Stage {
    Asking(Arc<Attempt>),
    /// Given up for `error`, and not made anew before `until`.
    Pausing {
        error: TokenError,
        until: Instant,
    },
}

/// Credentials of the library's, and what fetches tokens for them. To be held
/// by whoever asks: the library panics if its task ends meanwhile.
struct Attempt {
    credentials: Credentials,
    /// The first ask since there was a token last. Callers that give up sooner
    /// than a token may take must not put the attempt's end off.
    asked: Mutex<Option<Instant>>,
    _thread: Thread,
}

/// Where the library's task runs. It ends with this, and with it a request
/// that is never answered, and its connection. None once it has.
struct Thread(Option<Runtime>);

/// Credentials cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// What is found of them cannot be used.
    #[error(transparent)]
    Credentials(#[from] google_cloud_auth::build_errors::Error),
    /// This process has no thread to spare.
    #[error("no thread to fetch tokens on: {0}")]
    Thread(#[from] io::Error),
}

impl Renewed {
    /// What `build` makes, now and whenever that has failed.
    ///
    /// # Errors
    /// `build` fails at once.
    pub(super) fn new(
        build: impl Fn() -> Built + Send + Sync + 'static,
    ) -> Result<Self, BuildError> {
        let stage = Stage::Asking(Arc::new(Attempt::new(&build)?));
        let state = Mutex::new(State { stage, backoff: None });
        Ok(Self { build: Box::new(build), state })
    }

    /// What to ask: a new attempt once the pause after a failure is over.
    fn attempt(&self) -> Result<Arc<Attempt>, TokenError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.stage {
            Stage::Asking(attempt) => return Ok(Arc::clone(attempt)),
            Stage::Pausing { error, until } if Instant::now() < *until => {
                return Err(error.clone());
            }
            Stage::Pausing { .. } => {}
        }
        match Attempt::new(&self.build) {
            Ok(attempt) => {
                let attempt = Arc::new(attempt);
                state.stage = Stage::Asking(Arc::clone(&attempt));
                Ok(attempt)
            }
            Err(error) => {
                let passes = matches!(error, BuildError::Thread(_));
                let error = TokenError::new(passes, error.to_string(), error);
                state.pause(&error);
                Err(error)
            }
        }
    }

    fn succeeded(&self, attempt: &Attempt) {
        *attempt.asked() = None;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.backoff.take().is_some() {
            info!("there are tokens for Google Cloud again");
        }
    }

    /// Gives `attempt` up, unless somebody else has done so already.
    fn give_up(&self, attempt: &Arc<Attempt>, error: &TokenError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Asking(asked) = &state.stage
            && Arc::ptr_eq(asked, attempt)
        {
            state.pause(error);
        }
    }
}

impl State {
    fn pause(&mut self, error: &TokenError) {
        if self.backoff.is_none() {
            warn!(%error, "no token for Google Cloud: it is asked for again");
        }
        let pause = self.backoff.get_or_insert_with(super::backoff).next_pause();
        self.stage = Stage::Pausing { error: error.clone(), until: Instant::now() + pause };
    }
}

impl CredentialsProvider for Renewed {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, TokenError> {
        let attempt = self.attempt()?;
        let deadline = *attempt.asked().get_or_insert_with(Instant::now) + TOKEN_MAX;
        let error = match timeout_at(deadline, attempt.credentials.headers(extensions)).await {
            Ok(Ok(headers)) => {
                self.succeeded(&attempt);
                return Ok(headers);
            }
            Ok(Err(error)) => error,
            Err(_) => TokenError::from_msg(true, "no answer to the request for a token"),
        };
        // After an error that passes the library asks again by itself, unless
        // that is the time it is not answered.
        if !error.is_transient() || Instant::now() >= deadline {
            self.give_up(&attempt, &error);
        }
        Err(error)
    }

    async fn universe_domain(&self) -> Option<String> {
        let attempt = self.attempt().ok()?;
        timeout(TOKEN_MAX, attempt.credentials.universe_domain()).await.ok().flatten()
    }
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewed").finish_non_exhaustive()
    }
}

impl Attempt {
    fn new(build: &Build) -> Result<Self, BuildError> {
        let thread = Thread::new()?;
        let credentials = thread.enter(build)?;
        Ok(Self { credentials, asked: Mutex::new(None), _thread: thread })
    }

    fn asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    fn new() -> io::Result<Self> {
        let mut builder = runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("google-tokens").enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    /// Does `work`, whose tasks run here.
    fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        work()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // A runtime that is merely dropped waits, and may not in a task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests;
