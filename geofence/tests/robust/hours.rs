//! Opening hours of random worlds, and the plainest way to say whether it is
//! one of them.

use geofence::Schedule;
use serde_json::json;

use super::random::Random;

const ZONE: &str = "Europe/Berlin";
/// Ahead of UTC in Berlin on the worlds' days, which no change of the clocks
/// is near to.
const OFFSET_MIN: i64 = 120;
const DAY_MIN: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Spans by weekday, Monday first; minutes after midnight, the end beyond a
/// day where it is on the next one.
#[derive(Clone, Debug)]
pub(crate) struct Hours(Vec<Vec<(i64, i64)>>);

impl Hours {
    /// None for most; worlds begin on a Tuesday at 14:00 in Berlin.
    pub(crate) fn some(random: &mut Random) -> Option<Self> {
        if random.chance(0.6) {
            return None;
        }
        let mut week = vec![vec![]; 7];
        for (day, spans) in week.iter_mut().enumerate() {
            let count = if day == 1 { 1 + random.whole(4) } else { random.whole(2) };
            for _ in 0..count {
                let start = random.whole(DAY_MIN as usize) as i64;
                let near = 13 * 60 + 30 + random.whole(240) as i64;
                let start = if random.chance(0.8) { near } else { start };
                let length = *random.pick(&[1, 5, 20, 60, 150, 1_000]);
                spans.push((start, start + length));
            }
        }
        Some(Self(week))
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let clock = |minutes: i64| {
            let minutes = if minutes > DAY_MIN { minutes - DAY_MIN } else { minutes };
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        };
        let spans = |spans: &Vec<(i64, i64)>| -> Vec<String> {
            spans.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect()
        };
        let week: serde_json::Map<_, _> = DAYS
            .iter()
            .zip(&self.0)
            .map(|(day, of_day)| ((*day).to_owned(), json!(spans(of_day))))
            .collect();
        Schedule::read(&json!({ "zone": ZONE, "week": week })).unwrap()
    }
}

/// Whether `schedule`, of some [`Hours`], is open at `t_ms`: read off its JSON.
pub(crate) fn is_open(schedule: &Schedule, t_ms: i64) -> bool {
    let week = &schedule.to_json()["week"];
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':').unwrap();
        hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()
    };
    let local = t_ms.div_euclid(60_000) + OFFSET_MIN;
    // 1970 began on a Thursday.
    let (day, minute) = ((local.div_euclid(DAY_MIN) + 3).rem_euclid(7), local.rem_euclid(DAY_MIN));
    week.as_object().unwrap().iter().any(|(days, spans)| {
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let number = |name: &str| DAYS.iter().position(|day| *day == name).unwrap() as i64;
        let listed = |day: i64| (number(first)..=number(last)).contains(&day);
        spans.as_array().unwrap().iter().any(|span| {
            let (from, to) = span.as_str().unwrap().split_once('-').unwrap();
            let (from, to) = (minutes(from), minutes(to));
            if from < to {
                listed(day) && (from..to).contains(&minute)
            } else {
                (listed(day) && minute >= from) || (listed((day + 6) % 7) && minute < to)
            }
        })
    })
}
