//! What the rules compare with, in the units of the answer.

use geofence::Profile;
use geofence::trace::Thresholds;
use serde::Serialize;

/// What the rules compare with, in seconds, metres and metres per second.
#[derive(Clone, Debug, Serialize)]
pub struct ThresholdsSaid {
    /// `robust` or `plain`.
    pub profile: &'static str,
    /// A ping less accurate takes no part.
    pub accuracy_m_max: f64,
    /// Fastest speed that a vehicle is believed.
    pub speed_mps_max: f64,
    /// Chance of being inside from which one ping is enough.
    pub confidence_min: f64,
    /// How long an uncertain first ping inside waits for a second one.
    pub confirm_ttl_s: f64,
    /// Shortest stay that counts as an enter.
    pub min_inside_s: f64,
    /// The fence's part of the decisive margin; the ping's accuracy comes on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive_margin_m: Option<f64>,
    /// Outside pings that confirm an exit, one of them decisive.
    pub exit_confirm: u32,
    /// A run of outside pings as long as this is an exit.
    pub exit_span_s: f64,
    /// One ping this far outside, beyond its accuracy, is an exit.
    pub exit_far_m: f64,
    /// Longest step on which a pass counts.
    pub cross_max_gap_s: f64,
    /// Shortest pass that counts.
    pub cross_m_min: f64,
    /// Longest step on which a crossing is dated between two pings.
    pub max_gap_s: f64,
    /// Dwell thresholds.
    pub dwell_s: Vec<u32>,
    /// Shortest stationary episode.
    pub stationary_after_s: f64,
    /// Fastest speed reported while stationary.
    pub stationary_speed_mps_max: f64,
    /// Shortest idle episode.
    pub idle_after_s: f64,
    /// Largest gap inside an idle episode.
    pub idle_gap_s: f64,
    /// How long a ping waits for earlier ones.
    pub reorder_delay_s: f64,
    /// How far behind its vehicle's newest ping a ping still counts.
    pub hot_lateness_s: f64,
}

impl ThresholdsSaid {
    pub(super) fn new(thresholds: Thresholds, profile: Profile) -> Self {
        let s = |ms: i64| ms as f64 / 1000.0;
        Self {
            profile: match profile {
                Profile::Robust => "robust",
                Profile::Plain => "plain",
            },
            accuracy_m_max: thresholds.accuracy_m_max,
            speed_mps_max: thresholds.speed_mps_max,
            confidence_min: thresholds.confidence_min,
            confirm_ttl_s: s(thresholds.confirm_ttl_ms),
            min_inside_s: s(thresholds.min_inside_ms),
            decisive_margin_m: thresholds.margin_m,
            exit_confirm: thresholds.exit_confirm,
            exit_span_s: s(thresholds.exit_span_ms),
            exit_far_m: thresholds.exit_far_m,
            cross_max_gap_s: s(thresholds.cross_max_gap_ms),
            cross_m_min: thresholds.cross_m_min,
            max_gap_s: s(thresholds.max_gap_ms),
            dwell_s: thresholds.dwell_s,
            stationary_after_s: s(thresholds.stationary_after_ms),
            stationary_speed_mps_max: thresholds.stationary_speed_mps_max,
            idle_after_s: s(thresholds.idle_after_ms),
            idle_gap_s: s(thresholds.idle_gap_ms),
            reorder_delay_s: s(thresholds.reorder_delay_ms),
            hot_lateness_s: s(thresholds.hot_lateness_ms),
        }
    }
}
