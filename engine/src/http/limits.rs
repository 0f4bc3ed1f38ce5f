//! What one client, and all clients together, may ask of the process.

use std::time::Duration;

/// Bounds of the HTTP server. Memory for requests stays below
/// `in_flight_bytes_max`; what they hand over counts in the intake's queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest body as it travels, bytes (1 MiB). Above: 413.
    pub body_bytes_max: usize,
    /// Largest body after decompression, bytes (4 MiB). Above: 413.
    pub decoded_bytes_max: usize,
    /// Largest fence, as it travels and after decompression, bytes (16 MiB:
    /// more than the vertices that a fence may have). Above: 413.
    pub fence_bytes_max: usize,
    /// Pings in one request (1,000). Above: 413.
    pub pings_max: usize,
    /// Ping requests answered at the same time (4,096). Above: 429.
    pub in_flight_max: usize,
    /// Bytes of bodies being read and decoded at the same time (64 MiB), never
    /// less than one largest request takes. Above: 429.
    pub in_flight_bytes_max: usize,
    /// Connections at the same time (4,096); further ones wait unaccepted.
    pub connections_max: usize,
    /// Event streams at the same time (256). Above: 503.
    pub event_streams_max: usize,
    /// A request's head must arrive within this, and a connection may idle
    /// for as long (15 s).
    pub header_timeout: Duration,
    /// A request's body must arrive within this (10 s). Above: 408.
    pub body_timeout: Duration,
    /// A request is answered within this (30 s). Above: 503.
    pub answer_timeout: Duration,
    /// A client that reads nothing of an answer for this long is cut off
    /// (30 s).
    pub write_timeout: Duration,
    /// Silence on an event stream after which a comment is sent (15 s).
    pub keep_alive: Duration,
    /// Requests under way at shutdown have this long to end (5 s).
    pub drain_timeout: Duration,
}

impl HttpLimits {
    /// `in_flight_bytes_max`, raised to what one largest request takes.
    pub(super) fn budget_bytes(&self) -> usize {
        self.in_flight_bytes_max.max(self.body_bytes_max + self.decoded_bytes_max)
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            decoded_bytes_max: 4 << 20,
            fence_bytes_max: 16 << 20,
            pings_max: 1_000,
            in_flight_max: 4_096,
            in_flight_bytes_max: 64 << 20,
            connections_max: 4_096,
            event_streams_max: 256,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(5),
        }
    }
}
