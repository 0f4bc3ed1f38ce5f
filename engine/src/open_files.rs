//! How many files this process may have open, connections among them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that journals, sinks and their connections are left, at the least where
/// the system allows twice as many.
const OWN: usize = 256;

/// Raises the limit to what the system allows, which shells and service managers
/// often leave far higher than what they begin with.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some() && current != maximum {
        // Where that is refused, the limit is the one there is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Connections that there may be at the same time, so that whoever opens many
/// and sends nothing leaves the journal its files.
pub(crate) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| beside_own(usize::try_from(limit).unwrap_or(usize::MAX)))
}

fn beside_own(limit: usize) -> usize {
    limit.saturating_sub(OWN).max(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_keeps_files_for_itself() {
        assert_eq!([64, 1_024, 4_096].map(beside_own), [32, 768, 3_840]);
    }
}
