//! Numbers of a profile that make no sense: shares beyond 1, amounts below 0, and
//! what is no number. Judged by NaN, nothing would ever fail, or everything.

use anyhow::ensure;

use super::{Profile, Thresholds};

impl Profile {
    /// Refuses the first number that makes no sense, by its name.
    pub(super) fn check_numbers(&self) -> anyhow::Result<()> {
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        for (name, share) in self.shares().into_iter().chain(self.thresholds.shares()) {
            ensure!(is_share(share), "{name} must be a share, 0 to 1: it is {share}");
        }
        for (name, amount) in self.amounts().into_iter().chain(self.thresholds.amounts()) {
            let is_amount = amount.is_finite() && amount >= 0.0;
            ensure!(is_amount, "{name} must be a number that is not below 0: it is {amount}");
        }
        let (shortest, longest) = self.noise.jump_m;
        ensure!(shortest <= longest, "noise.jump_m must be [shortest, longest]");
        Ok(())
    }

    fn shares(&self) -> Vec<(String, f64)> {
        let Self { fleet, noise, transport, clocks, malformed, .. } = self;
        let given = [
            ("fleet.parked", fleet.parked),
            ("fleet.idling", fleet.idling),
            ("fleet.on_edge", fleet.on_edge),
            ("fleet.no_ignition", fleet.no_ignition),
            (
                "fleet.parked, idling and on_edge together",
                fleet.parked + fleet.idling + fleet.on_edge,
            ),
            ("fleet.hot.share", fleet.hot.map_or(0.0, |hot| hot.share)),
            ("fleet.gaps.share", fleet.gaps.map_or(0.0, |gaps| gaps.share)),
            ("noise.jumps", noise.jumps),
            ("noise.lying", noise.lying),
            ("transport.duplicates", transport.duplicates),
            ("transport.reordered", transport.reordered),
            ("transport.newest_first", transport.newest_first),
            ("transport.buffered.share", transport.buffered.map_or(0.0, |buffered| buffered.share)),
            ("clocks.skewed", clocks.skewed),
            ("clocks.future", clocks.future),
            ("clocks.rollover", clocks.rollover),
            ("malformed.share", malformed.share),
        ];
        given.map(|(name, share)| (name.to_owned(), share)).into()
    }

    fn amounts(&self) -> Vec<(String, f64)> {
        let given = [
            ("noise.white_m", self.noise.white_m),
            ("noise.correlated_m", self.noise.correlated_m),
            ("noise.jump_m", self.noise.jump_m.0),
            ("noise.jump_m", self.noise.jump_m.1),
        ];
        given.map(|(name, amount)| (name.to_owned(), amount)).into()
    }
}

impl Thresholds {
    fn shares(&self) -> Vec<(String, f64)> {
        let given = [
            ("acknowledged_min", self.acknowledged_min),
            ("rate_min", self.rate_min),
            ("inside_interval_min", self.inside_interval_min),
        ];
        let of_kinds = self.f1_min.iter().map(|(kind, f1)| (format!("f1_min.{kind}"), *f1));
        named(&given).chain(of_kinds).map(|(name, it)| (format!("thresholds.{name}"), it)).collect()
    }

    fn amounts(&self) -> Vec<(String, f64)> {
        let given = [
            ("time_error_p95_ms_max", self.time_error_p95_ms_max),
            ("event_p99_ms_max", self.event_p99_ms_max),
            ("published_p99_ms_max", self.published_p99_ms_max),
            ("received_p99_ms_max", self.received_p99_ms_max),
            ("answer_p99_ms_max", self.answer_p99_ms_max),
            ("position_p99_ms_max", self.position_p99_ms_max),
        ];
        named(&given).map(|(name, it)| (format!("thresholds.{name}"), it)).collect()
    }
}

fn named<'n>(given: &[(&'n str, Option<f64>)]) -> impl Iterator<Item = (String, f64)> + use<'n> {
    let given: Vec<_> = given.to_vec();
    given.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?)))
}
