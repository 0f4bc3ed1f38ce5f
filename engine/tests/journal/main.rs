//! The journal from the outside: stores that fail in every way a store can,
//! workers that race, processes that die between any two steps.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod claims;
mod cloud_storage;
mod commits;
mod consumers;
mod fence_sets;
mod fence_use;
mod fences;
mod golden;
mod history;
mod owners;
mod retention;
mod snapshots;
mod standby;
mod support;
