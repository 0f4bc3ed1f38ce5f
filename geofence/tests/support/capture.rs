//! Takes a detector's state down a vehicle at a time while applies go on, and
//! holds what comes out against the state as it was written at once.

use geofence::Detector;
use prost::Message;
use protos::journal::CoreState;

/// One capture after the other.
#[derive(Default)]
pub struct CaptureCheck {
    /// The state at the moment that is being taken down.
    whole: Option<Vec<u8>>,
    /// What has been taken down of it.
    taken: Vec<u8>,
}

impl CaptureCheck {
    /// To be called after each apply.
    pub fn go_on(&mut self, detector: &mut Detector) {
        match &self.whole {
            None => {
                self.whole = Some(detector.encode_state());
                detector.begin_capture();
            }
            Some(whole) => {
                let captured = detector.capture(1).unwrap();
                self.taken.extend(captured.bytes);
                if captured.is_last {
                    assert_eq!(by_id(&std::mem::take(&mut self.taken)), by_id(whole));
                    self.whole = None;
                }
            }
        }
    }
}

/// The state with its vehicles in an order of their own.
fn by_id(state: &[u8]) -> CoreState {
    let mut state = CoreState::decode(state).unwrap();
    let ids: Vec<String> = state.vehicles.iter().map(|vehicle| vehicle.id.clone()).collect();
    state.vehicles.sort_by(|a, b| a.id.cmp(&b.id));
    for waiting in &mut state.waiting {
        let id = &ids[waiting.vehicle as usize];
        let place = state.vehicles.binary_search_by(|vehicle| vehicle.id.cmp(id)).unwrap();
        waiting.vehicle = place as u32;
    }
    state
}
