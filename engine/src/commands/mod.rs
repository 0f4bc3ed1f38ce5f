//! The commands: each takes its arguments and says how the process ends.

pub mod check_config;
pub mod fences;
