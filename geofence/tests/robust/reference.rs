//! The robust profile as slowly and plainly as it can be said: sort, set
//! aside what is not believed, then tell each fence's story on its own by
//! looking ahead. No index, no increments, no state carried along. Geometry is
//! asked of [`Shape`], which has references of its own.

use std::collections::BTreeSet;

use geofence::{Fence, Ping, Plane, Settings, Shape, TagChanges};
use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, GeofenceCross, GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, Reason,
};

use super::fleet::fold;
use super::hours;
use super::worlds::World;

/// Every geofence event of a world but for its ids, in any order.
fn told(world: &World) -> Vec<FleetEvent> {
    let mut sets = vec![(i64::MIN, world.fences.clone())];
    sets.extend(world.changes.iter().cloned());
    let ids: BTreeSet<&str> =
        sets.iter().flat_map(|(_, fences)| fences).map(|fence| fence.id.as_str()).collect();
    let mut events = vec![];
    for pings in &world.pings {
        let accepted = accepted(pings);
        for id in &ids {
            let vehicle = &pings[0].vehicle_id;
            let versions =
                versions(id, &sets, vehicle, &world.tags, pings[0].event_time.0, world.end_ms);
            let story = Story::new(&world.settings, &versions, &accepted, world.end_ms);
            events.extend(story.tell());
        }
    }
    events
}

/// The pings that later rules see.
fn accepted(pings: &[Ping]) -> Vec<&Ping> {
    let believed: Vec<&Ping> = pings.iter().filter(|ping| accuracy(ping) <= 200.0).collect();
    let possible = |a: &Ping, b: &Ping| {
        let slack = accuracy(a) + accuracy(b);
        (distance(a, b) - slack) / gap_s(a, b) <= 70.0
    };
    let mut accepted: Vec<&Ping> = vec![];
    for (i, ping) in believed.iter().enumerate() {
        let borne_out = || believed.get(i + 1).is_some_and(|next| possible(ping, next));
        if accepted.last().is_none_or(|last| possible(last, ping)) || borne_out() {
            accepted.push(ping);
        }
    }
    accepted
}

fn accuracy(ping: &Ping) -> f64 {
    ping.accuracy_m.unwrap_or(10.0)
}

fn distance(a: &Ping, b: &Ping) -> f64 {
    Plane::at(b.position).distance_m(a.position)
}

fn gap_s(a: &Ping, b: &Ping) -> f64 {
    (b.event_time.0 - a.event_time.0) as f64 / 1000.0
}

/// What one fence is to one vehicle, and from when on.
struct Version<'a> {
    from: i64,
    number: u32,
    /// The fence, if there is one.
    drawn: Option<&'a Fence>,
    assigned: bool,
    /// The same, if it is open and concerns the vehicle.
    fence: Option<&'a Fence>,
}

/// From the first ping to the end, looked at whenever something may change.
fn versions<'a>(
    id: &str,
    sets: &'a [(i64, Vec<Fence>)],
    vehicle: &str,
    tags: &[(i64, TagChanges)],
    first_ms: i64,
    end_ms: i64,
) -> Vec<Version<'a>> {
    let drawn: Vec<(i64, Option<&Fence>)> = sets
        .iter()
        .map(|(from, fences)| (*from, fences.iter().find(|fence| fence.id == id)))
        .collect();
    let mut moments: BTreeSet<i64> = drawn.iter().map(|(from, _)| *from).collect();
    moments.extend(tags.iter().map(|(from, _)| *from));
    let scheduled = |fence: &&Fence| fence.schedule.is_some();
    if drawn.iter().filter_map(|(_, fence)| *fence).any(|fence| scheduled(&fence)) {
        // Hours begin and end with the minute.
        let minutes = first_ms.div_euclid(60_000) - 1_440..=end_ms.div_euclid(60_000);
        moments.extend(minutes.map(|minute| minute * 60_000));
    }
    let mut versions: Vec<Version<'a>> = vec![];
    let mut number = 0;
    for from in moments {
        let fence = drawn.iter().rev().find(|(start, _)| *start <= from).and_then(|(_, f)| *f);
        let last = versions.last();
        let same = match (last.and_then(|last| last.drawn), fence) {
            (Some(before), Some(now)) => before.same_as(now),
            (None, None) => true,
            _ => false,
        };
        number += u32::from(!same && fence.is_some());
        let open = |fence: &&Fence| {
            fence.schedule.as_ref().is_none_or(|schedule| hours::is_open(schedule, from))
        };
        let assigned = fence.is_some_and(|fence| is_assigned(fence, vehicle, tags, from));
        let concerns = fence.filter(|fence| assigned && open(fence));
        let is_news = last.is_none_or(|last| {
            !same || last.assigned != assigned || last.fence.is_some() != concerns.is_some()
        });
        if is_news {
            versions.push(Version { from, number, drawn: fence, assigned, fence: concerns });
        }
    }
    versions
}

