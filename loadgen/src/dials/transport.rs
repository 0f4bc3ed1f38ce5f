//! What happens to pings on their way: copies, delays, buffers.

use serde::{Deserialize, Serialize};

use crate::draws::{Draws, key};
use crate::windows::Windows;

/// Longest time between a ping and its copy, milliseconds.
const COPY_AFTER_MS: i64 = 5_000;
/// A buffer is sent at this many pings a second of what it holds.
const UPLOAD_PINGS_PER_S: i64 = 1_000;

/// `[transport]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transport {
    /// Share of pings that are sent a second time, some seconds later.
    pub duplicates: f64,
    /// Share of pings that are sent late by up to `reorder_s`.
    pub reordered: f64,
    /// Longest such delay, seconds.
    pub reorder_s: u32,
    /// Vehicles without a network for a while, which then send what they have
    /// gathered.
    pub buffered: Option<Windows>,
    /// Share of such buffers that are sent newest first.
    pub newest_first: f64,
}

impl Transport {
    /// When a ping taken at `t_ms` is sent, and when its copy is, if it has one.
    #[must_use]
    pub fn send_times(&self, seed: u64, vehicle: u32, seq: u32, t_ms: i64) -> (i64, Option<i64>) {
        if *self == Self::default() {
            return (t_ms, None);
        }
        let mut draws = Draws::new(key(seed, "way", u64::from(vehicle) << 32 | u64::from(seq)));
        let copied = draws.chance(self.duplicates);
        let copy_after_ms = draws.within(100, COPY_AFTER_MS);
        let mut send_ms = t_ms;
        if self.reordered > 0.0 && draws.chance(self.reordered) {
            send_ms += draws.within(1, i64::from(self.reorder_s.max(1)) * 1000);
        }
        if let Some((start_ms, end_ms)) =
            self.buffered.and_then(|windows| windows.around(seed, "buffer", vehicle, t_ms))
        {
            let id = u64::from(vehicle) << 32 | (end_ms as u64 & 0xFFFF_FFFF);
            let newest_first = Draws::new(key(seed, "upload", id)).chance(self.newest_first);
            let place_ms = if newest_first { end_ms - t_ms } else { t_ms - start_ms };
            send_ms = end_ms + place_ms / UPLOAD_PINGS_PER_S;
        }
        (send_ms, copied.then_some(send_ms + copy_after_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_delays_have_their_shares() {
        let transport =
            Transport { duplicates: 0.1, reordered: 0.2, reorder_s: 3, ..Transport::default() };
        let sent: Vec<_> = (0..10_000).map(|seq| transport.send_times(1, 2, seq, 1_000)).collect();
        let copies = sent.iter().filter(|sent| sent.1.is_some()).count();
        let delayed = sent.iter().filter(|sent| sent.0 > 1_000).count();
        assert!((900..1_100).contains(&copies) && (1_850..2_150).contains(&delayed));
        assert!(sent.iter().all(|sent| (1_000..=4_000).contains(&sent.0)));
    }

    #[test]
    fn a_buffer_is_sent_after_its_end_newest_first_if_so() {
        let windows = Windows { share: 1.0, every_s: 100, shortest_s: 60, longest_s: 60 };
        let transport =
            Transport { buffered: Some(windows), newest_first: 1.0, ..Transport::default() };
        let (start_ms, end_ms) =
            (0..100_000).find_map(|t| windows.around(1, "buffer", 3, t)).unwrap();
        let taken = (start_ms..end_ms).step_by(1_000);
        let sent: Vec<i64> = taken.map(|t| transport.send_times(1, 3, 1, t).0).collect();
        assert!(sent.iter().all(|&send_ms| send_ms >= end_ms));
        assert!(sent.windows(2).all(|pair| pair[0] > pair[1]), "{sent:?}");
    }
}
