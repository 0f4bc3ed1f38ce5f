//! Pings as tests write them: seconds and degrees, everything else on demand.

use geofence::{Ping, TimeMs, admission};
use protos::PingView;
use protos::telemetry::VehiclePing;

/// A ping in the making. It goes through admission, so that its identity is
/// the real one.
#[derive(Clone, Debug)]
pub struct Made {
    wire: VehiclePing,
    received: Option<TimeMs>,
}

/// Vehicle `v` at (`lon`, `lat`), `t_s` seconds after the epoch, accuracy 5 m,
/// received when it was taken.
pub fn ping(t_s: i64, lon: f64, lat: f64) -> Made {
    ping_ms(t_s * 1000, lon, lat)
}

pub fn ping_ms(t_ms: i64, lon: f64, lat: f64) -> Made {
    let wire = VehiclePing {
        vehicle_id: "v".into(),
        event_time_us: t_ms * 1000,
        lat,
        lon,
        accuracy_m: Some(5.0),
        ..VehiclePing::default()
    };
    Made { wire, received: None }
}

impl Made {
    pub fn of(mut self, vehicle: &str) -> Self {
        self.wire.vehicle_id = vehicle.into();
        self
    }

    /// Seconds after the epoch.
    pub fn received(self, t_s: i64) -> Self {
        self.received_ms(t_s * 1000)
    }

    pub fn received_ms(mut self, t_ms: i64) -> Self {
        self.received = Some(TimeMs(t_ms));
        self
    }

    pub fn id(mut self, id: &str) -> Self {
        self.wire.ping_id = Some(id.into());
        self
    }

    pub fn seq(mut self, seq: Option<u64>) -> Self {
        self.wire.seq = seq;
        self
    }

    pub fn accuracy(mut self, metres: Option<f64>) -> Self {
        self.wire.accuracy_m = metres;
        self
    }

    pub fn speed(mut self, mps: Option<f64>) -> Self {
        self.wire.speed_mps = mps;
        self
    }

    pub fn ignition(mut self, on: Option<bool>) -> Self {
        self.wire.ignition = on;
        self
    }

    pub fn rpm(mut self, rpm: Option<f64>) -> Self {
        self.wire.engine_rpm = rpm;
        self
    }

    pub fn done(self) -> Ping {
        let t = TimeMs(self.wire.event_time_us.div_euclid(1000));
        admission::admit(&PingView::from(&self.wire), self.received.unwrap_or(t), false).unwrap()
    }
}
