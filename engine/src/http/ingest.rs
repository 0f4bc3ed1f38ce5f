//! `POST /v1/pings`: answers 202 after the commit.
//!
//! What cannot be read as a whole is refused with nothing taken. What can is
//! taken ping by ping: a bad one goes to the dead letter, the others count.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use geofence::TimeMs;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::HttpLimits;
use super::answer::Refusal;
use super::body::{self, Encoding, Layout};
use super::decoder::SOURCE_NAME;
use super::receive_clock::ReceiveClock;
use super::shards::need_all;
use super::split::split;
use super::thread::on_thread;
use crate::decode::ContentType;
use crate::intake::{Entry, Intake, IntakeError, Verdict};
use crate::metrics;

/// Decodes and admits one ping, given as one encoded `VehiclePing` or one JSON
/// object and received at the time given; a bad one becomes
/// [`Entry::Rejected`].
pub type EntryDecoder = Arc<dyn Fn(ContentType, Bytes, TimeMs) -> Entry + Send + Sync>;

/// What ping requests need of the rest of the process.
#[derive(Clone)]
pub struct Ingest {
    /// Where pings go.
    pub intake: Intake,
    /// This source's number in the journal.
    pub source: u32,
    /// Decodes and admits a ping.
    pub decode: EntryDecoder,
    /// Gives receive times and the low mark.
    pub clock: Arc<ReceiveClock>,
}

/// Requests under way, bounded in number and in bytes of body.
pub(super) struct Ingestion {
    parts: Ingest,
    limits: HttpLimits,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The body of a 202.
#[derive(Debug, Default, Serialize)]
struct Taken<'v> {
    accepted: usize,
    duplicate: usize,
    rejected: Vec<RejectedPing<'v>>,
}

#[derive(Debug, Serialize)]
struct RejectedPing<'v> {
    index: usize,
    code: &'v str,
    message: &'v str,
}

/// The handler of `POST /v1/pings`.
pub(super) async fn post_pings(
    State(ingestion): State<Arc<Ingestion>>,
    request: Request,
) -> Result<Response, Refusal> {
    ingestion.take(request).await.inspect_err(|refusal| {
        metrics::HTTP_REFUSED.counter(&[refusal.code]).increment(1);
    })
}

impl Ingestion {
    pub(super) fn new(parts: Ingest, limits: HttpLimits) -> Self {
        let requests = Arc::new(Semaphore::new(limits.in_flight_max));
        let bytes = Arc::new(Semaphore::new(limits.budget_bytes()));
        Self { parts, limits, requests, bytes }
    }

    async fn take(&self, request: Request) -> Result<Response, Refusal> {
        need_all(self.parts.intake.owned())?;
        let _under_way = self.reserve(&self.requests, 1, "too_many_requests")?;
        if let Some(reason) = self.parts.intake.paused() {
            return Err(IntakeError::Paused(reason).into());
        }
        let layout = Layout::of(request.headers())?;
        let encoding = Encoding::of(request.headers())?;
        let entries = self.read_entries(request, layout, encoding).await?;
        if entries.is_empty() {
            return Ok(answer(&[]));
        }
        let count = entries.len() as u64;
        let Ingest { intake, source, clock, .. } = &self.parts;
        // The low mark never bounds lateness: receive times here say nothing of
        // a client's own backlog.
        let pending = clock.stamp(entries, |entries, low_mark| {
            intake.try_submit(*source, low_mark, false, entries)
        })?;
        metrics::RECEIVED.counter(&[SOURCE_NAME]).increment(count);
        Ok(answer(&pending.wait().await?))
    }

    /// Reads and decodes the body. The memory it takes is reserved until the
    /// entries are there; from then on they count in the intake's queues.
    async fn read_entries(
        &self,
        request: Request,
        layout: Layout,
        encoding: Encoding,
    ) -> Result<Vec<Entry>, Refusal> {
        let limits = &self.limits;
        let length = body::declared_length(request.headers()).unwrap_or(limits.body_bytes_max);
        if length > limits.body_bytes_max {
            return Err(body::body_too_large(limits.body_bytes_max));
        }
        let _read = self.reserve(&self.bytes, length, "too_many_bytes")?;
        let expanded = if encoding == Encoding::Identity { 0 } else { limits.decoded_bytes_max };
        let body: Body = request.into_body();
        let body = body::read(body, limits.body_bytes_max, limits.body_timeout).await?;
        let receive_time = self.parts.clock.read();
        let _expanded = self.reserve(&self.bytes, expanded, "too_many_bytes")?;

        let decoding = Decoding {
            layout,
            encoding,
            receive_time,
            decode: Arc::clone(&self.parts.decode),
            decoded_bytes_max: limits.decoded_bytes_max,
            pings_max: limits.pings_max,
        };
        if body.len() <= INLINE_BYTES_MAX && encoding == Encoding::Identity {
            return decoding.run(body);
        }
        on_thread(move || decoding.run(body)).await?
    }

    fn reserve(
        &self,
        of: &Arc<Semaphore>,
        amount: usize,
        code: &'static str,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        Arc::clone(of).try_acquire_many_owned(amount).map_err(|_| {
            Refusal::too_many(code, "too many ping requests are under way; send again shortly")
        })
    }
}

/// Larger bodies are decoded on a thread of their own, so that they delay no
/// other request.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// From a body that was read to entries; needs nothing of the request.
struct Decoding {
    layout: Layout,
    encoding: Encoding,
    receive_time: TimeMs,
    decode: EntryDecoder,
    decoded_bytes_max: usize,
    pings_max: usize,
}

impl Decoding {
    fn run(self, body: Bytes) -> Result<Vec<Entry>, Refusal> {
        let body = body::decompress(body, self.encoding, self.decoded_bytes_max)?;
        let pieces = split(&body, self.layout, self.pings_max)?;
        let content_type = self.layout.of_one_ping();
        let entry = |piece| (self.decode)(content_type, piece, self.receive_time);
        Ok(pieces.into_iter().map(entry).collect())
    }
}

/// 202: everything that could be taken is durable.
fn answer(verdicts: &[Verdict]) -> Response {
    let mut taken = Taken::default();
    for (index, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Accepted(_) => taken.accepted += 1,
            Verdict::Duplicate => taken.duplicate += 1,
            Verdict::Rejected(rejection) => taken.rejected.push(RejectedPing {
                index,
                code: &rejection.code,
                message: &rejection.message,
            }),
        }
    }
    (StatusCode::ACCEPTED, Json(taken)).into_response()
}
