//! Time zones of the IANA database that is built in.

use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::clock::DAY_MIN;
use super::recent::Recent;
use crate::TimeMs;
use crate::spelling::distance;

/// Names that a mistyped one is answered with, at the most.
const NEAREST_MAX: usize = 3;
/// Longest name that is compared with those of zones, characters; of theirs
/// none has more than half as many.
const NAME_CHARS_MAX: usize = 64;
/// Mistyped names whose answers are kept: thousands of features can share one,
/// and comparing it with all zones takes a millisecond.
const MISTYPED_MAX: usize = 64;

/// A named time zone.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    name: String,
    rules: TimeZone,
}

/// Same name.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Zone {
    /// Finds the zone with this name, in any case; what is wrong with the name
    /// is said in words.
    pub(super) fn find(name: &str) -> Result<Self, String> {
        // `Etc/Unknown`, of Unicode's CLDR, is found as well, and would be taken for UTC.
        let known = database().get(name).ok().filter(|rules| !rules.is_unknown());
        let rules = known.ok_or_else(|| unknown(name))?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, rules })
    }

    /// As the database spells it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The moment `minutes` after midnight of `date` by the clock, on the next
    /// day where that is more than a day.
    pub(super) fn moment(&self, date: Date, minutes: u16) -> Option<TimeMs> {
        let date = date.checked_add(Span::new().days(minutes / DAY_MIN)).ok()?;
        let minutes = minutes % DAY_MIN;
        let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
        let moment = self.rules.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?;
        Some(TimeMs(moment.as_millisecond()))
    }

    /// The date on the wall at `t`.
    pub(super) fn date(&self, t: Timestamp) -> Date {
        self.rules.to_datetime(t).date()
    }
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// What is wrong with `name`.
fn unknown(name: &str) -> String {
    static NEAREST: Recent<String, String, MISTYPED_MAX> = Recent::new();
    let no_zone = "is no time zone of the IANA database";
    let characters = name.chars().count();
    if characters > NAME_CHARS_MAX {
        let beginning: String = name.chars().take(NAME_CHARS_MAX).chain(['…']).collect();
        return format!(
            "{beginning:?}, {characters} characters long, {no_zone}: one such as \"Europe/Berlin\" \
             is needed"
        );
    }
    let near = NEAREST.get(name, || nearest(name));
    format!("{name:?} {no_zone}; near to it are {near}")
}

/// The names that are nearest to `name`.
fn nearest(name: &str) -> String {
    let wanted = name.to_lowercase();
    let last_part = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut near: Vec<(usize, String)> = database()
        .available()
        .map(|known| {
            let lower = known.as_str().to_lowercase();
            let steps = distance(&wanted, &lower);
            let by_city = distance(&last_part(&wanted), &last_part(&lower));
            (steps.min(by_city + usize::from(by_city < steps)), known.as_str().to_owned())
        })
        .collect();
    near.sort_unstable();
    let near: Vec<String> =
        near.into_iter().take(NEAREST_MAX).map(|(_, name)| format!("{name:?}")).collect();
    near.join(", ")
}
