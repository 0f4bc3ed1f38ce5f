//! Live positions in a real Firestore: Google's emulator.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

mod bad_days;
mod owners;
mod writing;
