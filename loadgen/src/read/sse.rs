//! Events from `GET /v1/events`, while the run goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::StreamExt as _;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::told::Spool;
use super::{Event, EventLatencies, EventReader, Fold, SincePing};
use crate::profile::World;
use crate::send::Progress;

/// Pause before a stream that ended is opened again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// A stream begins within this: a target says so at once, before any event.
const OPENED_WITHIN: Duration = Duration::from_secs(10);
/// A line of an event is no longer than this.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What was read so far.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Events by id.
    pub fold: Fold,
    /// From ping to event.
    pub latencies: EventLatencies,
    /// How reading went.
    pub feed: Feed,
    /// Microseconds since the start at which the last event came.
    pub last_us: i64,
}

/// How reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Times that the stream had to be opened again.
    pub reconnects: u64,
    /// Times that the target said events were missed.
    pub gaps: u64,
    /// Events that could not be read.
    pub unreadable: u64,
}

/// An event that has just come.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'j> {
    /// What was read of it.
    pub event: Event,
    /// All of it, as one JSON object.
    pub json: &'j [u8],
    /// When it came, microseconds since the start.
    pub now_us: i64,
    /// How long that was after its ping.
    pub since_ping: SincePing,
}

/// Received events, shared between a reader and whoever watches.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<Received>,
    /// Where events of the run are kept whole.
    spool: Mutex<Option<Spool>>,
}

impl Inbox {
    /// That keeps the events of the run whole, too.
    #[must_use]
    pub fn keeping(spool: Option<Spool>) -> Self {
        Self { state: Mutex::default(), spool: Mutex::new(spool) }
    }

    /// Takes an event.
    pub fn take(&self, world: &World, arrived: Arrived<'_>) {
        let Arrived { event, json, now_us, since_ping } = arrived;
        let mut state = self.lock();
        state.last_us = now_us;
        if !state.fold.take(event) {
            return;
        }
        state.latencies.take(world, &event, now_us, since_ping);
        drop(state);
        if event.vehicle.is_some() {
            self.spool().iter_mut().for_each(|spool| spool.push(json));
        }
    }

    /// Ends the keeping of events.
    ///
    /// # Errors
    /// They could not be written.
    pub fn finish_spool(&self) -> anyhow::Result<()> {
        self.spool().take().map_or(Ok(()), Spool::finish)
    }

    /// Something went wrong with reading.
    pub fn note(&self, note: impl FnOnce(&mut Feed)) {
        note(&mut self.lock().feed);
    }

    /// How many operations came, and when the last one did, microseconds since
    /// the start.
    #[must_use]
    pub fn seen(&self) -> (u64, i64) {
        let state = self.lock();
        (state.fold.operations(), state.last_us)
    }

    /// Everything, at the end.
    #[must_use]
    pub fn finish(&self) -> Received {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self) -> MutexGuard<'_, Option<Spool>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a target's event stream into an inbox.
pub struct EventStream {
    /// Where: `/v1/events` of the target.
    pub url: Url,
    /// What it is read with.
    pub client: Client,
    /// Of which run the events are.
    pub world: Arc<World>,
    /// How they are read.
    pub reader: EventReader,
    /// Where they go.
    pub inbox: Arc<Inbox>,
    /// What tells the time.
    pub progress: Arc<Progress>,
}

impl EventStream {
    /// Opens the stream, so that no event after this is missed.
    ///
    /// # Errors
    /// The target does not serve it, or does not answer.
    pub async fn open(&self, after: Option<&str>) -> anyhow::Result<reqwest::Response> {
        let mut request = self.client.get(self.url.clone());
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = timeout(OPENED_WITHIN, request.send()).await;
        let response = response
            .with_context(|| format!("the event stream does not open within {OPENED_WITHIN:?}"))?
            .context("opening the event stream")?;
        response.error_for_status().context("opening the event stream")
    }

    /// Reads until told to stop, over ends of the stream; begins with `opened`
    /// if that succeeded.
    ///
    /// # Errors
    /// The stream was not open at the end: it could not be opened, or not
    /// again.
    pub async fn run(
        self,
        opened: anyhow::Result<reqwest::Response>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (mut last_id, mut failed) = (None, None);
        let reading = async {
            let mut opened = opened;
            loop {
                match opened {
                    Ok(response) => {
                        failed = None;
                        self.read(response, &mut last_id).await;
                        // Told to stop before it opens again or fails to, what it
                        // has not read is unread all the same.
                        failed = Some(anyhow!("the event stream ended, and did not open again"));
                    }
                    Err(error) => failed = Some(error),
                }
                sleep(AGAIN_AFTER).await;
                opened = self.open(last_id.as_deref()).await;
                if opened.is_ok() {
                    self.inbox.note(|feed| feed.reconnects += 1);
                }
            }
        };
        stop.run_until_cancelled(reading).await;
        failed.map_or(Ok(()), Err)
    }

