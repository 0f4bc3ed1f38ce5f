//! Worlds to measure in, and the naive baselines to measure against. All from
//! fixed seeds: the same on every machine.

pub mod city;
pub mod fleet;
pub mod naive;
