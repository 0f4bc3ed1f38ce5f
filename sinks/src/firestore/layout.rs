//! Which document a vehicle lies in.

use xxhash_rust::xxh3::xxh3_64;

/// How positions are laid out in the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A document for each vehicle, named by the vehicle's id.
    Document,
    /// The vehicles of a shard spread over so many documents by the hash of
    /// their ids, each a map entry. Costs a write for each document instead
    /// of one for each vehicle. At least 1.
    Packed {
        /// Documents for each shard.
        documents: u32,
    },
}

impl Layout {
    /// Id of the document of `vehicle_id`, which belongs to `shard`.
    pub(super) fn document_id(self, shard: u32, vehicle_id: &str) -> String {
        match self {
            Self::Document => name(vehicle_id),
            Self::Packed { documents } => {
                // The low bits chose the shard.
                let hash = xxh3_64(vehicle_id.as_bytes()) >> 32;
                let number = hash % u64::from(documents.max(1));
                format!("shard-{shard:04}-{number:04}")
            }
        }
    }
}

/// A vehicle's id as the id of a document or the name of a map entry: itself,
/// but for the few that Firestore keeps for itself (`.`, `..`, `__…__`), whose
/// first character is written as `%` and its code. No vehicle's id has a `%`.
pub(super) fn name(vehicle_id: &str) -> String {
    let reserved = matches!(vehicle_id, "." | "..")
        || (vehicle_id.starts_with("__") && vehicle_id.ends_with("__"));
    match vehicle_id.as_bytes() {
        [first, ..] if reserved => format!("%{first:02X}{}", &vehicle_id[1..]),
        _ => vehicle_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bus-7", "bus-7")]
    #[case("a.b:c_d", "a.b:c_d")]
    #[case(".", "%2E")]
    #[case("..", "%2E.")]
    #[case("...", "...")]
    #[case("__x__", "%5F_x__")]
    #[case("__x", "__x")]
    fn a_vehicle_names_its_document(#[case] vehicle: &str, #[case] expected: &str) {
        assert_eq!(Layout::Document.document_id(3, vehicle), expected);
    }

    #[test]
    fn the_vehicles_of_a_shard_spread_over_its_documents() {
        let layout = Layout::Packed { documents: 4 };
        let mut vehicles_by_document: BTreeMap<String, u32> = BTreeMap::new();
        // Of 8 shards, those of shard 3.
        let vehicles = (0..8_000).map(|n| format!("bus-{n}"));
        for vehicle in vehicles.filter(|it| xxh3_64(it.as_bytes()) % 8 == 3) {
            *vehicles_by_document.entry(layout.document_id(3, &vehicle)).or_default() += 1;
        }
        let ids: Vec<&str> = vehicles_by_document.keys().map(String::as_str).collect();
        assert_eq!(
            ids,
            ["shard-0003-0000", "shard-0003-0001", "shard-0003-0002", "shard-0003-0003"]
        );
        assert!(vehicles_by_document.values().all(|n| (200..300).contains(n)));
    }
}
