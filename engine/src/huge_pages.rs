//! Has the C library ask for huge pages.
//!
//! A shard's state lies all over memory, and of every ping some twenty lines of
//! it are read that nobody has read lately. With pages of 4 KiB the processor
//! also has to look up where most of them are. Linux gives pages of 2 MiB to
//! who asks for them; the GNU C library does so if a tunable says it should,
//! which it reads when the program begins, and never again.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tokio::signal::unix::{SignalKind, signal};

/// Where tunables are read from, see `ld.so(8)`.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Whether `malloc` asks for huge pages: 1 for transparent ones.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb";
/// What the kernel does of itself, the choice in brackets; see
/// `admin-guide/mm/transhuge.rst` of its documentation.
const KERNEL: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Tells the program that it was started anew. The tunable does not: where a
/// program has more rights than who started it, the loader takes it away.
const ANEW: &str = "_FLEETSTREAM_ANEW";

/// Starts the program anew in this very process, with the tunable set, if that
/// makes a difference. Comes back where it makes none, or cannot be done: all
/// works without, and slower. To be called before anything else is begun.
pub fn ask_for() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || env::var_os(ANEW).is_some() {
        return;
    }
    let Ok(kernel) = fs::read_to_string(KERNEL) else { return };
    let given = match env::var(TUNABLES) {
        Ok(given) => given,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(_)) => return,
    };
    let Some(tunables) = tunables(&given, &kernel) else { return };
    let (Ok(program), mut args) = (env::current_exe(), env::args_os()) else { return };
    if is_loader(&program) {
        return;
    }
    let mut again = Command::new(program);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    // Returns only if it fails.
    let _ = again.args(args).env(TUNABLES, tunables).env(ANEW, "1").exec();
    survive_broken_pipes();
}

/// Whether the program is the dynamic loader, which was told to run ours.
fn is_loader(program: &Path) -> bool {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("ld") && name.contains(".so")
}

/// A start that failed has left the signal of a broken pipe to the system,
/// which ends the process for it. Once listened to, it is an error of a write
/// again.
fn survive_broken_pipes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        let _entered = runtime.enter();
        let _ = signal(SignalKind::pipe());
    }
}

/// The tunables that are `given` and the one that asks for huge pages; `None`
/// if it is among them, whatever it says, or the kernel gives such pages to all
/// or to nobody.
fn tunables(given: &str, kernel: &str) -> Option<String> {
    let asked = given.split(':').any(|one| one.split('=').next() == Some(HUGE_PAGES));
    if asked || !kernel.contains("[madvise]") {
        return None;
    }
    let given = given.split(':').filter(|one| !one.is_empty());
    Some(given.chain([&*format!("{HUGE_PAGES}=1")]).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_asked_for_once_and_only_where_the_kernel_wants_to_be_asked() {
        const WANTS: &str = "always [madvise] never\n";
        let ask = |given, kernel| tunables(given, kernel);
        assert_eq!(ask("", WANTS).as_deref(), Some("glibc.malloc.hugetlb=1"));
        let others = "glibc.malloc.arena_max=2";
        let both = "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1";
        assert_eq!(ask(others, WANTS).as_deref(), Some(both));
        for decided in [both, "glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb"] {
            assert_eq!(ask(decided, WANTS), None, "{decided}");
        }
        for kernel in ["[always] madvise never\n", "always madvise [never]\n", ""] {
            assert_eq!(ask("", kernel), None, "{kernel}");
        }
    }

    #[test]
    fn a_loader_is_told_by_its_name() {
        for loader in ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-2.36.so", "/opt/ld.so"] {
            assert!(is_loader(Path::new(loader)), "{loader}");
        }
        for program in ["/usr/bin/fleetstream", "/opt/ldap", "/"] {
            assert!(!is_loader(Path::new(program)), "{program}");
        }
    }
}
