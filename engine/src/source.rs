//! Where pings come from, and what every source computes once for all the
//! shards it feeds.

pub mod demo;
pub mod file;
pub mod low_mark;
