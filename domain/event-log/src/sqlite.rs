//! The embedded store: one SQLite file, one thread that writes it, any number of readers.
//!
//! What holds it together:
//! - One thread writes. It commits everything that waits as one transaction, so many callers share one `fsync`. It is
//!   the only writer in the process, and a lock file keeps other processes out.
//! - Nothing is answered before its commit is on the disk (`synchronous=FULL`), and readers see only what is committed.
//!   Positions are given in commit order, so no reader ever sees a gap that is filled later.
//! - Triggers refuse every UPDATE and DELETE, whoever tries.
//! - A write that fails, on a full disk for example, is refused as a whole; reading goes on, and so does writing when
//!   there is room again.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};
use uuid::Uuid;

use crate::memory::Stamp;
use crate::port::{Append, AppendError, Appended, EventLog, Page, ReadError};
use crate::sqlite::append::{Answer, Entry, State, Statements};
use crate::sqlite::file::FileLock;
use crate::sqlite::inspect::{Found, inspect};
use crate::sqlite::pool::ReaderPool;
use crate::sqlite::writer::{BatchLimits, Job, Writer};

pub use self::inspect::OpenError;
pub use self::reader::{LogReader, PAGE_BYTES_MAX, ReaderSettings};
pub use self::schema::{LogInfo, SCHEMA_VERSION};
pub use self::upkeep::{Backup, BackupError, LogStats, backup};

mod append;
pub(crate) mod cache;
mod commands;
pub(crate) mod file;
pub(crate) mod inspect;
mod open;
mod pool;
pub(crate) mod reader;
pub(crate) mod row;
pub(crate) mod schema;
mod upkeep;
mod writer;

/// Most events, and most appends, in one bulk append.
pub const BULK_EVENTS_MAX: usize = 65_536;

/// How a log is opened. Every limit has a default that suits one office server.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The clock that stamps `recorded_at`, read on the writer's thread.
    pub stamp: Stamp,
    /// Makes a new log where there is none. Without it a missing log is an error: a mistyped folder must not look like
    /// an empty province.
    pub create: bool,
    /// The installation that the log must belong to, or a new one shall; `None` takes any, and draws a new one's.
    pub installation: Option<Uuid>,
    /// Appends that may wait; one more is refused as overloaded.
    pub queue_max: usize,
    /// Bytes of texts that may wait; one more append is refused as overloaded.
    pub queue_bytes_max: usize,
    /// Events after which no further append is taken into a transaction.
    pub batch_events_max: usize,
    /// Bytes of texts after which no further append is taken into a transaction.
    pub batch_bytes_max: usize,
    /// Reads that run at a time.
    pub readers: usize,
    /// Memory of each reading connection.
    pub reader: ReaderSettings,
    /// Pages that the writer keeps in memory, in KiB.
    pub writer_cache_kib: u32,
    /// Pages in the write-ahead file after which the writer moves them into the database. Never off: the file would
    /// grow instead of being overwritten, and every commit with it.
    pub checkpoint_pages: u32,
    /// An upper bound of the database file in pages of 8 KiB; beyond it appends are refused as on a full disk. For
    /// hosts where the log must leave room for others; `None` leaves the bound to the disk.
    pub max_pages: Option<u32>,
}

impl SqliteOptions {
    /// The defaults, with the clock to stamp with.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            create: false,
            installation: None,
            queue_max: 4_096,
            queue_bytes_max: 256 * 1024 * 1024,
            batch_events_max: 4_096,
            batch_bytes_max: 32 * 1024 * 1024,
            readers: 8,
            reader: ReaderSettings::default(),
            writer_cache_kib: 64 * 1024,
            checkpoint_pages: 4_096,
            max_pages: None,
        }
    }
}

/// Why a bulk append was not even tried.
#[derive(Debug, Error)]
pub enum BulkError {
    #[error("a bulk append holds at most {max} events in at most {max} appends, this one has {events} in {appends}")]
    TooLarge { appends: usize, events: usize, max: usize },
    #[error("the log's writer has stopped and must be restarted")]
    Closed,
}

