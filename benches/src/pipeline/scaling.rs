//! How costs grow: the same case at several sizes.

use super::case::{Case, Who};
use super::core::{Core, Rules, WINDOW_MIN};
use super::file::{File, Profile};
use super::rows::Row;
use super::section::Section;
use super::size::Size;
use super::units::count;

/// Fleets are large here and windows must fit in memory: they stay short.
const WARM_UP: u32 = 5;
const MEASURED: u32 = 5;

/// A place on a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// What grows.
    pub(super) of: &'static str,
    pub(super) at: f64,
}

/// A row for each step of each curve.
pub(super) fn rows(size: &Size) -> Vec<Row> {
    let usual = Core {
        rules: Rules::Robust,
        vehicles: size.vehicles,
        fences: size.fences[0],
        late_percent: 0,
        corners: None,
        window_min: WINDOW_MIN,
        warm_up: WARM_UP,
        measured: MEASURED,
    };
    let curve = |of, steps: &[u32], case: &dyn Fn(u32) -> Case| {
        let row = |&step: &u32| {
            let point = Some(Point { of, at: f64::from(step) });
            let row = Row::new(Section::Scaling, format!("{of}: {}", count(step)), case(step));
            Row { point, ..row }
        };
        steps.iter().map(row).collect::<Vec<_>>()
    };
    let with = |change: &dyn Fn(&mut Core)| {
        let mut core = usual.clone();
        change(&mut core);
        Case::Core(core)
    };
    [
        curve("vehicles", size.scaling_vehicles, &|n| with(&|core| core.vehicles = n)),
        curve("fences", size.scaling_fences, &|n| with(&|core| core.fences = n)),
        curve("corners of a fence", size.scaling_corners, &|n| {
            with(&|core| core.corners = Some(n))
        }),
        curve("minutes of hot window, full", size.scaling_windows, &|n| {
            with(&|core| {
                core.window_min = n;
                // Its rounds are ten seconds apart, and checkpoints go beyond it.
                core.warm_up = 6 * n + size.warm_up / 2;
            })
        }),
        curve("late pings, % (full hot window)", size.scaling_late, &|n| {
            with(&|core| {
                core.late_percent = n;
                (core.warm_up, core.measured) = (size.warm_up, size.measured);
            })
        }),
        curve("shards (replay, whole process)", size.scaling_shards, &|shards| {
            let (who, profile, world) = (Who::Ours, Profile::Robust, size.file_world());
            Case::File(File { who, profile, shards, world })
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
