//! A recorded history that differs from what the core computes (architecture,
//! "Recovery audits itself"): the record is what the sinks have read, so it is
//! taken for asserted, and the difference leaves as ordinary operations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Detector, Input, PingRun, Settings, SourceState, TimeMs};
use protos::events::{FleetEvent, Op};

use support::only_sq;
use support::pings::{Made, ping};
use support::shard::{Fold, kind, line, plain, run};

fn inside(t_s: i64) -> Made {
    ping(t_s, 10.005, 50.005)
}

fn outside(t_s: i64) -> Made {
    ping(t_s, 9.0, 50.005)
}

type Alteration = &'static dyn Fn(&mut Vec<FleetEvent>);

/// Three segments: an enter, a late ping that moves it, an exit.
fn segments() -> Vec<Vec<Input>> {
    let pings = |made: Vec<Made>| Input::Pings(run(made.into_iter().map(Made::done).collect()));
    let set = std::sync::Arc::new(only_sq(""));
    let valid_from = TimeMs(0);
    vec![
        vec![Input::Fences { set, valid_from }, pings(vec![outside(0), inside(60)])],
        vec![pings(vec![inside(30)])],
        vec![pings(vec![outside(90), inside(2_000), outside(9_000)])],
    ]
}

/// What the sinks hold in the end, if the segments were recorded as `alter`
/// makes them, and the number of differences found.
fn recovered(alter: impl Fn(usize, &mut Vec<FleetEvent>)) -> (Fold, usize) {
    let mut detector = Detector::new(plain());
    let mut fold = Fold::default();
    let mut differences = 0;
    for (i, inputs) in segments().iter().enumerate() {
        let seq = i as u64 + 1;
        let computed = detector.apply(inputs, TimeMs(0), seq).events;
        let mut recorded = computed.clone();
        alter(i, &mut recorded);
        differences += detector.reconcile(&computed, &recorded);
        fold.take(&recorded);
    }
    let corrections = detector.apply(&[], TimeMs(0), 9).events;
    fold.check(&corrections, 9);
    fold.take(&corrections);
    assert_eq!(detector.apply(&[], TimeMs(0), 10).events, [], "said once");
    (fold, differences)
}

#[test]
fn a_record_that_agrees_needs_no_correction() {
    let (_, differences) = recovered(|_, _| ());
    assert_eq!(differences, 0);
}

#[test]
fn what_the_record_lacks_is_made_up_for() {
    let truth = recovered(|_, _| ()).0.contents();
    assert_eq!(truth.len(), 6, "two visits");
    let lengths = [1, 2, 5];
    for (segment, length) in lengths.into_iter().enumerate() {
        for place in 0..length {
            let (fold, differences) = recovered(|i, events| {
                if i == segment {
                    assert_eq!(events.len(), length, "{events:?}");
                    events.remove(place);
                }
            });
            assert!(differences > 0);
            assert_eq!(fold.contents(), truth, "without operation {place} of {segment}");
        }
    }
}

#[test]
fn what_the_record_says_wrongly_is_corrected() {
    let truth = recovered(|_, _| ()).0.contents();
    let alterations: [(&str, Alteration); 5] = [
        ("another time", &|events| events[0].event_time_ms += 7),
        ("another place", &|events| events[0].lon = Some(1.0)),
        ("another id", &|events| events[0].event_id = "ab".repeat(16).parse().unwrap()),
        ("one too many", &|events| {
            let mut surplus = events[0].clone();
            surplus.event_id = "cd".repeat(16).parse().unwrap();
            surplus.op = Op::Assert.into();
            events.push(surplus);
        }),
        ("nothing at all", &|events| events.clear()),
    ];
    for (what, alteration) in alterations {
        for segment in 0..3 {
            let (fold, differences) = recovered(|i, events| {
                if i == segment {
                    alteration(events);
                }
            });
            assert!(differences > 0);
            assert_eq!(fold.contents(), truth, "{what} in segment {segment}");
        }
    }
}

