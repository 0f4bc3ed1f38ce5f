//! "Did you mean": the known name nearest to a mistyped one.

/// The known name nearest to `wanted`, if one is near enough to be meant:
/// at most a third of its characters inserted, removed, replaced or swapped
/// with a neighbour. A name whose last part fits, in another section, is
/// near too: `max_delay` means `commit.max_delay`.
pub(super) fn nearest<'a>(
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

/// Optimal string alignment distance: Levenshtein's, with a swap of
/// neighbours as one step. Three rows of the table are alive at a time.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("dely", "delay", 1),
            ("dealy", "delay", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

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
