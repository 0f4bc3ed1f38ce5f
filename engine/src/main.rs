//! The `fleetstream` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Most of what a ping and an event are made of is let go by another task than
/// took it, in pieces of all sizes; see decision 0059.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    engine::cli::main()
}