/// A log in a SQLite file.
pub struct SqliteLog {
    path: PathBuf,
    info: LogInfo,
    sender: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    waiting: Arc<AtomicUsize>,
    queue_bytes_max: usize,
    head: watch::Receiver<Option<Position>>,
    pool: ReaderPool,
}

impl SqliteLog {
    /// Opens the log at `path` for writing and reading, and starts its writer. Blocks while it does.
    ///
    /// What lies there is looked at before anything is touched: a file of another program, a damaged or a newer log is
    /// refused as it is.
    ///
    /// # Errors
    /// There is no log and none may be created, or it cannot be opened; the text says what to do.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        if matches!(inspect(path)?, Found::Nothing) && !options.create {
            return Err(OpenError::nothing(path));
        }
        let Some(lock) = FileLock::take(path).map_err(|error| OpenError::io(path, error))? else {
            return Err(OpenError::Locked { path: path.to_owned() });
        };
        let conn = match inspect(path)? {
            Found::Nothing => open::create(path, &options)?,
            Found::Log(info) => {
                open::check_installation(path, &info, options.installation)?;
                open::connect_writer(path, &options)?
            }
        };
        let failed = |error| OpenError::sqlite(path, error);
        let info = schema::info(&conn).map_err(failed)?;
        if let Some(pages) = options.max_pages {
            conn.pragma_update(None, "max_page_count", pages).map_err(failed)?;
        }
        // What the writer's thread needs must work now, where the caller can be told.
        let newest = State::load(&conn).and_then(|state| Statements::prepare(&conn).map(|_| state.head()));
        let log = Self::start(path, options, info, lock, conn, newest.map_err(failed)?)?;
        info!(log.path = %path.display(), log.installation = %log.info.installation, "Opened the log");
        Ok(log)
    }

    fn start(
        path: &Path,
        options: SqliteOptions,
        info: LogInfo,
        lock: FileLock,
        conn: Connection,
        newest: Option<Position>,
    ) -> Result<Self, OpenError> {
        let (sender, queue) = mpsc::channel(options.queue_max.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
        let (announce, head) = watch::channel(newest);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            lock,
            conn,
            stamp: options.stamp,
            limits: BatchLimits { events_max: options.batch_events_max, bytes_max: options.batch_bytes_max },
            waiting: Arc::clone(&waiting),
            head: announce,
            queue,
        };
        let thread = writer.spawn().map_err(|error| OpenError::io(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            info,
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            waiting,
            queue_bytes_max: options.queue_bytes_max,
            head,
            pool: ReaderPool::new(path.to_owned(), options.reader, options.readers),
        })
    }

    /// What the log says of itself.
    #[must_use]
    pub const fn info(&self) -> &LogInfo {
        &self.info
    }

    /// The file that the log lies in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything that waits, ends the writer and gives the log back to other processes. Blocks until then.
    ///
    /// Later appends and reads are answered as closed. Closing twice does nothing more.
    pub fn close(&self) {
        // Readers first: the last connection to go is the writer's, which can move the write-ahead file away.
        self.pool.close();
        drop(locked(&self.sender).take());
        let thread = locked(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!(log.path = %self.path.display(), "The log's writer had panicked; what it acknowledged is kept");
        }
    }

    /// A reader of its own, for a thread that reads a lot.
    ///
    /// # Errors
    /// The log is closed, or its file could not be opened once more.
    pub fn reader(&self) -> Result<LogReader, ReadError> {
        self.pool.open()
    }

    /// [`LogReader::scan`] on one of the log's readers. Blocks.
    ///
    /// # Errors
    /// See [`LogReader::scan`].
    pub fn scan(
        &self,
        after: Option<Position>,
        limit: u64,
        each: &mut dyn FnMut(RecordedEvent) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        self.pool.with_blocking(|reader| reader.scan(after, limit, each))
    }

    /// Carries out many appends in one transaction, waiting for a place in the queue; one answer for each, in order.
    ///
    /// A refused append does not hold back the others, and later ones see what earlier ones wrote. For imports: at most
    /// [`BULK_EVENTS_MAX`] events at a time, and other callers wait for as long as they take.
    ///
    /// # Errors
    /// The bulk is too large, or the log is closed. Whether anything was written is then told by repeating it.
    pub async fn append_bulk(&self, appends: Vec<Append>) -> Result<Vec<Result<Appended, AppendError>>, BulkError> {
        self.bulk(appends.into_iter().map(|append| Entry { append, recorded_at: None }).collect()).await
    }

    /// [`SqliteLog::append_bulk`] for the copy of another log: each append keeps the moment it was recorded at there.
    ///
    /// An append that was recorded before this log's newest event is refused: its moment, and with it its digest, could
    /// not be kept.
    ///
    /// # Errors
    /// See [`SqliteLog::append_bulk`].
    pub async fn append_copies(
        &self,
        appends: Vec<(Append, DateTime<Utc>)>,
    ) -> Result<Vec<Result<Appended, AppendError>>, BulkError> {
        self.bulk(appends.into_iter().map(|(append, at)| Entry { append, recorded_at: Some(at) }).collect()).await
    }

    async fn bulk(&self, entries: Vec<Entry>) -> Result<Vec<Answer>, BulkError> {
        let appends = entries.len();
        let events: usize = entries.iter().map(|entry| entry.append.events.len()).sum();
        if appends > BULK_EVENTS_MAX || events > BULK_EVENTS_MAX {
            return Err(BulkError::TooLarge { appends, events, max: BULK_EVENTS_MAX });
        }
        let Some(sender) = self.sender() else { return Err(BulkError::Closed) };
        let (job, answers) = Job::new(entries);
        let Ok(place) = sender.reserve().await else { return Err(BulkError::Closed) };
        self.waiting.fetch_add(job.bytes(), Ordering::Relaxed);
        place.send(job);
        drop(sender);
        match answers.await {
            Ok(answers) => Ok(answers),
            Err(_) => Err(BulkError::Closed),
        }
    }

    /// Puts one append into the queue; its answer arrives at the receiver.
    fn enqueue(&self, append: Append) -> Result<oneshot::Receiver<Vec<Answer>>, AppendError> {
        let Some(sender) = self.sender() else { return Err(AppendError::Closed) };
        let (job, answer) = Job::new(vec![Entry { append, recorded_at: None }]);
        let bytes = job.bytes();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let refusal = if before > 0 && before.saturating_add(bytes) > self.queue_bytes_max {
            AppendError::Overloaded
        } else {
            match sender.try_send(job) {
                Ok(()) => return Ok(answer),
                Err(mpsc::error::TrySendError::Full(_)) => AppendError::Overloaded,
                Err(mpsc::error::TrySendError::Closed(_)) => AppendError::Closed,
            }
        };
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        Err(refusal)
    }

    fn sender(&self) -> Option<mpsc::Sender<Job>> {
        locked(&self.sender).clone()
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        match self.enqueue(batch)?.await {
            Ok(mut answers) => answers.pop().unwrap_or(Err(AppendError::Closed)),
            // The writer has panicked, and with it went everything that was not committed.
            Err(_) => Err(AppendError::Closed),
        }
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let stream = stream.clone();
        self.pool.with(move |reader| reader.read_stream_blocking(&stream, after, limit)).await
    }

    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.pool.with(move |reader| reader.read_all_blocking(after, limit)).await
    }

    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        self.pool.with(move |reader| reader.find_command_blocking(command)).await
    }

    async fn head(&self) -> Result<Option<Position>, ReadError> {
        // Not from `appended`: that runs a moment behind the commit, and a head behind an event just read would be odd.
        self.pool.with(LogReader::head_blocking).await
    }

    fn appended(&self) -> watch::Receiver<Option<Position>> {
        let mut hint = self.head.clone();
        hint.mark_unchanged();
        hint
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SqliteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLog").field("path", &self.path).field("info", &self.info).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
