//! Laws: shapes against slow and obvious readings of the same rings, steps
//! against sampling, the index against a scan of all fences.

#![allow(clippy::unwrap_used, reason = "functions that tests call are tests")]

mod confidence;
mod distances;
mod index;
mod rings;
mod sides;
mod stretches;
#[path = "../support/mod.rs"]
mod support;
