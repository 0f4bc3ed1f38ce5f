//! The measurements, at toy size: each runs and prints its tables.

use std::process::Command;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_benches")).args(arguments).output();
    let output = output.expect("the binary was built with this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("tables are text")
}

#[test]
fn the_curve_has_a_row_for_each_choice_of_rules() {
    let tables = printed(&["curve", "--hours", "2"]);
    assert_eq!(tables.matches("### A ping every").count(), 4, "{tables}");
    assert_eq!(tables.lines().filter(|line| line.contains("| robust (default: 2) |")).count(), 12);
}

#[test]
fn detection_is_measured_in_order_and_late() {
    let tables = printed(&["detection", "--vehicles", "50", "--fences", "20", "--rounds", "1"]);
    for row in ["| in order |", "| 10 % up to 10 min late |", "| 870 s |"] {
        assert!(tables.contains(row), "{row} is missing:\n{tables}");
    }
}
