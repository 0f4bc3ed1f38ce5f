//! "Did you mean": the known name nearest to a mistyped one.

use geofence::spelling::distance;

/// The known name nearest to `wanted`, if one is near enough to be meant:
/// at most a third of its characters inserted, removed, replaced or swapped
/// with a neighbour. A name whose last part fits, in another section, is
/// near too: `max_delay` means `commit.max_delay`.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let (wanted, limit) = (wanted.to_lowercase(), (wanted.chars().count() / 3).max(1));
    known
        .into_iter()
        .map(|name| (steps(&wanted, name), name))
        .filter(|(steps, _)| *steps <= limit)
        .min()
        .map(|(_, name)| name)
}

fn steps(wanted: &str, name: &str) -> usize {
    let whole = distance(wanted, name);
    let same_leaf = name.contains('.') && leaf(wanted) == leaf(name);
    if same_leaf { whole.min(1) } else { whole }
}

fn leaf(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn names() {
        let known = ["shards", "commit.max_delay", "commit.max_bytes", "queue.max_bytes"];
        for (wanted, expected) in [
            ("shard", Some("shards")),
            ("Shards", Some("shards")),
            ("commit.max_dealy", Some("commit.max_delay")),
            ("max_delay", Some("commit.max_delay")),
            ("commit_max_delay", Some("commit.max_delay")),
            ("queue.max_bites", Some("queue.max_bytes")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wanted, known), expected, "{wanted}");
        }
    }
}
