//! The way between two fixes, as each fence near it sees it.

use geofence::Position;

use crate::fences::Fences;

/// A straight piece of a way at one speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Where it begins.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// When it begins, milliseconds since the start of the run.
    pub start_ms: i64,
    /// When it ends.
    pub end_ms: i64,
}

/// What a way did at one fence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Passage {
    pub(super) fence: u32,
    /// It began, and ended, inside.
    pub(super) began_inside: bool,
    pub(super) ended_inside: bool,
    pub(super) first_in_ms: Option<i64>,
    pub(super) last_in_ms: Option<i64>,
    pub(super) first_out_ms: Option<i64>,
    pub(super) last_out_ms: Option<i64>,
    /// Length of the way inside, metres.
    pub(super) inside_m: f64,
}

/// What a way did at every fence near it, by number.
#[derive(Debug, Default)]
pub(super) struct Step {
    passages: Vec<Passage>,
}

impl Step {
    /// Replaces what was known with the `way`, which has at least one piece.
    pub(super) fn walk(&mut self, fences: &Fences, way: &[Piece], near: &mut Vec<u32>) {
        self.passages.clear();
        for (number, piece) in way.iter().enumerate() {
            fences.near_step(piece.from, piece.to, near);
            for &fence in near.iter() {
                let region = &fences.get(fence).region;
                let stretches = region.stretches(piece.from, piece.to);
                let slot = self.passages.partition_point(|passage| passage.fence < fence);
                if self.passages.get(slot).is_none_or(|passage| passage.fence != fence) {
                    self.passages.insert(slot, Passage::before(fence));
                }
                self.passages[slot].take(piece, &stretches, number == 0);
            }
            // What the last piece is not near to, it ended outside of.
            for passage in &mut self.passages {
                if near.binary_search(&passage.fence).is_err() {
                    passage.ended_inside = false;
                }
            }
        }
    }

    /// At the fences that the way was inside of at any time, by number.
    pub(super) fn passages(&self) -> impl Iterator<Item = &Passage> {
        self.passages.iter().filter(|passage| {
            passage.began_inside || passage.ended_inside || passage.first_in_ms.is_some()
        })
    }

    /// At this fence, if the way was near it.
    pub(super) fn at(&self, fence: u32) -> Option<&Passage> {
        let slot = self.passages.binary_search_by_key(&fence, |passage| passage.fence).ok()?;
        Some(&self.passages[slot])
    }
}

impl Passage {
    fn before(fence: u32) -> Self {
        Self {
            fence,
            began_inside: false,
            ended_inside: false,
            first_in_ms: None,
            last_in_ms: None,
            first_out_ms: None,
            last_out_ms: None,
            inside_m: 0.0,
        }
    }

    fn take(&mut self, piece: &Piece, stretches: &[(f64, f64)], first: bool) {
        let span_ms = (piece.end_ms - piece.start_ms) as f64;
        let time = |fraction: f64| piece.start_ms + (fraction * span_ms).round() as i64;
        let scale = crate::geometry::Scale::at(piece.to.lat);
        let length_m = scale.distance_m(piece.from, piece.to);
        for &(enter, leave) in stretches {
            self.inside_m += (leave - enter) * length_m;
            if enter > 0.0 {
                self.went_in(time(enter));
            } else if first {
                self.began_inside = true;
            } else if !self.ended_inside {
                // On the corner, and on an edge that it had only touched.
                self.went_in(piece.start_ms);
            }
            self.ended_inside = true;
            if leave < 1.0 {
                self.went_out(time(leave));
            }
        }
        if stretches.is_empty() && self.ended_inside {
            self.went_out(piece.start_ms);
        }
    }

    fn went_in(&mut self, t_ms: i64) {
        self.first_in_ms = self.first_in_ms.or(Some(t_ms));
        self.last_in_ms = Some(t_ms);
    }

    fn went_out(&mut self, t_ms: i64) {
        self.ended_inside = false;
        self.first_out_ms = self.first_out_ms.or(Some(t_ms));
        self.last_out_ms = Some(t_ms);
    }
}
