//! Fence sets by hash: found once, then shared, by all shards of a process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, bail};
use geofence::{FenceNote, FenceSet, FencesReader};
use protos::journal::{Segment, input};
use tokio::sync::Mutex;

use crate::journal::FenceObjects;

/// The fence sets that the histories of shards refer to. Clones share them.
#[derive(Clone)]
pub(crate) struct FenceSets {
    objects: FenceObjects,
    known: Arc<RwLock<HashMap<String, Arc<FenceSet>>>>,
    /// Held while a set is loaded: what several shards ask for is read once.
    loading: Arc<Mutex<Loading>>,
}

struct Loading {
    reader: FencesReader,
    /// The one that was loaded last.
    last: Arc<FenceSet>,
}

impl FenceSets {
    /// The sets of `objects`, of which `first` is there already.
    pub(crate) fn new(objects: FenceObjects, first: Arc<FenceSet>) -> Self {
        let known = [Arc::new(FenceSet::empty()), Arc::clone(&first)];
        let known = known.map(|set| (set.hash().to_owned(), set));
        Self {
            objects,
            known: Arc::new(RwLock::new(HashMap::from(known))),
            loading: Arc::new(Mutex::new(Loading { reader: FencesReader::default(), last: first })),
        }
    }

    /// The set `hash`, if it is there.
    pub(crate) fn get(&self, hash: &str) -> Option<Arc<FenceSet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// Loads the set `hash`. It shares what it can with the one that was loaded
    /// before it, as it did when it was made: sets in force one after the other
    /// differ in a few fences.
    pub(crate) async fn load(&self, hash: &str) -> anyhow::Result<()> {
        let mut loading = self.loading.lock().await;
        if self.get(hash).is_some() {
            return Ok(());
        }
        let Loading { reader, last } = &mut *loading;
        let unreadable = || format!("the stored fence set {hash} does not parse");
        reader.begin_set();
        // The text goes once it is read: the set is made without it.
        let read = reader.read(&self.objects.get(hash).await?, last).with_context(unreadable)?;
        let set = FenceSet::after(last, read.fences).with_context(unreadable)?;
        if set.hash() != hash {
            let told = |note: &FenceNote| format!("; {}: {}", note.fence, note.message);
            let refused: String = read.refusals.iter().map(told).collect();
            bail!(
                "the stored fence set {hash} reads as {}: it was written by an engine that reads \
                 fences differently, and only that one can go on with this journal{refused}",
                set.hash()
            );
        }
        *last = Arc::new(set);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(hash.to_owned(), Arc::clone(last));
        Ok(())
    }

    /// Loads every set that `segment` refers to.
    pub(crate) async fn load_for(&self, segment: &Segment) -> anyhow::Result<()> {
        for recorded in &segment.inputs {
            if let Some(input::Input::Fences(change)) = &recorded.input {
                self.load(&change.hash).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use geofence::parse_fences;
    use object_store::memory::InMemory;

    use super::*;
    use crate::journal::Store;

    const FENCES: u32 = 300;
    const CORNERS: u32 = 100;

    /// Rings of many corners, and one circle that has this radius.
    fn json(radius_m: u32) -> String {
        let ring = |fence: u32| {
            let corner = |i: u32| {
                let angle = f64::from(i % CORNERS) / f64::from(CORNERS) * std::f64::consts::TAU;
                let (east, north) = (angle.cos() * 1e-3, angle.sin() * 1e-3);
                format!("[{},{}]", f64::from(fence) * 0.01 + east, 50.0 + north)
            };
            let corners: Vec<_> = (0..=CORNERS).map(corner).collect();
            format!(
                r#"{{"type":"Feature","id":"r{fence}","properties":{{}},"geometry":
                {{"type":"Polygon","coordinates":[[{}]]}}}}"#,
                corners.join(",")
            )
        };
        let rings: Vec<_> = (0..FENCES).map(ring).collect();
        format!(
            r#"{{"type":"FeatureCollection","features":[{},{{"type":"Feature","id":"c",
            "properties":{{"radius_m":{radius_m}}},"geometry":{{"type":"Point",
            "coordinates":[10,50]}}}}]}}"#,
            rings.join(",")
        )
    }

    fn resident_bytes() -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        let resident = pages.split(' ').nth(1).expect("a second number");
        resident.parse::<u64>().expect("a number") * 4096
    }

    /// A worker whose fences were edited often comes back with all versions that
    /// may still judge: with one copy of what they have in common.
    #[tokio::test]
    async fn sets_that_differ_in_a_fence_share_the_others() {
        let objects = FenceObjects::new(Store::shared(Arc::new(InMemory::new())));
        let mut hashes = Vec::new();
        for radius_m in 0..20 {
            let set = parse_fences(json(10 + radius_m).as_bytes()).expect("GeoJSON").set;
            let canonical = set.to_canonical_json();
            objects.put(set.hash(), canonical.into()).await.expect("memory");
            hashes.push(set.hash().to_owned());
        }
        let sets = FenceSets::new(objects, Arc::new(FenceSet::empty()));
        sets.load(&hashes[0]).await.expect("stored");
        let before = resident_bytes();
        for hash in &hashes {
            sets.load(hash).await.expect("stored");
        }
        let grown = resident_bytes().saturating_sub(before);
        // Some 80 bytes a corner, if nothing were shared.
        let all = 19 * u64::from(FENCES * CORNERS) * 80;
        assert!(grown < all / 3, "{grown} of {all} bytes");
        assert_eq!(sets.get(&hashes[7]).expect("loaded").hash(), hashes[7]);
    }
}
