//! `fleetstream demo`, as a new user and a script run it.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{Launch, Outputs, wait_for};

/// Rows of the day.
const PINGS: usize = 53_569;

fn demo(dir: &Path, speed: &str) -> Launch {
    let dir = dir.to_str().unwrap();
    Launch::of(&["demo", "--speed", speed, "--exit-when-done", "--port", "0", "--data-dir", dir])
}

#[test]
fn the_whole_day_passes_and_is_told() {
    let dir = TempDir::new().unwrap();
    let mut demo = demo(dir.path(), "100000").spawn();
    let status = demo.wait();
    let said = demo.printed();
    assert!(status.success(), "{said}\n{}", demo.log());
    assert!(said.contains("http://127.0.0.1:"), "{said}");
    for kind in [
        "geofence_enter",
        "geofence_exit",
        "geofence_visit",
        "geofence_dwell",
        "stationary_start",
        "stationary_end",
        "idle_start",
        "idle_end",
        "vehicle_offline",
        "vehicle_online",
    ] {
        assert!(said.contains(kind), "{kind} is not in: {said}");
    }
    for told in ["enters", "leaves", "stands", "idled", "moves on", "silent", "is back"] {
        assert!(said.contains(told), "{told:?} is not in: {said}");
    }
    assert!(said.contains("\nThe whole day: 53569 pings"), "{said}");
    for next in ["  1. ", "  2. ", "  3. "] {
        assert!(said.contains(next), "{said}");
    }
    assert_eq!(Outputs::of(dir.path()).archive().len(), PINGS);
}

#[test]
fn a_day_cut_short_goes_on_where_it_was() {
    let dir = TempDir::new().unwrap();
    // The day would take more than a minute.
    let mut first = demo(dir.path(), "1000").spawn();
    let journal = dir.path().join("journal/shard-0/journal");
    wait_for("some of the day", || {
        let segments = std::fs::read_dir(&journal).ok()?.count();
        (segments > 15).then_some(())
    });
    first.kill();
    let mut second = demo(dir.path(), "100000").spawn();
    let status = second.wait();
    assert!(status.success(), "{}\n{}", second.printed(), second.log());
    assert!(second.printed().contains("\nThe rest of the day: "), "{}", second.printed());
    let archive = Outputs::of(dir.path()).archive();
    assert_eq!(archive.len(), PINGS, "the whole day, once");
    // And once more, when there is nothing left of it.
    let mut third = demo(dir.path(), "100000").spawn();
    assert!(third.wait().success(), "{}\n{}", third.printed(), third.log());
    let nothing_left = "\nThe rest of the day: no pings; 146 buses are known\n";
    assert!(third.printed().contains(nothing_left), "{}", third.printed());
    assert_eq!(Outputs::of(dir.path()).archive().len(), PINGS);
}
