//! A panel for each curve: what grows to the right, the cost upwards.

use std::fmt::Write as _;

use super::escaped;
use crate::pipeline::report::Line;
use crate::pipeline::units;

const PANEL: (f64, f64) = (420.0, 240.0);
const LEFT: f64 = 70.0;
const TOP: f64 = 36.0;
const GAP: (f64, f64) = (90.0, 80.0);
const COLOUR: &str = "#0072b2";

pub(super) fn svg(lines: &[Line]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for point in lines.iter().filter_map(|line| line.point) {
        if !names.contains(&point.of) {
            names.push(point.of);
        }
    }
    let width = LEFT + 2.0 * PANEL.0 + GAP.0 + 30.0;
    let height = TOP + names.len().div_ceil(2) as f64 * (PANEL.1 + GAP.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    for (index, name) in names.iter().enumerate() {
        let x = LEFT + (index % 2) as f64 * (PANEL.0 + GAP.0);
        let y = TOP + (index / 2) as f64 * (PANEL.1 + GAP.1);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        panel(&mut svg, name, lines);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Steps stand at equal distances, since curves are measured at steps that
/// grow by a factor; the cost starts at nothing.
fn panel(svg: &mut String, name: &str, lines: &[Line]) {
    let on_curve = |line: &&Line| line.point.is_some_and(|point| point.of == name);
    let lines: Vec<&Line> = lines.iter().filter(on_curve).collect();
    let most = lines.iter().map(|line| line.ours.most).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = PANEL;
    let steps = lines.len().saturating_sub(1).max(1) as f64;
    let across = |index: usize| width * index as f64 / steps;
    let upwards = |value: f64| height * (1.0 - value / most);
    let _ = writeln!(
        svg,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#444\"/>\n\
         <text x=\"{}\" y=\"-10\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\n\
         <text x=\"-6\" y=\"4\" text-anchor=\"end\">{}</text>\n\
         <text x=\"-6\" y=\"{height}\" text-anchor=\"end\">0</text>",
        width / 2.0,
        escaped(name),
        escaped(&units::time(most))
    );
    let mut path = String::new();
    for (index, line) in lines.iter().enumerate() {
        let (x, y) = (across(index), upwards(line.ours.median));
        let at = line.point.map_or(0, |point| point.at as u32);
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"{COLOUR}\"/>\n\
             <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{COLOUR}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            upwards(line.ours.least),
            upwards(line.ours.most),
            (y - 10.0).max(12.0),
            escaped(&units::time(line.ours.median)),
            height + 18.0,
            units::count(at)
        );
    }
    let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{COLOUR}\"/>");
}
