mod keys;
mod mistakes;
mod shards;

use std::fs;

use tempfile::TempDir;

use super::*;

/// Loads `text` as `fleet.toml`; its directory is cut from every message.
fn load_text(text: &str, env: &[(&str, &str)], flags: &[Flag]) -> Result<Effective, String> {
    let folder = TempDir::new().expect("a temporary directory");
    let path = folder.path().join("fleet.toml");
    fs::write(&path, text).expect("a writable directory");
    load(Some(&path), variables(env), flags).map_err(|mistakes| {
        mistakes.to_string().replace(&format!("{}/", folder.path().display()), "")
    })
}

fn variables(env: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    env.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    let told = load_text(text, &[], &[]).expect_err("a mistake");
    told.lines().skip(1).map(str::to_owned).collect()
}
