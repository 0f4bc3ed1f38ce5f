//! The truth against the dense path: recomputed for small worlds from samples
//! of the path every 10 ms and from the list of fixes, in another way than the
//! code under test, which goes step by step.

use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::schedule::Point;
use crate::truth::Kind;
use crate::world::fences_geojson;

const SAMPLE_MS: i64 = 10;

fn plan(seed: u64, vehicles: u32) -> FleetPlan {
    FleetPlan {
        seed,
        vehicles,
        stops: StopTimes { shortest_ms: 15_000, longest_ms: 120_000 },
        sites: 24,
        parked: 0.05,
        idling: 0.05,
        on_edge: 0.05,
        no_ignition: 0.05,
        hot: None,
        gaps: None,
    }
}

fn city(seed: u64) -> City {
    City::new(seed, Position::from_degrees(48.1, 11.5).unwrap(), 6)
}

fn expect() -> Expect {
    Expect {
        dwell_s: vec![10, 40],
        stationary_after_ms: 20_000,
        idle_after_ms: 20_000,
        offline_after_ms: 60_000,
        ..Expect::default()
    }
}

fn curve(rate: u32, length_s: i64) -> Curve {
    Curve::new(vec![Point { at_s: 0, rate }], None, length_s * 1000).unwrap()
}

struct World {
    plan: FleetPlan,
    city: City,
    fences: Fences,
    expect: Expect,
    curve: Curve,
}

impl World {
    fn new(plan: FleetPlan, rate: u32, length_s: i64) -> Self {
        let city = city(plan.seed);
        let fences = Fences::from_geojson(fences_geojson(&city, plan.seed, 48).as_bytes()).unwrap();
        Self { plan, city, fences, expect: expect(), curve: curve(rate, length_s) }
    }

    fn fleet(&self) -> Fleet<'_> {
        Fleet::new(&self.plan, &self.city, &self.fences, &self.expect, &self.curve)
    }

    fn run(&self) -> (Vec<Fix>, Vec<Record>) {
        let (mut fixes, mut records) = (Vec::new(), Vec::new());
        let mut fleet = self.fleet();
        let mut take = |record| records.push(record);
        while let Some(fix) = fleet.next_fix(&mut take) {
            fixes.push(fix);
        }
        fleet.end(&mut take);
        (fixes, records)
    }

    /// The corners and fixes of a vehicle's way, by time.
    fn path(&self, number: u32, fixes: &[Fix]) -> Vec<(i64, Position)> {
        let mut vehicle = self.fleet().vehicles.swap_remove(number as usize);
        let errands =
            Errands { city: &self.city, seed: self.plan.seed, sites: 24, stops: self.plan.stops };
        let mut path: BTreeMap<i64, Position> =
            fixes.iter().map(|fix| (fix.t_ms, fix.position)).collect();
        let end_ms = fixes.last().map_or(0, |fix| fix.t_ms);
        while vehicle.driver.leg().end_ms < end_ms {
            let leg = vehicle.driver.leg();
            path.insert(leg.end_ms, leg.to);
            vehicle.driver.go_on(&errands);
        }
        let first_ms = fixes.first().map_or(0, |fix| fix.t_ms);
        path.into_iter().filter(|&(t, _)| t >= first_ms).collect()
    }
}

/// Where a path is at any time.
fn at(path: &[(i64, Position)], t_ms: i64) -> Position {
    let next = path.partition_point(|&(t, _)| t < t_ms);
    let (to_ms, to) = path[next];
    if to_ms == t_ms {
        return to;
    }
    let (from_ms, from) = path[next - 1];
    let share = (t_ms - from_ms) as f64 / (to_ms - from_ms) as f64;
    let between = |a: i32, b: i32| (f64::from(a) + share * f64::from(b - a)).round() as i32;
    Position { lat: between(from.lat, to.lat), lon: between(from.lon, to.lon) }
}

