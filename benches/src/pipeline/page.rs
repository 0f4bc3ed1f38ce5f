//! The report as one HTML file that needs nothing else.

mod bars;
mod curves;

use std::fmt::Write as _;

use super::report::{COLUMNS, Report, Table};

const STYLE: &str = "\
body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:1em 0}\
td,th{border-bottom:1px solid #ddd;padding:.3em .8em;text-align:left;vertical-align:top}\
svg{max-width:100%;height:auto}";

pub(super) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <title>What the whole costs</title><style>{STYLE}</style>\n\
         <h1>What the whole costs</h1>\n<p>{}</p>\n",
        escaped(&report.head)
    );
    for table in &report.tables {
        let _ = writeln!(page, "<h2>{}</h2>", escaped(table.section.title()));
        let _ = writeln!(page, "<p>{}</p>", escaped(table.section.about()));
        page.push_str(&rows(table));
        let is_curve = table.lines.iter().any(|line| line.point.is_some());
        page.push_str(&if is_curve { curves::svg(&table.lines) } else { bars::svg(&table.lines) });
    }
    page.push_str("</html>\n");
    page
}

fn rows(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cell = |cell: &String| format!("<{tag}>{}</{tag}>", escaped(&cell.replace("**", "")));
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let heads = row(&COLUMNS.map(str::to_owned), "th");
    let lines: String = table.lines.iter().map(|line| row(&line.cells(), "td")).collect();
    format!("<table>\n{heads}{lines}</table>\n")
}

/// Text as HTML and SVG show it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
