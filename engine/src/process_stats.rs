//! What a process has used so far, from `/proc` (Linux). On other systems every
//! answer is "unknown".

use std::fs;

/// Entry of the auxiliary vector that holds the clock ticks per second.
const AT_CLKTCK: u64 = 17;

/// User and system CPU time of all threads, in seconds; the kernel counts in
/// ticks of 10 ms as a rule.
#[must_use]
pub fn cpu_seconds() -> Option<f64> {
    cpu_seconds_at("/proc/self/stat")
}

/// The same of another process, also of one that has ended and was not waited
/// for yet.
#[must_use]
pub fn cpu_seconds_of(pid: u32) -> Option<f64> {
    cpu_seconds_at(&format!("/proc/{pid}/stat"))
}

/// Resident memory now, in bytes.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    status_bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// The most resident memory so far, in bytes.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// The same of another process, which has not ended.
#[must_use]
pub fn peak_rss_bytes_of(pid: u32) -> Option<u64> {
    status_bytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM")
}

fn cpu_seconds_at(path: &str) -> Option<f64> {
    let stat = fs::read_to_string(path).ok()?;
    Some(cpu_ticks(&stat)? as f64 / ticks_per_second()? as f64)
}

/// `utime` + `stime`, fields 14 and 15 of proc(5). The program's name, field
/// 2, may hold anything, a closing parenthesis too, so fields count from the
/// last one.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(14 - 3);
    let (utime, stime) = (fields.next()?, fields.next()?);
    Some(utime.parse::<u64>().ok()? + stime.parse::<u64>().ok()?)
}

fn ticks_per_second() -> Option<u64> {
    let vector = fs::read("/proc/self/auxv").ok()?;
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).ok();
    vector
        .chunks_exact(2 * size_of::<usize>())
        .filter_map(|entry| {
            let (tag, value) = entry.split_at(size_of::<usize>());
            Some((word(tag)? as u64, word(value)? as u64))
        })
        .find(|(tag, _)| *tag == AT_CLKTCK)
        .map(|(_, ticks)| ticks)
        .filter(|ticks| *ticks > 0)
}

/// A `Name:   123 kB` line of `/proc/self/status`.
fn status_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib = line.trim().strip_suffix("kB")?.trim_end();
    Some(kib.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_shifts_no_field() {
        let stat = "7 (a) R (b c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 99";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn status_lines() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nVmRSSX:\t 1 kB\n";
        assert_eq!(status_bytes(status, "VmRSS"), Some(1 << 20));
        assert_eq!(status_bytes(status, "VmHWM"), Some(2 << 20));
        assert_eq!(status_bytes(status, "VmSwap"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_measured() {
        let before = cpu_seconds().expect("/proc is mounted");
        let started = std::time::Instant::now();
        let mut spun = 0_u64;
        while cpu_seconds().expect("/proc is mounted") < before + 0.03 {
            spun = spun.wrapping_add(std::hint::black_box(1));
            assert!(started.elapsed().as_secs() < 60, "no CPU time counted in {spun} turns");
        }
        let (rss, peak) = (rss_bytes().expect("known"), peak_rss_bytes().expect("known"));
        assert!(rss > 1 << 20 && peak >= rss / 2, "{rss} {peak}");
    }
}
