//! The `fleetstream` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine::cli::main()
}
