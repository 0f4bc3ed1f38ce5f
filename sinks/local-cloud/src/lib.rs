//! The cloud on one machine.
