//! The HTTP interface from the outside, over real sockets, in front of a
//! shard that does exactly what each test says.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a test that fails")]

mod client;
mod events;
mod ingest;
mod limits;
mod pages;
mod reads;
mod server;
mod shards;
mod world;
