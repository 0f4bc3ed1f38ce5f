//! Fence sets by hash: found once, then shared.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use geofence::{FenceSet, parse_fences};
use protos::journal::{Segment, input};

use crate::journal::FenceObjects;

/// The fence sets that a shard's history refers to.
pub(crate) struct FenceSets {
    objects: FenceObjects,
    known: HashMap<String, Arc<FenceSet>>,
}

impl FenceSets {
    pub(crate) fn new(objects: FenceObjects) -> Self {
        let empty = Arc::new(FenceSet::empty());
        let known = HashMap::from([(empty.hash().to_owned(), empty)]);
        Self { objects, known }
    }

    /// The set `hash`, if it was loaded before.
    pub(crate) fn get(&self, hash: &str) -> Option<Arc<FenceSet>> {
        self.known.get(hash).cloned()
    }

    /// Loads the set `hash`.
    pub(crate) async fn load(&mut self, hash: &str) -> anyhow::Result<()> {
        if self.known.contains_key(hash) {
            return Ok(());
        }
        let bytes = self.objects.get(hash).await?;
        let parsed = parse_fences(&bytes)
            .with_context(|| format!("the stored fence set {hash} does not parse"))?;
        if parsed.set.hash() != hash {
            bail!(
                "the stored fence set {hash} reads as {}: it was written by an engine that \
                 repairs fences differently",
                parsed.set.hash()
            );
        }
        self.known.insert(hash.to_owned(), Arc::new(parsed.set));
        Ok(())
    }

    /// Loads every set that `segment` refers to.
    pub(crate) async fn load_for(&mut self, segment: &Segment) -> anyhow::Result<()> {
        for recorded in &segment.inputs {
            if let Some(input::Input::Fences(change)) = &recorded.input {
                self.load(&change.hash).await?;
            }
        }
        Ok(())
    }
}
