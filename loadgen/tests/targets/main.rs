//! Whole runs against targets that are made for it.

mod event_table;
mod files;
mod interrupted;
mod judged;
mod pubsub;
mod support;
