//! Who owned the shard when: epochs rise with each claim and never go back,
//! one writer to an epoch.

use protos::journal::{Segment, SegmentKind, Snapshot};

/// A segment that cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineageFault {
    /// It belongs to another journal, shard or number.
    #[error("holds {found} where {expected} belongs")]
    Misplaced {
        /// What it says it is.
        found: String,
        /// What its name says.
        expected: String,
    },
    /// Its epoch is lower than that of a segment before it.
    #[error("epoch went back from {before} to {found}")]
    EpochBack {
        /// The epoch before.
        before: u64,
        /// The epoch it has.
        found: u64,
    },
    /// The epoch rose without a claim.
    #[error("epoch rose from {before} to {found} in a segment that is no claim")]
    EpochUnclaimed {
        /// The epoch before.
        before: u64,
        /// The epoch it has.
        found: u64,
    },
    /// Two writers in one epoch.
    #[error("epoch {epoch} has a second writer")]
    SecondWriter {
        /// The epoch with two writers.
        epoch: u64,
    },
}

/// The owner so far.
#[derive(Clone, Debug)]
pub(super) struct Lineage {
    journal_id: String,
    shard: u32,
    epoch: u64,
    /// Known from the first segment of the epoch on.
    writer: Option<[u8; 16]>,
}

impl Lineage {
    pub(super) fn new(journal_id: String, shard: u32, base: Option<&Snapshot>) -> Self {
        Self { journal_id, shard, epoch: base.map_or(0, |base| base.epoch), writer: None }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes `segment` as the one at `seq`, or says why it cannot be.
    pub(super) fn admit(&mut self, seq: u64, segment: &Segment) -> Result<(), LineageFault> {
        self.check_place(seq, segment)?;
        let (before, found) = (self.epoch, segment.epoch);
        if found < before {
            return Err(LineageFault::EpochBack { before, found });
        }
        if found > before && segment.kind() != SegmentKind::Fence {
            return Err(LineageFault::EpochUnclaimed { before, found });
        }
        let writer: [u8; 16] =
            segment.writer_id.as_ref().try_into().map_err(|_| LineageFault::Misplaced {
                found: format!("a writer id of {} bytes", segment.writer_id.len()),
                expected: "one of 16 bytes".to_owned(),
            })?;
        if found == before && self.writer.is_some_and(|known| known != writer) {
            return Err(LineageFault::SecondWriter { epoch: found });
        }
        self.epoch = found;
        self.writer = Some(writer);
        Ok(())
    }

    fn check_place(&self, seq: u64, segment: &Segment) -> Result<(), LineageFault> {
        let place =
            |journal: &str, shard, seq| format!("journal {journal} shard {shard} seq {seq}");
        if segment.journal_id == self.journal_id
            && segment.shard == self.shard
            && segment.seq == seq
        {
            return Ok(());
        }
        Err(LineageFault::Misplaced {
            found: place(&segment.journal_id, segment.shard, segment.seq),
            expected: place(&self.journal_id, self.shard, seq),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u64, epoch: u64, writer: u8, kind: SegmentKind) -> Segment {
        Segment {
            journal_id: "j".to_owned(),
            seq,
            epoch,
            writer_id: vec![writer; 16].into(),
            kind: kind.into(),
            ..Segment::default()
        }
    }

    #[test]
    fn owners_follow_one_another() {
        use SegmentKind::{Data, Fence};
        let mut lineage = Lineage::new("j".to_owned(), 0, None);
        assert_eq!(lineage.admit(1, &segment(1, 1, 1, Fence)), Ok(()));
        assert_eq!(lineage.admit(2, &segment(2, 1, 1, Data)), Ok(()));
        assert_eq!(
            lineage.admit(3, &segment(3, 1, 2, Data)),
            Err(LineageFault::SecondWriter { epoch: 1 })
        );
        assert_eq!(
            lineage.admit(3, &segment(3, 2, 2, Data)),
            Err(LineageFault::EpochUnclaimed { before: 1, found: 2 })
        );
        assert_eq!(lineage.admit(3, &segment(3, 2, 2, Fence)), Ok(()));
        assert_eq!(
            lineage.admit(4, &segment(4, 1, 1, Data)),
            Err(LineageFault::EpochBack { before: 2, found: 1 })
        );
        assert!(matches!(
            lineage.admit(4, &segment(5, 2, 2, Data)),
            Err(LineageFault::Misplaced { .. })
        ));
        assert_eq!(lineage.epoch(), 2);
    }
}
