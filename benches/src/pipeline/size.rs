//! How much is measured.

use super::scratch::World;

/// Sizes of the measurement.
pub(super) struct Size {
    /// Vehicles of the core, a city's fleet.
    pub(super) vehicles: u32,
    /// Fences: few, many, very many.
    pub(super) fences: [u32; 3],
    /// Rounds that fill the hot window, and rounds that are measured.
    pub(super) warm_up: u32,
    pub(super) measured: u32,
    /// Vehicles from cold.
    pub(super) vehicles_cold: u32,
    /// Rounds of the fleet in a file, over HTTP, over Pub/Sub.
    pub(super) file_rounds: u32,
    pub(super) http_rounds: u32,
    pub(super) pubsub_rounds: u32,
    /// Batches decoded, places looked up.
    pub(super) batches: u32,
    pub(super) places: u32,
    /// Vehicles in a snapshot.
    pub(super) vehicles_snapshot: u32,
    /// Rounds of the fleet that are applied while fences are read.
    pub(super) reload_rounds: u32,
    /// Steps of the scaling curves.
    pub(super) scaling_vehicles: &'static [u32],
    pub(super) scaling_fences: &'static [u32],
    pub(super) scaling_corners: &'static [u32],
    pub(super) scaling_windows: &'static [u32],
    pub(super) scaling_late: &'static [u32],
    pub(super) scaling_shards: &'static [u32],
}

impl Size {
    pub(super) const FULL: Self = Self {
        vehicles: 8_200,
        fences: [1_000, 10_000, 100_000],
        warm_up: 95,
        measured: 20,
        vehicles_cold: 1_000_000,
        file_rounds: 120,
        http_rounds: 120,
        pubsub_rounds: 120,
        batches: 1_000,
        places: 500_000,
        vehicles_snapshot: 1_000_000,
        reload_rounds: 20,
        scaling_vehicles: &[1_000, 10_000, 100_000, 1_000_000],
        scaling_fences: &[100, 1_000, 10_000, 100_000],
        scaling_corners: &[8, 32, 128, 512, 2_048],
        scaling_windows: &[1, 5, 15, 30, 60],
        scaling_late: &[0, 1, 2, 5, 10, 20],
        scaling_shards: &[1, 2, 4, 8],
    };

    /// Everything runs, in seconds and in a debug build.
    pub(super) const TOY: Self = Self {
        vehicles: 40,
        fences: [10, 20, 40],
        warm_up: 3,
        measured: 2,
        vehicles_cold: 60,
        file_rounds: 12,
        http_rounds: 16,
        pubsub_rounds: 12,
        batches: 1,
        places: 100,
        vehicles_snapshot: 60,
        reload_rounds: 1,
        scaling_vehicles: &[10, 20],
        scaling_fences: &[5, 10],
        scaling_corners: &[8, 32],
        scaling_windows: &[1, 2],
        scaling_late: &[0, 10],
        scaling_shards: &[1, 2],
    };

    /// The generated fleet that a file holds.
    pub(super) fn file_world(&self) -> World {
        World::Generated {
            vehicles: self.vehicles,
            fences: self.fences[0],
            rounds: self.file_rounds,
        }
    }
}
