//! The `fleetstream` binary.

fn main() {}
