//! The measurements, at toy size: each runs and prints its tables.

use std::path::Path;
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
    let sizes = ["--vehicles", "50", "--fences", "20", "--rounds", "1"];
    let many = ["--many-fences", "40", "--many-vehicles", "200"];
    let tables = printed(&[&["detection"], sizes.as_slice(), many.as_slice()].concat());
    let many = ["| 50 | 40 | 95 | 30 |", "| 200 | 20 | 0 | 5 |"];
    for row in ["| in order |", "| 10 % up to 10 min late |", "| 870 s |"].iter().chain(&many) {
        assert!(tables.contains(row), "{row} is missing:\n{tables}");
    }
}

/// Every part of the pipeline, and the page with its plots.
#[test]
fn the_pipeline_is_measured_from_end_to_end() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let page = directory.path().join("page.html");
    let page = page.to_str().expect("a path in UTF-8");
    let parts = "decode,index,core,file,http,pubsub,parquet,recovery,fences,scaling";
    let arguments = ["pipeline", "--toy", "--rounds", "1", "--only", parts, "--page", page];
    let tables = printed(&arguments);
    let headings: Vec<&str> = tables.lines().filter(|line| line.starts_with("### ")).collect();
    assert_eq!(headings.len(), parts.split(',').count(), "{tables}");
    for row in ["| 10 fences | ", "| … robust beside plain | ", "vehicles from a snapshot, CPU | "]
    {
        assert!(tables.contains(row), "{row} is missing:\n{tables}");
    }
    let html = std::fs::read_to_string(page).expect("the page was written");
    assert_eq!(html.matches("<h2>").count(), headings.len());
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    let unreal = html.lines().find(|line| line.contains("NaN") || line.contains("inf"));
    assert_eq!(unreal, None);
}

/// The share of what the defaults of arrow-rs take that both tables take of a
/// real day: sizes, which depend on neither build nor machine.
#[test]
fn the_archive_of_a_real_day_is_small() {
    let austin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/data/austin");
    let file = |name| austin.join(name).into_os_string().into_string().expect("a path in UTF-8");
    let (pings, fences) = (file("buses.csv.zst"), file("austin_neighborhoods.geojson"));
    let of_day = ["--pings", &pings, "--fences", &fences];
    let only = ["pipeline", "--only", "parquet", "--rounds", "1"];
    let tables = printed(&[&only[..], &of_day].concat());
    for (table, share_max) in [("pings", 0.65), ("events", 0.82)] {
        let share = share(&tables, &format!(", {table}, bytes a row"));
        assert!(share <= share_max, "{table}: {share} of the default size\n{tables}");
    }
}

/// Ours as a share of the baseline, in the row that `named` stands in.
fn share(tables: &str, named: &str) -> f64 {
    let row = tables.lines().find(|line| line.contains(named)).expect("the row is there");
    let baseline_by_ours = row.split('|').nth(5).expect("a row has seven cells").trim();
    1.0 / baseline_by_ours.parse::<f64>().expect("one round has no spread")
}
