//! A bucket's objects, and the conditions under which they change.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use jiff::Timestamp;

/// An object as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its content.
    pub bytes: Bytes,
    /// Rises with every write of any object of the bucket.
    pub generation: u64,
    /// When it was written.
    pub updated: Timestamp,
    /// What its writer called it.
    pub content_type: String,
}

impl Stored {
    /// An entity tag: as opaque to clients as the service's.
    pub(super) fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.generation, self.bytes.len())
    }

    pub(super) fn crc32c(&self) -> u32 {
        crc32c::crc32c(&self.bytes)
    }
}

/// What must be so for a change to happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    #[default]
    None,
    /// No object of this name.
    Absent,
    /// An object of this generation.
    Generation(u64),
}

impl Condition {
    /// From the number that both APIs write it as.
    pub(super) fn of(generation: Option<u64>) -> Self {
        match generation {
            None => Self::None,
            Some(0) => Self::Absent,
            Some(generation) => Self::Generation(generation),
        }
    }
}

/// Why nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    Condition,
}

/// A part of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, Stored)>,
    /// What stands in for all names that go on past a delimiter.
    pub(super) prefixes: Vec<String>,
    /// Where the next part begins: after this name.
    pub(super) next: Option<String>,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// Only names after this one.
    pub(super) after: Option<String>,
    /// Objects and prefixes of one part.
    pub(super) max: usize,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    objects: BTreeMap<String, Stored>,
    generation: u64,
}

impl Bucket {
    pub(super) fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Stored> {
        self.objects.get(name)
    }

    pub(super) fn put(
        &mut self,
        name: &str,
        bytes: Bytes,
        content_type: String,
        condition: Condition,
    ) -> Result<&Stored, Refused> {
        self.check(name, condition)?;
        // Above every number of a process before this one, as the service's.
        let now = Timestamp::now();
        let clock = u64::try_from(now.as_microsecond()).unwrap_or_default();
        self.generation = clock.max(self.generation + 1);
        let stored = Stored { bytes, generation: self.generation, updated: now, content_type };
        self.objects.insert(name.to_owned(), stored);
        Ok(&self.objects[name])
    }

    pub(super) fn delete(&mut self, name: &str, condition: Condition) -> Result<(), Refused> {
        if !self.objects.contains_key(name) {
            return Err(Refused::NotFound);
        }
        self.check(name, condition)?;
        self.objects.remove(name);
        Ok(())
    }

    fn check(&self, name: &str, condition: Condition) -> Result<(), Refused> {
        let met = match (condition, self.objects.get(name)) {
            (Condition::None, _) | (Condition::Absent, None) => true,
            (Condition::Absent, Some(_)) | (Condition::Generation(_), None) => false,
            (Condition::Generation(wanted), Some(stored)) => stored.generation == wanted,
        };
        if met { Ok(()) } else { Err(Refused::Condition) }
    }

