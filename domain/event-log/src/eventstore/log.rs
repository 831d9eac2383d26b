//! The log as its users have it: the port, leases and nonces over one store.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::info;
use uuid::Uuid;

use super::claims::CopiedCommand;
use super::home::{CopyState, CopyTotals};
use super::options::{EventStoreOptions, EventStoreStats, LogHealth};
use super::store::Store;
use super::wire::Decoded;
use super::{Link, follow, mend, settings};
use crate::fault::LogFault;
use crate::lease::{LeaseError, LeaseName, LeaseRecord, Leases};
use crate::nonces::{NonceError, Nonces};
use crate::port::{Append, AppendError, Appended, EventLog, Expected, Page, ReadError};

/// A log on servers. Any number of processes may have it open at a time.
pub struct EventStoreLog {
    store: Arc<Store>,
    installation: Uuid,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl EventStoreLog {
    /// Connects, and finds or makes the record of the installation. Tries for the options' total time.
    ///
    /// Must be called within a tokio runtime, on which the connection lives from then on.
    ///
    /// # Errors
    /// The fault that stood in the way last; its text says what to do. One that passes by itself is worth another call.
    pub async fn open(options: EventStoreOptions) -> Result<Self, LogFault> {
        let link = Link::new(&options)?;
        let store = Arc::new(Store::new(link, &options));
        let installation = store.settle(&options).await?;
        let mut tasks = vec![tokio::spawn(mend(Arc::clone(&store))).abort_handle()];
        // A copier has nobody to wake, and would be sent every event that it copies.
        if !options.for_copy {
            tasks.push(tokio::spawn(follow(Arc::clone(&store))).abort_handle());
        }
        let at = settings::shown(&options.connection);
        info!(log.at = %at, log.installation = %installation, "Opened the log");
        Ok(Self { store, installation, tasks: Mutex::new(tasks) })
    }

    /// The installation whose log it is.
    #[must_use]
    pub const fn installation(&self) -> Uuid {
        self.installation
    }

    /// Asks the servers once more whose log they have; costs one read.
    ///
    /// Every new connection is asked that before it is used. But a connection may stand while other servers take the
    /// place of those that it led to, and then nobody has asked. What such servers were asked meanwhile is mixed with
    /// what is remembered of this log: whoever learns of it opens the log anew.
    ///
    /// # Errors
    /// The outer one: the log could not be read, or a new connection had to be made and was turned away, so that
    /// nothing else was asked of those servers. The inner one: [`LogFault::ForeignInstallation`] or
    /// [`LogFault::NotInstalled`] on a connection that is in use.
    pub async fn confirm_installation(&self) -> Result<Result<(), LogFault>, LogFault> {
        self.store.confirm(self.installation).await
    }

    /// Whether the log can be used at the moment.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<LogHealth> {
        self.store.link.connection.health.subscribe()
    }

    /// What the store has done so far.
    #[must_use]
    pub fn stats(&self) -> EventStoreStats {
        self.store.link.connection.stats()
    }

    /// Ends the connection and the tasks that keep it. Later appends and reads are answered as closed; one that is
    /// under way ends by itself. Closing twice does nothing more.
    pub async fn close(&self) {
        self.end();
        // The tasks are aborted where they wait; a turn of the runtime lets them go.
        tokio::task::yield_now().await;
    }

    fn end(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        self.store.link.connection.close();
    }

    /// Appends recorded events of one stream as they are, for a copy: with their ids, times and bytes.
    ///
    /// Answers whether they were appended now; not, when they stand there already. The servers know events by their ids
    /// alone, so whoever copies compares both logs at the end.
    ///
    /// # Errors
    /// They are too many or too large for one append, or the stream goes on otherwise at the place they have.
    pub async fn append_copy(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: &[(RecordedEvent, CommandId, CommandDigest)],
    ) -> Result<bool, AppendError> {
        self.store.append_copy(stream, expected, events).await
    }

    /// Writes down where the commands of a copied log stand, those of one bucket at a time.
    ///
    /// [`copied_bucket`](super::copied_bucket) says which bucket is a command's. Those that are written down already
    /// are left out. One process at a time does this.
    ///
    /// # Errors
    /// The log could not be read or written.
    pub async fn write_copied_commands(&self, bucket: u16, commands: &[CopiedCommand]) -> Result<(), AppendError> {
        self.store.write_copied_commands(bucket, commands).await
    }

    /// The commands of a copied log that are written down in one bucket.
    ///
    /// # Errors
    /// The log could not be read.
    pub async fn read_copied_commands(&self, bucket: u16) -> Result<Vec<CopiedCommand>, ReadError> {
        self.store.read_copied_commands(bucket).await
    }

    /// Says that this log becomes a copy of the log of `source`, which lies in the engine `from`. Until
    /// [`EventStoreLog::finish_copy`] the log is refused by everybody who does not open it for a copy.
    ///
    /// # Errors
    /// The log is a copy of another one, or it has events of its own; or it could not be read or written.
    pub async fn begin_copy(&self, from: &str, source: Uuid) -> Result<CopyState, LogFault> {
        self.store.begin_copy(from, source).await
    }

    /// Says that the copy is complete, and what it holds. Saying it twice changes nothing.
    ///
    /// # Errors
    /// No copy is under way, or the log could not be read or written.
    pub async fn finish_copy(&self, totals: &CopyTotals) -> Result<(), LogFault> {
        self.store.finish_copy(totals).await
    }

    /// [`EventLog::read_all`] with the command behind each event, and whether the page ends at the end.
    ///
    /// # Errors
    /// The log could not be read.
    pub async fn read_all_with_commands(
        &self,
        after: Option<Position>,
        limit: u32,
    ) -> Result<(Vec<(RecordedEvent, CommandId, CommandDigest)>, bool), ReadError> {
        let (decoded, at_end) = self.store.page(after, limit).await?;
        let with_command = |decoded: Decoded| (decoded.event, decoded.command.id, decoded.command.digest);
        Ok((decoded.into_iter().map(with_command).collect(), at_end))
    }
}

#[async_trait]
impl EventLog for EventStoreLog {
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        self.store.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.store.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let (decoded, at_end) = self.store.page(after, limit).await?;
        Ok(Page { events: decoded.into_iter().map(|decoded| decoded.event).collect(), at_end })
    }

    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        self.store.find_command(command).await
    }

    async fn head(&self) -> Result<Option<Position>, ReadError> {
        self.store.head().await
    }

    fn appended(&self) -> watch::Receiver<Option<Position>> {
        self.store.hint.subscribe()
    }
}

#[async_trait]
impl Leases for EventStoreLog {
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        self.store.read_lease(name).await
    }

    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError> {
        self.store.write_lease(name, seen, next).await
    }
}

#[async_trait]
impl Nonces for EventStoreLog {
    async fn first_use(&self, key: &str, nonce: &str) -> Result<bool, NonceError> {
        self.store.use_nonce(key, nonce).await
    }
}

impl Drop for EventStoreLog {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for EventStoreLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStoreLog").field("installation", &self.installation).finish_non_exhaustive()
    }
}
