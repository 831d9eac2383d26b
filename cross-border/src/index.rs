//! The index of referrals: a read model in a SQLite file of its own, from which lists, the outbox, the clocks and the
//! counters are answered.
//!
//! Architecture invariants:
//! - Rows and checkpoint move in one transaction. An event of a referral or a delivery that cannot be read halts the
//!   index; the other lives are passed by.
//! - A row is what its whole stream folds to, as far as the checkpoint has come. So the rows do not depend on where
//!   one batch ends and the next begins, and applying an event again changes nothing.
//! - The file may be deleted at any time and is built again from the log. Nothing is decided on it: who acts upon a
//!   row decides on the stream.

mod column;
mod error;
mod fold;
mod follower;
mod pool;
mod query;
mod row;
mod schema;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::envelope::{Position, RecordedEvent};
use event_log::source::{LogSource, StreamSource};
use rusqlite::{Connection, TransactionBehavior};
use thiserror::Error;
use tokio::sync::watch;

pub use self::error::IndexError;
pub use self::follower::IndexFollower;
pub use self::row::{
    CounterRow, Cursor, DeliveryFilter, Duty, EvidenceRow, OutboxRow, ReferralFilter, ReferralRow, StepKey, StepRow,
};

use self::fold::Batch;
use self::pool::Pool;

/// The version of the index: of its tables, and of what stands in them. A file of another one is built anew.
pub const VERSION: u16 = 4;
/// Most rows of one answer; a larger limit means this one.
pub const ROWS_MAX: u32 = 10_000;

/// Events of one transaction while catching up. A stream that is touched is read once in each, so not too few.
const CATCH_UP_EVENTS: u32 = 16_384;
/// Questions that run at a time, unless it is said otherwise.
const READERS: usize = 4;
/// Pages kept in memory, unless it is said otherwise.
const CACHE_KIB: u32 = 16 * 1_024;

/// How the index is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexOptions {
    /// The file; made where there is none.
    pub path: PathBuf,
    /// Questions that run at a time; at least one.
    pub readers: usize,
    /// Pages kept in memory, in KiB: as many by the writer as by all readers together.
    pub cache_kib: u32,
}

impl IndexOptions {
    /// What suits one office server.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, readers: READERS, cache_kib: CACHE_KIB }
    }
}

/// The index has not reached a position in the time given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the index of referrals has not reached position {wanted} yet")]
pub struct Late {
    pub wanted: Position,
    pub reached: Option<Position>,
}

/// The index of referrals. Cheap to clone; all clones are one.
///
/// Questions block for a moment: one statement in one file.
#[derive(Clone)]
pub struct ReferralIndex {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: Mutex<Connection>,
    pool: Pool,
    position: watch::Sender<Option<Position>>,
}

impl fmt::Debug for ReferralIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferralIndex")
            .field("path", &self.shared.path)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

impl ReferralIndex {
    /// Opens the index, or makes an empty one where there is none or one of another version.
    ///
    /// # Errors
    /// The file is another program's, or cannot be used.
    pub fn open(options: IndexOptions) -> Result<Self, IndexError> {
        let IndexOptions { path, readers, cache_kib } = options;
        Self::rebuild_if_other_version(&path)?;
        let writer = schema::open_writer(&path, cache_kib)?;
        let pool = Pool::open(&path, readers, cache_kib)?;
        let position = watch::Sender::new(schema::position(&writer)?);
        Ok(Self { shared: Arc::new(Shared { path, writer: Mutex::new(writer), pool, position }) })
    }

    /// Empties a file of another version, so that it is filled again from the beginning of the log; says whether it
    /// did. [`ReferralIndex::open`] does so by itself.
    ///
    /// # Errors
    /// The file is another program's, or cannot be used.
    pub fn rebuild_if_other_version(path: &Path) -> Result<bool, IndexError> {
        schema::empty_other_version(path)
    }

    /// The last position that shows; `None` while nothing has been applied.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        *self.shared.position.borrow()
    }

    /// The position as it moves.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Position>> {
        self.shared.position.subscribe()
    }

    /// Waits until a position shows: read your writes.
    ///
    /// # Errors
    /// It does not show in time.
    pub async fn wait_for(&self, at: Position, timeout: Duration) -> Result<(), Late> {
        let mut seen = self.watch();
        let reached = tokio::time::timeout(timeout, seen.wait_for(|reached| *reached >= Some(at))).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Late { wanted: at, reached: self.position() }),
        }
    }

    /// Takes in all that the log holds up to `upto`, in one transaction. `events` are those behind the position that
    /// shows, in log order; of lives that are not shown they may leave any out. What was taken in before and what lies
    /// behind `upto` is passed over.
    ///
    /// # Errors
    /// An event cannot be read, or the log or the store refused. Rows and checkpoint are as they were.
    pub fn apply(
        &self,
        events: &[RecordedEvent],
        upto: Position,
        streams: &mut dyn StreamSource,
    ) -> Result<(), IndexError> {
        let mut writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = schema::position(&writer)?;
        if Some(upto) <= before {
            return Ok(());
        }
        // All that can fail for other reasons than the store is done before the first row is written.
        let batch = Batch::read(events, before, upto, streams)?;
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write::batch(&tx, &batch)?;
        schema::set_position(&tx, upto)?;
        tx.commit()?;
        self.shared.position.send_replace(Some(upto));
        Ok(())
    }

    /// Takes in the rest of the log.
    ///
    /// # Errors
    /// See [`ReferralIndex::apply`]; what stands before the event in the way may not show yet.
    pub fn catch_up(&self, reader: &mut (impl LogSource + StreamSource)) -> Result<(), IndexError> {
        loop {
            let page = reader.page(self.position(), CATCH_UP_EVENTS)?;
            if let Some(last) = page.events.last() {
                self.apply(&page.events, last.position, reader)?;
            }
            if page.at_end {
                return Ok(());
            }
        }
    }

    /// Asks on a connection that cannot write.
    fn ask<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.shared.pool.with(ask)
    }
}
