//! A worker as a child process, a client of it, and readers of what it wrote.

pub(crate) mod bigquery;
mod client;
mod fences;
pub(crate) mod map;
mod mounted;
pub(crate) mod outputs;
mod process;
pub(crate) mod shard;

pub(crate) use client::{Answer, Client};
pub(crate) use fences::fences;
pub(crate) use mounted::{Mounted, is_root};
pub(crate) use outputs::{Outputs, fold};
pub(crate) use process::{Launch, Worker, segments_of, text};

use std::time::{Duration, Instant};

/// Long enough for a loaded machine, short enough to be noticed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something.
///
/// # Panics
/// With `what`, once [`PATIENCE`] is at its end.
pub(crate) fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait(PATIENCE, LOOK_EVERY, what, condition)
}

/// As [`wait_for`], for what takes long by its nature, or is costly to look
/// at.
///
/// # Panics
/// With `what`, once `patience` is at its end.
#[allow(dead_code, reason = "not every test binary needs it")]
pub(crate) fn wait_at_most<T>(
    patience: Duration,
    what: &str,
    condition: impl FnMut() -> Option<T>,
) -> T {
    wait(patience, 40 * LOOK_EVERY, what, condition)
}

fn wait<T>(
    patience: Duration,
    look_every: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain: {what}");
        std::thread::sleep(look_every);
    }
}

/// One ping as the worker reads it; `extra` starts with a comma if it is
/// there at all.
pub(crate) fn ping(vehicle: &str, time: &str, lon: f64, lat: f64, extra: &str) -> String {
    format!(r#"{{"vehicle_id":"{vehicle}","event_time":"{time}","lat":{lat},"lon":{lon}{extra}}}"#)
}
