//! The read models as a whole: opening them, following the log, waiting for a position.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use domain::envelope::{Position, RecordedEvent};
use domain::id::SubjectId;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::error::{ApplyError, NotYet, OpenError, QueryError};
use crate::facts::FactsReader;
use crate::pool::Pool;
use crate::writer::{View, Writer};

/// How the read models are opened.
#[derive(Clone)]
pub struct ReadModelOptions {
    /// The file of rows and ledger; the search index lies beside it.
    pub path: PathBuf,
    /// Pages kept in memory, in KiB: as many by the writer as by all readers together.
    pub cache_kib: u32,
    /// Questions that run at a time.
    pub readers: usize,
    /// Opens sealed facts for the search index.
    pub facts: Arc<dyn FactsReader>,
}

impl fmt::Debug for ReadModelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModelOptions")
            .field("path", &self.path)
            .field("cache_kib", &self.cache_kib)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

/// The read models: rows, ledger, dashboard numbers and search index. Cheap to clone; all clones are one.
///
/// Questions block, and belong on a thread that may; a dashboard that [`ReadModels::answers_from_memory`] does not.
#[derive(Clone)]
pub struct ReadModels {
    shared: Arc<Shared>,
}

struct Shared {
    options: ReadModelOptions,
    /// `None` only while the files are being exchanged, or when that failed.
    open: RwLock<Option<Open>>,
    position: watch::Sender<Option<Position>>,
}

/// Everything that holds the files open.
struct Open {
    writer: Mutex<Writer>,
    pool: Pool,
    view: RwLock<View>,
}

impl fmt::Debug for ReadModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModels")
            .field("path", &self.shared.options.path)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

impl Open {
    fn new(options: &ReadModelOptions) -> Result<Self, OpenError> {
        let (writer, view) = Writer::open(options)?;
        let pool = Pool::open(&options.path, options.readers, options.cache_kib)
            .map_err(|source| OpenError::of(&options.path, source))?;
        Ok(Self { writer: Mutex::new(writer), pool, view: RwLock::new(view) })
    }

    fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ReadModels {
    /// Opens the read models, or creates empty ones.
    ///
    /// # Errors
    /// The files are of another version, and must be built anew; or they cannot be used.
    pub fn open(options: ReadModelOptions) -> Result<Self, OpenError> {
        let open = Open::new(&options)?;
        let position = open.writer.lock().unwrap_or_else(PoisonError::into_inner).position();
        let position = watch::Sender::new(position);
        Ok(Self { shared: Arc::new(Shared { options, open: RwLock::new(Some(open)), position }) })
    }

    /// How they were opened.
    #[must_use]
    pub fn options(&self) -> &ReadModelOptions {
        &self.shared.options
    }

    /// The last position that every model shows; `None` while nothing has been applied.
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
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), NotYet> {
        let mut seen = self.watch();
        let reached = tokio::time::timeout(timeout, seen.wait_for(|at| *at >= Some(position))).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotYet { wanted: position, reached: self.position() }),
        }
    }

    /// Takes in events in log order, in one transaction; those taken in before are passed over. Blocks.
    ///
    /// # Errors
    /// One of them cannot be read, or the store refused. Rows and checkpoint are as they were.
    pub fn apply(&self, events: &[RecordedEvent]) -> Result<(), ApplyError> {
        let guard = self.guard();
        let open = guard.as_ref().ok_or(ApplyError::Closed)?;
        let mut writer = open.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = writer.apply(events, &open.view(), &|view| {
            *open.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        });
        let position = writer.position();
        drop(writer);
        if applied.is_ok() {
            self.announce(position);
        }
        applied
    }

    /// Takes the facts of an erased person out of the search index, and says in how many cases. Once the key is
    /// destroyed, a rebuild would leave them out as well. Blocks.
    ///
    /// # Errors
    /// The store refused.
    pub fn forget(&self, subject: SubjectId) -> Result<usize, ApplyError> {
        let guard = self.guard();
        let open = guard.as_ref().ok_or(ApplyError::Closed)?;
        open.writer.lock().unwrap_or_else(PoisonError::into_inner).forget(subject)
    }

    /// Takes what was forgotten off the disk too, by writing the whole search index anew. For quiet hours. Blocks.
    ///
    /// # Errors
    /// The store refused.
    pub fn compact_search(&self) -> Result<(), ApplyError> {
        let guard = self.guard();
        let open = guard.as_ref().ok_or(ApplyError::Closed)?;
        open.writer.lock().unwrap_or_else(PoisonError::into_inner).compact_search()
    }

    /// Counts the matters of filings that led to no complaint whenever it is called, from memory; it keeps no file open,
    /// and counts none once the read models are gone.
    #[must_use]
    pub fn watch_unregistered(&self) -> Box<dyn Fn() -> u64 + Send + Sync> {
        let shared = Arc::downgrade(&self.shared);
        Box::new(move || shared.upgrade().map_or(0, |shared| Self { shared }.unregistered_count()))
    }

    /// The numbers and the register as they stand.
    pub(crate) fn view(&self) -> Result<View, QueryError> {
        self.guard().as_ref().map(Open::view).ok_or(QueryError::Closed)
    }

    /// Asks in one snapshot of the files.
    pub(crate) fn ask<T>(
        &self,
        ask: impl FnOnce(&Connection, &View) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let guard = self.guard();
        let open = guard.as_ref().ok_or(QueryError::Closed)?;
        open.pool.with(|conn| {
            // The snapshot first, then the register: it is published before the rows that name its units are
            // committed.
            conn.prepare_cached("SELECT position FROM checkpoint LIMIT 1")?.exists([])?;
            ask(conn, &open.view())
        })
    }

    /// Closes the files, lets `exchange` put others in their place, and opens those. Whoever asks meanwhile waits.
    pub(crate) fn reopen<E: From<OpenError>>(&self, exchange: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut slot = self.shared.open.write().unwrap_or_else(PoisonError::into_inner);
        // The old connections must be gone before the files are: the last one to close tidies up by their names.
        drop(slot.take());
        let exchanged = exchange();
        let open = Open::new(&self.shared.options)?;
        let position = open.writer.lock().unwrap_or_else(PoisonError::into_inner).position();
        *slot = Some(open);
        drop(slot);
        self.announce(position);
        exchanged
    }

    fn announce(&self, position: Option<Position>) {
        self.shared.position.send_if_modified(|known| {
            let moved = *known != position;
            *known = position;
            moved
        });
    }

    fn guard(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.shared.open.read().unwrap_or_else(PoisonError::into_inner)
    }
}
