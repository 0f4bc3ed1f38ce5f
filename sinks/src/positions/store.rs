//! The shared view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use geofence::{FenceIds, LivePosition, Position, Status, TimeMs};
use smol_str::SmolStr;

/// Newest known position of every vehicle. Written by the shards after each
/// commit, read by HTTP; clones share one view.
#[derive(Clone, Debug, Default)]
pub struct PositionStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By value: a position that moves is written over, and nothing allocated.
    by_vehicle: DashMap<SmolStr, Stored>,
    changes: AtomicU64,
}

/// A position under its vehicle's id, which it does not repeat; nor has it words
/// that say which numbers it lacks.
#[derive(Debug)]
struct Stored {
    event_time: TimeMs,
    position: Position,
    /// Not a number where there is none, and so are the next two.
    accuracy_m: f64,
    heading_deg: f64,
    speed_mps: f64,
    fences: FenceIds,
    seq: u64,
    status: Status,
}

impl From<LivePosition> for Stored {
    fn from(live: LivePosition) -> Self {
        let number = |number: Option<f64>| number.unwrap_or(f64::NAN);
        Self {
            event_time: live.event_time,
            position: live.position,
            accuracy_m: number(live.accuracy_m),
            heading_deg: number(live.heading_deg),
            speed_mps: number(live.speed_mps),
            fences: live.fences,
            seq: live.seq,
            status: live.status,
        }
    }
}

impl Stored {
    fn live(&self, vehicle_id: &SmolStr) -> LivePosition {
        let number = |number: f64| Some(number).filter(|number| !number.is_nan());
        LivePosition {
            vehicle_id: vehicle_id.clone(),
            event_time: self.event_time,
            position: self.position,
            accuracy_m: number(self.accuracy_m),
            heading_deg: number(self.heading_deg),
            speed_mps: number(self.speed_mps),
            status: self.status,
            fences: self.fences.clone(),
            seq: self.seq,
        }
    }
}

/// A rectangle of longitude and latitude, edges included. Where `west` lies
/// east of `east` it crosses the 180th meridian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Westernmost and southernmost corner.
    pub south_west: Position,
    /// Easternmost and northernmost corner.
    pub north_east: Position,
}

/// An answer of [`PositionStore::list`].
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Sorted by vehicle id; at most as many as were asked for.
    pub positions: Vec<LivePosition>,
    /// Vehicles that match, listed or not.
    pub matched: usize,
}

impl PositionStore {
    /// An empty view.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over positions that a commit changed. One with a smaller `seq`
    /// than the stored one is refused; returns how many were.
    pub fn update(&self, positions: impl IntoIterator<Item = LivePosition>) -> usize {
        let (mut taken, mut refused) = (0, 0);
        for position in positions {
            match self.shared.by_vehicle.entry(position.vehicle_id.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(position.into());
                }
                Entry::Occupied(mut stored) if stored.get().seq <= position.seq => {
                    stored.insert(position.into());
                }
                Entry::Occupied(_) => {
                    refused += 1;
                    continue;
                }
            }
            taken += 1;
        }
        self.shared.changes.fetch_add(taken, Ordering::Release);
        refused
    }

    /// Forgets a vehicle.
    pub fn remove(&self, vehicle_id: &str) {
        if self.shared.by_vehicle.remove(vehicle_id).is_some() {
            self.shared.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// One vehicle's position.
    #[must_use]
    pub fn get(&self, vehicle_id: &str) -> Option<LivePosition> {
        self.shared.by_vehicle.get(vehicle_id).map(|stored| stored.live(stored.key()))
    }

    /// Vehicles known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.by_vehicle.len()
    }

    /// Whether no vehicle is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.by_vehicle.is_empty()
    }

    /// The first `limit` vehicles by id, of those in `area` if one is given.
    ///
    /// Costs a visit of every vehicle and a sort of those that are listed. Not
    /// a snapshot: a vehicle may move while others are read.
    #[must_use]
    pub fn list(&self, area: Option<Area>, limit: usize) -> Listing {
        let inside = |position| area.is_none_or(|it| it.contains(position));
        let mut ids = self.ids_where(inside);
        let matched = ids.len();
        if limit < matched {
            ids.select_nth_unstable(limit);
            ids.truncate(limit);
        }
        ids.sort_unstable();
        // One that has left the area meanwhile is none of it.
        let stored = ids.iter().filter_map(|id| self.get(id));
        let positions = stored.filter(|live| inside(live.position)).collect();
        Listing { positions, matched }
    }

    /// The ids of all vehicles, sorted: a fraction of what their positions would
    /// take in memory.
    #[must_use]
    pub fn ids(&self) -> Vec<SmolStr> {
        let mut ids = self.ids_where(|_| true);
        ids.sort_unstable();
        ids
    }

    fn ids_where(&self, is: impl Fn(Position) -> bool) -> Vec<SmolStr> {
        let stored = self.shared.by_vehicle.iter();
        stored.filter(|stored| is(stored.position)).map(|stored| stored.key().clone()).collect()
    }

    /// Counts changes: equal numbers, equal content.
    pub(super) fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Acquire)
    }
}

