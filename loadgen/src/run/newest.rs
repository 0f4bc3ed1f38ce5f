//! The newest ping of each vehicle, which its position at the end must be of.

use std::collections::{BTreeMap, HashMap};

use geofence::Position;

use crate::content::{Difference, time_text};
use crate::read::positions::Shown;
use crate::stream::Ping;
use crate::truth::{Names, vehicle_id};

/// Vehicles that are kept as examples of wrong positions.
const EXAMPLES_MAX: usize = 5;

/// See the module. Of vehicles whose clocks are usable.
#[derive(Debug, Default)]
pub(super) struct Newest {
    vehicles: BTreeMap<u32, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    event_ms: i64,
    /// `None` where two pings of that time are at different places: which of
    /// them counts is the target's affair.
    position: Option<Position>,
}

impl Newest {
    /// A ping is sent.
    pub(super) fn take(&mut self, ping: &Ping) {
        let place = Place { event_ms: ping.event_ms, position: Some(ping.position) };
        let newest = self.vehicles.entry(ping.vehicle).or_insert(place);
        if ping.event_ms > newest.event_ms {
            *newest = place;
        } else if ping.event_ms == newest.event_ms && newest.position != Some(ping.position) {
            newest.position = None;
        }
    }

    /// How many vehicles there are.
    pub(super) fn count(&self) -> u64 {
        self.vehicles.len() as u64
    }

    /// Of how many the position shown is not the newest ping's, and the first
    /// ones: which, and what of it is wrong.
    pub(super) fn wrong(&self, shown: &HashMap<u32, Shown>, names: &Names) -> (u64, Vec<String>) {
        let (mut count, mut examples) = (0, Vec::new());
        for (vehicle, place) in &self.vehicles {
            let said = place.wrong(shown.get(vehicle), names.start_ms);
            if said.is_empty() {
                continue;
            }
            count += 1;
            if examples.len() < EXAMPLES_MAX {
                let id = vehicle_id(&names.prefix, *vehicle);
                examples.push(format!("{id}: {}", said.join(", ")));
            }
        }
        (count, examples)
    }
}

impl Place {
    fn wrong(&self, shown: Option<&Shown>, start_ms: i64) -> Vec<String> {
        let Some(shown) = shown else { return vec!["has no position".to_owned()] };
        let at = |event_ms: i64| time_text(start_ms, event_ms * 1000);
        let time = Difference::between(
            "event_time",
            Some(at(self.event_ms)),
            Some(at(shown.event_ms - start_ms)),
        );
        let of = |degrees: fn(&Position) -> f64| {
            let due = self.position.as_ref().map(degrees);
            (due, shown.position.as_ref().map(degrees))
        };
        let (lats, lons) = (of(|it| it.lat_deg()), of(|it| it.lon_deg()));
        let place = self.position.is_some().then(|| {
            [Difference::between("lat", lats.0, lats.1), Difference::between("lon", lons.0, lons.1)]
        });
        let differences = time.into_iter().chain(place.into_iter().flatten().flatten());
        differences.map(|it| it.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(vehicle: u32, event_ms: i64, lat: i32) -> Ping {
        Ping {
            vehicle,
            seq: 1,
            event_ms,
            position: Position { lat, lon: 115_000_000 },
            accuracy_m: None,
            speed_mps: None,
            heading_deg: None,
            engine_on: None,
        }
    }

    fn shown(vehicle: u32, event_ms: i64, lat: i32) -> (u32, Shown) {
        let position = Some(Position { lat, lon: 115_000_000 });
        let id = vehicle_id("a-", vehicle);
        (vehicle, Shown { id, event_ms: 1_767_592_800_000 + event_ms, position })
    }

    #[test]
    fn a_position_is_that_of_the_newest_ping_in_time_and_place() {
        let mut newest = Newest::default();
        // In whatever order they are sent, and a copy.
        for (event_ms, lat) in [(2_000, 480_000_002), (3_000, 480_000_003), (1_000, 480_000_001)] {
            (1..=3).for_each(|vehicle| newest.take(&ping(vehicle, event_ms, lat)));
        }
        newest.take(&ping(1, 3_000, 480_000_003));
        // Two pings of one time at two places.
        newest.take(&ping(4, 3_000, 480_000_003));
        newest.take(&ping(4, 3_000, 480_000_004));
        assert_eq!(newest.count(), 4);
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        let right: Vec<(u32, Shown)> =
            (1..=4).map(|vehicle| shown(vehicle, 3_000, 480_000_003)).collect();
        let with = |changed: Vec<(u32, Shown)>| {
            let shown: HashMap<u32, Shown> = right.iter().cloned().chain(changed).collect();
            newest.wrong(&shown, &names)
        };
        assert_eq!(with(vec![]), (0, vec![]));
        assert_eq!(with(vec![shown(4, 3_000, 480_000_004)]).0, 0);
        let (wrong, examples) =
            with(vec![shown(1, 3_000, 480_000_004), shown(2, 2_000, 480_000_003)]);
        let expected = [
            "a-v0000001: lat must be 48.0000003 and is 48.0000004",
            "a-v0000002: event_time must be 2026-01-05T06:00:03Z and is 2026-01-05T06:00:02Z",
        ];
        assert_eq!((wrong, &examples[..]), (2, &expected.map(str::to_owned)[..]));
        let nowhere = Shown { position: None, ..shown(3, 3_000, 0).1 };
        let (wrong, examples) = with(vec![(3, nowhere)]);
        assert_eq!((wrong, examples.len()), (1, 1));
        assert!(examples[0].contains("lat must be 48.0000003 and is none"), "{examples:?}");
        let (wrong, examples) = newest.wrong(&HashMap::new(), &names);
        assert_eq!((wrong, examples[3].as_str()), (4, "a-v0000004: has no position"));
    }
}
