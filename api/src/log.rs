//! The log of whichever engine the configuration names, and what commands and servers ask of it.

mod reader;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use event_log::blocking::BlockingReader;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::lease::{Leases, MemoryLeases};
use event_log::memory::Stamp;
use event_log::nonces::Nonces;
use event_log::port::{Append, AppendError, Appended, EventLog, ReadError};
use event_log::sqlite::{BulkError, OpenError, SqliteLog};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use thiserror::Error;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::commands::Failure;
use crate::config::{Config, Environment, LogEngine};

pub use self::reader::AnyReader;

/// Appends under way at once where the engine has no bulk append of its own.
const APPENDS_AT_ONCE: usize = 64;
/// Longest file of a password in bytes.
const PASSWORD_BYTES_MAX: u64 = 4_096;
/// What says that a process writes the read models of a data folder, where the log has no lock of its own.
pub(crate) const FOLDER_LOCK: &str = "node.lock";

/// A command that needs the log to be a file met a cluster.
#[derive(Debug, Error)]
#[error("`baycase {command}` needs a log in the data folder, and log.engine is `eventstoredb`: {instead}")]
pub struct NeedsFile {
    pub command: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

/// Refuses a command that cannot work on a cluster.
///
/// # Errors
/// The engine is another one than the file.
pub fn needs_file(config: &Config, command: &'static str, instead: &'static str) -> Result<(), NeedsFile> {
    match config.log.engine {
        LogEngine::Sqlite => Ok(()),
        LogEngine::EventStoreDb => Err(NeedsFile { command, instead }),
    }
}

/// An open log. Cheap to clone; all clones are one.
#[derive(Clone)]
pub enum OpenedLog {
    Sqlite(Arc<SqliteLog>),
    EventStore(Arc<Cluster>),
}

/// A log that several nodes share.
pub struct Cluster {
    log: Arc<EventStoreLog>,
    /// What the log's connections and tasks run on.
    runtime: Handle,
    _folder: Option<FolderLock>,
}

impl Cluster {
    /// A log that lives on this runtime. `folder` is held for as long as it is open.
    ///
    /// # Panics
    /// There is no runtime.
    #[must_use]
    pub fn new(log: EventStoreLog, folder: Option<FolderLock>) -> Self {
        Self { log: Arc::new(log), runtime: Handle::current(), _folder: folder }
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<EventStoreLog> {
        &self.log
    }
}

impl OpenedLog {
    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> LogEngine {
        match self {
            Self::Sqlite(_) => LogEngine::Sqlite,
            Self::EventStore(_) => LogEngine::EventStoreDb,
        }
    }

    /// The log as everybody sees it.
    #[must_use]
    pub fn port(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Sqlite(log) => Arc::clone(log) as _,
            Self::EventStore(cluster) => Arc::clone(&cluster.log) as _,
        }
    }

    /// What tells this log from the log of another installation.
    #[must_use]
    pub fn installation(&self) -> Uuid {
        match self {
            Self::Sqlite(log) => log.info().installation,
            Self::EventStore(cluster) => cluster.log.installation(),
        }
    }

    /// A reader for a thread that may block.
    ///
    /// # Errors
    /// The log is closed, or its file could not be opened once more.
    pub fn reader(&self) -> Result<AnyReader, ReadError> {
        match self {
            Self::Sqlite(log) => log.reader().map(AnyReader::from),
            Self::EventStore(cluster) => Ok(AnyReader::Port(BlockingReader::new(self.port(), cluster.runtime.clone()))),
        }
    }

    /// Where the leases of this log are kept. A log in a file has one process, which holds each of them.
    #[must_use]
    pub fn leases(&self) -> Arc<dyn Leases> {
        match self {
            Self::Sqlite(_) => Arc::new(MemoryLeases::new()),
            Self::EventStore(cluster) => Arc::clone(&cluster.log) as _,
        }
    }

    /// The table of used nonces that all nodes share; `None` where there is one node.
    #[must_use]
    pub fn nonces(&self) -> Option<Arc<dyn Nonces>> {
        match self {
            Self::Sqlite(_) => None,
            Self::EventStore(cluster) => Some(Arc::clone(&cluster.log) as _),
        }
    }

    /// Writes what waits and gives the log back. Later appends and reads are answered as closed.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(log) => {
                let log = Arc::clone(log);
                // It waits for the writer's thread.
                if let Err(error) = tokio::task::spawn_blocking(move || log.close()).await {
                    tracing::error!(error = %error, "Closing the log broke off");
                }
            }
            Self::EventStore(cluster) => cluster.log.close().await,
        }
    }
}

