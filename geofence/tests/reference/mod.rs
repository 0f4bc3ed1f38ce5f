//! What the semantics demand of profile plain, computed the slow and obvious
//! way: no index, no increments, no state that outlives a loop. Every fence
//! and every vehicle is judged by itself, from the whole sorted input.
//!
//! Fences are unions of rectangles, so that a side is four comparisons.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

pub mod world;

use std::collections::{BTreeMap, BTreeSet};

use geofence::{OnSilence, Ping, Position, Settings, TimeMs};
use protos::events::fleet_event::Detail;
use protos::events::{
    FleetEvent, GeofenceDwell, GeofenceEnter, GeofenceExit, GeofenceVisit, Id, IdleEnd, IdleStart,
    Reason, StationaryEnd, StationaryStart,
};

/// A fence as the reference sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rects {
    pub id: String,
    /// West, south, east, north, 1e-7 degrees, edges inside.
    pub rects: Vec<[i32; 4]>,
    pub dwell_s: Vec<u32>,
    /// Minutes of the day, in UTC, at which it is open; `None` for all.
    pub open: Option<(i64, i64)>,
    /// Whom it concerns; empty for everybody.
    pub tags: Vec<String>,
}

impl Rects {
    /// Whether it is the same version: tags are none of it.
    fn same_as(&self, other: &Self) -> bool {
        (&self.rects, &self.dwell_s, &self.open) == (&other.rects, &other.dwell_s, &other.open)
    }

    fn holds(&self, p: Position) -> bool {
        self.rects.iter().any(|[west, south, east, north]| {
            (*west..=*east).contains(&p.lon) && (*south..=*north).contains(&p.lat)
        })
    }
}

/// A fence set and the time from which it judges.
pub type Epoch = (TimeMs, Vec<Rects>);

/// Tags of all vehicles and the time from which they count.
pub type Tagging = (TimeMs, BTreeMap<String, Vec<String>>);

/// An event, without ids and without what geometry alone decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub vehicle: String,
    pub fence: String,
    pub version: u32,
    pub time: i64,
    pub not_before: i64,
    pub not_after: i64,
    pub reason: Reason,
    pub position: Position,
    pub detail: Detail,
    /// Event time of the first qualifying ping of its visit or episode.
    pub group: i64,
}

/// Reads an event of the detector the same way. `group` turns its visit or
/// episode id into the time of the first qualifying ping.
pub fn told(event: &FleetEvent, group: impl Fn(Id) -> i64) -> Told {
    let id = [event.visit_id, event.episode_id].into_iter().find(|id| !id.is_none());
    Told {
        vehicle: event.vehicle_id.to_string(),
        fence: event.fence_id.to_string(),
        version: event.fence_version,
        time: event.event_time_ms,
        not_before: event.not_before_ms,
        not_after: event.not_after_ms,
        reason: event.reason(),
        position: Position::from_degrees(event.lat.unwrap(), event.lon.unwrap()).unwrap(),
        detail: event.detail.clone().unwrap(),
        group: group(id.unwrap()),
    }
}

/// In one order, whatever the order of discovery.
pub fn sorted(mut events: Vec<Told>) -> Vec<Told> {
    events.sort_by_cached_key(|event| (event.vehicle.clone(), event.time, format!("{event:?}")));
    events
}

/// The events of a batch run over `pings`, in any order and with any
/// duplicates, that has seen the end.
pub fn batch(
    pings: &[Ping],
    epochs: &[Epoch],
    tags: &[Tagging],
    settings: &Settings,
    end: TimeMs,
) -> Vec<Told> {
    let vehicles: BTreeSet<&str> = pings.iter().map(|ping| ping.vehicle_id.as_str()).collect();
    let mut events = Vec::new();
    for vehicle in vehicles {
        let fixes = one_per_time(pings.iter().filter(|ping| ping.vehicle_id == vehicle));
        let ids: BTreeSet<&str> =
            epochs.iter().flat_map(|(_, set)| set).map(|fence| fence.id.as_str()).collect();
        for id in ids {
            let Some(first) = fixes.first() else { continue };
            let span = (first.event_time, end);
            let states = states(vehicle, &versions(id, epochs), tags, span);
            visits(vehicle, &fixes, &states, id, settings, end, &mut events);
        }
        rests(vehicle, &fixes, settings, end, &mut events);
    }
    sorted(events)
}

