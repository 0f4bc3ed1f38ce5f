//! A profile: what is driven, how it is disturbed, and what must hold.
//!
//! A TOML file; the shipped ones are part of the binary. Every key that is not
//! known is refused, with its name.

mod limits;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use geofence::Position;
use serde::{Deserialize, Serialize};

use crate::dials::{Clocks, Malformed, Noise, Transport};
use crate::fences::Fences;
use crate::fleet::{FleetPlan, Hot};
use crate::schedule::{Bursts, Curve, Point};
use crate::truth::Expect;
use crate::windows::Windows;
use crate::world::{City, StopTimes, fences_geojson};

/// The profiles that come with the binary: name and text.
pub const SHIPPED: [(&str, &str); 8] = [
    ("smoke", include_str!("../profiles/smoke.toml")),
    ("seed-baseline", include_str!("../profiles/seed-baseline.toml")),
    ("dispatch-wave", include_str!("../profiles/dispatch-wave.toml")),
    ("peak", include_str!("../profiles/peak.toml")),
    ("cloud-peak", include_str!("../profiles/cloud-peak.toml")),
    ("four-times", include_str!("../profiles/four-times.toml")),
    ("million", include_str!("../profiles/million.toml")),
    ("hostile", include_str!("../profiles/hostile.toml")),
];

/// A profile as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// One line for people.
    pub about: String,
    /// The seed of everything.
    #[serde(default = "one")]
    pub seed: u64,
    /// How much, for how long.
    pub load: Load,
    /// Who drives where.
    pub fleet: FleetFile,
    /// What the target must be set to.
    #[serde(default)]
    pub detection: Detection,
    /// Errors of positions.
    #[serde(default)]
    pub noise: Noise,
    /// What happens to pings on their way.
    #[serde(default)]
    pub transport: Transport,
    /// Clocks that go wrong.
    #[serde(default)]
    pub clocks: Clocks,
    /// Messages that are no pings.
    #[serde(default)]
    pub malformed: Malformed,
    /// What must hold for the verdict PASS.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// `[load]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Length of the run.
    pub seconds: u32,
    /// From when on latencies of events and positions are measured, seconds: before it a fleet
    /// is seen for the first time, all of it at once, and a target that has just
    /// begun is warming up.
    #[serde(default)]
    pub warm_up_s: u32,
    /// Pings a second, by time; changes evenly between two points.
    pub rate: Vec<Point>,
    /// Times of several times the rate.
    pub bursts: Option<Bursts>,
}

/// `[fleet]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetFile {
    /// Vehicles.
    pub vehicles: u32,
    /// Fences that are generated, if none are given.
    pub fences: u32,
    /// Blocks along each side of the city.
    pub blocks: u16,
    /// Shortest and longest stop, seconds.
    pub stop_s: (u32, u32),
    /// See [`FleetPlan`].
    #[serde(default)]
    pub parked: f64,
    /// See [`FleetPlan`].
    #[serde(default)]
    pub idling: f64,
    /// See [`FleetPlan`].
    #[serde(default)]
    pub on_edge: f64,
    /// See [`FleetPlan`].
    #[serde(default)]
    pub no_ignition: f64,
    /// See [`FleetPlan`].
    pub hot: Option<Hot>,
    /// See [`FleetPlan`].
    pub gaps: Option<Windows>,
}

/// `[detection]`: the target's settings of the same names, seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// `detection.dwell`.
    pub dwell_s: Vec<u32>,
    /// `detection.stationary_after`.
    pub stationary_after_s: u32,
    /// `detection.idle_after`.
    pub idle_after_s: u32,
    /// `detection.idle_gap`.
    pub idle_gap_s: u32,
    /// `detection.offline_after`.
    pub offline_after_s: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            dwell_s: vec![300],
            stationary_after_s: 300,
            idle_after_s: 300,
            idle_gap_s: 200,
            offline_after_s: 300,
        }
    }
}

