//! Whole runs against targets that are made for it.

mod files;
mod judged;
mod pubsub;
mod support;