/// §1: smaller radius, then larger seq, then larger identity.
fn one_per_time<'a>(pings: impl Iterator<Item = &'a Ping>) -> Vec<&'a Ping> {
    let mut by_time: BTreeMap<TimeMs, Vec<&Ping>> = BTreeMap::new();
    for ping in pings {
        by_time.entry(ping.event_time).or_default().push(ping);
    }
    let rank = |ping: &Ping| (-ping.accuracy_m.unwrap_or(f64::INFINITY), ping.seq, ping.identity);
    let best = |pings: Vec<&'a Ping>| {
        pings.into_iter().max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap()).unwrap()
    };
    by_time.into_values().map(best).collect()
}

/// The versions of one fence: from when, number, and shape unless deleted.
fn versions<'a>(id: &str, epochs: &'a [Epoch]) -> Vec<(TimeMs, u32, Option<&'a Rects>)> {
    let mut versions: Vec<(TimeMs, u32, Option<&Rects>)> = Vec::new();
    let mut number = 0;
    for (from, set) in epochs {
        let shape = set.iter().find(|fence| fence.id == id);
        let is_same = match (versions.last().and_then(|version| version.2), shape) {
            (Some(before), Some(now)) => before.same_as(now),
            (None, None) => !versions.is_empty(),
            _ => false,
        };
        if shape.is_some() && !is_same {
            number += 1;
        }
        versions.push((*from, number, shape));
    }
    versions
}

/// What a fence is to a vehicle from some time on.
#[derive(Clone, Copy)]
struct State<'a> {
    from: TimeMs,
    version: u32,
    drawn: Option<&'a Rects>,
    assigned: bool,
    open: bool,
}

impl<'a> State<'a> {
    fn shape(&self) -> Option<(u32, &'a Rects)> {
        let concerns = self.assigned && self.open;
        self.drawn.filter(|_| concerns).map(|shape| (self.version, shape))
    }
}

/// The states of one fence to one vehicle, looked at whenever they may change.
fn states<'a>(
    vehicle: &str,
    versions: &[(TimeMs, u32, Option<&'a Rects>)],
    tags: &[Tagging],
    (first, end): (TimeMs, TimeMs),
) -> Vec<State<'a>> {
    let mut moments: BTreeSet<TimeMs> = versions.iter().map(|version| version.0).collect();
    moments.extend(tags.iter().map(|(from, _)| *from));
    let hours: Vec<(i64, i64)> =
        versions.iter().filter_map(|(_, _, shape)| shape.and_then(|shape| shape.open)).collect();
    let day = 86_400_000;
    for midnight in first.0.div_euclid(day) - 1..=end.0.div_euclid(day) {
        for (opens, closes) in &hours {
            moments.extend([opens, closes].map(|minute| TimeMs(midnight * day + minute * 60_000)));
        }
    }
    let state = |from: TimeMs| {
        let (_, version, drawn) = *versions.iter().rev().find(|version| version.0 <= from)?;
        let named = tags.iter().rev().find(|(start, _)| *start <= from);
        let own = named.and_then(|(_, tags)| tags.get(vehicle)).map(Vec::as_slice);
        let has = |tag: &String| own.unwrap_or_default().contains(tag);
        let asks = drawn.map(|shape| shape.tags.as_slice()).unwrap_or_default();
        let assigned = named.is_none() || asks.is_empty() || asks.iter().any(has);
        let minute = from.0.rem_euclid(day) / 60_000;
        let open = drawn.and_then(|shape| shape.open);
        let open = open.is_none_or(|(opens, closes)| (opens..closes).contains(&minute));
        Some(State { from, version, drawn, assigned, open })
    };
    moments.into_iter().filter(|from| *from <= end).filter_map(state).collect()
}

/// Why a fence is another one to a vehicle than before.
fn reason(before: Option<&State<'_>>, now: &State<'_>) -> Reason {
    match before {
        None => Reason::FenceCreated,
        Some(before) if before.drawn.is_none() => Reason::FenceCreated,
        Some(_) if now.drawn.is_none() => Reason::FenceDeleted,
        Some(before) if before.version != now.version => Reason::FenceChanged,
        Some(before) if before.assigned != now.assigned => Reason::AssignmentChanged,
        Some(_) if now.open => Reason::ScheduleOpened,
        Some(_) => Reason::ScheduleClosed,
    }
}

