//! The worker around the pure core: sources, shard tasks, the journal, HTTP
//! and the commands. Knows no geometry.

pub mod cli;
pub mod commands;
pub mod config;
pub mod decode;
pub mod exit;
pub mod explain;
pub mod fences;
pub mod http;
pub mod intake;
pub mod journal;
pub mod logging;
pub mod metrics;
mod open_files;
pub mod pipeline;
pub mod process_stats;
pub mod shard;
pub mod signals;
pub mod source;
pub mod tags;
pub mod wall_clock;
pub mod worker;
