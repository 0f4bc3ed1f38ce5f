//! A detector under test, with a journal's view of it: every apply is a
//! segment, every operation is checked against those before, and the fold is
//! at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use geofence::{
    Counters, Detector, Effects, FenceSet, Input, Outcome, Ping, PingRun, Profile, Settings, TimeMs,
};
use protos::event_json::is_by_arrival;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id, Op};

use super::capture::CaptureCheck;
use super::pings::Made;

/// Profile plain, evaluated at once.
pub fn plain() -> Settings {
    Settings {
        profile: Profile::Plain,
        reorder_delay_ms: 0,
        dwell_s: vec![],
        ..Settings::default()
    }
}

/// What an event says of the world, without how that was learnt.
pub fn content(event: &FleetEvent) -> FleetEvent {
    FleetEvent {
        op: 0,
        revision: 0,
        observed_at_ms: 0,
        late: false,
        replaces: Id::NONE,
        ..event.clone()
    }
}

pub fn kind(event: &FleetEvent) -> &'static str {
    match event.detail.as_ref().unwrap() {
        Detail::GeofenceEnter(_) => "enter",
        Detail::GeofenceExit(_) => "exit",
        Detail::GeofenceCross(_) => "cross",
        Detail::GeofenceDwell(_) => "dwell",
        Detail::GeofenceVisit(_) => "visit",
        Detail::StationaryStart(_) => "stationary_start",
        Detail::StationaryEnd(_) => "stationary_end",
        Detail::IdleStart(_) => "idle_start",
        Detail::IdleEnd(_) => "idle_end",
        Detail::VehicleOffline(_) => "offline",
        Detail::VehicleOnline(_) => "online",
        Detail::SourceStalled(_) => "source_stalled",
        Detail::SourceRecovered(_) => "source_recovered",
    }
}

/// What consumers hold after reading operations: by event id, the highest
/// revision, retracted ones hidden but remembered.
#[derive(Clone, Debug, Default)]
pub struct Fold(BTreeMap<Id, FleetEvent>);

impl Fold {
    /// Takes up the operations of one segment.
    pub fn take(&mut self, operations: &[FleetEvent]) {
        for operation in operations {
            let held = self.0.get(&operation.event_id);
            if held.is_none_or(|held| held.revision < operation.revision) {
                self.0.insert(operation.event_id, operation.clone());
            }
        }
    }

    pub fn visible(&self, id: Id) -> Option<&FleetEvent> {
        self.0.get(&id).filter(|event| event.op() != Op::Retract)
    }

    /// The events that hold, in the order of files.
    pub fn events(&self) -> Vec<FleetEvent> {
        let mut events: Vec<_> =
            self.0.values().filter(|event| event.op() != Op::Retract).cloned().collect();
        events.sort_by(|a, b| {
            a.vehicle_id
                .cmp(&b.vehicle_id)
                .then_with(|| geofence::order_key(a).cmp(&geofence::order_key(b)))
        });
        events
    }

    /// The content of the event-time kinds, in the order of files.
    pub fn contents(&self) -> Vec<FleetEvent> {
        self.events().iter().filter(|event| !is_by_arrival(event)).map(content).collect()
    }

    /// Panics unless `operations`, of one segment, follow the rules: one per
    /// id; assert what does not hold, amend what holds and changes, retract
    /// what holds.
    pub fn check(&self, operations: &[FleetEvent], seq: u64) {
        let mut seen = BTreeSet::new();
        for operation in operations {
            assert!(seen.insert(operation.event_id), "two operations on one id: {operation:?}");
            assert_eq!(operation.revision, seq);
            let held = self.visible(operation.event_id);
            match operation.op() {
                Op::Assert => assert!(held.is_none(), "asserted twice: {operation:?}"),
                Op::Amend => {
                    let held = held.unwrap_or_else(|| panic!("amends nothing: {operation:?}"));
                    assert_ne!(content(held), content(operation), "amends to the same");
                }
                Op::Retract => assert!(held.is_some(), "retracts nothing: {operation:?}"),
                Op::Unspecified => panic!("no operation: {operation:?}"),
            }
            if !operation.replaces.is_none() {
                let replaced = |other: &FleetEvent| {
                    other.event_id == operation.replaces && other.op() == Op::Retract
                };
                assert!(operations.iter().any(replaced), "replaces what is not retracted");
            }
        }
    }
}

