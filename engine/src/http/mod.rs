//! The HTTP interface: ping ingest, live positions, events as they happen,
//! fences, explanations, health, metrics and the live map.
//!
//! Talks to the rest of the process through [`Services`] and to the shards
//! through the intake only. Bounded everywhere: connections, requests, bytes
//! of bodies, streams, and the time each phase of a request may take.

mod answer;
mod body;
mod cached;
mod decoder;
mod events;
mod explain;
mod feed;
mod fences;
mod health;
mod ingest;
mod limits;
mod map;
mod positions;
mod receive_clock;
mod routes;
mod server;
mod shards;
mod split;
mod stall_guard;
mod tags;
mod thread;
mod time;
mod token;
mod unread;

pub use decoder::{SOURCE_NAME, decoder};
pub use events::KINDS;
pub use feed::{EventFeed, FeedEvent, FeedId, FeedIdError, FeedItem, FeedLimits, Subscription};
pub use health::{COMMIT_AGE_MAX, Health, Hindrance};
pub use ingest::{EntryDecoder, Ingest};
pub use limits::HttpLimits;
pub use positions::POSITIONS_MAX;
pub use receive_clock::ReceiveClock;
pub use routes::{RenderMetrics, Services};
pub use server::{BindError, Door, HttpServer};
pub use token::read_token;
