//! A report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::{Report, text};
use crate::send::Second;

/// Size of a plot, CSS pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers beside it.
const MARGIN: f64 = 60.0;

/// A line of a plot: name, colour, values by second; broken where there is none.
type Line<'a> = (&'a str, &'a str, Vec<Option<f64>>);

/// The report as a page: the verdict, three plots over time and every number.
#[must_use]
pub fn html(report: &Report) -> String {
    let seconds = &report.by_second;
    let of = |value: fn(&Second) -> f64| seconds.iter().map(|it| Some(value(it))).collect();
    // A second without an answer was not answered within 0 ms.
    let of_answers = |value: fn(&Second) -> f64| {
        let answered = |it: &Second| (it.acknowledged > 0).then(|| value(it));
        seconds.iter().map(answered).collect()
    };
    let verdict = if report.pass { "PASS" } else { "FAIL" };
    let colour = if report.pass { "#1a7f37" } else { "#cf222e" };
    let rate = [("answered", "#0969da", of(|second| second.acknowledged as f64))];
    let latency = [
        ("p99", "#cf222e", of_answers(|second| second.p99_ms)),
        ("p50", "#0969da", of_answers(|second| second.p50_ms)),
    ];
    let behind = [("behind", "#8250df", of(|second| second.behind_ms as f64))];
    let scores: Vec<(String, f64)> =
        report.kinds.iter().map(|(kind, score)| (kind.clone(), score.f1)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{verdict}: {profile}</title>\n<style>\
         body{{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;\
         color:#1f2328}}pre{{background:#f6f8fa;padding:1em;overflow:auto;font-size:13px}}\
         h1 span{{color:{colour}}}svg{{display:block}}\
         div{{overflow-x:auto;margin:.5em 0 1.5em}}\
         svg text{{font:12px system-ui,sans-serif;fill:#59636e}}</style></head><body>\n\
         <h1>{profile}: <span>{verdict}</span></h1>\n\
         <h2>Messages answered, each second</h2>\n{}\
         <h2>From intended send time to answer, ms</h2>\n{}\
         <h2>Behind schedule, ms</h2>\n{}\
         <h2>F1 by kind</h2>\n{}\
         <h2>All numbers</h2>\n<pre>{}</pre>\n</body></html>\n",
        plot(&rate),
        plot(&latency),
        plot(&behind),
        bars(&scores),
        escaped(&text(report)),
        profile = escaped(&report.profile),
    )
}

/// Lines over the seconds of the run.
fn plot(lines: &[Line<'_>]) -> String {
    let count = lines.iter().map(|line| line.2.len()).max().unwrap_or(0);
    let highest =
        lines.iter().flat_map(|line| line.2.iter().flatten().copied()).fold(1.0, f64::max);
    let x = |second: usize| MARGIN + second as f64 * (WIDTH - MARGIN) / (count.max(2) - 1) as f64;
    let y = |value: f64| HEIGHT - 20.0 - value.max(0.0) / highest * (HEIGHT - 40.0);
    let mut svg = open_svg(HEIGHT);
    for share in [0.0, 0.5, 1.0] {
        let (at, value) = (y(highest * share), highest * share);
        push(
            &mut svg,
            format_args!(
                "<line x1=\"{MARGIN}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d1d9e0\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
                MARGIN - 6.0,
                at + 4.0
            ),
        );
    }
    for (number, (name, colour, values)) in lines.iter().enumerate() {
        let point = |(second, value): (usize, f64)| format!("{:.1},{:.1}", x(second), y(value));
        for run in unbroken(values) {
            // A line of one point is none; one that goes nowhere is a dot.
            let last = run.last().copied();
            let points: Vec<String> = run.into_iter().chain(last).map(point).collect();
            push(
                &mut svg,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" \
                     stroke-linecap=\"round\" points=\"{}\"/>",
                    points.join(" "),
                ),
            );
        }
        push(
            &mut svg,
            format_args!(
                "<text x=\"{:.0}\" y=\"14\" style=\"fill:{colour}\">{name}</text>",
                MARGIN + 4.0 + 80.0 * number as f64
            ),
        );
    }
    push(
        &mut svg,
        format_args!(
            "<text x=\"{WIDTH}\" y=\"{HEIGHT}\" text-anchor=\"end\">{} s</text></svg></div>\n",
            count.saturating_sub(1)
        ),
    );
    svg
}

/// The stretches of values without a gap: each value with its place.
fn unbroken(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs = vec![Vec::new()];
    for (place, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((place, *value)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// A bar for each value, 0 to 1.
fn bars(values: &[(String, f64)]) -> String {
    let height = 26.0 * values.len().max(1) as f64;
    let mut svg = open_svg(height);
    for (number, (name, value)) in values.iter().enumerate() {
        let top = 26.0 * number as f64;
        let length = value.clamp(0.0, 1.0) * (WIDTH - 260.0);
        push(
            &mut svg,
            format_args!(
                "<text x=\"150\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"160\" y=\"{:.0}\" width=\"{length:.1}\" height=\"16\" fill=\"#0969da\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{value:.4}</text>",
                top + 17.0,
                escaped(name),
                top + 4.0,
                168.0 + length,
                top + 17.0
            ),
        );
    }
    svg.push_str("</svg></div>\n");
    svg
}

/// A drawing in a box of its own, in which it scrolls where the page is narrow.
fn open_svg(height: f64) -> String {
    format!(
        "<div><svg viewBox=\"0 0 {:.0} {height:.0}\" width=\"{:.0}\" height=\"{height:.0}\" \
         role=\"img\">",
        WIDTH + 10.0,
        WIDTH + 10.0
    )
}

fn push(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a String takes every text");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::KindScore;

    #[test]
    fn a_page_holds_its_plots_and_nothing_from_elsewhere() {
        let mut report = Report { profile: "a<b".into(), ..Report::default() };
        report.kinds.insert("geofence_enter".into(), KindScore { f1: 0.5, ..KindScore::default() });
        report.by_second = vec![Second { acknowledged: 100, p99_ms: 7.0, ..Second::default() }; 30];
        let page = html(&report);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert_eq!(page.matches("<polyline").count(), 4);
        assert!(page.contains("a&lt;b") && page.contains("FAIL") && page.contains("0.5000"));
        for outside in ["http:", "https:", "src=", "<script", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<div>").count(), page.matches("</svg></div>").count());
        assert!(page.contains("name=\"viewport\""), "{page}");
        let empty = html(&Report { pass: true, ..Report::default() });
        assert!(empty.contains("PASS") && !empty.contains("NaN"));
    }

    #[test]
    fn a_second_without_answers_breaks_the_line_of_latencies() {
        let answered = Second { acknowledged: 9, p50_ms: 8.0, p99_ms: 9.0, ..Second::default() };
        let silent = Second { troubles: 1, ..Second::default() };
        let by_second = vec![answered, answered, silent, silent, answered];
        let page = html(&Report { by_second, ..Report::default() });
        // Two lines of two stretches, and two whole ones.
        assert_eq!(page.matches("<polyline").count(), 6);
        let [first, second] = &unbroken(&[Some(1.0), None, None, Some(2.0), Some(3.0)])[..] else {
            panic!("two stretches");
        };
        assert_eq!((&first[..], &second[..]), (&[(0, 1.0)][..], &[(3, 2.0), (4, 3.0)][..]));
        assert!(unbroken(&[None]).is_empty());
    }
}
