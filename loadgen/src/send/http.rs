//! To `POST /v1/pings`, protobuf batches over several connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::progress::Taken;
use super::{Batch, MESSAGES_MAX, Progress, Queues};
use crate::wire::BATCH_TYPE;

/// A request is answered within this.
const TIMEOUT: Duration = Duration::from_secs(35);
/// The same while the target counts as gone, and the least that any gets: a
/// target that takes connections and never answers must not take as long for
/// each batch as the first one was waited for.
const TIMEOUT_AWAY: Duration = Duration::from_secs(2);
/// Nothing at all comes on a connection for so long: it is dead. Longer than
/// any request may take, and several times an event stream's keep-alive.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// First pause before a batch is sent again, and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Messages of a request.
const REQUEST_MESSAGES_MAX: usize = 2 * MESSAGES_MAX;
/// Bytes of a request, under the engine's limit of 1 MiB.
const REQUEST_BYTES_MAX: usize = 768 * 1024;

/// The senders' end of one connection.
pub struct Connection {
    queue: mpsc::Receiver<Batch>,
    client: Client,
    url: Url,
    progress: Arc<Progress>,
    patience: Duration,
    away: Arc<AtomicBool>,
    cut: CancellationToken,
}

/// A client for one connection to a target, whose silence it does not bear for
/// ever.
///
/// # Errors
/// The system has no certificates to trust.
pub fn client() -> anyhow::Result<Client> {
    // Idempotent; the only provider there is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .pool_max_idle_per_host(1)
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(SILENCE_MAX)
        .http1_only()
        .build()
        .context("making an HTTP client")
}

/// `count` connections to the target at `base`. A batch that does not get
/// through is sent again for at most `patience`; then the target counts as
/// gone, and every batch has one attempt until it answers again. Once `cut` is
/// cancelled nothing more is sent, and what is unanswered is given up.
///
/// # Errors
/// See [`client`].
pub fn connect(
    base: &Url,
    count: usize,
    patience: Duration,
    progress: &Arc<Progress>,
    cut: &CancellationToken,
) -> anyhow::Result<(Queues, Vec<Connection>)> {
    let url = base.join("/v1/pings").context("the target's address")?;
    let away = Arc::new(AtomicBool::new(false));
    let (queues, receivers) = Queues::new(count);
    let connection = |queue| {
        Ok(Connection {
            queue,
            client: client()?,
            url: url.clone(),
            progress: Arc::clone(progress),
            patience,
            away: Arc::clone(&away),
            cut: cut.clone(),
        })
    };
    let connections: anyhow::Result<Vec<Connection>> =
        receivers.into_iter().map(connection).collect();
    Ok((queues, connections?))
}

/// What became of an attempt.
enum Attempt {
    Taken(Taken),
    /// Not now; perhaps when to come back.
    Later(Option<Duration>),
    /// Never.
    Refused,
}

impl Connection {
    /// Sends everything that comes, each batch when it is due.
    pub async fn run(mut self) {
        let mut next = self.queue.recv().await;
        while let Some(first) = next.take() {
            let due = Instant::from_std(self.progress.instant(first.due_ms()));
            if self.unless_cut(sleep_until(due)).await.is_none() {
                self.progress.lost(first.items.len(), false);
            } else {
                let mut whole = first;
                next = self.gather(&mut whole);
                self.deliver(whole).await;
            }
            if next.is_none() {
                next = self.queue.recv().await;
            }
        }
    }

    /// Adds what is due already, as far as a request holds it; returns the batch
    /// that is not.
    fn gather(&mut self, whole: &mut Batch) -> Option<Batch> {
        let now_ms = self.progress.now_us() / 1000;
        while let Ok(batch) = self.queue.try_recv() {
            let fits = whole.items.len() + batch.items.len() <= REQUEST_MESSAGES_MAX
                && whole.bytes.len() + batch.bytes.len() <= REQUEST_BYTES_MAX;
            if !fits || batch.due_ms() > now_ms {
                return Some(batch);
            }
            whole.append(&batch);
        }
        None
    }

