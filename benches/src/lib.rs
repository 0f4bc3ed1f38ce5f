//! Worlds to measure in, the naive baselines to measure against, and the
//! measurements that are more than the time of one function. All from fixed
//! seeds: the same on every machine.

pub mod city;
pub mod curve;
pub mod detection;
pub mod fleet;
pub mod journal;
pub mod naive;
pub mod pipeline;
mod usage;
