//! The `loadgen` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::cli::main()
}
