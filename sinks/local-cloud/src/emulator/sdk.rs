//! Finding the Cloud SDK and Java.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an emulator needs and this machine does not have.
#[derive(Debug, thiserror::Error)]
#[error("{emulator} is not installed: {missing}")]
pub struct NotInstalled {
    /// Which emulator.
    pub emulator: &'static str,
    /// What is missing, and where it was looked for.
    pub missing: String,
}

/// Where distributions put the SDK.
const USUAL: [&str; 3] = ["/usr/lib", "/usr/share", "/opt"];

/// Root of the Cloud SDK: a folder with `platform/` in it.
pub(super) fn root() -> Result<PathBuf, String> {
    let named = std::env::var_os("CLOUDSDK_ROOT_DIR").map(PathBuf::from);
    let beside = on_path("gcloud").and_then(|gcloud| {
        let real = gcloud.canonicalize().ok()?;
        Some(real.parent()?.parent()?.to_owned())
    });
    let usual = std::env::home_dir().into_iter().chain(USUAL.map(PathBuf::from));
    let usual = usual.map(|folder| folder.join("google-cloud-sdk"));
    let is_root = |folder: &PathBuf| folder.join("platform").is_dir();
    // Asking gcloud itself takes over a second, so it comes last.
    named
        .into_iter()
        .chain(beside)
        .chain(usual)
        .find(is_root)
        .or_else(|| told_by_gcloud().filter(is_root))
        .ok_or_else(|| {
            "no Google Cloud SDK (CLOUDSDK_ROOT_DIR, gcloud on PATH, google-cloud-sdk in the usual \
         folders)"
                .into()
        })
}

/// For wrappers and snaps, whose `gcloud` does not lie in the SDK.
fn told_by_gcloud() -> Option<PathBuf> {
    let gcloud = on_path("gcloud")?;
    let out = Command::new(gcloud)
        .args(["info", "--format=value(installation.sdk_root)"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim()))
}

/// The Java that runs the jars.
pub(super) fn java() -> Result<PathBuf, String> {
    let of_home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    of_home
        .filter(|java| java.is_file())
        .or_else(|| on_path("java"))
        .ok_or_else(|| "no java (JAVA_HOME, PATH)".into())
}

/// The newest `<folder>/<prefix>….jar` under `root`, by its name's order.
pub(super) fn jar(root: &Path, folder: &str, prefix: &str) -> Result<PathBuf, String> {
    let folder = root.join("platform").join(folder);
    let fits = |name: &OsString| {
        name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(".jar"))
    };
    let names = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let newest = names.map(|entry| entry.file_name()).filter(fits).max_by_key(version);
    newest
        .map(|name| folder.join(name))
        .ok_or_else(|| format!("no {prefix}*.jar in {}", folder.display()))
}

/// The numbers in a file's name, so that 0.8.20 comes after 0.8.9.
fn version(name: &OsString) -> Vec<u64> {
    let name = name.to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_jar_is_taken_by_number() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("platform/pubsub-emulator/lib");
        std::fs::create_dir_all(&lib).unwrap();
        for name in ["em-0.8.9-all.jar", "em-0.8.20-all.jar", "em-0.8.30-all.txt", "zz-1.0.jar"] {
            std::fs::write(lib.join(name), "").unwrap();
        }
        let found = jar(root.path(), "pubsub-emulator/lib", "em-").unwrap();
        assert_eq!(found, lib.join("em-0.8.20-all.jar"));
        let missing = jar(root.path(), "pubsub-emulator/lib", "none-").unwrap_err();
        assert!(missing.contains("none-*.jar"), "{missing}");
    }
}