/// Enters and exits of one vehicle at one fence, by looking at every sample and
/// at all fixes at once.
fn brute_force(
    world: &World,
    fence: u32,
    fixes: &[Fix],
    path: &[(i64, Position)],
) -> Vec<(Kind, i64)> {
    let region = &world.fences.get(fence).region;
    let inside: Vec<bool> = fixes.iter().map(|fix| region.contains(fix.position)).collect();
    let samples = |from_ms: i64, to_ms: i64| {
        (0..).map(move |n| from_ms + n * SAMPLE_MS).take_while(move |&t| t < to_ms).chain([to_ms])
    };
    let flips = |from: usize, to: usize| -> Vec<(i64, bool)> {
        let mut found = Vec::new();
        let mut was = inside[from];
        for t_ms in samples(fixes[from].t_ms, fixes[to].t_ms) {
            let is = region.contains(at(path, t_ms));
            if is != was {
                found.push((t_ms, is));
            }
            was = is;
        }
        found
    };
    let ended_by = |run: &[usize]| {
        let margin_m = world.fences.get(fence).margin_m + 1.0;
        let outside = |&i: &usize| -region.depth_m(fixes[i].position);
        (1..=run.len()).any(|fixes_seen| {
            let seen = &run[..fixes_seen];
            let decisive = seen.iter().any(|i| outside(i) > margin_m);
            let far = seen.iter().any(|i| outside(i) > 501.0);
            let spent_ms = fixes[seen[fixes_seen - 1]].t_ms - fixes[seen[0]].t_ms;
            (decisive && fixes_seen >= 2) || far || spent_ms >= 120_000
        })
    };

    let mut events = Vec::new();
    let mut visiting = false;
    let mut i = 0;
    while i < fixes.len() {
        if inside[i] && !visiting {
            visiting = true;
            let entered_ms = match i.checked_sub(1) {
                None => fixes[0].t_ms,
                Some(before) => flips(before, i).iter().rfind(|flip| flip.1).unwrap().0,
            };
            events.push((Kind::Enter, entered_ms));
        } else if !inside[i] && visiting {
            let run: Vec<usize> = (i..fixes.len()).take_while(|&n| !inside[n]).collect();
            if ended_by(&run) {
                visiting = false;
                let left_ms = flips(i - 1, i).iter().find(|flip| !flip.1).unwrap().0;
                events.push((Kind::Exit, left_ms));
            }
            i = *run.last().unwrap();
        }
        i += 1;
    }
    events
}