    /// Reads to the end of a stream.
    async fn read(&self, response: reqwest::Response, last_id: &mut Option<String>) {
        let mut bytes = response.bytes_stream();
        let mut parser = Parser::default();
        while let Some(Ok(chunk)) = bytes.next().await {
            let now_us = self.progress.now_us();
            parser.feed(&chunk, |message| {
                if let Some(id) = message.id {
                    *last_id = Some(id.to_owned());
                }
                match message.event {
                    "gap" | "lagged" => self.inbox.note(|feed| feed.gaps += 1),
                    _ => {
                        let json = message.data.as_bytes();
                        match self.reader.with_receipt(json) {
                            Ok((event, received_at_ms)) => {
                                let received_us = received_at_ms.map(|ms| now_us - ms * 1_000);
                                let since_ping = SincePing { received_us, publishing_us: None };
                                let arrived = Arrived { event, json, now_us, since_ping };
                                self.inbox.take(&self.world, arrived);
                            }
                            Err(_) => self.inbox.note(|feed| feed.unreadable += 1),
                        }
                    }
                }
            });
        }
    }
}

/// One server-sent event.
struct Message<'p> {
    id: Option<&'p str>,
    event: &'p str,
    data: &'p str,
}

/// Server-sent events from bytes (HTML standard, "Parsing an event stream"), as
/// far as an event is one line of data, which those of the engine are.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    event: String,
    data: String,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Message<'_>)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                self.line.clear();
                continue;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.take_line(line.trim_end_matches(['\r', '\n']), &mut take);
            }
        }
    }

    fn take_line(&mut self, line: &str, take: &mut impl FnMut(Message<'_>)) {
        if line.is_empty() {
            if !self.data.is_empty() {
                take(Message { id: self.id.as_deref(), event: &self.event, data: &self.data });
            }
            self.id = None;
            self.event.clear();
            self.data.clear();
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.event = value.to_owned(),
            "data" => self.data.push_str(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::profile::Profile;
    use crate::send::http::client;
    use crate::truth::Names;

    #[tokio::test]
    async fn a_stream_that_ends_and_does_not_open_again_is_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/events", listener.local_addr().unwrap());
        let world = Profile::load("smoke").unwrap().world(None).unwrap();
        let names = Names { start_ms: 0, prefix: String::new() };
        let stream = EventStream {
            url: url.parse().unwrap(),
            client: client().unwrap(),
            reader: EventReader::new(&world.fences, names),
            inbox: Arc::default(),
            progress: Arc::new(Progress::new(std::time::Instant::now(), 0, 0)),
            world: Arc::new(world),
        };
        let stop = CancellationToken::new();
        let target = async {
            let (mut first, _) = listener.accept().await.unwrap();
            // Unread, the request would have the connection reset.
            assert_ne!(first.read(&mut [0; 1 << 10]).await.unwrap(), 0);
            first.write_all(b"HTTP/1.1 200 OK\r\n\r\n: committed\n\n").await.unwrap();
            drop(first);
            // Whoever comes again is taken and hears nothing.
            let _held = listener.accept().await.unwrap();
            stop.cancel();
        };
        let reading = async {
            let opened = stream.open(None).await;
            stream.run(opened, stop.clone()).await
        };
        let ((), read) = tokio::join!(target, reading);
        let error = read.expect_err("it is not open").to_string();
        assert!(error.contains("did not open again"), "{error}");
    }

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        let text = ": committed events\nretry: 2000\n\nid: 0-17-2\nevent: geofence_enter\n\
                    data: {\"a\":1}\n\n: keep-alive\n\nevent: gap\ndata: {}\n\n";
        for size in 1..text.len() {
            let (mut parser, mut seen) = (Parser::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                parser.feed(chunk, |message| {
                    let id = message.id.map(str::to_owned);
                    seen.push((id, message.event.to_owned(), message.data.to_owned()));
                });
            }
            let expected = [
                (Some("0-17-2".to_owned()), "geofence_enter".to_owned(), "{\"a\":1}".to_owned()),
                (None, "gap".to_owned(), "{}".to_owned()),
            ];
            assert_eq!(seen, expected, "in chunks of {size}");
        }
    }
}