#[test]
fn a_recorded_retraction_is_taken_back() {
    let truth = recovered(|_, _| ()).0.contents();
    let (fold, differences) = recovered(|i, events| {
        // The second segment asserted the enter that the third one's record
        // retracts, and nobody computed that.
        if i == 2 {
            let mut enter = events.iter().find(|event| kind(event) == "enter").unwrap().clone();
            enter.op = Op::Retract.into();
            events.retain(|event| event.event_id != enter.event_id);
            events.push(enter);
        }
    });
    assert!(differences > 0);
    assert_eq!(fold.contents(), truth);
}

#[test]
fn an_earlier_event_that_the_record_retracts_or_amends_is_put_right() {
    let truth = recovered(|_, _| ()).0.contents();
    let enter = truth[0].clone();
    for op in [Op::Retract, Op::Amend] {
        let (fold, _) = recovered(|i, events| {
            if i == 2 {
                let mut wrong = FleetEvent { revision: 3, ..enter.clone() };
                wrong.op = op.into();
                wrong.not_before_ms -= 5;
                events.push(wrong);
            }
        });
        assert_eq!(fold.contents(), truth, "{op:?}");
    }
}

/// One apply, of which the sinks have read what `recorded` says.
struct History {
    detector: Detector,
    sinks: Fold,
    seq: u64,
}

impl History {
    fn new(settings: Settings) -> Self {
        let mut history =
            Self { detector: Detector::new(settings), sinks: Fold::default(), seq: 0 };
        let set = std::sync::Arc::new(only_sq(""));
        history.right(&[Input::Fences { set, valid_from: TimeMs::MIN }]);
        history
    }

    fn recorded(
        &mut self,
        inputs: &[Input],
        record: impl FnOnce(&mut Vec<FleetEvent>),
    ) -> Vec<FleetEvent> {
        self.recorded_at(TimeMs::MIN, inputs, record)
    }

    fn recorded_at(
        &mut self,
        now: TimeMs,
        inputs: &[Input],
        record: impl FnOnce(&mut Vec<FleetEvent>),
    ) -> Vec<FleetEvent> {
        self.seq += 1;
        let computed = self.detector.apply(inputs, now, self.seq).events;
        self.sinks.check(&computed, self.seq);
        let mut recorded = computed.clone();
        record(&mut recorded);
        self.detector.reconcile(&computed, &recorded);
        self.sinks.take(&recorded);
        computed
    }

    fn right(&mut self, inputs: &[Input]) -> Vec<FleetEvent> {
        self.recorded(inputs, |_| ())
    }

    fn told(&self) -> Vec<String> {
        self.sinks.events().iter().map(line).collect()
    }
}

fn pings(made: impl IntoIterator<Item = Made>) -> Input {
    Input::Pings(run(made.into_iter().map(Made::done).collect()))
}