#[rstest]
#[case(1, 12, 1_000)]
#[case(2, 12, 1_000)]
#[case(3, 12, 4_000)]
fn visits_are_those_of_the_densely_sampled_path(
    #[case] seed: u64,
    #[case] vehicles: u32,
    #[case] interval_ms: u32,
) {
    let world = World::new(plan(seed, vehicles), vehicles * 1000 / interval_ms, 600);
    let (fixes, records) = world.run();
    let mut compared = 0;
    for vehicle in 0..vehicles {
        let own: Vec<Fix> = fixes.iter().filter(|fix| fix.vehicle == vehicle).copied().collect();
        let path = world.path(vehicle, &own);
        for fence in 0..world.fences.all().len() as u32 {
            let of_fence = |kind: Kind| {
                let mut times: Vec<i64> = records
                    .iter()
                    .filter(|r| r.vehicle == vehicle && r.fence == Some(fence) && r.kind == kind)
                    .map(|r| r.t_ms)
                    .collect();
                times.sort_unstable();
                times
            };
            let brute = brute_force(&world, fence, &own, &path);
            for kind in [Kind::Enter, Kind::Exit] {
                let told = of_fence(kind);
                let expected: Vec<i64> =
                    brute.iter().filter(|event| event.0 == kind).map(|event| event.1).collect();
                assert_eq!(
                    told.len(),
                    expected.len(),
                    "{kind:?} {vehicle} {fence}: {told:?} {expected:?}"
                );
                for (told, expected) in told.iter().zip(&expected) {
                    assert!((told - expected).abs() <= SAMPLE_MS, "{told} {expected}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 60, "only {compared}");
}

#[test]
fn passes_are_those_of_the_densely_sampled_path() {
    let world = World::new(plan(4, 16), 4, 900);
    let (fixes, records) = world.run();
    let mut passes = 0;
    for vehicle in 0..16 {
        let own: Vec<Fix> = fixes.iter().filter(|fix| fix.vehicle == vehicle).copied().collect();
        let path = world.path(vehicle, &own);
        for record in records.iter().filter(|r| r.vehicle == vehicle && r.kind == Kind::Cross) {
            passes += 1;
            let region = &world.fences.get(record.fence.unwrap()).region;
            let (in_ms, out_ms) = (record.t_ms, record.detail_ms);
            assert!(in_ms < out_ms);
            assert!(
                !own.iter().any(
                    |fix| (in_ms..=out_ms).contains(&fix.t_ms) && region.contains(fix.position)
                )
            );
            let middle = region.contains(at(&path, (in_ms + out_ms) / 2));
            let (before, after) = (at(&path, in_ms - 5), at(&path, out_ms + 5));
            assert!(middle || world.fences.get(record.fence.unwrap()).id.starts_with("district"));
            assert!(!region.contains(before) && !region.contains(after));
        }
    }
    assert!(passes > 10, "only {passes}");
}

#[test]
fn rests_last_from_fix_to_fix_and_have_the_true_times() {
    let world = World::new(plan(6, 10), 10, 900);
    let (fixes, records) = world.run();
    let mut compared = 0;
    for vehicle in 0..10 {
        let own: Vec<Fix> = fixes.iter().filter(|fix| fix.vehicle == vehicle).copied().collect();
        let path = world.path(vehicle, &own);
        let standing = |t_ms: i64| at(&path, t_ms) == at(&path, t_ms + 1);
        let times = |kind: Kind| -> Vec<i64> {
            records
                .iter()
                .filter(|r| r.vehicle == vehicle && r.kind == kind)
                .map(|r| r.t_ms)
                .collect()
        };
        // Rows of fixes at speed 0 at one place.
        let mut expected = Vec::new();
        let rows = own
            .chunk_by(|a, b| a.speed_mps == 0.0 && b.speed_mps == 0.0 && a.position == b.position);
        for row in rows.filter(|row| row[0].speed_mps == 0.0) {
            if row[row.len() - 1].t_ms - row[0].t_ms >= 20_000 {
                expected.push(row[0].t_ms);
            }
        }
        let told = times(Kind::StationaryStart);
        assert_eq!(told.len(), expected.len(), "{vehicle}: {told:?} {expected:?}");
        for (&told, &first_fix) in told.iter().zip(&expected) {
            assert!(told <= first_fix && first_fix - told < 1_000);
            assert!(standing(told) && (told == own[0].t_ms || !standing(told - 1)));
            compared += 1;
        }
        for ended in times(Kind::StationaryEnd) {
            assert!(standing(ended - 1) && !standing(ended));
        }
    }
    assert!(compared > 10, "only {compared}");
}

#[test]
fn one_vehicle_does_not_depend_on_how_many_there_are() {
    let few = World::new(plan(7, 5), 5, 60).run().0;
    let many = World::new(plan(7, 50), 50, 60).run().0;
    let way = |fixes: &[Fix], vehicle: u32| -> Vec<Fix> {
        fixes.iter().filter(|fix| fix.vehicle == vehicle).copied().collect()
    };
    for vehicle in 0..5 {
        let (a, b) = (way(&few, vehicle), way(&many, vehicle));
        assert_eq!(a.len(), b.len());
        // They look at other instants of the second, at the same places.
        assert!(a.iter().zip(&b).all(|(a, b)| (a.t_ms - b.t_ms).abs() < 1_000));
    }
    assert_eq!(World::new(plan(7, 5), 5, 60).run().0, few);
}

#[test]
fn a_silent_vehicle_has_no_fix_and_is_told_offline() {
    let gaps = Windows { share: 1.0, every_s: 600, shortest_s: 300, longest_s: 300 };
    let world = World::new(FleetPlan { gaps: Some(gaps), ..plan(8, 6) }, 6, 1_200);
    let (fixes, records) = world.run();
    let expected = 6 * (1_200 - 600);
    assert!(fixes.len().abs_diff(expected) <= 24, "{}", fixes.len());
    let offline: Vec<&Record> = records.iter().filter(|r| r.kind == Kind::Offline).collect();
    assert!(offline.len() >= 6, "{offline:?}");
    for record in offline {
        let own = fixes.iter().filter(|fix| fix.vehicle == record.vehicle);
        let last = own.clone().rfind(|fix| fix.t_ms < record.t_ms).unwrap().t_ms;
        assert!(record.t_ms - last >= 60_000);
        assert!(!own.clone().any(|fix| (last + 1..=record.t_ms).contains(&fix.t_ms)));
    }
}

#[test]
fn hot_vehicles_have_their_share_and_no_more() {
    let hot = Hot { vehicles: 2, share: 0.25 };
    let (fixes, _) = World::new(FleetPlan { hot: Some(hot), ..plan(9, 50) }, 200, 60).run();
    let of_hot = fixes.iter().filter(|fix| fix.vehicle < 2).count() as f64;
    let share = of_hot / fixes.len() as f64;
    assert!((share - 0.25 - 0.75 * 0.04).abs() < 0.02, "{share}");
    assert!(fixes.windows(2).all(|pair| pair[0].t_ms <= pair[1].t_ms));
}