/// Whether the fence asks for the vehicle by its tags.
fn is_assigned(fence: &Fence, vehicle: &str, tags: &[(i64, TagChanges)], at: i64) -> bool {
    let so_far: Vec<_> = tags.iter().filter(|(from, _)| *from <= at).collect();
    if so_far.is_empty() || fence.tags.is_empty() {
        return true;
    }
    let said = so_far.iter().rev().find_map(|(_, change)| match change.vehicles.get(vehicle) {
        Some(tags) => Some(tags.as_slice()),
        None => change.is_whole.then_some([].as_slice()),
    });
    said.unwrap_or_default().iter().any(|tag| fence.tags.contains(tag))
}

/// What may change a vehicle's state at a fence, in order of time.
#[derive(Clone, Copy)]
enum Mark<'a> {
    Ping(&'a Ping),
    /// The version with this index comes into force.
    Change(usize),
}

/// One vehicle and one fence.
struct Story<'a> {
    settings: &'a Settings,
    versions: &'a [Version<'a>],
    marks: Vec<Mark<'a>>,
}

#[derive(Clone, Copy)]
struct Way {
    reason: Reason,
    time: i64,
    not_before: i64,
    not_after: i64,
}

/// A stay that has begun, told or not.
struct Stay<'a> {
    way: Way,
    /// The version and the ping that the enter speaks of.
    version: &'a Version<'a>,
    first: &'a Ping,
    inside: Vec<&'a Ping>,
    /// Already told at this mark, because a fence change decided it.
    told: bool,
}