    async fn deliver(&self, batch: Batch) {
        let Batch { bytes, items } = batch;
        let body = bytes::Bytes::from(bytes);
        self.progress.sent(&items);
        let started = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let gone = self.away.load(Ordering::Relaxed);
            let left =
                if gone { Duration::ZERO } else { self.patience.saturating_sub(started.elapsed()) };
            let timeout = left.clamp(TIMEOUT_AWAY, TIMEOUT);
            match self.unless_cut(self.attempt(body.clone(), items.len(), timeout)).await {
                Some(Attempt::Taken(taken)) => {
                    self.away.store(false, Ordering::Relaxed);
                    self.progress.taken(&items, &taken);
                    return;
                }
                Some(Attempt::Refused) => {
                    self.progress.lost(items.len(), true);
                    return;
                }
                Some(Attempt::Later(after)) => {
                    if gone || started.elapsed() >= self.patience {
                        self.away.store(true, Ordering::Relaxed);
                        self.progress.lost(items.len(), false);
                        return;
                    }
                    self.progress.retry();
                    let pause_now = after.unwrap_or(pause).min(PAUSES.1);
                    // What is cut off here is given up by the next attempt.
                    self.unless_cut(sleep(pause_now)).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                None => {
                    self.progress.lost(items.len(), false);
                    return;
                }
            }
        }
    }

    /// What a future gives, unless sending is cut off before.
    async fn unless_cut<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.cut.run_until_cancelled(future).await
    }

    async fn attempt(&self, body: bytes::Bytes, messages: usize, timeout: Duration) -> Attempt {
        let request =
            self.client.post(self.url.clone()).header(CONTENT_TYPE, BATCH_TYPE).timeout(timeout);
        match request.body(body).send().await {
            Ok(response) => self.read(response, messages).await,
            Err(error) => {
                self.progress.answer(failure(&error));
                Attempt::Later(None)
            }
        }
    }

    async fn read(&self, response: Response, messages: usize) -> Attempt {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => {
                self.progress.answer(failure(&error));
                return Attempt::Later(None);
            }
        };
        if status == StatusCode::ACCEPTED {
            // What became of the messages is not known: the target recognises those
            // that it has taken.
            let Some(taken) = taken(&body, messages) else {
                self.progress.answer("202 unreadable");
                return Attempt::Later(None);
            };
            self.progress.answer("202");
            return Attempt::Taken(taken);
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        self.progress.answer(format!("{} {}", status.as_u16(), refusal.code).trim());
        let later = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || status.is_server_error();
        if later { Attempt::Later(after.map(Duration::from_secs)) } else { Attempt::Refused }
    }
}

/// What went wrong, in few words of which there are few.
fn failure(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "connection broken"
    }
}

/// The body of a 202.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    duplicate: u64,
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    code: String,
}

/// What the body of a 202 says of so many messages; `None` if it cannot be read,
/// or does not say of each what became of it.
fn taken(body: &[u8], messages: usize) -> Option<Taken> {
    let Answer { accepted, duplicate, rejected } = serde_json::from_slice(body).ok()?;
    let told = accepted.checked_add(duplicate)?.checked_add(rejected.len() as u64)?;
    let rise = rejected.is_sorted_by(|one, next| one.index < next.index);
    let within = rejected.last().is_none_or(|last| last.index < messages);
    let rejected = rejected.into_iter().map(|it| (it.index, it.code)).collect();
    (told == messages as u64 && rise && within)
        .then_some(Taken { duplicates: duplicate, rejected: Some(rejected) })
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all(r#"{"accepted":2,"duplicate":1,"rejected":[]}"#, Some(0))]
    #[case::some_rejected(
        r#"{"accepted":1,"duplicate":0,"rejected":[{"index":0,"code":"a"},{"index":2,"code":"b"}]}"#,
        Some(2)
    )]
    #[case::nothing("", None)]
    #[case::half(r#"{"accepted":3,"duplic"#, None)]
    #[case::another_document("{}", None)]
    #[case::too_few(r#"{"accepted":2,"duplicate":0,"rejected":[]}"#, None)]
    #[case::too_many(r#"{"accepted":3,"duplicate":1,"rejected":[]}"#, None)]
    #[case::rejected_twice(
        r#"{"accepted":1,"duplicate":0,"rejected":[{"index":1,"code":"a"},{"index":1,"code":"a"}]}"#,
        None
    )]
    #[case::not_of_the_batch(
        r#"{"accepted":2,"duplicate":0,"rejected":[{"index":3,"code":"a"}]}"#,
        None
    )]
    fn an_answer_counts_if_it_speaks_of_each_message(
        #[case] body: &str,
        #[case] rejected: Option<usize>,
    ) {
        let taken = taken(body.as_bytes(), 3);
        assert_eq!(taken.map(|taken| taken.rejected.expect("it is told").len()), rejected);
    }
}
