//! Pings and a detector, short enough to write a vector in a few lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use geofence::{
    Counters, Detector, Effects, Fence, FenceSet, Input, Outcome, Ping, PingRun, Settings,
    TagChanges, TimeMs, admission, order_key,
};
use protos::PingView;
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, Id, Op, Reason};
use protos::telemetry::VehiclePing;

use crate::support::capture::CaptureCheck;
pub(crate) use crate::support::shard::kind;

/// 12:00:00Z of some day: the vectors' T.
pub(crate) const T_MS: i64 = 1_790_078_400_000;

/// Profile robust, evaluated at once, no dwell.
pub(crate) fn robust() -> Settings {
    Settings { reorder_delay_ms: 0, dwell_s: vec![], ..Settings::default() }
}

/// A ping as a test writes it.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) wire: VehiclePing,
    pub(crate) received_s: Option<f64>,
}

/// Vehicle `v` at T + `s` seconds with accuracy 5 m, received when taken.
pub(crate) fn at(s: f64, lon: f64, lat: f64) -> At {
    let wire = VehiclePing {
        vehicle_id: "v".into(),
        event_time_us: (T_MS + (s * 1000.0).round() as i64) * 1000,
        lat,
        lon,
        accuracy_m: Some(5.0),
        ..VehiclePing::default()
    };
    At { wire, received_s: None }
}

impl At {
    pub(crate) fn accuracy(mut self, metres: f64) -> Self {
        self.wire.accuracy_m = Some(metres);
        self
    }

    pub(crate) fn speed(mut self, mps: f64) -> Self {
        self.wire.speed_mps = Some(mps);
        self
    }

    pub(crate) fn received(mut self, s: f64) -> Self {
        self.received_s = Some(s);
        self
    }

    pub(crate) fn ignition(mut self, on: bool) -> Self {
        self.wire.ignition = Some(on);
        self
    }

    pub(crate) fn of(mut self, vehicle: &str) -> Self {
        self.wire.vehicle_id = vehicle.into();
        self
    }

    pub(crate) fn ping(&self) -> Ping {
        let t_ms = self.wire.event_time_us / 1000;
        let received = self.received_s.map_or(t_ms, |s| T_MS + (s * 1000.0).round() as i64);
        admission::admit(&PingView::from(&self.wire), TimeMs(received), false).unwrap()
    }
}

/// One segment: its input, what became of its pings, its clock.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) inputs: Vec<Input>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) now: TimeMs,
    pub(crate) seq: u64,
}

/// A detector with what its sinks hold.
pub(crate) struct Shard {
    pub(crate) detector: Detector,
    pub(crate) seq: u64,
    pub(crate) log: Vec<FleetEvent>,
    pub(crate) counters: Counters,
    /// What a journal would hold.
    pub(crate) journal: Vec<Recorded>,
    pub(crate) sets: BTreeMap<String, Arc<FenceSet>>,
    capture: CaptureCheck,
}

impl Shard {
    pub(crate) fn new(settings: Settings, fences: Vec<Fence>) -> Self {
        let mut shard = Self {
            detector: Detector::new(settings),
            seq: 0,
            log: Vec::new(),
            counters: Counters::default(),
            journal: Vec::new(),
            sets: BTreeMap::new(),
            capture: CaptureCheck::default(),
        };
        shard.remember(&Arc::new(FenceSet::empty()));
        // Before every vector's pings.
        shard.fences(fences, -366.0 * 86_400.0);
        shard
    }

    fn remember(&mut self, set: &Arc<FenceSet>) {
        self.sets.insert(set.hash().to_owned(), Arc::clone(set));
    }

    pub(crate) fn apply(&mut self, input: Input, now: TimeMs) -> Effects {
        self.segment(&[input], now)
    }

    pub(crate) fn segment(&mut self, inputs: &[Input], now: TimeMs) -> Effects {
        for input in inputs {
            if let Input::Fences { set, .. } = input {
                self.remember(set);
            }
        }
        self.seq += 1;
        let effects = self.detector.apply(inputs, now, self.seq);
        self.capture.go_on(&mut self.detector);
        self.log.extend(effects.events.iter().cloned());
        self.counters.merge(&effects.counters);
        self.journal.push(Recorded {
            inputs: inputs.to_vec(),
            outcomes: effects.outcomes.clone(),
            now: self.detector.now(),
            seq: self.seq,
        });
        effects
    }

    /// One segment of pings whose source says nothing of lateness.
    pub(crate) fn pings(&mut self, pings: &[At]) -> Effects {
        self.run(pings.iter().map(At::ping).collect())
    }

    pub(crate) fn run(&mut self, pings: Vec<Ping>) -> Effects {
        let now = pings.iter().map(|ping| ping.receive_time).max().unwrap_or(TimeMs::MIN);
        let run = PingRun { source: 0, low_mark: None, low_mark_bounds_lateness: false, pings };
        self.apply(Input::Pings(run), now)
    }

