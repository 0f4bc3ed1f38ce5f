//! The worker from the outside: the real binary, real signals, real files.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

mod bigquery;
mod damage;
mod demo;
mod directory;
mod disk;
mod durable;
mod explain;
mod fences;
mod firestore;
mod idle;
mod kills;
mod rejects;
mod restarts;
mod rotation;
mod shared;
mod shutdown;
mod tags;
mod takeover;