impl<'a> Story<'a> {
    fn new(
        settings: &'a Settings,
        versions: &'a [Version<'a>],
        pings: &[&'a Ping],
        end_ms: i64,
    ) -> Self {
        let start = pings.first().map_or(end_ms, |ping| ping.event_time.0);
        let mut marks: Vec<(i64, u8, Mark<'a>)> =
            pings.iter().map(|ping| (ping.event_time.0, 1, Mark::Ping(ping))).collect();
        for (i, version) in versions.iter().enumerate() {
            if version.from > start && version.from <= end_ms {
                marks.push((version.from, 0, Mark::Change(i)));
            }
        }
        marks.sort_by_key(|(t, rank, _)| (*t, *rank));
        let marks = marks.into_iter().map(|(_, _, mark)| mark).collect();
        Self { settings, versions, marks }
    }

    fn tell(&self) -> Vec<FleetEvent> {
        let mut events = vec![];
        let mut i = 0;
        // Whether the ping before this mark left the vehicle in state Outside.
        let mut outside = false;
        while i < self.marks.len() {
            let inside = self.inside(i);
            match self.marks[i] {
                Mark::Ping(_) if inside => {
                    (i, outside) = self.arrive(i, self.way_in(i), &mut events);
                }
                Mark::Ping(_) => {
                    if outside {
                        events.extend(self.cross(i));
                    }
                    outside = true;
                    i += 1;
                }
                Mark::Change(_) if inside => {
                    (i, outside) = self.enter_by_change(i, &mut events);
                }
                Mark::Change(_) => i += 1,
            }
        }
        events
    }

    /// From a first ping inside at mark `i`. Returns the mark to go on with,
    /// and whether the ping before it is in state Outside.
    fn arrive(&self, i: usize, way: Way, events: &mut Vec<FleetEvent>) -> (usize, bool) {
        let first = self.ping(i);
        let shape = self.shape(i).unwrap();
        let confident = shape.confidence(first.position, accuracy(first)) >= 0.5;
        let mut inside = vec![first];
        let mut sure = i;
        if !confident {
            let ttl = self.settings.confirm_ttl_ms;
            sure = loop {
                sure += 1;
                match self.marks.get(sure) {
                    None => return (sure, false),
                    Some(Mark::Ping(ping)) => {
                        let in_time = ping.event_time.0 - first.event_time.0 <= ttl;
                        if self.inside(sure) {
                            if in_time {
                                inside.push(ping);
                                break sure;
                            }
                            let anew = self.way_in_anew(sure, i, way);
                            return self.arrive(sure, anew, events);
                        }
                        if !in_time || self.decisive(sure) {
                            return (sure + 1, true);
                        }
                    }
                    Some(Mark::Change(_)) => match (self.inside_before(sure), self.inside(sure)) {
                        _ if self.shape(sure).is_none() => return (sure + 1, true),
                        (true, false) => return (sure + 1, true),
                        (false, true) => return self.enter_by_change(sure, events),
                        _ => {}
                    },
                }
            };
        }
        let stay = Stay { way, version: self.version(i), first, inside, told: false };
        self.stay(sure, stay, events)
    }

    /// A fence change at mark `i` puts the last ping inside.
    fn enter_by_change(&self, i: usize, events: &mut Vec<FleetEvent>) -> (usize, bool) {
        let version = self.version(i);
        let Mark::Change(index) = self.marks[i] else { unreachable!("only called on changes") };
        let reason = match self.versions[index - 1].drawn {
            None => Reason::FenceCreated,
            Some(_) => self.turned(index),
        };
        let way = at_once(version.from, reason);
        let first = self.last_ping(i);
        let stay = Stay { way, version, first, inside: vec![], told: true };
        self.stay(i, stay, events)
    }

    /// Follows a stay that is sure from mark `i` on to its end.
    fn stay(&self, i: usize, mut stay: Stay<'a>, events: &mut Vec<FleetEvent>) -> (usize, bool) {
        let fence = self.version(i).fence.unwrap();
        let min_inside_ms = fence
            .settings
            .min_inside_s
            .map_or(self.settings.min_inside_ms, |s| i64::from(s) * 1000);
        let due = stay.way.time + min_inside_ms;
        let mut told_at = None;
        if stay.told {
            told_at = Some(i64::MIN);
        } else if self.ping(i).event_time.0 >= due {
            told_at = Some(self.ping(i).event_time.0);
        }
        let mut run: Vec<usize> = vec![];
        let mut k = i;
        // How it ended: the version and ping of the exit, and the way out.
        let (end, next) = loop {
            k += 1;
            match self.marks.get(k) {
                None => break (None, (k, false)),
                Some(Mark::Ping(ping)) if self.inside(k) => {
                    run.clear();
                    stay.inside.push(ping);
                    if told_at.is_none() && ping.event_time.0 >= due {
                        told_at = Some(ping.event_time.0);
                    }
                }
                Some(Mark::Ping(_)) => {
                    run.push(k);
                    if self.confirmed(&run) {
                        let first = run[0];
                        let exit = (self.version(first), self.ping(first), self.way_out(first));
                        break (Some(exit), (k + 1, true));
                    }
                }
                Some(Mark::Change(_)) => {
                    let now = self.version(k);
                    if now.drawn.is_none() {
                        let way = at_once(now.from, Reason::FenceDeleted);
                        let before = self.version(k - 1);
                        break (Some((before, self.last_ping(k), way)), (k + 1, true));
                    }
                    if now.fence.is_none() {
                        let way = at_once(now.from, self.turned(self.index_at(now.from)));
                        break (Some((now, self.last_ping(k), way)), (k + 1, true));
                    }
                    match (run.is_empty(), self.inside(k)) {
                        (true, false) => {
                            let way = at_once(now.from, Reason::FenceChanged);
                            break (Some((now, self.last_ping(k), way)), (k + 1, true));
                        }
                        (false, true) if told_at.is_none() => {
                            return self.enter_by_change(k, events);
                        }
                        (false, true) => run.clear(),
                        _ => {}
                    }
                }
            }
        };
        let Some(told_at) = told_at else { return next };

        let enter = Detail::GeofenceEnter(GeofenceEnter {});
        events.push(event(stay.version, stay.first, stay.way, enter));
        for (dwell, version) in self.dwells(&stay, told_at) {
            events.push(event_at(version, stay.version, stay.first, dwell.0, dwell.1));
        }
        if let Some((version, ping, way)) = end {
            let exit = Detail::GeofenceExit(GeofenceExit {});
            events.push(event(version, ping, way, exit));
            events.push(event(version, ping, way, figures(&stay, way)));
        }
        next
    }

    /// Why a fence that is drawn came to be one to the vehicle, or ceased to,
    /// with the version of this index.
    fn turned(&self, index: usize) -> Reason {
        let (before, now) = (&self.versions[index - 1], &self.versions[index]);
        match (before.number == now.number, before.assigned == now.assigned) {
            (false, _) => Reason::FenceChanged,
            (true, false) => Reason::AssignmentChanged,
            (true, true) if now.fence.is_some() => Reason::ScheduleOpened,
            (true, true) => Reason::ScheduleClosed,
        }
    }

    /// The dwell thresholds that some inside ping proves, each with the
    /// version in force at that ping.
    fn dwells(&self, stay: &Stay<'a>, told_at: i64) -> Vec<((Way, Detail), &'a Version<'a>)> {
        let mut dwells = vec![];
        let own = stay.version.fence.unwrap().settings.dwell_s.as_ref();
        for &threshold_s in own.unwrap_or(&self.settings.dwell_s) {
            let after = i64::from(threshold_s) * 1000;
            let due = (stay.way.time + after).max(told_at);
            if let Some(proof) = stay.inside.iter().find(|ping| ping.event_time.0 >= due) {
                let way = Way {
                    reason: Reason::Unspecified,
                    time: stay.way.time + after,
                    not_before: stay.way.not_before + after,
                    not_after: stay.way.not_after + after,
                };
                let detail = Detail::GeofenceDwell(GeofenceDwell { threshold_s });
                dwells.push(((way, detail), self.version_at(proof.event_time.0)));
            }
        }
        dwells
    }

    fn confirmed(&self, run: &[usize]) -> bool {
        let fence = self.version(run[0]).fence.unwrap();
        let enough = fence.settings.exit_confirm.unwrap_or(self.settings.exit_confirm) as usize;
        let decisive = run.iter().any(|&k| self.decisive(k));
        let time = |k: usize| self.ping(k).event_time.0;
        let span = time(run[run.len() - 1]) - time(run[0]);
        let far = run.iter().any(|&k| -self.depth(k) > 500.0 + accuracy(self.ping(k)));
        (run.len() >= enough && decisive) || span >= 120_000 || far
    }

    fn decisive(&self, k: usize) -> bool {
        let area = self.shape(k).unwrap().area_m2();
        let margin = (0.1 * (area / std::f64::consts::PI).sqrt()).clamp(20.0, 50.0);
        -self.depth(k) > margin + accuracy(self.ping(k)).min(100.0)
    }

    /// The pass through the fence on the step to the outside ping at mark `i`.
    fn cross(&self, i: usize) -> Option<FleetEvent> {
        let shape = self.shape(i)?;
        let (from, to) = (self.last_ping(i), self.ping(i));
        let (t0, t1) = (from.event_time.0, to.event_time.0);
        let start = self.version(i).from.max(t0);
        let cut = (start - t0) as f64 / (t1 - t0) as f64;
        let parts: Vec<(f64, f64)> = shape
            .inside_stretches(from.position, to.position)
            .into_iter()
            .filter(|part| part.1 >= cut)
            .map(|part| (part.0.max(cut), part.1))
            .collect();
        let metres = distance(from, to);
        let inside_m = parts.iter().map(|part| part.1 - part.0).sum::<f64>() * metres;
        let plausible = t1 - t0 <= self.settings.cross_max_gap_ms
            && metres / gap_s(from, to) <= 70.0
            && inside_m >= 5.0;
        if !plausible {
            return None;
        }
        let time = |share: f64| t0 + (share * (t1 - t0) as f64).round() as i64;
        let way = Way {
            reason: Reason::Crossed,
            time: time(parts[0].0),
            not_before: start,
            not_after: t1,
        };
        let detail = Detail::GeofenceCross(GeofenceCross {
            out_time_ms: time(parts[parts.len() - 1].1),
            inside_m: (inside_m * 1000.0).round() / 1000.0,
        });
        Some(event(self.version(i), to, way, detail))
    }

    fn way_in(&self, i: usize) -> Way {
        self.way(i, |parts| parts[parts.len() - 1].0)
    }

    fn way_out(&self, i: usize) -> Way {
        self.way(i, |parts| parts[0].1)
    }

    /// The crossing on the step to the ping at mark `i`.
    fn way(&self, i: usize, edge: impl Fn(&[(f64, f64)]) -> f64) -> Way {
        let to = self.ping(i);
        let t1 = to.event_time.0;
        if !self.marks[..i].iter().any(|mark| matches!(mark, Mark::Ping(_))) {
            return at_once(t1, Reason::FirstSeen);
        }
        let from = self.last_ping(i);
        let t0 = from.event_time.0;
        let gap = t1 - t0;
        let reason = match gap > self.settings.max_gap_ms {
            true => Reason::Reappeared,
            false => Reason::Crossed,
        };
        let mut time = t1;
        if gap <= self.settings.max_gap_ms && distance(from, to) / gap_s(from, to) <= 70.0 {
            let parts = self.shape(i).unwrap().inside_stretches(from.position, to.position);
            time = t0 + (edge(&parts) * gap as f64).round() as i64;
        }
        let valid_from = self.version(i).from;
        Way { reason, time: time.max(valid_from), not_before: t0.max(valid_from), not_after: t1 }
    }

    /// The way in of a ping at mark `i` that comes too late to confirm the one
    /// at mark `before`.
    fn way_in_anew(&self, i: usize, before: usize, way: Way) -> Way {
        if !std::ptr::eq(self.last_ping(i), self.ping(before)) {
            return self.way_in(i);
        }
        let t = self.ping(i).event_time.0;
        if way.reason == Reason::FirstSeen {
            return at_once(t, Reason::FirstSeen);
        }
        let reason = match t - way.not_before > self.settings.max_gap_ms {
            true => Reason::Reappeared,
            false => Reason::Crossed,
        };
        Way { reason, time: t, not_before: way.not_before, not_after: t }
    }

    fn time(&self, i: usize) -> i64 {
        match self.marks[i] {
            Mark::Ping(ping) => ping.event_time.0,
            Mark::Change(version) => self.versions[version].from,
        }
    }

    fn version_at(&self, t: i64) -> &'a Version<'a> {
        &self.versions[self.index_at(t)]
    }

    fn index_at(&self, t: i64) -> usize {
        self.versions.iter().rposition(|version| version.from <= t).unwrap()
    }

    /// The version in force after mark `i`.
    fn version(&self, i: usize) -> &'a Version<'a> {
        self.version_at(self.time(i))
    }

    fn shape(&self, i: usize) -> Option<&'a Shape> {
        self.version(i).fence.map(|fence| &fence.shape)
    }

