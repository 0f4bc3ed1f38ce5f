//! Settings from environment variables.
//!
//! `FLEETSTREAM_COMMIT__MAX_DELAY` is `commit.max_delay`: upper case, two
//! underscores between section and key. Every other variable with the prefix
//! is a mistake, unless it is known to belong to somebody else.

use std::ffi::OsString;

use super::literal::Literal;
use super::mistakes::{Mistake, Origin};
use super::nearest::nearest;
use super::resolve::Setting;

const PREFIX: &str = "FLEETSTREAM_";

/// Variables with the prefix that are no settings: the flag `--config`, the
/// tests' fail points, and what tells tests where and how strictly to run.
const RESERVED: [&str; 6] = [
    "FLEETSTREAM_CONFIG",
    "FLEETSTREAM_FAIL_POINT",
    "FLEETSTREAM_PYTHON",
    "FLEETSTREAM_REGENERATE",
    "FLEETSTREAM_REQUIRE_EMULATORS",
    "FLEETSTREAM_SHARED_DATA",
];

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// The settings among `variables`, sorted by name, and the mistakes.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[&'static str],
) -> (Vec<Setting>, Vec<Mistake>) {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        let origin = Origin::Environment { variable: name.into() };
        let spelled = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        match (keys.iter().find(|key| variable(key) == name), value.into_string()) {
            (Some(key), Ok(text)) => settings.push(Setting {
                key: (*key).into(),
                literal: Literal::Bare(text),
                key_origin: origin.clone(),
                value_origin: origin,
            }),
            (Some(key), Err(_)) => mistakes.push(Mistake {
                origin,
                key: Some((*key).into()),
                message: "is not valid UTF-8".into(),
                nearest: None,
            }),
            (None, _) => mistakes.push(Mistake {
                origin,
                key: Some(name.into()),
                message: "sets no known key".into(),
                nearest: nearest(&spelled, keys.iter().copied()).map(variable),
            }),
        }
    }
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    (settings, mistakes)
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && !RESERVED.contains(&name) && !is_service_link(name)
}

/// Kubernetes sets these in every pod beside a service named `fleetstream`;
/// no key of ours is spelled so.
fn is_service_link(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}
