//! The robust profile (semantics §6) from the outside: the vectors of the
//! specification, noise on an edge, the convergence law, and agreement with a
//! slow reference.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod convergence;
mod fleet;
mod histories;
mod hours;
mod noise;
mod random;
mod record;
mod reference;
mod restarts;
mod rules;
mod schedules;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod vectors;
mod worlds;