    fn ping(&self, i: usize) -> &'a Ping {
        match self.marks[i] {
            Mark::Ping(ping) => ping,
            Mark::Change(_) => panic!("mark {i} is no ping"),
        }
    }

    /// The last ping before mark `i`.
    fn last_ping(&self, i: usize) -> &'a Ping {
        let before = self.marks[..i].iter().rev();
        before
            .filter_map(|mark| if let Mark::Ping(ping) = mark { Some(*ping) } else { None })
            .next()
            .unwrap()
    }

    /// Whether the ping at mark `i`, or the last one before a change, is
    /// inside the version then in force.
    fn inside(&self, i: usize) -> bool {
        let ping = match self.marks[i] {
            Mark::Ping(ping) => ping,
            Mark::Change(_) => self.last_ping(i),
        };
        self.shape(i).is_some_and(|shape| shape.contains(ping.position))
    }

    /// Whether the last ping before the change at mark `i` is inside the
    /// version before.
    fn inside_before(&self, i: usize) -> bool {
        let before = self.version_at(self.time(i) - 1);
        before.fence.is_some_and(|fence| fence.shape.contains(self.last_ping(i).position))
    }

    fn depth(&self, i: usize) -> f64 {
        self.shape(i).unwrap().signed_distance_m(self.ping(i).position)
    }
}

