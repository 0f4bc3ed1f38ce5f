//! Detection settings: an input of the core like a ping, recorded in the
//! journal when they change. Defaults and meaning are those of the
//! semantics; every value is checked where the configuration is read.

use serde::{Deserialize, Serialize};

/// Which rules decide a transition (semantics §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Edges know how accurate a fix is, transitions are confirmed, positions
    /// that cannot be are set aside, and a crossing lies between two fixes.
    Robust,
    /// The side of each ping is the state: a textbook point-in-polygon engine.
    Plain,
}

/// What a source's low mark may conclude of a vehicle that says nothing
/// (semantics §2 and §8). Offline (§9) is judged by it either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSilence {
    /// Nothing: only a ping shows where a vehicle is.
    #[default]
    Wait,
    /// That it is still where it was last seen.
    Assume,
}

/// Everything the core's answers depend on besides pings, clocks and fences.
/// Durations are milliseconds, lengths metres, speeds metres per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Enters every event id, so that two tenants never share one.
    pub tenant: String,
    /// Which rules decide a transition.
    pub profile: Profile,
    /// How long a ping waits for earlier ones before it is evaluated; 0 means
    /// not at all.
    pub reorder_delay_ms: i64,
    /// How far behind its vehicle's newest ping a ping may be and still
    /// correct events.
    pub hot_lateness_ms: i64,
    /// How far ahead of its receive time a ping's event time may be.
    pub future_tolerance_ms: i64,
    /// Accept position 0, 0.
    pub allow_null_island: bool,
    /// Largest step over which a crossing is taken for continuous.
    pub max_gap_ms: i64,
    /// How long an uncertain first fix inside waits for a second one.
    #[serde(default = "confirm_ttl_ms")]
    pub confirm_ttl_ms: i64,
    /// Largest step that is taken for a straight pass through a fence.
    #[serde(default = "cross_max_gap_ms")]
    pub cross_max_gap_ms: i64,
    /// Outside fixes that confirm an exit, at least 1, one of them decisive;
    /// for fences that set none of their own.
    #[serde(default = "exit_confirm")]
    pub exit_confirm: u32,
    /// Shortest stay that counts as an enter, for fences that set none of
    /// their own; 0 means any.
    #[serde(default)]
    pub min_inside_ms: i64,
    /// Dwell thresholds of fences that set none of their own, seconds, rising.
    pub dwell_s: Vec<u32>,
    /// What silence concludes of a vehicle inside a fence.
    #[serde(default)]
    pub on_silence: OnSilence,
    /// Shortest stationary episode.
    pub stationary_after_ms: i64,
    /// Shortest idle episode.
    pub idle_after_ms: i64,
    /// Largest gap inside an idle episode, and the age up to which an engine
    /// value still holds.
    pub idle_gap_ms: i64,
    /// Take an unknown engine for a running one.
    pub assume_engine_on: bool,
    /// Shortest silence that is taken for offline.
    pub offline_after_ms: i64,
    /// A vehicle silent for this long is forgotten.
    pub forget_after_ms: i64,
    /// Vehicles a shard holds at the most; pings of further ones are refused.
    pub vehicles_max: u32,
    /// Bytes of hot window a shard holds at the most.
    pub hot_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "default".into(),
            profile: Profile::Robust,
            reorder_delay_ms: 2_000,
            hot_lateness_ms: 15 * 60_000,
            future_tolerance_ms: 60_000,
            allow_null_island: false,
            max_gap_ms: 15 * 60_000,
            confirm_ttl_ms: confirm_ttl_ms(),
            cross_max_gap_ms: cross_max_gap_ms(),
            exit_confirm: exit_confirm(),
            min_inside_ms: 0,
            dwell_s: vec![300],
            on_silence: OnSilence::Wait,
            stationary_after_ms: 300_000,
            idle_after_ms: 300_000,
            idle_gap_ms: 200_000,
            assume_engine_on: false,
            offline_after_ms: 5 * 60_000,
            forget_after_ms: 30 * 24 * 3_600_000,
            vehicles_max: 2_000_000,
            hot_bytes_max: 1 << 30,
        }
    }
}

// Values of settings that journals written before they existed do not record.

fn confirm_ttl_ms() -> i64 {
    10 * 60_000
}

fn cross_max_gap_ms() -> i64 {
    150_000
}

fn exit_confirm() -> u32 {
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_from_before_some_settings_still_reads() {
        let mut record = serde_json::to_value(Settings::default()).unwrap();
        let fields = record.as_object_mut().unwrap();
        let later = ["confirm_ttl_ms", "cross_max_gap_ms", "exit_confirm", "min_inside_ms"];
        for later in later.into_iter().chain(["on_silence"]) {
            assert!(fields.remove(later).is_some(), "{later}");
        }
        fields["profile"] = "plain".into();
        let read: Settings = serde_json::from_value(record).unwrap();
        assert_eq!(read, Settings { profile: Profile::Plain, ..Settings::default() });
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let mut record = serde_json::to_value(Settings::default()).unwrap();
        record.as_object_mut().unwrap().insert("confirm".into(), 1.into());
        assert!(serde_json::from_value::<Settings>(record).is_err());
    }
}
