//! The robust profile (semantics §6) from the outside: the vectors of the
//! specification, noise on an edge, the convergence law, and agreement with a
//! slow reference.

mod convergence;
mod fleet;
mod noise;
mod random;
mod reference;
#[path = "../support/mod.rs"]
mod support;
mod vectors;
mod worlds;
