//! What a worker asks the system for.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;

use tempfile::TempDir;

use crate::support::{Launch, text};

/// The tunables of the C library that a worker began with.
fn tunables(launch: &Launch) -> Option<String> {
    let mut worker = launch.start();
    let environment = fs::read(format!("/proc/{}/environ", worker.pid())).unwrap();
    assert!(worker.stop().success(), "{}", worker.log());
    let variables = text(&environment);
    variables.split('\0').find_map(|it| it.strip_prefix("GLIBC_TUNABLES=")).map(str::to_owned)
}

#[test]
fn huge_pages_are_asked_for_where_the_kernel_wants_to_be_asked() {
    let kernel = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !kernel.unwrap_or_default().contains("[madvise]") || !cfg!(target_env = "gnu") {
        println!("skipped: the kernel or the C library does not want to be asked");
        return;
    }
    let dir = TempDir::new().unwrap();
    let launch = || Launch::run(dir.path());
    let given = |tunables: &str| launch().env("GLIBC_TUNABLES", tunables);
    assert_eq!(tunables(&given("")).as_deref(), Some("glibc.malloc.hugetlb=1"));
    let no = "glibc.malloc.hugetlb=0";
    assert_eq!(tunables(&given(no)).as_deref(), Some(no));
    // As where the loader takes it away: once is enough.
    assert_eq!(tunables(&given("").env("_FLEETSTREAM_ANEW", "1")).as_deref(), Some(""));
}

/// What a start anew that fails has left to the system is an error again.
#[test]
fn a_program_that_cannot_be_started_anew_goes_on_and_survives_a_broken_pipe() {
    const SIGPIPE: u32 = 13;
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let link = dir.path().join("gone");
    fs::hard_link(env!("CARGO_BIN_EXE_fleetstream"), &link).unwrap();
    let held = File::open(&link).unwrap();
    fs::remove_file(link).unwrap();
    let name = format!("/proc/{}/fd/{}", std::process::id(), held.as_raw_fd());

    let launch = Launch::run(&dir.path().join("data")).by_name(name.into());
    let mut worker = launch.env("GLIBC_TUNABLES", "").start();
    let status = fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let signals = |field: &str| {
        let bits = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        u64::from_str_radix(bits.trim(), 16).unwrap()
    };
    let heard = signals("SigIgn:") | signals("SigCgt:");
    assert_ne!(heard & (1 << (SIGPIPE - 1)), 0, "{status}");
    assert!(worker.stop().success(), "{}", worker.log());
}
