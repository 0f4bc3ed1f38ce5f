//! Load with known truth.
//!
//! Fleets whose every movement is a function of a seed, so that what really
//! happened (who entered which fence when, who stood, idled, fell silent) is
//! known to the millisecond; sending on an exact schedule that no slow target
//! can slow down; and a verdict on what came of it.
//!
//! Knows the engine by its wire and its documents only. It shares the reader of
//! fences, so that both speak of the same shapes, and nothing of detection.

pub mod cli;
pub mod content;
pub mod dials;
pub mod draws;
pub mod fences;
pub mod fleet;
pub mod geometry;
pub mod google;
pub mod latency;
pub mod ledger;
pub mod profile;
pub mod read;
pub mod run;
pub mod schedule;
pub mod send;
pub mod stream;
pub mod target_process;
pub mod traces;
pub mod truth;
pub mod verdict;
pub mod windows;
pub mod wire;
pub mod world;
