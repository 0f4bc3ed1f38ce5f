//! The answer for people: the sentence first, then what it rests on.

use std::fmt::Write as _;

use geofence::trace::{Presence, Sight};

use super::answer::{Asked, Explanation, FenceSaid, Told};
use super::step::StepSaid;
use super::words::{clock, counted, date_and_clock, metres, span, speed, time};

impl Explanation {
    /// As text, lines and all.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.push_head(&mut out);
        if let Some(told) = &self.event {
            push_told(&mut out, told);
        }
        self.push_steps(&mut out);
        self.push_arrivals(&mut out);
        self.push_foot(&mut out);
        out
    }

    fn push_head(&self, out: &mut String) {
        let about = match &self.question {
            Asked::Event { event_id } => format!("event {event_id}"),
            Asked::Fence { fence_id, at } => format!("fence {fence_id} at {}", time(at.0)),
        };
        let _ = writeln!(out, "vehicle {}, {about}\n\n{}", self.vehicle_id, self.conclusion);
    }

    fn push_steps(&self, out: &mut String) {
        let asked = match &self.question {
            Asked::Fence { at, .. } => Some(at.0),
            Asked::Event { .. } => None,
        };
        let rows: Vec<Row> = self.steps.iter().map(Row::new).collect();
        let width = |cell: fn(&Row) -> &str| {
            rows.iter().map(|row| cell(row).chars().count()).max().unwrap_or(0)
        };
        let widths = [
            width(|row| &row.place),
            width(|row| &row.accuracy),
            width(|row| &row.distance),
            width(|row| &row.leg),
            width(|row| &row.state),
        ];
        let mut date = String::new();
        let mut is_pointed = asked.is_none();
        for (row, step) in rows.iter().zip(&self.steps) {
            let (day, clock) = date_and_clock(step.at.0);
            if day != date {
                let _ = writeln!(out, "\n{day}");
                date = day;
            }
            if let Some(asked) = asked
                && !is_pointed
                && step.at.0 > asked
            {
                let _ = writeln!(out, "  {} ─── asked about", date_and_clock(asked).1);
                is_pointed = true;
            }
            if step.omitted_before > 0 {
                let _ = writeln!(out, "  … {} pings left out", step.omitted_before);
            }
            let [place, accuracy, distance, leg, state] = widths;
            let line = format!(
                "  {clock}  {:place$}  {:>accuracy$}  {:>distance$}  {:leg$}  {:state$}  {}",
                row.place, row.accuracy, row.distance, row.leg, row.state, row.remark
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if let Some(asked) = asked.filter(|_| !is_pointed) {
            let _ = writeln!(out, "  {} ─── asked about", date_and_clock(asked).1);
        }
        if self.steps.iter().any(|step| step.provisional) {
            let delay = seconds(self.thresholds.reorder_delay_s);
            let _ = writeln!(
                out,
                "  (?) earlier pings may still come: it is judged {delay} after its arrival"
            );
        }
    }

    fn push_arrivals(&self, out: &mut String) {
        if self.arrivals.is_empty() {
            return;
        }
        let _ = writeln!(out, "\nnot judged");
        for arrival in &self.arrivals {
            let hot = arrival
                .hot_from
                .map_or(String::new(), |from| format!(", hot window from {}", time(from.0)));
            let _ = writeln!(
                out,
                "  {}  {:.6} {:.6}  {}, received at {}, segment {}{hot}",
                time(arrival.at.0),
                arrival.lat,
                arrival.lon,
                arrival.disposition,
                time(arrival.receive_time.0),
                arrival.segment
            );
        }
    }

    fn push_foot(&self, out: &mut String) {
        out.push('\n');
        match &self.fence {
            Some(fence) => {
                push_versions(out, fence);
                self.push_rules_of_fences(out);
            }
            None => self.push_rules_of_rest(out),
        }
        let rules = &self.thresholds;
        let _ = writeln!(
            out,
            "         accuracy up to {}; speed up to {}; hot window {}",
            metres(rules.accuracy_m_max),
            speed(rules.speed_mps_max),
            seconds(rules.hot_lateness_s)
        );
        self.push_journal(out);
    }

    fn push_rules_of_fences(&self, out: &mut String) {
        let rules = &self.thresholds;
        let margin = rules.decisive_margin_m.map_or(String::new(), |margin| {
            format!("; decisive beyond {} + accuracy", metres(margin))
        });
        let _ = writeln!(
            out,
            "rules    profile {}; exit: {} outside, one decisive, or a run of {}, or one over \
             {} + accuracy{margin}",
            rules.profile,
            counted(rules.exit_confirm.into(), "ping"),
            seconds(rules.exit_span_s),
            metres(rules.exit_far_m)
        );
        let _ = writeln!(
            out,
            "         enter: chance of {} or a second ping within {}, min_inside {}; cross: gap \
             up to {}, {} or more",
            rules.confidence_min,
            seconds(rules.confirm_ttl_s),
            seconds(rules.min_inside_s),
            seconds(rules.cross_max_gap_s),
            metres(rules.cross_m_min)
        );
    }

    fn push_rules_of_rest(&self, out: &mut String) {
        let rules = &self.thresholds;
        let _ = writeln!(
            out,
            "rules    profile {}; stationary after {} at up to {}; idle after {}, gaps up to {}",
            rules.profile,
            seconds(rules.stationary_after_s),
            speed(rules.stationary_speed_mps_max),
            seconds(rules.idle_after_s),
            seconds(rules.idle_gap_s)
        );
    }

    fn push_journal(&self, out: &mut String) {
        let journal = &self.journal;
        let _ = writeln!(
            out,
            "journal  shard {}, segments {} to {}; as of {}",
            journal.shard,
            journal.first_segment,
            journal.last_segment,
            time(journal.as_of.0)
        );
        if !journal.complete {
            let _ = writeln!(
                out,
                "         the history before segment {} has been deleted: where the vehicle was \
                 before is not known, and what hangs on it may be told otherwise",
                journal.first_segment
            );
        }
    }
}

fn push_versions(out: &mut String, fence: &FenceSaid) {
    let versions: Vec<String> = fence
        .versions
        .iter()
        .map(|version| {
            let from = version.valid_from.map_or("always".into(), |at| time(at.0));
            let to = version.valid_to.map_or("on".into(), |at| format!("to {}", time(at.0)));
            let from = if from == "always" && to == "on" { from } else { format!("{from} {to}") };
            format!("version {} {from}", version.version)
        })
        .collect();
    let _ = writeln!(out, "fence    {} ({}): {}", fence.id, fence.name, versions.join("; "));
}

fn push_told(out: &mut String, told: &Told) {
    let _ = writeln!(out);
    for operation in &told.operations {
        let late = if operation.late { ", by a late ping" } else { "" };
        let replaces = if operation.replaces.is_empty() {
            String::new()
        } else {
            format!(", in place of {}", operation.replaces)
        };
        let _ = writeln!(
            out,
            "  {} in segment {}: {}, observed at {}{late}{replaces}",
            operation.op,
            operation.segment,
            time(operation.event_time.0),
            time(operation.observed_at.0)
        );
    }
}

/// A line of the table.
struct Row {
    place: String,
    accuracy: String,
    distance: String,
    leg: String,
    state: String,
    remark: String,
}

impl Row {
    fn new(step: &StepSaid) -> Self {
        let (mut place, mut accuracy, mut leg) = (String::new(), String::new(), String::new());
        if let Some(ping) = &step.ping {
            place = format!("{:.6} {:.6}", ping.lat, ping.lon);
            let mark = if ping.accuracy_reported { "±" } else { "≈±" };
            accuracy = format!("{mark}{}", metres(ping.accuracy_m));
            leg = ping.leg.as_ref().map_or(String::new(), |leg| {
                format!("after {}, {}", seconds(leg.gap_s), speed(leg.speed_mps))
            });
        }
        let distance = match (&step.step.sight, &step.rest) {
            (Some(sight), _) => signed(sight),
            (None, Some(rest)) => format!("{} from anchor", metres(rest.distance_m)),
            (None, None) => String::new(),
        };
        let state = match (&step.before, &step.after) {
            (Some(_), Some(_)) => change(step.step.before, step.step.after),
            _ => String::new(),
        };
        Self { place, accuracy, distance, leg, state, remark: remark(step) }
    }
}

fn seconds(s: f64) -> String {
    span((s * 1000.0) as i64)
}

fn signed(sight: &Sight) -> String {
    let side = if sight.inside { "inside" } else { "outside" };
    format!("{} {side}", metres(sight.distance_m.abs()))
}

fn change(before: Presence, after: Presence) -> String {
    let (before, after) = (name(before), name(after));
    if before == after { after.to_owned() } else { format!("{before} → {after}") }
}

fn name(presence: Presence) -> &'static str {
    match presence {
        Presence::Unknown => "unknown",
        Presence::NoFence => "no fence",
        Presence::Outside => "outside",
        Presence::PendingIn { .. } => "entering?",
        Presence::Inside { .. } => "inside",
        Presence::PendingOut { .. } => "leaving?",
    }
}

