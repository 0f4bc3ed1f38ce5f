//! What the target costs: CPU and memory of a process, from `/proc` (Linux).

use std::fs;

use serde::{Deserialize, Serialize};

/// Clock ticks in a second: what every Linux kernel reports in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that is watched.
#[derive(Clone, Debug)]
pub struct TargetProcess {
    pid: u32,
    ticks_at_start: Option<u64>,
    usage: Usage,
}

/// What it used since it was watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// User and system time, seconds.
    pub cpu_s: f64,
    /// The most resident memory seen, bytes.
    pub rss_bytes_max: u64,
    /// Resident memory when first and last seen, bytes.
    pub rss_bytes_first: u64,
    /// See `rss_bytes_first`.
    pub rss_bytes_last: u64,
}

impl TargetProcess {
    /// Watches process `pid` from now on.
    #[must_use]
    pub fn watch(pid: u32) -> Self {
        let mut watched = Self { pid, ticks_at_start: ticks(pid), usage: Usage::default() };
        watched.look();
        watched
    }

    /// Whether process `pid` is there to be watched.
    #[must_use]
    pub fn is_there(pid: u32) -> bool {
        ticks(pid).is_some()
    }

    /// Looks again.
    pub fn look(&mut self) {
        if let Some(rss) = rss_bytes(self.pid) {
            if self.usage.rss_bytes_first == 0 {
                self.usage.rss_bytes_first = rss;
            }
            self.usage.rss_bytes_last = rss;
            self.usage.rss_bytes_max = self.usage.rss_bytes_max.max(rss);
        }
        if let Some((now, start)) = ticks(self.pid).zip(self.ticks_at_start) {
            self.usage.cpu_s = now.saturating_sub(start) as f64 / TICKS_PER_SECOND;
        }
    }

    /// What it used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may hold anything: fields count from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

fn rss_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_time() {
        let mut watched = TargetProcess::watch(std::process::id());
        let mut sum = 0_u64;
        while watched.usage().cpu_s == 0.0 {
            sum = (0..1_000_000).fold(sum, |sum, n| sum ^ crate::draws::mix(n));
            watched.look();
        }
        assert_ne!(sum, 1);
        assert!(watched.usage().rss_bytes_max > 1 << 20);
        assert!(TargetProcess::is_there(std::process::id()));
        // Above any that Linux gives out.
        assert!(!TargetProcess::is_there(1 << 30));
    }
}
