//! The reference page `docs/configuration.md`, written from the table.

use std::fmt::Write as _;

use super::environment::variable;
use super::table::{Section, sections};

const INTRODUCTION: &str = "\
# Configuration

This page is generated from the table of settings; a test keeps it fresh.

Settings come from a TOML file (`--config FILE`), from environment variables and from flags
(`--set KEY=VALUE`, and a flag of its own for the most used ones). A flag wins over the environment,
the environment over the file, the file over the default. `fleetstream check-config FILE` shows the
result and who set what, and reports every mistake at once.

- Durations and sizes carry their unit: `\"200ms\"`, `\"5s\"`, `\"15m\"`, `\"24h\"`, `\"30d\"`;
  `\"64KiB\"`, `\"4MiB\"`, `\"1GiB\"`.
- The variable of a key is `FLEETSTREAM_`, the section, two underscores, the key, all in upper case:
  `FLEETSTREAM_COMMIT__MAX_DELAY=500ms`. Lists are separated by commas there.
- A relative path in the file counts from the file's directory, elsewhere from the working directory.
- Any other variable that starts with `FLEETSTREAM_` is a mistake, apart from `FLEETSTREAM_CONFIG`,
  which stands for `--config`, and what Kubernetes sets beside a service of that name.
";

/// The page, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections() {
        heading(&mut page, &section);
        for key in &section.keys {
            let name = key.name.rsplit('.').next().unwrap_or(key.name);
            write!(
                page,
                "\n### `{name} = {}`\n\n{}\n\nAccepts {}. Environment: `{}`.\n",
                key.default,
                paragraph(key.doc),
                key.expects,
                variable(key.name),
            )
            .expect("writing to a String cannot fail");
        }
    }
    page
}

fn heading(page: &mut String, section: &Section) {
    let text = match section.name {
        "" => "\n## Without a section\n\nThese stand first in the file.\n".to_owned(),
        name => format!("\n## `[{name}]`\n\n{}\n", paragraph(section.doc)),
    };
    page.push_str(&text);
}

fn paragraph(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}
