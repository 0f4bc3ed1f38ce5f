//! What goes wrong between a vehicle and the engine, each off or with a share.
//!
//! Every dial is a function of the seed, the vehicle and the number of its fix,
//! so that turning one does not change what another does.

mod clocks;
mod malformed;
mod noise;
mod transport;

pub use clocks::{ClockFault, Clocks};
pub use malformed::{CODES, Malformed, encode as encode_malformed, malformed_mark};
pub use noise::Noise;
pub use transport::Transport;
