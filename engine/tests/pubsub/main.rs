//! The worker between Google's Pub/Sub emulator and itself: the real binary,
//! a real broker, real signals.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_days;
mod cloud;
#[allow(dead_code, unused_imports, reason = "made for the worker's own tests")]
#[path = "../worker/support/mod.rs"]
mod support;

mod crashes;
mod flow;
mod outages;
mod refused;
mod refused_output;
mod several;
mod start;
mod whole;
mod world;