/// `[thresholds]`: each is checked only where it is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Pings acknowledged over pings sent, at least.
    pub acknowledged_min: Option<f64>,
    /// Pings that were acknowledged and are not in the archive, at most.
    pub missing_max: Option<u64>,
    /// Pings that are in the archive more than once, at most.
    pub doubled_max: Option<u64>,
    /// Rows of the run's vehicles in the archive that are no ping that was sent,
    /// at most.
    pub strangers_max: Option<u64>,
    /// Pings whose content in the archive is not what was sent, at most; of
    /// Parquet files.
    pub altered_max: Option<u64>,
    /// Vehicles whose position at the end is not that of their newest ping, at
    /// most.
    pub positions_wrong_max: Option<u64>,
    /// Times that the target said that events were missed, at most.
    pub gaps_max: Option<u64>,
    /// Events that could not be read, at most.
    pub unreadable_max: Option<u64>,
    /// Achieved over intended rate, at least.
    pub rate_min: Option<f64>,
    /// F1, by kind, at least. Where any kind is given, one that is not must be
    /// exact; 0 leaves one out.
    pub f1_min: BTreeMap<String, f64>,
    /// 95th percentile of the error of event times, milliseconds, at most, for
    /// every kind.
    pub time_error_p95_ms_max: Option<f64>,
    /// Share of the true times inside [not_before, not_after], at least.
    pub inside_interval_min: Option<f64>,
    /// 99th percentile from a ping's intended send time to its event,
    /// milliseconds, at most.
    pub event_p99_ms_max: Option<f64>,
    /// 99th percentile from a ping's publishing to its event's, by the clock of
    /// Pub/Sub, milliseconds, at most.
    pub published_p99_ms_max: Option<f64>,
    /// 99th percentile from the target's receipt of a ping to the arrival of its
    /// event over HTTP, milliseconds, at most.
    pub received_p99_ms_max: Option<f64>,
    /// 99th percentile from a ping's intended send time to its answer,
    /// milliseconds, at most.
    pub answer_p99_ms_max: Option<f64>,
    /// The same to the first look that shows its position or a newer one's.
    pub position_p99_ms_max: Option<f64>,
    /// Every reject expected is answered and in the dead letters once.
    pub rejects_exact: bool,
}

impl Thresholds {
    /// The names of those that are given; with the kind where each kind has its
    /// own.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        let of_kinds = self.f1_min.keys().map(|kind| format!("f1_min {kind}"));
        let others = [
            ("acknowledged_min", self.acknowledged_min.is_some()),
            ("missing_max", self.missing_max.is_some()),
            ("doubled_max", self.doubled_max.is_some()),
            ("strangers_max", self.strangers_max.is_some()),
            ("altered_max", self.altered_max.is_some()),
            ("positions_wrong_max", self.positions_wrong_max.is_some()),
            ("gaps_max", self.gaps_max.is_some()),
            ("unreadable_max", self.unreadable_max.is_some()),
            ("rate_min", self.rate_min.is_some()),
            ("time_error_p95_ms_max", self.time_error_p95_ms_max.is_some()),
            ("inside_interval_min", self.inside_interval_min.is_some()),
            ("event_p99_ms_max", self.event_p99_ms_max.is_some()),
            ("published_p99_ms_max", self.published_p99_ms_max.is_some()),
            ("received_p99_ms_max", self.received_p99_ms_max.is_some()),
            ("answer_p99_ms_max", self.answer_p99_ms_max.is_some()),
            ("position_p99_ms_max", self.position_p99_ms_max.is_some()),
            ("rejects_exact", self.rejects_exact),
        ]
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name.to_owned());
        others.chain(of_kinds).collect()
    }
}

/// South-west corner of the generated city: open country in central Europe.
const ORIGIN: Position = Position { lat: 481_000_000, lon: 115_000_000 };

fn one() -> u64 {
    1
}

