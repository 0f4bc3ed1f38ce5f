//! The worker from the outside: the real binary, real signals, real files.

#[path = "support/mod.rs"]
mod support;

mod durable;
mod fences;
mod kills;
