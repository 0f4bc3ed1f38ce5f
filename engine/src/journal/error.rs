//! Why a journal cannot be opened, read or kept.

use object_store::path::Path;

use super::commit::CommitError;
use super::frame::FrameError;
use super::lineage::LineageFault;
use super::store::StoreError;

/// Why a journal cannot be opened, read or kept. Nothing was skipped: what
/// was read before the error is good, what follows was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal was created for another number of shards; there is no
    /// resharding.
    #[error(
        "shard-{shard}/genesis: the journal was created with {recorded} shards, the \
         configuration says {configured}: set shards = {recorded}, or start a new data directory"
    )]
    ShardCount {
        /// The shard being claimed.
        shard: u32,
        /// Number of shards in the genesis.
        recorded: u32,
        /// Number of shards configured.
        configured: u32,
    },
    /// The journal once existed and its content is gone.
    #[error(
        "{missing}: not found, and no snapshot is readable, though shard-{shard}/genesis says \
         that a journal was here: restore it from a backup, or start a new data directory"
    )]
    LostJournal {
        /// The shard being claimed.
        shard: u32,
        /// The first segment.
        missing: String,
    },
    /// Segments or snapshots are there, the genesis is not.
    #[error(
        "shard-{shard}/genesis: not found, though {found} is there: restore it from a backup, \
         or start a new data directory"
    )]
    LostGenesis {
        /// The shard being claimed.
        shard: u32,
        /// One of the objects found.
        found: String,
    },
    /// There is no journal, but output of one.
    #[error(
        "shard {shard}: there is no journal, though {found} is there: is the volume of the journal \
         mounted? Restore it, or start a new data directory"
    )]
    Vanished {
        /// The shard being claimed.
        shard: u32,
        /// Some of its output.
        found: String,
    },
    /// An object is damaged, cut short, or of a newer format.
    #[error("{0}")]
    BadObject(#[from] FrameError),
    /// A damaged segment is the tail: it can be moved away on request.
    #[error(
        "{0}; nothing valid follows it: --set-aside-tail moves it away and says what may be lost"
    )]
    BadTail(#[source] FrameError),
    /// A damaged segment stands before valid ones: moving it away would lose
    /// what follows, so it is never done.
    #[error("{source}; {valid_after} after it is valid, so it is not a tail to set aside")]
    BadMiddle {
        /// The damaged segment.
        source: FrameError,
        /// A valid segment after it.
        valid_after: String,
    },
    /// A segment is missing though later ones are there.
    #[error("{missing}: not found, though {found} is there: restore it from a backup")]
    Missing {
        /// The missing segment.
        missing: String,
        /// A later object.
        found: String,
    },
    /// A segment asked for is not in the journal: not yet written, or
    /// deleted.
    #[error("{name}: not in the journal")]
    Absent {
        /// Name of the segment.
        name: String,
    },
    /// A whole segment that cannot stand where it does.
    #[error("{name}: {fault}")]
    Lineage {
        /// Name of the segment.
        name: String,
        /// Why it cannot.
        fault: LineageFault,
    },
    /// Another process moved the journal on while this one was claiming it.
    #[error("{name}: the journal has moved on past it while it was being claimed")]
    Overtaken {
        /// Name of the object that shows it.
        name: String,
    },
    /// Two copies of what must be the same differ.
    #[error("{name}: differs from {other}")]
    Differs {
        /// One object.
        name: String,
        /// The other.
        other: String,
    },
    /// Creating the claim's segment failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed, several times over.
    #[error("{name}: {source}")]
    Store {
        /// Name of the object.
        name: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The local directory cannot be used.
    #[error(transparent)]
    Directory(#[from] StoreError),
}

impl JournalError {
    pub(super) fn store(path: &Path, source: object_store::Error) -> Self {
        Self::Store { name: path.to_string(), source }
    }

    /// Whether the same may do later: of the journal nothing is known to be wrong.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Store { .. })
    }

    /// The process's exit code: 78 for what the configuration mends, 75 for
    /// what another start mends, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ShardCount { .. } => 78,
            Self::Overtaken { .. } => 75,
            Self::Commit(error) => error.exit_code(),
            Self::Directory(error) => error.exit_code(),
            Self::LostJournal { .. }
            | Self::LostGenesis { .. }
            | Self::Vanished { .. }
            | Self::BadObject(_)
            | Self::BadTail(_)
            | Self::BadMiddle { .. }
            | Self::Missing { .. }
            | Self::Absent { .. }
            | Self::Lineage { .. }
            | Self::Differs { .. }
            | Self::Store { .. } => 1,
        }
    }
}
