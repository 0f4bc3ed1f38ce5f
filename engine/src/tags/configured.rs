//! The file of tags that the configuration names: a JSON object from vehicle
//! ids to lists of tags.

use std::collections::BTreeMap;
use std::path::Path;

use geofence::admission::check_vehicle_id;
use geofence::{TagChanges, check_tags};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::fences::{Files, Problem};
use crate::intake::shard_of;

/// The tags of vehicles as a file names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredTags {
    /// Tags by vehicle, sorted, each once.
    vehicles: BTreeMap<String, Vec<String>>,
}

impl ConfiguredTags {
    /// Names the content: the same tags have the same hash, however the file
    /// is written.
    #[must_use]
    pub fn hash(&self) -> String {
        let text = serde_json::to_string(&self.vehicles).expect("plain data with string keys");
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }

    /// What they mean for one of `shards`: all of the tags of its vehicles.
    #[must_use]
    pub fn of_shard(&self, shard: u32, shards: u32) -> TagChanges {
        let own = self.vehicles.iter().filter(|(id, _)| shard_of(id, shards) == shard);
        let vehicles = own.map(|(id, tags)| (id.clone(), tags.clone())).collect();
        TagChanges { vehicles, is_whole: true }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Vec<String>> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|error| vec![format!("not JSON: {error}")])?;
        let Some(members) = document.as_object() else {
            let needed = "an object from vehicle ids to lists of tags is needed, such as \
                          {\"bus-7\": [\"city\", \"electric\"]}";
            return Err(vec![needed.to_owned()]);
        };
        let (mut vehicles, mut wrong) = (BTreeMap::new(), Vec::new());
        for (id, tags) in members {
            match read_one(id, tags) {
                Ok(tags) => drop(vehicles.insert(id.clone(), tags)),
                Err(problem) => wrong.push(format!("vehicle {id:?}: {problem}")),
            }
        }
        if wrong.is_empty() { Ok(Self { vehicles }) } else { Err(wrong) }
    }
}

/// Reads the file at `path`.
///
/// # Errors
/// Everything that is wrong: it cannot be read, is no JSON object, names what
/// can be no vehicle, or gives a vehicle what are no tags.
pub fn read(path: &Path) -> Result<ConfiguredTags, Vec<Problem>> {
    parse(path, &Files::read(path)?)
}

/// Reads the tags off `files`, which were read at `path`.
pub(super) fn parse(path: &Path, files: &Files) -> Result<ConfiguredTags, Vec<Problem>> {
    let whole = |message: String| Problem::whole(path, message);
    let bytes = files.only().ok_or_else(|| {
        vec![whole("is a directory: a file with a JSON object is needed".to_owned())]
    })?;
    ConfiguredTags::parse(bytes).map_err(|wrong| wrong.into_iter().map(whole).collect())
}

fn read_one(id: &str, tags: &Value) -> Result<Vec<String>, String> {
    check_vehicle_id(id).map_err(|reject| reject.to_string())?;
    read_tags(tags)
}

/// A JSON list of tags, sorted, each once.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn read_tags(tags: &Value) -> Result<Vec<String>, String> {
    let texts = |list: &Vec<Value>| {
        list.iter().map(|tag| tag.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    };
    let tags = tags.as_array().and_then(texts);
    check_tags(tags.ok_or("a list of texts is needed, such as [\"city\", \"electric\"]")?)
}

#[cfg(test)]
mod tests {
    use super::ConfiguredTags;

    fn parse(text: &str) -> Result<ConfiguredTags, Vec<String>> {
        ConfiguredTags::parse(text.as_bytes())
    }

    #[test]
    fn the_same_tags_have_one_hash() {
        let one = parse(r#"{"b": [], "a": ["y", "x", "y"]}"#).unwrap();
        let other = parse(r#"{"a": ["x", "y"], "b": []}"#).unwrap();
        assert_eq!((one.hash(), &one), (other.hash(), &other));
        assert_ne!(one.hash(), ConfiguredTags::default().hash());
    }

    #[test]
    fn each_vehicle_goes_to_one_shard() {
        let tags = parse(r#"{"a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"]}"#).unwrap();
        let parts: Vec<usize> = (0..3).map(|i| tags.of_shard(i, 3).vehicles.len()).collect();
        assert_eq!(parts.iter().sum::<usize>(), 4, "{parts:?}");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, problem) in [
            ("[]", "an object from vehicle ids"),
            ("{", "not JSON"),
            (r#"{"a b": []}"#, "vehicle \"a b\": vehicle_id holds"),
            (r#"{"a": "x"}"#, "vehicle \"a\": a list of texts is needed"),
            (r#"{"a": [""]}"#, "vehicle \"a\": the tag \"\" is none"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong[0].contains(problem), "{text}: {wrong:?}");
        }
    }
}