impl Area {
    /// Whether `position` lies in it or on its edge.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        let (west, east) = (self.south_west.lon, self.north_east.lon);
        let within_lon = if west <= east {
            (west..=east).contains(&position.lon)
        } else {
            position.lon >= west || position.lon <= east
        };
        within_lon && (self.south_west.lat..=self.north_east.lat).contains(&position.lat)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::live_position;

    fn ids(listing: &Listing) -> Vec<&str> {
        listing.positions.iter().map(|position| &*position.vehicle_id).collect()
    }

    #[test]
    fn an_older_seq_is_refused_and_an_equal_one_is_not() {
        let store = PositionStore::new();
        assert_eq!(store.update([live_position("a", 10.0, 20.0, 5)]), 0);
        assert_eq!(store.update([live_position("a", 11.0, 20.0, 4)]), 1);
        assert_eq!(store.get("a").unwrap().position.lat_deg(), 10.0);
        assert_eq!(store.update([live_position("a", 12.0, 20.0, 5)]), 0);
        assert_eq!(store.get("a").unwrap().position.lat_deg(), 12.0);
        assert_eq!(store.get("b"), None);
    }

    #[test]
    fn what_is_stored_comes_back_with_all_it_lacks() {
        let bare = live_position("a", 10.0, 20.0, 5);
        let full = LivePosition {
            accuracy_m: Some(0.0),
            heading_deg: Some(360.0),
            speed_mps: Some(-0.0),
            fences: ["depot", "yard"].into_iter().collect(),
            status: Status::Idle,
            ..live_position("a-vehicle-with-an-id-of-more-than-23-characters", -10.0, 20.0, 6)
        };
        let none = LivePosition { accuracy_m: None, heading_deg: None, speed_mps: None, ..bare };
        let store = PositionStore::new();
        store.update([none.clone(), full.clone()]);
        assert_eq!(store.list(None, 9).positions, [none, full]);
    }

    #[test]
    fn a_stored_position_is_nine_words() {
        assert_eq!(size_of::<(SmolStr, Stored)>(), 24 + 72);
    }

    #[test]
    fn a_refused_update_is_no_change() {
        let store = PositionStore::new();
        store.update([live_position("a", 10.0, 20.0, 5)]);
        let changes = store.changes();
        store.update([live_position("a", 11.0, 20.0, 4)]);
        store.remove("b");
        assert_eq!(store.changes(), changes);
        store.remove("a");
        assert!(store.is_empty());
        assert_ne!(store.changes(), changes);
    }

    #[test]
    fn a_list_is_sorted_and_cut_by_vehicle_id() {
        let store = PositionStore::new();
        store.update(["d", "b", "a", "c"].map(|id| live_position(id, 10.0, 20.0, 1)));
        let all = store.list(None, usize::MAX);
        assert_eq!((ids(&all), all.matched), (vec!["a", "b", "c", "d"], 4));
        let some = store.list(None, 2);
        assert_eq!((ids(&some), some.matched), (vec!["a", "b"], 4));
        assert_eq!(ids(&store.list(None, 0)), Vec::<&str>::new());
        assert_eq!(store.len(), 4);
    }

    #[rstest]
    #[case::inside(15.0, 25.0, true)]
    #[case::south_west_corner(10.0, 20.0, true)]
    #[case::north_east_corner(20.0, 30.0, true)]
    #[case::south_of_it(9.999_999_9, 25.0, false)]
    #[case::east_of_it(15.0, 30.000_000_1, false)]
    fn an_area_includes_its_edges(#[case] lat: f64, #[case] lon: f64, #[case] inside: bool) {
        let store = PositionStore::new();
        store.update([live_position("a", lat, lon, 1)]);
        let area = area((10.0, 20.0), (20.0, 30.0));
        assert_eq!(store.list(Some(area), 9).matched == 1, inside);
    }

    #[rstest]
    #[case(179.0, true)]
    #[case(-179.0, true)]
    #[case(180.0, true)]
    #[case(0.0, false)]
    #[case(-177.9, false)]
    fn an_area_may_cross_the_180th_meridian(#[case] lon: f64, #[case] inside: bool) {
        let area = area((-10.0, 178.0), (10.0, -178.0));
        assert_eq!(area.contains(Position::from_degrees(0.0, lon).unwrap()), inside);
    }

    fn area(south_west: (f64, f64), north_east: (f64, f64)) -> Area {
        let corner = |(lat, lon)| Position::from_degrees(lat, lon).unwrap();
        Area { south_west: corner(south_west), north_east: corner(north_east) }
    }
}