fn at_once(t: i64, reason: Reason) -> Way {
    Way { reason, time: t, not_before: t, not_after: t }
}

fn figures(stay: &Stay<'_>, way: Way) -> Detail {
    let times: Vec<i64> = stay.inside.iter().map(|ping| ping.event_time.0).collect();
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    Detail::GeofenceVisit(GeofenceVisit {
        enter_time_ms: stay.way.time,
        duration_s: seconds(way.time - stay.way.time),
        certain_s: seconds(span),
        possible_s: seconds(way.not_after - stay.way.not_before),
        max_gap_s: seconds(times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)),
        pings: times.len() as u64,
    })
}

fn event(version: &Version<'_>, ping: &Ping, way: Way, detail: Detail) -> FleetEvent {
    event_at(version, version, ping, way, detail)
}

/// An event of `version` whose cause was judged by `seen`.
fn event_at(
    version: &Version<'_>,
    seen: &Version<'_>,
    ping: &Ping,
    way: Way,
    detail: Detail,
) -> FleetEvent {
    let fence = seen.drawn.unwrap();
    FleetEvent {
        vehicle_id: ping.vehicle_id.to_string(),
        fence_id: fence.id.clone(),
        fence_version: version.number,
        event_time_ms: way.time,
        not_before_ms: way.not_before,
        not_after_ms: way.not_after,
        lat: Some(ping.position.lat_deg()),
        lon: Some(ping.position.lon_deg()),
        distance_m: Some(fence.shape.signed_distance_m(ping.position)),
        accuracy_m: ping.accuracy_m,
        confidence: Some(fence.shape.confidence(ping.position, accuracy(ping))),
        reason: way.reason.into(),
        schema_version: 1,
        detail: Some(detail),
        ..FleetEvent::default()
    }
}

