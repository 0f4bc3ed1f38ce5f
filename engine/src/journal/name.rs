//! Names of the journal's objects. Numbers are written with 20 digits, so
//! that names sort as their numbers do.

use object_store::path::Path;

pub(super) fn shard_dir(shard: u32) -> Path {
    Path::from(format!("shard-{shard}"))
}

pub(super) fn genesis(shard: u32) -> Path {
    Path::from(format!("shard-{shard}/genesis"))
}

pub(super) fn founding(shard: u32) -> Path {
    Path::from(format!("shard-{shard}/founding"))
}

pub(super) fn segments_dir(shard: u32) -> Path {
    Path::from(format!("shard-{shard}/journal"))
}

pub(super) fn segment(shard: u32, seq: u64) -> Path {
    Path::from(format!("shard-{shard}/journal/{seq:020}"))
}

pub(super) fn packs_dir(shard: u32) -> Path {
    Path::from(format!("shard-{shard}/packs"))
}

pub(super) fn pack(shard: u32, first: u64, last: u64) -> Path {
    Path::from(format!("shard-{shard}/packs/{first:020}-{last:020}"))
}

pub(super) fn snapshots_dir(shard: u32) -> Path {
    Path::from(format!("shard-{shard}/snapshots"))
}

pub(super) fn snapshot(shard: u32, seq: u64) -> Path {
    Path::from(format!("shard-{shard}/snapshots/{seq:020}"))
}

/// Where a bad segment goes; `by` tells several moves of one seq apart.
pub(super) fn set_aside(shard: u32, seq: u64, by: &str) -> Path {
    Path::from(format!("shard-{shard}/set-aside/{seq:020}-{by}"))
}

pub(super) fn fences_dir() -> Path {
    Path::from("fences")
}

pub(super) fn fence_set(hash: &str) -> Path {
    Path::from(format!("fences/{hash}"))
}

/// The hash in the name of a fence set, 32 lower-case hex digits; `None` for a name
/// that is not ours.
pub(super) fn parse_fence_set(path: &Path) -> Option<String> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let name = path.filename()?;
    (name.len() == 32 && name.bytes().all(is_digit)).then(|| name.to_owned())
}

/// The number in the name of a segment or snapshot; `None` for a name that
/// is not ours.
pub(super) fn parse_seq(path: &Path) -> Option<u64> {
    digits20(path.filename()?)
}

/// First and last seq in the name of a pack; `None` for a name not ours.
pub(super) fn parse_pack(path: &Path) -> Option<(u64, u64)> {
    let (first, last) = path.filename()?.split_once('-')?;
    let (first, last) = (digits20(first)?, digits20(last)?);
    (first <= last).then_some((first, last))
}

fn digits20(text: &str) -> Option<u64> {
    (text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        assert_eq!(segment(3, 42).as_ref(), "shard-3/journal/00000000000000000042");
        assert_eq!(parse_seq(&segment(3, u64::MAX)), Some(u64::MAX));
        assert_eq!(parse_pack(&pack(0, 1, 4096)), Some((1, 4096)));
    }

    #[test]
    fn foreign_names_are_not_ours() {
        for foreign in ["journal/42", "journal/0000000000000000004x", "journal/readme"] {
            assert_eq!(parse_seq(&Path::from(foreign)), None, "{foreign}");
        }
        assert_eq!(parse_pack(&pack(0, 9, 8)), None);
        assert_eq!(parse_pack(&segment(0, 8)), None);
        assert_eq!(parse_fence_set(&fence_set("readme")), None);
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(parse_fence_set(&fence_set(hash)).as_deref(), Some(hash));
    }
}
