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

use super::progress::Taken;
use super::{Batch, MESSAGES_MAX, Progress, Queues};
use crate::wire::push_batched;

/// A request is answered within this.
const TIMEOUT: Duration = Duration::from_secs(35);
/// First pause before a batch is sent again, and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Messages of a request.
const REQUEST_MESSAGES_MAX: usize = 2 * MESSAGES_MAX;
/// Bytes of a request, under the engine's limit of 1 MiB.
const REQUEST_BYTES_MAX: usize = 768 * 1024;
/// Names a batch of pings.
const BATCH_TYPE: &str = "application/x-protobuf; messageType=fleet.telemetry.v1.VehiclePingBatch";

/// The senders' end of one connection.
pub struct Connection {
    queue: mpsc::Receiver<Batch>,
    client: Client,
    url: Url,
    progress: Arc<Progress>,
    patience: Duration,
    away: Arc<AtomicBool>,
}

/// A client for one connection to a target.
///
/// # Errors
/// The system has no certificates to trust.
pub fn client() -> anyhow::Result<Client> {
    // Idempotent; the only provider there is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .pool_max_idle_per_host(1)
        .connect_timeout(Duration::from_secs(5))
        .http1_only()
        .build()
        .context("making an HTTP client")
}

/// `count` connections to the target at `base`. A batch that does not get
/// through is sent again for at most `patience`; then the target counts as
/// gone, and every batch has one attempt until it answers again.
///
/// # Errors
/// See [`client`].
pub fn connect(
    base: &Url,
    count: usize,
    patience: Duration,
    progress: &Arc<Progress>,
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
            sleep_until(Instant::from_std(self.progress.instant(first.due_ms()))).await;
            let mut batches = vec![first];
            next = self.gather(&mut batches);
            self.deliver(&batches).await;
            if next.is_none() {
                next = self.queue.recv().await;
            }
        }
    }

    /// Adds what is due already, as far as a request holds it; returns the batch
    /// that is not.
    fn gather(&mut self, batches: &mut Vec<Batch>) -> Option<Batch> {
        let now_ms = self.progress.now_us() / 1000;
        let (mut messages, mut bytes) = (batches[0].items.len(), batches[0].bytes.len());
        while let Ok(batch) = self.queue.try_recv() {
            messages += batch.items.len();
            bytes += batch.bytes.len();
            let fits = messages <= REQUEST_MESSAGES_MAX && bytes <= REQUEST_BYTES_MAX;
            if !fits || batch.due_ms() > now_ms {
                return Some(batch);
            }
            batches.push(batch);
        }
        None
    }

    async fn deliver(&self, batches: &[Batch]) {
        let whole = joined(batches);
        let mut body = Vec::with_capacity(whole.bytes.len() + whole.items.len() * 3);
        whole.messages().for_each(|(_, bytes)| push_batched(&mut body, bytes));
        let body = bytes::Bytes::from(body);
        self.progress.sent(&whole);
        let started = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            match self.attempt(body.clone()).await {
                Attempt::Taken(taken) => {
                    self.away.store(false, Ordering::Relaxed);
                    self.progress.taken(&whole, &taken);
                    return;
                }
                Attempt::Refused => {
                    self.progress.lost(&whole, true);
                    return;
                }
                Attempt::Later(after) => {
                    let gone = self.away.load(Ordering::Relaxed);
                    if gone || started.elapsed() >= self.patience {
                        self.away.store(true, Ordering::Relaxed);
                        self.progress.lost(&whole, false);
                        return;
                    }
                    self.progress.retry();
                    sleep(after.unwrap_or(pause).min(PAUSES.1)).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    async fn attempt(&self, body: bytes::Bytes) -> Attempt {
        let request =
            self.client.post(self.url.clone()).header(CONTENT_TYPE, BATCH_TYPE).timeout(TIMEOUT);
        match request.body(body).send().await {
            Ok(response) => self.read(response).await,
            Err(error) => {
                self.progress.answer(failure(&error));
                Attempt::Later(None)
            }
        }
    }

    async fn read(&self, response: Response) -> Attempt {
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
            self.progress.answer("202");
            let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
            let rejected = answer.rejected.into_iter().map(|r| (r.index, r.code)).collect();
            return Attempt::Taken(Taken {
                duplicates: answer.duplicate,
                rejected: Some(rejected),
            });
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        self.progress.answer(format!("{} {}", status.as_u16(), refusal.code).trim());
        let later = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || status.is_server_error();
        if later { Attempt::Later(after.map(Duration::from_secs)) } else { Attempt::Refused }
    }
}

/// Several batches as one.
fn joined(batches: &[Batch]) -> Batch {
    let mut whole = Batch::default();
    for batch in batches {
        let before = whole.bytes.len() as u32;
        whole.bytes.extend_from_slice(&batch.bytes);
        whole
            .items
            .extend(batch.items.iter().map(|item| super::Item { end: item.end + before, ..*item }));
    }
    whole
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
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    duplicate: u64,
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    code: String,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
}
