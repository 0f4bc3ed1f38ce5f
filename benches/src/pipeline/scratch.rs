//! Files that several cases need, made once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::table;
use super::units::count;
use crate::city;
use crate::fleet::Fleet;

/// Pings and fences in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum World {
    /// A fleet that drives about the city, a ping each every ten seconds.
    Generated { vehicles: u32, fences: u32, rounds: u32 },
    /// Somebody's.
    Given { pings: PathBuf, fences: PathBuf },
}

impl World {
    /// What it is, for a table.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Generated { vehicles, fences, rounds } => format!(
                "{} pings of {} vehicles, {} fences",
                count(vehicles * rounds),
                count(*vehicles),
                count(*fences)
            ),
            Self::Given { pings, fences } => {
                let name = |path: &Path| {
                    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
                };
                format!("{} against {}", name(pings), name(fences))
            }
        }
    }
}

/// A directory for them.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file or directory that `make` makes if nobody has yet. A name stands
    /// for one content; a making that is cut short leaves nothing of it.
    pub(super) fn prepared(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        if !path.exists() {
            let unfinished = self.0.join(format!("{name}.unfinished"));
            make(&unfinished).with_context(|| format!("making {name}"))?;
            fs::rename(&unfinished, &path)?;
        }
        Ok(path)
    }

    /// The pings of `world`, as Parquet.
    pub(super) fn pings(&self, world: &World) -> anyhow::Result<PathBuf> {
        match world {
            World::Given { pings, .. } => Ok(pings.clone()),
            World::Generated { vehicles, rounds, .. } => {
                self.prepared(&format!("pings-{vehicles}-{rounds}.parquet"), |path| {
                    let mut fleet = Fleet::new(*vehicles as usize, 5);
                    table::write(path, (0..*rounds).map(|_| fleet.round()))
                })
            }
        }
    }

    /// The fences of `world`, as GeoJSON.
    pub(super) fn fences(&self, world: &World) -> anyhow::Result<PathBuf> {
        match world {
            World::Given { fences, .. } => Ok(fences.clone()),
            World::Generated { fences, .. } => self.city(*fences),
        }
    }

    /// So many fences of the city, as GeoJSON.
    pub(super) fn city(&self, fences: u32) -> anyhow::Result<PathBuf> {
        self.prepared(&format!("fences-{fences}.geojson"), |path| {
            Ok(fs::write(path, city::geojson(&city::rings(fences as usize, 4)))?)
        })
    }
}
