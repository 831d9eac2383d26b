//! What can go wrong with the index, and whether it passes by itself.

use std::path::PathBuf;

use domain::envelope::Position;
use domain::id::StreamId;
use domain::wire::WireError;
use event_log::port::ReadError;
use projections::Unread;
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why events could not be taken in, or a question has no answer.
#[derive(Debug, Error)]
pub enum IndexError {
    #[error("the event at position {position} cannot be read")]
    Unreadable {
        position: Position,
        #[source]
        source: WireError,
    },
    #[error("the event at position {position} lies in stream `{stream}`, which names no id")]
    Stream { position: Position, stream: StreamId },
    #[error("stream `{stream}` has a gap before position {position}")]
    Gap { position: Position, stream: StreamId },
    #[error("stream `{stream}` does not yet give all of what the log holds of it")]
    Behind { stream: StreamId },
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error(
        "`{}` is no index of referrals: it is damaged, or another program's file. Remove it, or let `baycase rebuild \
         --force` do so: the index is built anew from the log",
        .path.display()
    )]
    Foreign { path: PathBuf },
    #[error("a row of table `{table}` cannot be read; delete the index, it is built again from the log")]
    Damaged { table: &'static str },
    #[error("the index could not be read or written")]
    Store(#[from] rusqlite::Error),
}

impl IndexError {
    /// Whether the same may go through later: the disk is full or busy, the log cannot be reached. What cannot be read
    /// stays so, and halts the index.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Behind { .. } => true,
            Self::Read(error) => matches!(Unread::of(error), Unread::Again),
            Self::Store(error) => error.sqlite_error_code().is_some_and(passes),
            Self::Unreadable { .. }
            | Self::Stream { .. }
            | Self::Gap { .. }
            | Self::Foreign { .. }
            | Self::Damaged { .. } => false,
        }
    }

    /// The event that stands in the way, where it is one event.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Unreadable { position, .. } | Self::Stream { position, .. } | Self::Gap { position, .. } => {
                Some(*position)
            }
            Self::Read(ReadError::Damaged { position, .. }) => Some(Position::new(*position)),
            Self::Behind { .. }
            | Self::Read(ReadError::Store(_) | ReadError::Closed | ReadError::Fault(_))
            | Self::Foreign { .. }
            | Self::Damaged { .. }
            | Self::Store(_) => None,
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

#[cfg(test)]
mod tests {
    use event_log::port::LogFault;

    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_names_its_event() {
        for (error, passes) in [
            (ReadError::Closed, true),
            (ReadError::Fault(LogFault::TimedOut), true),
            (ReadError::Fault(LogFault::NotInstalled), false),
            (ReadError::Damaged { position: 7, what: "torn" }, false),
        ] {
            let named = matches!(&error, ReadError::Damaged { .. }).then(|| Position::new(7));
            let error = IndexError::Read(error);
            assert_eq!((error.is_retryable(), error.position()), (passes, named), "{error:?}");
        }
    }
}
