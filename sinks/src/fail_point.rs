//! Named places at which a test kills the process, to prove what a crash
//! there leaves behind.
//!
//! `FLEETSTREAM_FAIL_POINT=name` kills at the first hit of `name`,
//! `name:N` at the N-th. Without the variable a hit costs one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Armed {
    name: String,
    hits_left: AtomicU64,
}

/// Dies here, as under `kill -9`, if the environment armed this point.
pub fn hit(name: &str) {
    if let Some(armed) = armed()
        && armed.name == name
    {
        armed.hit();
    }
}

/// [`hit`] of the point `<sink>.<step>`, for code that several sinks share.
pub fn hit_in(sink: &str, step: &str) {
    if let Some(armed) = armed()
        && armed.name.split_once('.') == Some((sink, step))
    {
        armed.hit();
    }
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| std::env::var("FLEETSTREAM_FAIL_POINT").ok().map(parse));
    armed.as_ref()
}

impl Armed {
    fn hit(&self) {
        if self.hits_left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        let pid = rustix::process::getpid();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        // The signal is on its way; nothing may happen after this point.
        loop {
            std::thread::park();
        }
    }
}

fn parse(value: String) -> Armed {
    let (name, hits) = match value.rsplit_once(':') {
        Some((name, hits)) => (name.to_owned(), hits.parse().unwrap_or(1)),
        None => (value, 1),
    };
    Armed { name, hits_left: AtomicU64::new(hits) }
}