/// What else there is to say of a step.
fn remark(step: &StepSaid) -> String {
    let mut remarks: Vec<String> = Vec::new();
    match step.moment {
        "fence_change" => remarks.push("the fence changes".into()),
        "tag_change" => remarks.push("the vehicle's tags change".into()),
        "opening_hours" => remarks.push("the fence opens or closes".into()),
        "silence" => remarks.push("nothing more until then".into()),
        _ => {}
    }
    if let Some(ping) = &step.ping {
        if ping.fate == "held" {
            remarks.push("held: the next ping says whether it counts".into());
        }
        if let Some(held) = ping.held.as_ref().filter(|held| held.accepted) {
            remarks.push(format!("bears out the ping of {}", clock(held.event_time.0)));
        }
        if ping.disposition == Some("late") {
            remarks.push(format!("late, received {}", time(ping.receive_time.0)));
        }
    }
    if let Some(sight) = step.step.sight.as_ref().filter(|sight| !sight.inside) {
        let pending =
            matches!(step.step.before, Presence::Inside { .. } | Presence::PendingOut { .. });
        if pending && !matches!(step.step.after, Presence::NoFence) {
            let than = metres(sight.margin_m + sight.accuracy_share_m);
            let sign = if sight.decisive { "decisive, over" } else { "not decisive, up to" };
            remarks.push(format!("{sign} {than}"));
        }
    }
    if let Some(rest) = &step.rest
        && !rest.belongs
    {
        remarks.push(format!("ends the run: {} allowed, or too fast", metres(rest.radius_m)));
    }
    remarks.extend(step.refusals.iter().map(|refused| refused.rule.to_owned()));
    remarks.extend(step.step.events.iter().map(|event| {
        format!(
            "{} at {}",
            protos::event_json::kind(event),
            clock(geofence::TimeMs(event.event_time_ms))
        )
    }));
    if step.provisional {
        remarks.push("(?)".into());
    }
    remarks.join("; ")
}
