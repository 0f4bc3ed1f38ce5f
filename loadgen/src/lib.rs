//! Load with known truth.