/// Ids are hashes: what they must tell apart is checked, and they are dropped.
fn without_ids(events: Vec<FleetEvent>) -> Vec<FleetEvent> {
    events
        .into_iter()
        .filter(|event| !event.fence_id.is_empty())
        .map(|event| FleetEvent { event_id: String::new(), visit_id: String::new(), ..event })
        .collect()
}

fn lines(events: &[FleetEvent]) -> Vec<String> {
    let mut lines: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_core_tells_what_the_reference_tells() {
    let mut kinds = std::collections::BTreeMap::new();
    for seed in 0..super::convergence::worlds() {
        let world = World::new(seed);
        let found = fold(&world.in_order().log);
        let visits: BTreeSet<_> = found
            .iter()
            .filter(|event| matches!(event.detail, Some(Detail::GeofenceEnter(_))))
            .map(|event| event.visit_id.clone())
            .collect();
        for event in &found {
            let key = (super::fleet::kind(event), event.reason().as_str_name());
            *kinds.entry(key).or_insert(0) += 1;
            let of_visit = !event.visit_id.is_empty();
            assert!(!of_visit || visits.contains(&event.visit_id), "world {seed}: {event:?}");
        }
        let (found, wanted) = (lines(&without_ids(found)), lines(&told(&world)));
        if found != wanted {
            let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
            let surplus: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
            panic!("world {seed}: missing {missing:#?}, surplus {surplus:#?}");
        }
    }
    // Every kind and reason that the robust profile and §7 know of came up.
    for kind in ["enter", "exit", "cross", "dwell", "visit"] {
        assert!(kinds.keys().any(|key| key.0 == kind), "{kinds:?}");
    }
    for reason in ["CROSSED", "FIRST_SEEN", "REAPPEARED"] {
        assert!(kinds.contains_key(&("enter", &*format!("REASON_{reason}"))), "{kinds:?}");
    }
    for key in [
        ("enter", "REASON_FENCE_CREATED"),
        ("enter", "REASON_FENCE_CHANGED"),
        ("exit", "REASON_FENCE_CHANGED"),
        ("exit", "REASON_FENCE_DELETED"),
        ("exit", "REASON_REAPPEARED"),
        ("enter", "REASON_SCHEDULE_OPENED"),
        ("exit", "REASON_SCHEDULE_CLOSED"),
        ("enter", "REASON_ASSIGNMENT_CHANGED"),
        ("exit", "REASON_ASSIGNMENT_CHANGED"),
    ] {
        assert!(kinds.contains_key(&key), "{key:?} of {kinds:?}");
    }
}
