//! What this thread and this process use, from `/proc` (Linux).

use std::time::Duration;
use std::{fs, thread};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread so far, user and system, to the nanosecond. Takes
/// some microseconds of it.
///
/// # Panics
/// Without `/proc/thread-self/schedstat`.
pub(crate) fn thread_cpu() -> Duration {
    // A running thread is accounted for at the scheduler's ticks, which are
    // milliseconds apart, and whenever it is put aside: as here.
    thread::sleep(Duration::from_nanos(1));
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux with schedstat");
    let ns = stat.split_ascii_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(ns.expect("the first field is nanoseconds"))
}

/// CPU time of all threads of this process so far, user and system, also of
/// those that have ended.
pub(crate) fn process_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).expect("a process has spent some time, not owed it")
}

/// Resident memory of this process, bytes.
///
/// # Panics
/// Without `/proc/self/status`.
pub(crate) fn rss_bytes() -> u64 {
    engine::process_stats::rss_bytes().expect("a Linux with /proc")
}
