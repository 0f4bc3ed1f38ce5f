//! The story of one vehicle and one fence, told by looking ahead.

use geofence::{Ping, Settings, Shape};
use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, GeofenceCross, GeofenceDwell, GeofenceEnter, GeofenceExit, Reason,
};

use super::events::{Stay, Way, at_once, event, event_at, figures};
use super::versions::Version;
use super::{accuracy, distance, gap_s};

/// What may change a vehicle's state at a fence, in order of time.
#[derive(Clone, Copy)]
enum Mark<'a> {
    Ping(&'a Ping),
    /// The version with this index comes into force.
    Change(usize),
}

/// One vehicle and one fence.
pub(super) struct Story<'a> {
    settings: &'a Settings,
    versions: &'a [Version<'a>],
    marks: Vec<Mark<'a>>,
}

impl<'a> Story<'a> {
    pub(super) fn new(
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

    pub(super) fn tell(&self) -> Vec<FleetEvent> {
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
