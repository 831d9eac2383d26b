//! Readers for asynchronous callers: a bounded number of connections, used on threads that may block.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::port::ReadError;
use crate::sqlite::reader::{LogReader, ReaderSettings};
use crate::sqlite::row::failure;

/// The readers of one log. A clone shares them.
#[derive(Clone)]
pub(super) struct ReaderPool(Arc<Shared>);

struct Shared {
    path: PathBuf,
    settings: ReaderSettings,
    /// Connections that are open and not in use, at most `idle_max`.
    idle: Mutex<Vec<LogReader>>,
    idle_max: usize,
    permits: Arc<Semaphore>,
    closed: AtomicBool,
}

impl ReaderPool {
    /// At most `readers` reads at a time; at least one.
    pub(super) fn new(path: PathBuf, settings: ReaderSettings, readers: usize) -> Self {
        let readers = readers.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            path,
            settings,
            idle: Mutex::default(),
            idle_max: readers,
            permits: Arc::new(Semaphore::new(readers)),
            closed: AtomicBool::new(false),
        }))
    }

    /// Does `work` on a thread that may block, when a reader is free.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&mut LogReader) -> Result<T, ReadError> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.0.permits).acquire_owned().await else {
            return Err(ReadError::Closed);
        };
        let pool = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = pool.with_blocking(work);
            drop(permit);
            result
        });
        match done.await {
            Ok(result) => result,
            // The work panicked or the runtime is shutting down.
            Err(error) => Err(ReadError::Store(Arc::new(error))),
        }
    }

    /// Does `work` on this thread, with a reader that is free or a new one.
    pub(super) fn with_blocking<T>(
        &self,
        work: impl FnOnce(&mut LogReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let free = self.idle().pop();
        let mut reader = match free {
            Some(reader) => reader,
            None => self.open()?,
        };
        let result = work(&mut reader);
        let mut idle = self.idle();
        if !self.is_closed() && idle.len() < self.0.idle_max {
            idle.push(reader);
        }
        result
    }

    /// Opens a reader that the pool does not count.
    pub(super) fn open(&self) -> Result<LogReader, ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        LogReader::connect(&self.0.path, self.0.settings).map_err(|error| failure(error, 0))
    }

    /// Ends the pool: idle readers are closed now, the others when their work is done.
    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.permits.close();
        self.idle().clear();
    }

    fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<LogReader>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ReaderPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderPool").field("free", &self.0.permits.available_permits()).finish_non_exhaustive()
    }
}
