//! Segments, and a journal of one's own to commit them to.

use std::sync::Arc;

use benches::city;
use benches::fleet::{Fleet, payloads, run};
use benches::journal::open_options;
use engine::journal::{Fenced, Journal, Store, claim};
use geofence::{Detector, Input, Settings, TimeMs};
use protos::journal::{Disposition, PingRun, Segment, input};

/// A segment of `pings` pings from as many vehicles that have just been seen
/// for the first time, with the events they make among 1,000 fences.
pub(crate) fn segment(pings: usize) -> Segment {
    let set = Arc::new(city::fence_set(&city::rings(1_000, 6)));
    let mut detector = Detector::new(Settings { reorder_delay_ms: 0, ..Settings::default() });
    let pings = Fleet::new(pings, 7).round();
    let now = TimeMs(pings[0].event_time_us / 1000);
    let fences = Input::Fences { set, valid_from: now };
    let events = detector.apply(&[fences, run(&pings)], now, 1).events;
    let payloads = payloads(&pings);
    let recorded = PingRun {
        payloads: payloads.concat().into(),
        payload_lengths: payloads.iter().map(|payload| payload.len() as u32).collect(),
        receive_time_ms: now.0,
        receive_time_deltas: vec![0; pings.len() - 1],
        dispositions: vec![Disposition::OnTime.into(); pings.len()],
        ..PingRun::default()
    };
    let recorded = protos::journal::Input { input: Some(input::Input::Pings(recorded)) };
    Segment { inputs: vec![recorded], events, now_ms: now.0, ..Segment::default() }
}

/// A new journal in `directory`, with fsync as in a worker.
pub(crate) async fn journal(directory: &std::path::Path) -> Journal {
    let store = Store::local(directory).expect("a directory to write to");
    let mut claim = claim(store, open_options()).await.expect("a new journal");
    assert!(claim.next_segment().await.expect("readable").is_none(), "a new journal is empty");
    match claim.fence(Segment::default()).await.expect("a first segment") {
        Fenced::Won(journal, _) => *journal,
        Fenced::Behind(segment) => panic!("nobody else is there: {segment:?}"),
    }
}
