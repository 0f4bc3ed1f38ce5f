//! Whole runs against targets that are made for it.

mod event_table;
mod files;
mod judged;
mod pubsub;
mod support;