fn ops(events: &[FleetEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{:?} {}", event.op(), line(event))).collect()
}

#[test]
fn an_amend_that_the_record_lacks_is_an_amend_still() {
    let mut history = History::new(plain());
    history.right(&[pings([outside(0), inside(60), outside(90)])]);
    let amends = ["Amend exit sq @90", "Amend visit sq @90"];
    let computed = history.recorded(&[pings([inside(70)])], Vec::clear);
    assert_eq!(ops(&computed), amends);
    assert_eq!(ops(&history.right(&[])), amends);
    assert_eq!(history.right(&[]), []);
}

/// A visit, and pings so much later that it is final.
fn one_final_visit() -> History {
    let mut history = History::new(plain());
    history.right(&[pings([outside(0), inside(60), outside(90)])]);
    for t_s in 1..100 {
        history.right(&[pings([outside(t_s * 100)])]);
    }
    history
}

#[test]
fn a_final_event_that_the_record_retracts_is_told_again() {
    let mut history = one_final_visit();
    let told = history.told();
    let contents = history.sinks.contents();
    let mut exit = history.sinks.events().into_iter().find(|event| kind(event) == "exit").unwrap();
    exit.revision = history.seq + 1;
    exit.op = Op::Retract.into();
    history.recorded(&[], |events| events.push(exit));
    assert_eq!(history.told().len(), told.len() - 1);
    assert_eq!(ops(&history.right(&[])), ["Assert exit sq @90"]);
    assert_eq!((history.told(), history.sinks.contents()), (told, contents));
}

#[test]
fn a_final_event_that_the_record_amends_stays() {
    let mut history = one_final_visit();
    let told = history.told();
    let mut exit = history.sinks.events().into_iter().find(|event| kind(event) == "exit").unwrap();
    exit.revision = history.seq + 1;
    exit.op = Op::Amend.into();
    exit.distance_m = Some(-3.0);
    history.recorded(&[], |events| events.push(exit));
    assert_eq!(history.right(&[]), []);
    assert_eq!(history.told(), told);
}

#[test]
fn an_event_of_a_source_is_put_right() {
    let mut history = History::new(plain());
    let stalled = |source: u32, at_s: i64| {
        Input::Source(SourceState {
            source,
            name: format!("s{source}"),
            stalled: true,
            at: TimeMs(at_s * 1000),
        })
    };
    history.recorded(&[stalled(1, 10), stalled(2, 20)], |events| events.truncate(1));
    assert_eq!(ops(&history.right(&[])), ["Assert source_stalled @20"]);
    history.recorded(&[stalled(3, 30)], |events| {
        let mut surplus = events[0].clone();
        surplus.event_id = "ab".repeat(16).parse().unwrap();
        events.push(surplus);
    });
    assert_eq!(ops(&history.right(&[])), ["Retract source_stalled @30"]);
    assert_eq!(history.right(&[]), []);
}

#[test]
fn an_event_of_a_vehicle_that_is_forgotten_is_put_right() {
    let hour = |n: i64| TimeMs(n * 3_600_000);
    let mut history = History::new(Settings { forget_after_ms: 1_000, ..plain() });
    history.recorded_at(hour(1), &[pings([inside(0)])], Vec::clear);
    // What is told on the way out is in no record.
    let gone = history.recorded_at(hour(3), &[], Vec::clear);
    assert_eq!(ops(&gone), ["Assert enter sq @0"]);
    assert_eq!(history.detector.vehicle_count(), 0);
    assert_eq!(ops(&history.right(&[])), ["Assert enter sq @0"]);
    assert_eq!(history.right(&[]), []);
}

#[test]
fn a_vehicle_that_the_record_has_offline_sooner_is_told_so_once() {
    let heard = |mark_s: i64| {
        let low_mark = Some(TimeMs(mark_s * 1000));
        Input::Pings(PingRun { low_mark, ..PingRun::default() })
    };
    let mut right = History::new(plain());
    right.right(&[pings([outside(0)])]);
    let mut offline = right.right(&[heard(301)]);
    assert_eq!(ops(&offline), ["Assert offline @300"]);
    for (ms, told) in [(0, vec![]), (-5, vec!["Amend offline @300"])] {
        let mut history = History::new(plain());
        history.right(&[pings([outside(0)])]);
        offline[0].event_time_ms = 300_000 + ms;
        history.recorded(&[heard(299)], |events| events.extend(offline.clone()));
        assert_eq!(ops(&history.right(&[heard(301)])), told);
        assert_eq!(history.right(&[]), []);
        assert_eq!(history.told(), ["offline @300"]);
    }
}

#[test]
fn what_is_to_be_put_right_is_due_at_once() {
    let mut history = History::new(plain());
    history.right(&[pings([outside(0)])]);
    assert_eq!(history.detector.next_due(), None);
    history.recorded(&[pings([inside(60)])], Vec::clear);
    assert_eq!(history.detector.next_due(), Some(history.detector.now()));
    history.right(&[]);
    assert_eq!(history.detector.next_due(), None);
}
