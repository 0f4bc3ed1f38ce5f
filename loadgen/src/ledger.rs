//! What became of each single ping, and what else was sent.

use std::collections::BTreeSet;

use crate::dials::CODES;

/// A ping was sent, if perhaps in vain.
const SENT: u8 = 1;
/// The target took responsibility for it.
const ACKNOWLEDGED: u8 = 2;
/// It was seen in the archive with other content.
const ALTERED: u8 = 4;
/// Times that it was seen in the archive are counted above these bits.
const ARCHIVED: u8 = 8;
const ARCHIVED_MAX: u8 = u8::MAX / ARCHIVED;

/// How the bytes of a ledger begin.
const MAGIC: &[u8; 4] = b"led3";

/// One byte for each ping that was sent, and the print of its content; the print
/// of each malformed message.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By vehicle, then by seq less 1.
    pings: Vec<Vec<u8>>,
    /// See [`crate::content`]; the same places.
    prints: Vec<Vec<u32>>,
    /// Pings in the archive that were never sent.
    strangers: u64,
    /// Malformed messages that were sent: the print of the bytes, and which of
    /// [`CODES`] they must be refused with.
    malformed: BTreeSet<(u32, u8)>,
}

/// What a row of the archive is to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A ping as it was sent.
    AsSent,
    /// A ping that was sent with other content.
    Altered,
    /// No ping that was sent.
    Stranger,
}

/// A ledger added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Distinct pings that were sent.
    pub sent: u64,
    /// Of those, the ones acknowledged.
    pub acknowledged: u64,
    /// Distinct pings in the archive.
    pub archived: u64,
    /// Acknowledged, and not in the archive.
    pub missing: u64,
    /// In the archive more than once, but for pings of clocks so wrong that the
    /// engine remembers none of them (semantics §1).
    pub doubled: u64,
    /// In the archive, and never sent.
    pub strangers: u64,
    /// In the archive with other content than was sent.
    #[serde(default)]
    pub altered: u64,
}

impl Ledger {
    /// For this many vehicles.
    #[must_use]
    pub fn new(vehicles: u32) -> Self {
        let count = vehicles as usize;
        Self { pings: vec![Vec::new(); count], prints: vec![Vec::new(); count], ..Self::default() }
    }

    /// A ping goes out, whose content has this print.
    pub fn sent(&mut self, vehicle: u32, seq: u32, print: u32) {
        *self.entry(vehicle, seq) |= SENT;
        self.prints[vehicle as usize][seq as usize - 1] = print;
    }

    /// A message goes out that is to be refused with this of [`CODES`], whose bytes
    /// have this print.
    pub fn sent_malformed(&mut self, print: u32, code: usize) {
        self.malformed.insert((print, code as u8));
    }

    /// Whether a message was sent whose bytes have this print and that is to be
    /// refused with this code.
    #[must_use]
    pub fn was_malformed(&self, print: u32, code: &str) -> bool {
        let number = CODES.iter().position(|known| *known == code);
        number.is_some_and(|number| self.malformed.contains(&(print, number as u8)))
    }

    /// The target answered for it. Returns whether it had not before.
    pub fn acknowledged(&mut self, vehicle: u32, seq: u32) -> bool {
        let entry = self.entry(vehicle, seq);
        let newly = *entry & ACKNOWLEDGED == 0;
        *entry |= ACKNOWLEDGED;
        newly
    }

    /// Whether the target answered for it.
    #[must_use]
    pub fn is_acknowledged(&self, vehicle: u32, seq: u32) -> bool {
        let of_vehicle = self.pings.get(vehicle as usize);
        let entry = of_vehicle.and_then(|of| of.get((seq as usize).checked_sub(1)?));
        entry.is_some_and(|entry| entry & ACKNOWLEDGED != 0)
    }

    /// It is in the archive, with content of this print; `None` where the row
    /// contradicts itself, so that no ping can be what it says.
    pub fn archived(&mut self, vehicle: u32, seq: u32, print: Option<u32>) -> Row {
        let known = self.pings.get(vehicle as usize).is_some_and(|of| seq as usize <= of.len());
        if !known || seq == 0 {
            self.strangers += 1;
            return Row::Stranger;
        }
        let sent = self.prints[vehicle as usize][seq as usize - 1];
        let entry = self.entry(vehicle, seq);
        if *entry & SENT == 0 {
            self.strangers += 1;
            return Row::Stranger;
        }
        let altered = print != Some(sent);
        if altered {
            *entry |= ALTERED;
        }
        if *entry / ARCHIVED < ARCHIVED_MAX {
            *entry += ARCHIVED;
        }
        if altered { Row::Altered } else { Row::AsSent }
    }

    /// Forgets what was seen in the archive.
    pub fn clear_archived(&mut self) {
        self.strangers = 0;
        self.pings.iter_mut().flatten().for_each(|entry| *entry &= SENT | ACKNOWLEDGED);
    }

