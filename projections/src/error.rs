//! What can go wrong with the read models, one type for each thing one can ask of them.

use std::path::{Path, PathBuf};

use domain::envelope::Position;
use domain::id::{ComplaintId, StreamId, UnitId};
use domain::wire::WireError;
use rusqlite::ErrorCode;
use thiserror::Error;

use crate::facts::FactsError;

/// Why the read models could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the read models in `{}` are of version {found}, not {expected}: build them anew", .path.display())]
    OtherVersion { path: PathBuf, found: i64, expected: u16 },
    #[error("the read models in `{}` are damaged ({what}): build them anew", .path.display())]
    Damaged { path: PathBuf, what: &'static str },
    #[error("the read models in `{}` could not be opened", .path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// What it means that SQLite refuses a file: one that it cannot make sense of is damaged, and trying again is no use.
    pub(crate) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, what: "SQLite cannot make sense of the file" }
            }
            Some(_) | None => Self::Store { path, source },
        }
    }
}

/// Why a batch of events was not applied. Rows and checkpoint are as they were before it.
#[derive(Debug, Error)]
pub enum ApplyError {
    #[error("the event at position {position} cannot be read")]
    Unreadable {
        position: Position,
        #[source]
        source: WireError,
    },
    #[error("the event at position {position} is on stream `{stream}`, whose name does not name its life")]
    Stream { position: Position, stream: StreamId },
    #[error("position {position} is more than the read models can keep")]
    Position { position: Position },
    #[error("the facts of the case at position {position} could not be opened")]
    Facts {
        position: Position,
        #[source]
        source: FactsError,
    },
    #[error("there are more {what} than the read models can tell apart")]
    Full { what: &'static str },
    #[error("the stored row of case {case} cannot be read: build the read models anew")]
    Damaged { case: ComplaintId },
    #[error("the read models are closed")]
    Closed,
    #[error("the read models could not be written")]
    Store(#[from] rusqlite::Error),
}

impl ApplyError {
    /// Whether the same batch may go through later: the disk is full or busy, the vault does not answer. What cannot
    /// be read stays so, and halts the projection.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Facts { .. } => true,
            Self::Store(error) => error.sqlite_error_code().is_some_and(passes),
            Self::Unreadable { .. }
            | Self::Stream { .. }
            | Self::Position { .. }
            | Self::Full { .. }
            | Self::Damaged { .. }
            | Self::Closed => false,
        }
    }

    /// The event that stands in the way, where it is one event.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Unreadable { position, .. }
            | Self::Stream { position, .. }
            | Self::Position { position }
            | Self::Facts { position, .. } => Some(*position),
            Self::Full { .. } | Self::Damaged { .. } | Self::Closed | Self::Store(_) => None,
        }
    }
}

/// Whether a failure of the store is one that passes.
fn passes(code: ErrorCode) -> bool {
    [
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        ErrorCode::OutOfMemory,
        ErrorCode::DiskFull,
        ErrorCode::SystemIoFailure,
        ErrorCode::CannotOpen,
    ]
    .contains(&code)
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    #[error("unit `{0}` is not in the register")]
    UnknownUnit(UnitId),
    #[error("a page holds 1 to {max} rows, not {limit}")]
    PageSize { limit: u32, max: u32 },
    #[error("a search text has at most {max} characters, this one has {chars}")]
    TextTooLong { chars: usize, max: usize },
    #[error("a series has at most {max} days")]
    SeriesTooLong { max: i64 },
    #[error("a stored row cannot be read ({what}): build the read models anew")]
    Damaged { what: &'static str },
    #[error("the read models are closed")]
    Closed,
    #[error("the read models could not be read")]
    Store(#[from] rusqlite::Error),
}

/// The read models have not reached a position in the time given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the read models have not reached position {wanted} yet")]
pub struct NotYet {
    pub wanted: Position,
    pub reached: Option<Position>,
}
