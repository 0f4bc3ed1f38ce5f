//! `fleetstream fences check`: what a GeoJSON file, or a directory of them, means
//! as fences, what was mended and what cannot be used.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use geofence::{Fence, FenceNote, FenceSet, FenceSettings, Parsed, Shape, parse_fences};
use serde_json::{Value, json};

use crate::cli::{FencesCheckArgs, Format};
use crate::exit::{self, Exit, WithExit};
use crate::fences::{self, Problem};

/// Runs `fences check`.
///
/// # Errors
/// The file cannot be read or is no GeoJSON as a whole.
pub fn check(args: &FencesCheckArgs) -> anyhow::Result<Exit> {
    let parsed = read(&args.file).exit_with(Exit::Config)?;
    let answer = match args.format {
        Format::Text => text(&parsed),
        Format::Json => format!("{:#}\n", as_json(&parsed)),
    };
    exit::print(&answer)?;
    Ok(if parsed.refusals.is_empty() { Exit::Success } else { Exit::Config })
}

fn read(path: &Path) -> anyhow::Result<Parsed> {
    if path.is_dir() {
        return Ok(read_directory(path));
    }
    let place = || path.display().to_string();
    let bytes = fs::read(path).map_err(|error| anyhow!("cannot be read: {error}"));
    bytes.and_then(|bytes| Ok(parse_fences(&bytes)?)).with_context(place)
}

/// The files as the worker would take them up: all of them or none.
fn read_directory(path: &Path) -> Parsed {
    fences::read(path).unwrap_or_else(|problems| Parsed {
        set: FenceSet::empty(),
        repairs: Vec::new(),
        refusals: problems.into_iter().map(refusal).collect(),
    })
}

fn refusal(Problem { path, note, message }: Problem) -> FenceNote {
    let file = path.display();
    match note {
        Some(note) => FenceNote { message: format!("{}, in {file}", note.message), ..note },
        None => FenceNote { fence: file.to_string(), code: "file_unusable", message },
    }
}

/// A line for each fence, then for each repair and each refusal.
fn text(parsed: &Parsed) -> String {
    let fences = parsed.set.fences();
    let mut out = format!(
        "{}, {} repaired, {} refused\n",
        counted(fences.len(), "fence"),
        parsed
            .repairs
            .iter()
            .map(|note| &note.fence)
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        parsed.refusals.len()
    );
    let rows: Vec<[String; 4]> = fences
        .iter()
        .map(|fence| {
            [
                fence.id.clone(),
                shape_text(&fence.shape),
                area_text(fence.shape.area_m2()),
                remarks(fence),
            ]
        })
        .collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (ids, shapes, areas) = (width(0), width(1), width(2));
    for [id, shape, area, remarks] in &rows {
        let line = format!("  {id:ids$}  {shape:shapes$}  {area:>areas$}  {remarks}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for note in &parsed.repairs {
        let _ = writeln!(out, "repaired: {}", remark(note));
    }
    for note in &parsed.refusals {
        let _ = writeln!(out, "refused: {}", remark(note));
    }
    out
}

/// The name, where it says more than the id; whom the fence concerns, and when;
/// what it has of its own in place of the configuration's.
fn remarks(fence: &Fence) -> String {
    let name = (fence.name != fence.id).then(|| fence.name.clone());
    let tags = (!fence.tags.is_empty()).then(|| format!("for {}", fence.tags.join(", ")));
    let hours = fence.schedule.as_ref().map(|schedule| format!("open {schedule}"));
    let FenceSettings { dwell_s, exit_confirm, min_inside_s } = &fence.settings;
    let dwell = dwell_s.as_ref().map(|thresholds| match thresholds.as_slice() {
        [] => "no dwells".to_owned(),
        thresholds => format!("dwell at {} s", joined(thresholds)),
    });
    let inside = min_inside_s.map(|seconds| format!("entered after {seconds} s"));
    let exit = exit_confirm.map(|pings| format!("left after {}", counted(pings as usize, "ping")));
    let all = [name, tags, hours, dwell, inside, exit];
    all.into_iter().flatten().collect::<Vec<String>>().join("; ")
}

fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn remark(note: &FenceNote) -> String {
    format!("{}: {} [{}]", note.fence, note.message, note.code)
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Polygon(polygonal) => format!("polygon, {} vertices", polygonal.vertices()),
        Shape::Circle(circle) => format!("circle, radius {} m", circle.radius_m()),
        Shape::Corridor(corridor) => format!("corridor, half width {} m", corridor.half_width_m()),
    }
}

/// Square metres up to a tenth of a square kilometre, then these.
fn area_text(area_m2: f64) -> String {
    if area_m2 < 100_000.0 {
        format!("{area_m2:.0} m²")
    } else {
        format!("{:.3} km²", area_m2 / 1e6)
    }
}

fn as_json(parsed: &Parsed) -> Value {
    let notes = |notes: &[FenceNote]| -> Vec<Value> {
        notes
            .iter()
            .map(|note| json!({ "fence": note.fence, "code": note.code, "message": note.message }))
            .collect()
    };
    json!({
        "ok": parsed.refusals.is_empty(),
        "hash": parsed.set.hash(),
        "fences": parsed.set.fences().iter().map(fence_as_json).collect::<Vec<_>>(),
        "repairs": notes(&parsed.repairs),
        "refusals": notes(&parsed.refusals),
    })
}

fn fence_as_json(fence: &Fence) -> Value {
    let (kind, measure, value) = match &fence.shape {
        Shape::Polygon(polygonal) => ("polygon", "vertices", json!(polygonal.vertices())),
        Shape::Circle(circle) => ("circle", "radius_m", json!(circle.radius_m())),
        Shape::Corridor(corridor) => ("corridor", "half_width_m", json!(corridor.half_width_m())),
    };
    json!({
        "id": fence.id,
        "name": fence.name,
        "tags": fence.tags,
        "schedule": fence.schedule.as_ref().map(|schedule| schedule.to_json()),
        "dwell_s": fence.settings.dwell_s,
        "exit_confirm": fence.settings.exit_confirm,
        "min_inside_s": fence.settings.min_inside_s,
        "shape": kind,
        measure: value,
        "area_m2": fence.shape.area_m2(),
    })
}
