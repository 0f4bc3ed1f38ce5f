//! What is wrong of single things, in words.

use super::again::Again;
use crate::content::{Content, Difference};
use crate::read::Altered;
use crate::truth::{Names, vehicle_id};

/// Rows of the archive with other content than was sent: which, and what of it.
pub(super) fn altered(found: &[Altered], names: &Names, again: Again<'_>) -> Vec<String> {
    let sent = again.pings(found.iter().map(|row| (row.vehicle, row.seq)).collect());
    let example = |row: &Altered| {
        let ping = sent.get(&(row.vehicle, row.seq)).map(Content::of);
        let of_ping = ping.map(|ping| ping.differences(&row.content, names.start_ms));
        let differences = of_ping.iter().flatten().chain(&row.wrong);
        let said: Vec<String> = differences.map(Difference::to_string).collect();
        let said = match said.is_empty() {
            true => format!("is not as it was sent: {:?}", row.content),
            false => said.join(", "),
        };
        format!("{} seq {}: {said}", vehicle_id(&names.prefix, row.vehicle), row.seq)
    };
    found.iter().map(example).collect()
}