    pub(super) fn list(&self, query: &Query) -> Page {
        let mut page = Page::default();
        let mut prefixes = BTreeSet::new();
        let from = match &query.after {
            Some(after) if *after >= query.prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(query.prefix.clone()),
        };
        let named = self.objects.range::<String, _>((from, Bound::Unbounded));
        let mut last: Option<String> = None;
        for (name, stored) in named.take_while(|(name, _)| name.starts_with(&query.prefix)) {
            let group = query.delimiter.as_deref().and_then(|delimiter| {
                let rest = &name[query.prefix.len()..];
                let end = rest.find(delimiter)? + delimiter.len();
                Some(name[..query.prefix.len() + end].to_owned())
            });
            let is_new = group.as_ref().is_none_or(|group| !prefixes.contains(group));
            // A group whose names a part before has passed is not told again.
            let is_told = group
                .as_ref()
                .is_some_and(|group| query.after.as_ref().is_some_and(|a| a.starts_with(group)));
            if is_new && !is_told && page.objects.len() + prefixes.len() == query.max {
                page.next = last;
                break;
            }
            match group {
                Some(_) if is_told => {}
                Some(group) => {
                    prefixes.insert(group);
                }
                None => page.objects.push((name.clone(), stored.clone())),
            }
            last = Some(name.clone());
        }
        page.prefixes = prefixes.into_iter().collect();
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(names: &[&str]) -> Bucket {
        let mut bucket = Bucket::default();
        for name in names {
            bucket.put(name, Bytes::from_static(b"x"), String::new(), Condition::None).unwrap();
        }
        bucket
    }

    fn listed(bucket: &Bucket, query: Query) -> (Vec<String>, Vec<String>, Option<String>) {
        let page = bucket.list(&query);
        (page.objects.into_iter().map(|(name, _)| name).collect(), page.prefixes, page.next)
    }

    #[test]
    fn a_create_happens_once() {
        let mut bucket = bucket(&[]);
        let create = |bucket: &mut Bucket, bytes: &'static [u8]| {
            bucket.put("a", Bytes::from_static(bytes), String::new(), Condition::Absent).map(drop)
        };
        assert_eq!(create(&mut bucket, b"one"), Ok(()));
        assert_eq!(create(&mut bucket, b"two"), Err(Refused::Condition));
        assert_eq!(bucket.get("a").unwrap().bytes, "one");
        bucket.delete("a", Condition::None).unwrap();
        assert_eq!(create(&mut bucket, b"two"), Ok(()));
    }

    #[test]
    fn generations_rise_and_hold_writes_to_what_was_read() {
        let mut bucket = bucket(&["a"]);
        let first = bucket.get("a").unwrap().generation;
        let update = |bucket: &mut Bucket, generation| {
            let condition = Condition::Generation(generation);
            bucket.put("a", Bytes::new(), String::new(), condition).map(|stored| stored.generation)
        };
        let second = update(&mut bucket, first).unwrap();
        assert!(second > first);
        assert_eq!(update(&mut bucket, first), Err(Refused::Condition));
        assert_eq!(bucket.delete("a", Condition::Generation(first)), Err(Refused::Condition));
        assert_eq!(bucket.delete("a", Condition::Generation(second)), Ok(()));
        assert_eq!(bucket.delete("a", Condition::None), Err(Refused::NotFound));
    }

    #[test]
    fn a_listing_comes_in_parts_that_join() {
        let names = ["a/1", "a/2", "b", "c/1", "c/2", "d"];
        let bucket = bucket(&names);
        for max in 1..=7 {
            for delimiter in [None, Some("/".to_owned())] {
                let mut query = Query { max, delimiter: delimiter.clone(), ..Query::default() };
                let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
                loop {
                    let (some, groups, next) = listed(&bucket, query.clone());
                    assert!(some.len() + groups.len() <= max);
                    objects.extend(some);
                    prefixes.extend(groups);
                    let Some(next) = next else { break };
                    query.after = Some(next);
                }
                match delimiter {
                    None => {
                        assert_eq!((objects, prefixes.len()), (names.map(str::to_owned).into(), 0))
                    }
                    Some(_) => {
                        assert_eq!(objects, ["b", "d"]);
                        assert_eq!(prefixes, ["a/", "c/"], "each once, in parts of {max}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_prefix_and_a_start_narrow_a_listing() {
        let bucket = bucket(&["a/1", "a/2", "ab", "b"]);
        let query = |prefix: &str, after: Option<&str>| Query {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            max: 10,
            ..Query::default()
        };
        assert_eq!(listed(&bucket, query("a/", None)).0, ["a/1", "a/2"]);
        assert_eq!(listed(&bucket, query("a/", Some("a/1"))).0, ["a/2"]);
        assert_eq!(listed(&bucket, query("a/", Some("A"))).0, ["a/1", "a/2"]);
        assert_eq!(listed(&bucket, query("c", None)).0, [""; 0]);
    }
}