struct Visit {
    enter: i64,
    not_before: i64,
    not_after: i64,
    position: Position,
    group: i64,
    inside: Vec<i64>,
    dwelt: Vec<u32>,
}

/// §6 plain, §7, visits and dwell of one vehicle and one fence.
fn visits(
    vehicle: &str,
    fixes: &[&Ping],
    states: &[State<'_>],
    fence: &str,
    settings: &Settings,
    end: TimeMs,
    events: &mut Vec<Told>,
) {
    let Some(first) = fixes.first() else { return };
    let mut tell = |version: u32, span: [i64; 3], reason, position, group, detail| {
        let [time, not_before, not_after] = span;
        let (vehicle, fence) = (vehicle.to_owned(), fence.to_owned());
        events.push(Told {
            vehicle,
            fence,
            version,
            time,
            not_before,
            not_after,
            reason,
            position,
            detail,
            group,
        });
    };
    let enter = GeofenceEnter {};
    let exit = GeofenceExit {};
    let close = |visit: &Visit, [time, _, not_after]: [i64; 3]| {
        let s = |ms: i64| ms as f64 / 1000.0;
        let steps = visit.inside.windows(2).map(|pair| pair[1] - pair[0]);
        Detail::GeofenceVisit(GeofenceVisit {
            enter_time_ms: visit.enter,
            duration_s: s(time - visit.enter),
            certain_s: s(visit.inside.last().unwrap_or(&0) - visit.inside.first().unwrap_or(&0)),
            possible_s: s(not_after - visit.not_before),
            max_gap_s: s(steps.max().unwrap_or(0)),
            pings: visit.inside.len() as u64,
        })
    };

    // Fixes and changes of the fence, in order; a change before a fix of its time.
    let mut moments: Vec<(TimeMs, usize, usize)> = Vec::new();
    moments.extend(fixes.iter().enumerate().map(|(i, fix)| (fix.event_time, 1, i)));
    moments.extend(states.iter().enumerate().map(|(i, state)| (state.from, 0, i)));
    moments.sort_unstable();

    let mut version: Option<(u32, &Rects)> = None;
    let mut last: Option<&Ping> = None;
    let mut visit: Option<Visit> = None;
    for (at, what, i) in moments {
        if what == 0 {
            let state = &states[i];
            let before = i.checked_sub(1).map(|i| &states[i]);
            let (number, next) = (state.version, state.shape());
            if let Some(last) = last {
                let here = last.position;
                let span = [at.0; 3];
                let side = next.is_some_and(|(_, shape)| shape.holds(here));
                if side && visit.is_none() {
                    let reason = reason(before, state);
                    // An opening or an assignment names its visit itself.
                    let by_moment =
                        matches!(reason, Reason::ScheduleOpened | Reason::AssignmentChanged);
                    let group = if by_moment { -at.0 } else { last.event_time.0 };
                    tell(number, span, reason, here, group, Detail::GeofenceEnter(enter));
                    visit = Some(Visit {
                        enter: at.0,
                        not_before: at.0,
                        not_after: at.0,
                        position: here,
                        group,
                        inside: vec![],
                        dwelt: vec![],
                    });
                } else if !side && let Some(visit) = visit.take() {
                    let number = if state.drawn.is_none() { version.unwrap().0 } else { number };
                    let reason = reason(before, state);
                    let (seen, shape) = version.unwrap();
                    for (threshold_s, span) in visit.presumed(shape, at.0, settings) {
                        let detail = Detail::GeofenceDwell(GeofenceDwell { threshold_s });
                        let (place, group) = (visit.position, visit.group);
                        tell(seen, span, Reason::Unspecified, place, group, detail);
                    }
                    let figures = close(&visit, span);
                    tell(number, span, reason, here, visit.group, Detail::GeofenceExit(exit));
                    tell(number, span, reason, here, visit.group, figures);
                }
            }
            version = next;
            continue;
        }
        let fix = fixes[i];
        let t = fix.event_time.0;
        let side = version.is_some_and(|(_, shape)| shape.holds(fix.position));
        let number = version.map_or(0, |(number, _)| number);
        let (reason, from) = match last {
            None => (Reason::FirstSeen, first.event_time.0),
            Some(last) if t - last.event_time.0 > settings.max_gap_ms => {
                (Reason::Reappeared, last.event_time.0)
            }
            Some(last) => (Reason::Crossed, last.event_time.0),
        };
        let span = [t, from, t];
        if side && visit.is_none() {
            tell(number, span, reason, fix.position, t, Detail::GeofenceEnter(enter));
            visit = Some(Visit {
                enter: t,
                not_before: from,
                not_after: t,
                position: fix.position,
                group: t,
                inside: vec![],
                dwelt: vec![],
            });
        }
        if !side && let Some(visit) = visit.take() {
            for (threshold_s, span) in visit.presumed(version.unwrap().1, t, settings) {
                let detail = Detail::GeofenceDwell(GeofenceDwell { threshold_s });
                tell(number, span, Reason::Unspecified, visit.position, visit.group, detail);
            }
            let figures = close(&visit, span);
            tell(number, span, reason, fix.position, visit.group, Detail::GeofenceExit(exit));
            tell(number, span, reason, fix.position, visit.group, figures);
        }
        if let (Some(visit), Some((number, shape))) = (&mut visit, version) {
            visit.inside.push(t);
            for &threshold_s in &shape.dwell_s {
                let after = i64::from(threshold_s) * 1000;
                if t >= visit.enter + after && !visit.dwelt.contains(&threshold_s) {
                    visit.dwelt.push(threshold_s);
                    let span = visit.after(after);
                    let detail = Detail::GeofenceDwell(GeofenceDwell { threshold_s });
                    tell(number, span, Reason::Unspecified, visit.position, visit.group, detail);
                }
            }
        }
        last = Some(fix);
    }
    if let (Some(visit), Some((number, shape))) = (visit, version) {
        for (threshold_s, span) in visit.presumed(shape, end.0, settings) {
            let detail = Detail::GeofenceDwell(GeofenceDwell { threshold_s });
            tell(number, span, Reason::Unspecified, visit.position, visit.group, detail);
        }
    }
}

impl Visit {
    /// Time and interval of the enter, so much later.
    fn after(&self, ms: i64) -> [i64; 3] {
        [self.enter + ms, self.not_before + ms, self.not_after + ms]
    }

    /// The dwell thresholds that no fix inside proves and that the visit lasts
    /// to all the same, if it lasts through `through`.
    fn presumed(&self, shape: &Rects, through: i64, settings: &Settings) -> Vec<(u32, [i64; 3])> {
        if settings.on_silence == OnSilence::Wait {
            return vec![];
        }
        let proved = self.dwelt.iter().max().copied().unwrap_or(0);
        let ahead = shape.dwell_s.iter().filter(|threshold_s| **threshold_s > proved);
        ahead
            .map(|threshold_s| (*threshold_s, self.after(i64::from(*threshold_s) * 1000)))
            .filter(|(_, span)| span[0] <= through)
            .collect()
    }
}

/// §8 of one vehicle.
fn rests(vehicle: &str, fixes: &[&Ping], settings: &Settings, end: TimeMs, events: &mut Vec<Told>) {
    let t = |i: usize| fixes[i].event_time.0;
    let before = |i: usize| if i == 0 { t(0) } else { t(i - 1) };
    let s = |ms: i64| ms as f64 / 1000.0;
    let mut tell = |span: [i64; 3], reason, at: usize, group, detail| {
        events.push(Told {
            vehicle: vehicle.to_owned(),
            fence: String::new(),
            version: 0,
            time: span[0],
            not_before: span[1],
            not_after: span[2],
            reason,
            position: fixes[at].position,
            detail,
            group,
        });
    };
    let mut anchor = 0;
    while anchor < fixes.len() {
        if !slow(fixes[anchor]) {
            anchor += 1;
            continue;
        }
        let fits = |i: &usize| belongs(fixes[*i], fixes[anchor]);
        let last = (anchor + 1..fixes.len()).take_while(fits).last().unwrap_or(anchor);
        let next = last + 1;
        let group = t(anchor);
        if t(last) - t(anchor) >= settings.stationary_after_ms && last > anchor {
            let span = [t(anchor), before(anchor), t(anchor)];
            let start = Detail::StationaryStart(StationaryStart {});
            tell(span, Reason::Unspecified, anchor, group, start);
            if next < fixes.len() {
                let duration_s = s(t(last) - t(anchor));
                let detail = Detail::StationaryEnd(StationaryEnd { duration_s });
                tell([t(last), t(last), t(next)], Reason::Moved, next, group, detail);
            }
        }
        for (a, b) in idle_stretches(fixes, anchor, last, settings) {
            if t(b) - t(a) < settings.idle_after_ms || a == b {
                continue;
            }
            let span = [t(a), before(a), t(a)];
            let group = t(a);
            let start = Detail::IdleStart(IdleStart {});
            tell(span, Reason::Unspecified, a, group, start);
            let idle_end = |time: i64| Detail::IdleEnd(IdleEnd { duration_s: s(time - t(a)) });
            let n = b + 1;
            let gap_over = t(b) + settings.idle_gap_ms;
            if n < fixes.len() && t(n) <= gap_over {
                let (time, reason) = match engine(fixes, n, settings) {
                    _ if n > last => (t(b), Reason::Moved),
                    Some(false) => (t(n), Reason::IgnitionOff),
                    None => (t(b), Reason::EngineUnknown),
                    Some(true) => panic!("the stretch would go on"),
                };
                tell([time, t(b), t(n)], reason, n, group, idle_end(time));
            } else if n < fixes.len() || end.0 > gap_over {
                tell([t(b), t(b), gap_over], Reason::Gap, b, group, idle_end(t(b)));
            }
        }
        anchor = next;
    }
}

fn slow(fix: &Ping) -> bool {
    fix.speed_mps.is_none_or(|speed| speed <= 0.5)
}

fn belongs(fix: &Ping, anchor: &Ping) -> bool {
    let radius = |fix: &Ping| fix.accuracy_m.unwrap_or(10.0);
    slow(fix) && metres(fix.position, anchor.position) <= 30_f64.max(radius(fix) + radius(anchor))
}

/// In a plane at `here`, by the WGS 84 radii of curvature.
fn metres(here: Position, there: Position) -> f64 {
    let (a, e2) = (6_378_137.0, 0.006_694_379_990_141_316);
    let lat = here.lat_deg().to_radians();
    let w2 = 1.0 - e2 * libm::sin(lat) * libm::sin(lat);
    let (n, m) = (a / w2.sqrt(), a * (1.0 - e2) / (w2 * w2.sqrt()));
    let x = (there.lon_deg() - here.lon_deg()).to_radians() * n * libm::cos(lat);
    let y = (there.lat_deg() - here.lat_deg()).to_radians() * m;
    (x * x + y * y).sqrt()
}

/// First and last fix of every longest stretch of the run with the engine on
/// and no gap over `idle_gap`.
fn idle_stretches(
    fixes: &[&Ping],
    first: usize,
    last: usize,
    settings: &Settings,
) -> Vec<(usize, usize)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for i in first..=last {
        if engine(fixes, i, settings) != Some(true) {
            continue;
        }
        match stretches.last_mut() {
            Some((_, b))
                if *b + 1 == i
                    && fixes[i].event_time.since(fixes[*b].event_time) <= settings.idle_gap_ms =>
            {
                *b = i;
            }
            _ => stretches.push((i, i)),
        }
    }
    stretches
}

/// Its own value, else the last one not older than `idle_gap`.
fn engine(fixes: &[&Ping], i: usize, settings: &Settings) -> Option<bool> {
    let says = |fix: &Ping| fix.ignition.or(fix.engine_rpm.map(|rpm| rpm > 0.0));
    fixes[..=i]
        .iter()
        .rev()
        .find_map(|fix| says(fix).map(|on| (on, fix.event_time)))
        .filter(|(_, at)| fixes[i].event_time.since(*at) <= settings.idle_gap_ms)
        .map(|(on, _)| on)
        .or(settings.assume_engine_on.then_some(true))
}
