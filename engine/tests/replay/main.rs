//! `fleetstream replay` from the outside: the real binary on real days, and on
//! files that are none.

mod arguments;
mod bad_files;
mod brute_force;
mod determinism;
mod explain;
mod rows;
mod summary;
mod support;
mod tags;
