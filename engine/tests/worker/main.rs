//! The worker from the outside: the real binary, real signals, real files.

mod support;

mod damage;
mod demo;
mod directory;
mod disk;
mod durable;
mod idle;
mod kills;
mod rejects;
mod restarts;
mod shutdown;
mod takeover;
