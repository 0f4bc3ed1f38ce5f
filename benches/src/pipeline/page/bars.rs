//! A bar for each figure, its length by the logarithm: what is measured, its
//! floor and its baseline below each other.

use std::fmt::Write as _;

use super::escaped;
use crate::pipeline::report::{Line, Spread};
use crate::pipeline::rows::Figure;

const TEXT: f64 = 380.0;
const PLOT: f64 = 420.0;
const AFTER: f64 = 180.0;
const BAR: f64 = 14.0;
const GAP: f64 = 12.0;
const OURS: &str = "#0072b2";
const FLOOR: &str = "#bbbbbb";
const BASELINE: &str = "#e69f00";

pub(super) fn svg(lines: &[Line]) -> String {
    // Bytes and seconds have no scale in common.
    let (bytes, times): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line.figure == Figure::Bytes);
    panel(&times) + &panel(&bytes)
}

fn panel(lines: &[&Line]) -> String {
    let bars = |line: &Line| {
        let all = [(Some(line.ours), OURS), (line.floor, FLOOR), (line.baseline, BASELINE)];
        let figure = line.figure;
        all.into_iter().filter_map(move |(it, colour)| Some((it?, colour, figure)))
    };
    let medians = || lines.iter().flat_map(|line| bars(line)).map(|(it, ..)| it.median);
    let most = medians().fold(0.0, f64::max);
    let least = medians().filter(|median| *median > 0.0).fold(most, f64::min);
    if most <= 0.0 {
        return String::new();
    }
    // Whole decades, so that no bar vanishes.
    let (low, high) = (least.log10().floor() - 0.2, most.log10().ceil());
    let length = |value: f64| PLOT * ((value.max(least).log10() - low) / (high - low)).max(0.0);

    let (mut body, mut y) = (String::new(), GAP);
    for line in lines {
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            TEXT - 8.0,
            y + BAR - 3.0,
            escaped(&line.what)
        );
        for (Spread { median, least, most }, colour, figure) in bars(line) {
            let (from, to) = (TEXT + length(least), TEXT + length(most));
            let middle = y + BAR / 2.0;
            let _ = writeln!(
                body,
                "<rect x=\"{TEXT}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"#222\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{}</text>",
                length(median),
                to + 6.0,
                y + BAR - 3.0,
                escaped(&figure.text(median))
            );
            y += BAR + 2.0;
        }
        y += GAP;
    }
    let (width, height) = (TEXT + PLOT + AFTER, y + 24.0);
    let _ = write!(body, "<text x=\"{TEXT}\" y=\"{}\">", y + 12.0);
    for (name, colour) in [("measured", OURS), ("floor", FLOOR), ("baseline", BASELINE)] {
        let _ = write!(body, "<tspan fill=\"{colour}\">■</tspan> {name} ");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" font-family=\"sans-serif\" font-size=\"12\">\n{body}\
         (logarithmic; lines from least to most)</text>\n</svg>\n"
    )
}
