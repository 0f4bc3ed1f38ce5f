//! The curve as an SVG file: a panel for each interval, false events to the
//! right, delay upwards.

use std::fmt::Write as _;

use super::{INTERVALS_S, Point, SIGMAS_M};

const PANEL: (f64, f64) = (420.0, 300.0);
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const GAP: (f64, f64) = (60.0, 70.0);
const COLOURS: [&str; 5] = ["#888888", "#e69f00", "#0072b2", "#009e73", "#cc79a7"];
/// False events an hour at the left edge; none at all stands there too.
const FALSE_MIN: f64 = 0.01;
const FALSE_DECADES: f64 = 5.0;
/// Seconds at the bottom, and how many decades upwards.
const DELAY_MIN: f64 = 0.1;
const DELAY_DECADES: f64 = 4.0;

pub(super) fn svg(points: &[Point]) -> String {
    let width = LEFT + 2.0 * PANEL.0 + GAP.0 + 20.0;
    let height = TOP + 2.0 * (PANEL.1 + GAP.1) + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, interval_s) in INTERVALS_S.iter().enumerate() {
        let x = LEFT + (index % 2) as f64 * (PANEL.0 + GAP.0);
        let y = TOP + (index / 2) as f64 * (PANEL.1 + GAP.1);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        frame(&mut svg, *interval_s);
        for point in points.iter().filter(|point| point.interval_s == *interval_s) {
            dot(&mut svg, point, &names(points));
        }
        svg.push_str("</g>\n");
    }
    legend(&mut svg, &names(points), height - 45.0);
    svg.push_str("</svg>\n");
    svg
}

/// The rules in the order of the table.
fn names(points: &[Point]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for point in points {
        if !names.contains(&point.rules) {
            names.push(point.rules);
        }
    }
    names
}

fn across(false_per_hour: f64) -> f64 {
    let decades = (false_per_hour.max(FALSE_MIN) / FALSE_MIN).log10();
    PANEL.0 * (decades / FALSE_DECADES).min(1.0)
}

fn upwards(delay_s: f64) -> f64 {
    let decades = (delay_s.max(DELAY_MIN) / DELAY_MIN).log10();
    PANEL.1 * (1.0 - (decades / DELAY_DECADES).min(1.0))
}

fn frame(svg: &mut String, interval_s: f64) {
    let (width, height) = PANEL;
    let _ = writeln!(
        svg,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#444\"/>\n\
         <text x=\"{}\" y=\"-10\" text-anchor=\"middle\" font-weight=\"bold\">\
         a ping every {interval_s} s</text>",
        width / 2.0
    );
    for decade in 0..=FALSE_DECADES as i32 {
        let value = FALSE_MIN * 10f64.powi(decade);
        let x = across(value);
        let label = if decade == 0 { "none".to_owned() } else { format!("{value}") };
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} 0V{height}\" stroke=\"#ddd\"/>\n\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            height + 16.0
        );
    }
    for decade in 0..=DELAY_DECADES as i32 {
        let value = DELAY_MIN * 10f64.powi(decade);
        let y = upwards(value);
        let _ = writeln!(
            svg,
            "<path d=\"M0 {y:.1}H{width}\" stroke=\"#ddd\"/>\n\
             <text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{value} s</text>",
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">false events per hour parked by the edge</text>",
        width / 2.0,
        height + 34.0
    );
}

/// The greater the noise, the larger the dot.
fn dot(svg: &mut String, point: &Point, names: &[&str]) {
    let colour = names.iter().position(|name| *name == point.rules).unwrap_or(0);
    let rank = SIGMAS_M.iter().position(|sigma| *sigma == point.sigma_m).unwrap_or(0);
    let _ = writeln!(
        svg,
        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{}\" fill=\"{}\" fill-opacity=\"0.7\">\
         <title>{}, σ {} m</title></circle>",
        across(point.score.false_per_hour()),
        upwards(point.score.exit_delay_s()),
        3 * (rank + 1),
        COLOURS[colour % COLOURS.len()],
        point.rules,
        point.sigma_m
    );
}

fn legend(svg: &mut String, names: &[&str], y: f64) {
    for (index, name) in names.iter().enumerate() {
        let x = LEFT + index as f64 * 180.0;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"{}\"/>\n\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            COLOURS[index % COLOURS.len()],
            x + 12.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">Upwards: median delay of an exit, from the true crossing. \
         Larger dots: noise of 3, 8, 20 m.</text>",
        y + 28.0
    );
}
