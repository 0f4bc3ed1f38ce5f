//! Time zones of the IANA database that is built in.

use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::clock::DAY_MIN;
use crate::TimeMs;
use crate::spelling::distance;

/// Names that a mistyped one is answered with, at the most.
const NEAREST_MAX: usize = 3;

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
        let Ok(rules) = database().get(name) else {
            return Err(unknown(name));
        };
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

fn unknown(name: &str) -> String {
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
    format!("{name:?} is no time zone of the IANA database; near to it are {}", near.join(", "))
}