    /// One segment for each ping.
    pub(crate) fn each(&mut self, pings: &[At]) {
        for ping in pings {
            self.pings(std::slice::from_ref(ping));
        }
    }

    pub(crate) fn fences(&mut self, fences: Vec<Fence>, valid_from_s: f64) -> Effects {
        let set = Arc::new(FenceSet::new(fences).unwrap());
        let valid_from = TimeMs(T_MS + (valid_from_s * 1000.0).round() as i64);
        self.apply(Input::Fences { set, valid_from }, valid_from)
    }

    /// These vehicles have these tags from then on, and no others have any.
    pub(crate) fn tags(&mut self, vehicles: &[(&str, &[&str])], valid_from_s: f64) -> Effects {
        let list = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let vehicles = vehicles.iter().map(|(id, tags)| ((*id).to_owned(), list(tags))).collect();
        let valid_from = TimeMs(T_MS + (valid_from_s * 1000.0).round() as i64);
        let changes = TagChanges { vehicles, is_whole: true };
        self.apply(Input::Tags { changes, valid_from }, valid_from)
    }

    /// Goes on from its own snapshot.
    pub(crate) fn restart(&mut self) {
        let bytes = Bytes::from(self.detector.encode_state());
        let sets = &self.sets;
        let restored =
            Detector::decode_state(bytes.clone(), |hash| sets.get(hash).cloned()).unwrap();
        assert_eq!(restored.encode_state(), bytes, "the snapshot holds all of the state");
        self.detector = restored;
        self.capture = CaptureCheck::default();
    }

    /// What holds: by event id the highest revision, retracted ones hidden,
    /// in the order of files, and without how it was learnt.
    pub(crate) fn fold(&self) -> Vec<FleetEvent> {
        fold(&self.log)
    }

    /// The fold in short, one line an event.
    pub(crate) fn told(&self) -> Vec<String> {
        self.fold().iter().map(line).collect()
    }

    /// The same of the events at fences alone.
    pub(crate) fn told_of_fences(&self) -> Vec<String> {
        self.fold().iter().filter(|event| !event.fence_id.is_empty()).map(line).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.fold().iter().map(kind).collect()
    }

    /// The one event of its kind.
    pub(crate) fn only(&self, wanted: &str) -> FleetEvent {
        let found: Vec<_> = self.fold().into_iter().filter(|event| kind(event) == wanted).collect();
        assert_eq!(found.len(), 1, "{:?}", self.told());
        found[0].clone()
    }

    pub(crate) fn count(&self, counter: &str) -> u64 {
        self.counters.get(counter)
    }
}

pub(crate) fn fold(log: &[FleetEvent]) -> Vec<FleetEvent> {
    let mut held: BTreeMap<Id, &FleetEvent> = BTreeMap::new();
    for event in log {
        let newest = held.entry(event.event_id).or_insert(event);
        if event.revision > newest.revision {
            *newest = event;
        }
    }
    let mut events: Vec<FleetEvent> = held
        .into_values()
        .filter(|event| event.op() != Op::Retract)
        .map(|event| FleetEvent {
            op: 0,
            revision: 0,
            observed_at_ms: 0,
            late: false,
            replaces: Id::NONE,
            ..event.clone()
        })
        .collect();
    events.sort_by(|a, b| {
        a.vehicle_id.cmp(&b.vehicle_id).then_with(|| order_key(a).cmp(&order_key(b)))
    });
    events
}

/// Seconds after T, to the tenth that the vectors state.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{:.1}", (ms - T_MS) as f64 / 1000.0)
}

/// `enter f 15.0 [0.0, 30.0] crossed`.
pub(crate) fn line(event: &FleetEvent) -> String {
    let reason = match event.reason() {
        Reason::Unspecified => String::new(),
        reason => {
            format!(" {}", reason.as_str_name().trim_start_matches("REASON_").to_ascii_lowercase())
        }
    };
    let fence = match event.fence_id.as_str() {
        "" => String::new(),
        id => format!(" {id}"),
    };
    format!(
        "{}{fence} {} [{}, {}]{reason}",
        kind(event),
        seconds(event.event_time_ms),
        seconds(event.not_before_ms),
        seconds(event.not_after_ms),
    )
}

/// The figures of a visit event: certain, possible, largest gap in seconds,
/// and pings.
pub(crate) fn figures(event: &FleetEvent) -> (f64, f64, f64, u64) {
    match event.detail.as_ref().unwrap() {
        Detail::GeofenceVisit(visit) => {
            (visit.certain_s, visit.possible_s, visit.max_gap_s, visit.pings)
        }
        _ => panic!("no visit: {event:?}"),
    }
}

/// When a cross was out again, as [`seconds`], and the metres inside.
pub(crate) fn passed(event: &FleetEvent) -> (String, f64) {
    match event.detail.as_ref().unwrap() {
        Detail::GeofenceCross(cross) => (seconds(cross.out_time_ms), cross.inside_m),
        _ => panic!("no cross: {event:?}"),
    }
}