impl fmt::Debug for OpenedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedLog")
            .field("engine", &self.engine())
            .field("installation", &self.installation())
            .finish_non_exhaustive()
    }
}

/// A log that takes many appends at a time.
#[async_trait]
pub trait TakesMany: Sync {
    /// Carries out appends on different streams, as fast as the engine can; one answer for each, in order. A refused
    /// append holds back no other.
    ///
    /// # Errors
    /// There are too many, or the log is closed. Whether anything was written is told by repeating it.
    async fn append_many(&self, appends: Vec<Append>) -> Result<Vec<Result<Appended, AppendError>>, BulkError>;
}

#[async_trait]
impl TakesMany for SqliteLog {
    async fn append_many(&self, appends: Vec<Append>) -> Result<Vec<Result<Appended, AppendError>>, BulkError> {
        self.append_bulk(appends).await
    }
}

#[async_trait]
impl<T: TakesMany + Send + ?Sized> TakesMany for Arc<T> {
    async fn append_many(&self, appends: Vec<Append>) -> Result<Vec<Result<Appended, AppendError>>, BulkError> {
        (**self).append_many(appends).await
    }
}

#[async_trait]
impl TakesMany for OpenedLog {
    async fn append_many(&self, appends: Vec<Append>) -> Result<Vec<Result<Appended, AppendError>>, BulkError> {
        match self {
            Self::Sqlite(log) => log.append_bulk(appends).await,
            Self::EventStore(_) => Ok(in_waves(self.port().as_ref(), appends).await),
        }
    }
}

/// Appends side by side: each waits for its own answer over the network, and none for another's.
async fn in_waves(log: &dyn EventLog, appends: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
    let mut answers = Vec::with_capacity(appends.len());
    let mut rest = appends.into_iter();
    loop {
        let wave: Vec<Append> = rest.by_ref().take(APPENDS_AT_ONCE).collect();
        if wave.is_empty() {
            return answers;
        }
        answers.extend(join_all(wave.into_iter().map(|append| log.append(append))).await);
    }
}

/// The settings of the cluster's log as they are configured, with the password of the environment or its file.
///
/// # Errors
/// No cluster is configured, or there is no password for the user.
pub fn eventstore_options(config: &Config, stamp: Stamp) -> Result<EventStoreOptions, Failure> {
    let settings = &config.log.eventstore;
    let Some(connection) = settings.connection.clone() else {
        return Err("no cluster is configured: set `log.eventstore.connection`".into());
    };
    let user = match &settings.user {
        Some(user) => Some((user.clone(), password(settings.password_file.as_deref())?)),
        None => None,
    };
    Ok(EventStoreOptions {
        user,
        ca_file: settings.ca_file.clone(),
        client_cert: settings.client_cert_file.clone().zip(settings.client_key_file.clone()),
        installation: settings.installation,
        attempt_timeout: settings.attempt_timeout(),
        total_timeout: settings.timeout(),
        ..EventStoreOptions::new(connection, stamp)
    })
}

fn password(file: Option<&Path>) -> Result<String, Failure> {
    if let Some(password) = Environment::of_process()?.eventstore_password() {
        return Ok(password.expose_secret().to_owned());
    }
    let Some(file) = file else {
        return Err(
            "`log.eventstore.user` has no password: set `log.eventstore.password_file` in the configuration, or \
                    BAYCASE_EVENTSTORE_PASSWORD in the environment"
                .into(),
        );
    };
    let unreadable = |error: std::io::Error| format!("the password file {} cannot be read: {error}", file.display());
    let mut text = String::new();
    File::open(file).and_then(|open| open.take(PASSWORD_BYTES_MAX).read_to_string(&mut text)).map_err(unreadable)?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(format!("the password file {} is empty", file.display()).into());
    }
    Ok(password.to_owned())
}

/// The right to write the read models of a data folder, held by one process at a time.
///
/// A log in a file has a lock that does as much; a cluster knows nothing of folders. It is a lock of the operating
/// system, so it ends with the process, and the file stays.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Another process writes the read models of the folder.
#[derive(Debug, Error)]
#[error("another process serves from {}: stop that one first, or name another folder with --data", .folder.display())]
pub struct FolderInUse {
    pub folder: PathBuf,
}

impl FolderLock {
    /// Takes the lock on a folder, which is made when it is missing.
    ///
    /// # Errors
    /// Another process has it, or the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FOLDER_LOCK);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FolderInUse { folder: folder.to_owned() }.into()),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Whether a log could not be opened because another process works on the same folder.
#[must_use]
pub fn is_in_use(error: &Failure) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::Locked { .. })) || error.downcast_ref::<FolderInUse>().is_some()
}

#[cfg(test)]
mod tests;