    /// Adds up. `remembered` says whether the engine knows a second copy of a
    /// vehicle's ping for one.
    #[must_use]
    pub fn tally(&self, remembered: impl Fn(u32) -> bool) -> Tally {
        let mut tally = Tally { strangers: self.strangers, ..Tally::default() };
        let entries = self.pings.iter().zip(0..).flat_map(|(of, vehicle)| {
            let remembered = remembered(vehicle);
            of.iter().map(move |&entry| (entry, remembered))
        });
        for (entry, remembered) in entries {
            let times = entry / ARCHIVED;
            let acknowledged = entry & ACKNOWLEDGED != 0;
            tally.sent += u64::from(entry & SENT != 0);
            tally.acknowledged += u64::from(acknowledged);
            tally.archived += u64::from(times > 0);
            tally.missing += u64::from(acknowledged && times == 0);
            tally.doubled += u64::from(times > 1 && remembered);
            tally.altered += u64::from(entry & ALTERED != 0);
        }
        tally
    }

    /// Its bytes, for a file. Numbers have 4 bytes, the least first: how many
    /// malformed messages there are, the print of each and a byte for its code;
    /// then for each vehicle how many pings, a byte for each, and the print of each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.malformed.len() as u32).to_le_bytes());
        for (print, code) in &self.malformed {
            bytes.extend(print.to_le_bytes());
            bytes.push(*code);
        }
        for (of_vehicle, prints) in self.pings.iter().zip(&self.prints) {
            bytes.extend((of_vehicle.len() as u32).to_le_bytes());
            bytes.extend(of_vehicle.iter().map(|entry| entry & (SENT | ACKNOWLEDGED)));
            bytes.extend(prints.iter().flat_map(|print| print.to_le_bytes()));
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] gave; `None` if it is cut short, or of an
    /// earlier version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(MAGIC)?;
        let mut ledger = Self::default();
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (malformed, mut bytes) =
            rest.split_at_checked(5 * u32::from_le_bytes(*count) as usize)?;
        let (malformed, _) = malformed.as_chunks::<5>();
        for [print @ .., code] in malformed {
            ledger.malformed.insert((u32::from_le_bytes(*print), *code));
        }
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            let (of_vehicle, rest) = rest.split_at_checked(length)?;
            let (prints, rest) = rest.split_at_checked(4 * length)?;
            let (prints, _) = prints.as_chunks::<4>();
            ledger.pings.push(of_vehicle.to_vec());
            ledger.prints.push(prints.iter().map(|print| u32::from_le_bytes(*print)).collect());
            bytes = rest;
        }
        Some(ledger)
    }

    fn entry(&mut self, vehicle: u32, seq: u32) -> &mut u8 {
        let (vehicle, place) = (vehicle as usize, seq as usize - 1);
        if vehicle >= self.pings.len() {
            self.pings.resize(vehicle + 1, Vec::new());
            self.prints.resize(vehicle + 1, Vec::new());
        }
        let of_vehicle = &mut self.pings[vehicle];
        if place >= of_vehicle.len() {
            of_vehicle.resize(place + 1, 0);
            self.prints[vehicle].resize(place + 1, 0);
        }
        &mut of_vehicle[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_of_a_ping_is_told_apart() {
        let mut ledger = Ledger::new(2);
        assert!(!ledger.is_acknowledged(1, 0) && !ledger.is_acknowledged(9, 1));
        for seq in 1..=5 {
            ledger.sent(1, seq, 100 + seq);
        }
        for seq in 1..=4 {
            assert!(ledger.acknowledged(1, seq));
            assert!(!ledger.acknowledged(1, seq));
        }
        assert!(ledger.is_acknowledged(1, 4) && !ledger.is_acknowledged(1, 5));
        // Twice, once other than it was sent; once; once and never acknowledged.
        // 3 and 4 are lost.
        for (seq, print, row) in [
            (1, Some(101), Row::AsSent),
            (1, Some(100), Row::Altered),
            (2, Some(102), Row::AsSent),
            (5, None, Row::Altered),
        ] {
            assert_eq!(ledger.archived(1, seq, print), row, "{seq}");
        }
        assert_eq!(ledger.archived(0, 1, Some(101)), Row::Stranger);
        assert_eq!(ledger.archived(9, 1, Some(101)), Row::Stranger);
        let expected = Tally {
            sent: 5,
            acknowledged: 4,
            archived: 3,
            missing: 2,
            doubled: 1,
            strangers: 2,
            altered: 2,
        };
        assert_eq!(ledger.tally(|_| true), expected);
        assert_eq!(ledger.tally(|vehicle| vehicle != 1).doubled, 0);
        let mut read = Ledger::from_bytes(&ledger.to_bytes()).unwrap();
        let unseen =
            Tally { archived: 0, missing: 4, doubled: 0, strangers: 0, altered: 0, ..expected };
        assert_eq!(read.tally(|_| true), unseen);
        assert!(Ledger::from_bytes(&ledger.to_bytes()[..7]).is_none());
        ledger.clear_archived();
        assert_eq!(ledger.tally(|_| true), unseen);
        for (print, altered) in [(104, 0), (105, 1)] {
            read.archived(1, 4, Some(print));
            assert_eq!(read.tally(|_| true).altered, altered);
        }
        // What was to be refused, with which code.
        ledger.sent_malformed(7, 9);
        let read = Ledger::from_bytes(&ledger.to_bytes()).unwrap();
        assert_eq!(read.tally(|_| true).sent, 5);
        for (print, code, was) in
            [(7, "null_island", true), (7, "undecodable", false), (8, "null_island", false)]
        {
            assert_eq!(read.was_malformed(print, code), was, "{print} {code}");
        }
        assert!(!read.was_malformed(7, "none"));
        // As an earlier version wrote it.
        assert!(Ledger::from_bytes(&[1, 0, 0, 0, SENT]).is_none());
    }
}