pub struct Shard {
    pub detector: Detector,
    pub seq: u64,
    pub fold: Fold,
    pub log: Vec<FleetEvent>,
    pub counters: Counters,
    /// By hash, as the object store keeps them.
    pub fence_sets: BTreeMap<String, Arc<FenceSet>>,
    pub capture: CaptureCheck,
}

impl Shard {
    /// A shard that has just taken up `fences`, before any vehicle.
    pub fn new(settings: Settings, fences: FenceSet) -> Self {
        let mut shard = Self {
            detector: Detector::new(settings),
            seq: 0,
            fold: Fold::default(),
            log: Vec::new(),
            counters: Counters::default(),
            fence_sets: BTreeMap::new(),
            capture: CaptureCheck::default(),
        };
        let empty = FenceSet::empty();
        shard.fence_sets.insert(empty.hash().to_owned(), Arc::new(empty));
        let set = Arc::new(fences);
        shard.apply(&[Input::Fences { set, valid_from: TimeMs::MIN }], TimeMs(0));
        shard
    }

    /// One segment.
    pub fn apply(&mut self, inputs: &[Input], now: TimeMs) -> Effects {
        for input in inputs {
            if let Input::Fences { set, .. } = input {
                self.fence_sets.insert(set.hash().to_owned(), Arc::clone(set));
            }
        }
        self.seq += 1;
        let effects = self.detector.apply(inputs, now, self.seq);
        self.capture.go_on(&mut self.detector);
        self.fold.check(&effects.events, self.seq);
        self.fold.take(&effects.events);
        self.log.extend(effects.events.iter().cloned());
        self.counters.merge(&effects.counters);
        effects
    }

    /// One segment with these pings, from a source whose low mark says
    /// nothing of lateness.
    pub fn pings(&mut self, pings: impl IntoIterator<Item = Made>) -> Effects {
        let pings: Vec<Ping> = pings.into_iter().map(Made::done).collect();
        let now = pings.iter().map(|ping| ping.receive_time).max();
        self.apply(&[Input::Pings(run(pings))], now.unwrap_or(TimeMs::MIN))
    }

    pub fn ping(&mut self, ping: Made) -> Outcome {
        self.pings([ping]).outcomes[0]
    }

    /// One segment with a fence set, valid and received at `t_s`.
    pub fn fences(&mut self, set: FenceSet, t_s: i64) -> Effects {
        let valid_from = TimeMs(t_s * 1000);
        self.apply(&[Input::Fences { set: Arc::new(set), valid_from }], valid_from)
    }

    /// Nothing but time.
    pub fn tick(&mut self, t_s: i64) -> Effects {
        self.apply(&[], TimeMs(t_s * 1000))
    }

    pub fn end(&mut self, t_s: i64) -> Effects {
        self.apply(&[Input::End { end: TimeMs(t_s * 1000) }], TimeMs::MIN)
    }

    /// The shard after a restart from its own snapshot.
    pub fn restored(&self) -> Detector {
        let bytes = self.detector.encode_state();
        Detector::decode_state(bytes, |hash| self.fence_sets.get(hash).cloned()).unwrap()
    }

    /// The folded events as lines: kind, fence and event time in seconds.
    pub fn told(&self) -> Vec<String> {
        self.fold.events().iter().map(line).collect()
    }

    /// The one folded event of this kind.
    pub fn only(&self, wanted: &str) -> FleetEvent {
        let found: Vec<_> =
            self.fold.events().into_iter().filter(|event| kind(event) == wanted).collect();
        assert_eq!(found.len(), 1, "{wanted} in {:?}", self.told());
        found[0].clone()
    }
}

/// A run of a source like HTTP.
pub fn run(pings: Vec<Ping>) -> PingRun {
    PingRun { pings, ..PingRun::default() }
}

/// `enter f @30`; the fence is left out where there is none.
pub fn line(event: &FleetEvent) -> String {
    let fence = match event.fence_id.as_str() {
        "" => String::new(),
        id => format!(" {id}"),
    };
    format!("{}{fence} @{}", kind(event), event.event_time_ms as f64 / 1000.0)
}
