//! The cloud on one machine, for tests and local trials: Google's own
//! emulators where they exist, stand-ins where they do not.
//!
//! Never part of the worker, and never for data that anybody would miss.

pub mod bigquery;
pub mod emulator;
pub mod network;
mod pubsub;
pub mod storage;

pub use emulator::{FirestoreEmulator, PubsubEmulator};
pub use network::Network;
pub use pubsub::PubsubClient;
