//! Whole runs against targets that are made for it.

mod judged;
mod pubsub;
mod support;