/// Everything that a run is a function of, but for when it starts.
#[derive(Debug)]
pub struct World {
    /// The profile.
    pub profile: Profile,
    /// The fences, as given to the target.
    pub geojson: String,
    /// The fences.
    pub fences: Fences,
    /// The city.
    pub city: City,
    /// The fleet.
    pub plan: FleetPlan,
    /// What the truth presumes.
    pub expect: Expect,
    /// The schedule.
    pub curve: Curve,
}

impl Profile {
    /// The shipped profile of this name, or the file there.
    ///
    /// # Errors
    /// Neither, or a mistake in the file.
    pub fn load(name: &str) -> anyhow::Result<Self> {
        let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(Path::new(name)).with_context(|| {
                let names = SHIPPED.map(|(name, _)| name).join(", ");
                format!("no profile {name:?}: it is none of {names}, nor a file that can be read")
            })?,
        };
        Self::parse(&text).with_context(|| format!("profile {name:?}"))
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let profile: Self = toml::from_str(text)?;
        let FleetFile { vehicles, stop_s, fences, .. } = profile.fleet;
        ensure!(vehicles > 0, "fleet.vehicles must be above 0");
        ensure!(vehicles <= 9_999_999, "fleet.vehicles must be at most 9,999,999");
        ensure!(fences <= 1_000_000, "fleet.fences must be at most 1,000,000");
        ensure!(stop_s.0 > 0 && stop_s.0 <= stop_s.1, "fleet.stop_s must be [shortest, longest]");
        ensure!(stop_s.1 <= 86_400, "fleet.stop_s must be at most a day");
        ensure!(profile.load.seconds > 0, "load.seconds must be above 0");
        let warms_up = profile.load.warm_up_s < profile.load.seconds;
        ensure!(warms_up, "load.warm_up_s must be below load.seconds");
        profile
            .curve()
            .context("load.rate must have points in order of time, and bursts a period")?;
        profile.check_numbers()?;
        for kind in profile.thresholds.f1_min.keys() {
            let known = crate::truth::Kind::named(kind).is_some();
            ensure!(known, "thresholds.f1_min: no event is of kind {kind:?}");
        }
        Ok(profile)
    }

    fn curve(&self) -> Option<Curve> {
        let Load { rate, bursts, seconds, .. } = &self.load;
        Curve::new(rate.clone(), *bursts, i64::from(*seconds) * 1000)
    }

    /// The world of this profile, with the fences given or generated ones.
    ///
    /// # Errors
    /// Fences that cannot be used.
    pub fn world(self, geojson: Option<String>) -> anyhow::Result<World> {
        let city = City::new(self.seed, ORIGIN, self.fleet.blocks);
        let geojson =
            geojson.unwrap_or_else(|| fences_geojson(&city, self.seed, self.fleet.fences));
        let fences = Fences::from_geojson(geojson.as_bytes()).context("fences")?;
        let curve = self.curve().context("the schedule was checked when the profile was read")?;
        let (plan, expect) = (self.plan(), self.expect());
        Ok(World { profile: self, geojson, fences, city, plan, expect, curve })
    }

    fn plan(&self) -> FleetPlan {
        let fleet = &self.fleet;
        FleetPlan {
            seed: self.seed,
            vehicles: fleet.vehicles,
            stops: StopTimes {
                shortest_ms: i64::from(fleet.stop_s.0) * 1000,
                longest_ms: i64::from(fleet.stop_s.1) * 1000,
            },
            sites: fleet.fences,
            parked: fleet.parked,
            idling: fleet.idling,
            on_edge: fleet.on_edge,
            no_ignition: fleet.no_ignition,
            hot: fleet.hot,
            gaps: fleet.gaps,
        }
    }

    fn expect(&self) -> Expect {
        let detection = &self.detection;
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        // Edges are sharp to the rounding of positions, and to two standard
        // deviations of what is added to them.
        let blur_m = 0.1 + 2.0 * self.noise.sigma_m();
        let exact = self.noise == Noise::default() && self.transport == Transport::default();
        Expect {
            dwell_s: detection.dwell_s.clone(),
            stationary_after_ms: ms(detection.stationary_after_s),
            idle_after_ms: ms(detection.idle_after_s),
            idle_gap_ms: ms(detection.idle_gap_s),
            offline_after_ms: ms(detection.offline_after_s),
            accuracy_m: self.noise.accuracy_m(),
            blur_m,
            slack_ms: if exact { 2 } else { 4_000 },
            arrives_at_once: exact,
            ..Expect::default()
        }
    }

    /// A configuration of the engine that fits the profile, TOML.
    #[must_use]
    pub fn engine_config(&self) -> String {
        let Detection { dwell_s, stationary_after_s, idle_after_s, idle_gap_s, offline_after_s } =
            &self.detection;
        let dwell: Vec<String> = dwell_s.iter().map(|s| format!("\"{s}s\"")).collect();
        format!(
            "# What the truth of this load presumes.\n\
             [detection]\n\
             dwell = [{}]\n\
             stationary_after = \"{stationary_after_s}s\"\n\
             idle_after = \"{idle_after_s}s\"\n\
             idle_gap = \"{idle_gap_s}s\"\n\
             offline_after = \"{offline_after_s}s\"\n",
            dwell.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_is_valid_and_small_ones_make_a_world() {
        for (name, text) in SHIPPED {
            let profile = Profile::parse(text).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!profile.about.is_empty(), "{name}");
            // Each kind is named: none is left out by silence.
            let kinds = profile.thresholds.f1_min.len();
            assert!([0, crate::truth::Kind::ALL.len()].contains(&kinds), "{name}");
            if profile.fleet.fences < 1_000 {
                let world = profile.world(None).unwrap();
                assert_eq!(world.fences.all().len() as u32, world.profile.fleet.fences, "{name}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let smoke = SHIPPED[0].1;
        for (from, to, message) in [
            ("[fleet]", "[fleet]\nwheels = 4", "wheels"),
            ("seconds = 10", "seconds = 0", "load.seconds"),
            ("seconds = 10", "seconds = 10\nwarm_up_s = 10", "load.warm_up_s"),
            ("geofence_dwell = 1.0", "arrive = 1.0", "arrive"),
            ("geofence_dwell = 1.0", "geofence_dwell = 1.01", "thresholds.f1_min.geofence_dwell"),
            ("geofence_dwell = 1.0", "geofence_dwell = nan", "thresholds.f1_min.geofence_dwell"),
            ("acknowledged_min = 1.0", "acknowledged_min = -1.0", "thresholds.acknowledged_min"),
            ("rate_min = 0.99", "rate_min = nan", "thresholds.rate_min"),
            ("p95_ms_max = 2000.0", "p95_ms_max = nan", "thresholds.time_error_p95_ms_max"),
            ("p99_ms_max = 6000.0", "p99_ms_max = -1.0", "thresholds.event_p99_ms_max"),
            ("p99_ms_max = 6000.0", "p99_ms_max = inf", "thresholds.event_p99_ms_max"),
            ("parked = 0.03", "parked = 1.5", "fleet.parked"),
            ("parked = 0.03", "parked = 0.97", "together"),
            ("on_edge = 0.02", "on_edge = -0.01", "fleet.on_edge"),
            ("[detection]", "[malformed]\nshare = nan\n[detection]", "malformed.share"),
            ("[detection]", "[noise]\nwhite_m = -1.0\n[detection]", "noise.white_m"),
            ("[detection]", "[noise]\njump_m = [9.0, 8.0]\n[detection]", "noise.jump_m"),
        ] {
            let text = smoke.replacen(from, to, 1);
            assert_ne!(text, smoke, "{from}");
            let error = format!("{:#}", Profile::parse(&text).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        assert!(Profile::load("no-such-profile").unwrap_err().to_string().contains("smoke"));
    }
}
