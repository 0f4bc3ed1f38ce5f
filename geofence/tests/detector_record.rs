//! A recorded history that differs from what the core computes (architecture,
//! "Recovery audits itself"): the record is what the sinks have read, so it is
//! taken for asserted, and the difference leaves as ordinary operations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use geofence::{Detector, Input, TimeMs};
use protos::events::{FleetEvent, Op};

use support::only_sq;
use support::pings::{Made, ping};
use support::shard::{Fold, kind, plain, run};

fn inside(t_s: i64) -> Made {
    ping(t_s, 10.005, 50.005)
}

fn outside(t_s: i64) -> Made {
    ping(t_s, 9.0, 50.005)
}

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
    let alterations: [(&str, &dyn Fn(&mut Vec<FleetEvent>)); 5] = [
        ("another time", &|events| events[0].event_time_ms += 7),
        ("another place", &|events| events[0].lon = Some(1.0)),
        ("another id", &|events| events[0].event_id = "ab".repeat(16)),
        ("one too many", &|events| {
            let mut surplus = events[0].clone();
            surplus.event_id = "cd".repeat(16);
            surplus.set_op(Op::Assert);
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
            enter.set_op(Op::Retract);
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
                wrong.set_op(op);
                wrong.not_before_ms -= 5;
                events.push(wrong);
            }
        });
        assert_eq!(fold.contents(), truth, "{op:?}");
    }
}
