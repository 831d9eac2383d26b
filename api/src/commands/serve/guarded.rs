//! The log behind the bar of a node: while it is down nothing is appended, nothing is taken in and no lease is kept.
//!
//! Requests are refused at the door already. What is here is for those that were under way, and for work of the node's
//! own: it is asked at the last moment, and costs the look at a lock.

use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use event_log::lease::{LeaseError, LeaseName, LeaseRecord, Leases};
use event_log::port::{Append, AppendError, Appended, EventLog, LogFault, Page, ReadError};
use event_log::source::{LogSource, StreamSource};
use tokio::sync::watch;

use crate::log::{AnyReader, OpenedLog};
use crate::origin::bar::{Bar, Barred};

/// The log of a node that serves.
pub(super) fn log(log: &OpenedLog, bar: &Bar) -> Arc<dyn EventLog> {
    Arc::new(GuardedLog { log: log.port(), bar: bar.clone() })
}

/// The leases of a node that serves.
pub(super) fn leases(log: &OpenedLog, bar: &Bar) -> Arc<dyn Leases> {
    Arc::new(GuardedLeases { leases: log.leases(), bar: bar.clone() })
}

/// What whoever is under way is told: a fault that passes, so that it makes nothing final of it.
fn away() -> LogFault {
    LogFault::Unreachable { last: "this node is barred from its log, see `/readyz`".to_owned() }
}

struct GuardedLog {
    log: Arc<dyn EventLog>,
    bar: Bar,
}

#[async_trait]
impl EventLog for GuardedLog {
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        if self.bar.is_down() {
            return Err(away().into());
        }
        self.log.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.log.read_stream(stream, after, limit).await
    }

    async fn read_all(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        self.log.read_all(after, limit).await
    }

    async fn find_command(&self, command: CommandId) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        self.log.find_command(command).await
    }

    async fn head(&self) -> Result<Option<Position>, ReadError> {
        self.log.head().await
    }

    fn appended(&self) -> watch::Receiver<Option<Position>> {
        self.log.appended()
    }
}

struct GuardedLeases {
    leases: Arc<dyn Leases>,
    bar: Bar,
}

#[async_trait]
impl Leases for GuardedLeases {
    async fn read(&self, name: &LeaseName) -> Result<Option<LeaseRecord>, LeaseError> {
        if self.bar.is_down() {
            return Err(away().into());
        }
        self.leases.read(name).await
    }

    async fn write(&self, name: &LeaseName, seen: Option<&LeaseRecord>, next: LeaseRecord) -> Result<bool, LeaseError> {
        if self.bar.is_down() {
            return Err(away().into());
        }
        self.leases.write(name, seen, next).await
    }
}

/// A reader for what follows the log. While the bar is down there is nothing new for it.
pub(super) struct GuardedReader {
    reader: AnyReader,
    bar: Bar,
}

impl GuardedReader {
    pub(super) fn new(reader: AnyReader, bar: Bar) -> Self {
        Self { reader, bar }
    }

    /// What was read, unless the bar came down meanwhile: then it is not known from which log it is. Servers that were
    /// turned away let it down; whoever follows waits for the right ones.
    fn passed<T>(&self, read: Result<T, ReadError>) -> Result<T, ReadError> {
        match read {
            Err(ReadError::Fault(fault)) => match Barred::turned_away(&fault) {
                Some(barred) => {
                    self.bar.lower(&barred);
                    Err(away().into())
                }
                None => Err(fault.into()),
            },
            Ok(_) if self.bar.is_down() => Err(away().into()),
            read => read,
        }
    }
}

impl LogSource for GuardedReader {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let nothing = || Ok(Page { events: Vec::new(), at_end: true });
        if self.bar.is_down() {
            return nothing();
        }
        let read = self.reader.page(after, limit);
        match self.passed(read) {
            // Quietly: why is told where the bar comes down.
            Err(ReadError::Fault(fault)) if fault.passes_by_itself() && self.bar.is_down() => nothing(),
            read => read,
        }
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        let read = self.reader.head();
        self.passed(read)
    }
}

impl StreamSource for GuardedReader {
    fn read_stream(
        &mut self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let read = self.reader.read_stream(stream, after, limit);
        self.passed(read)
    }
}

#[cfg(test)]
mod tests {
    use event_log::blocking::BlockingReader;
    use event_log::contract::fixture::{Scene, ticking_stamp};
    use event_log::memory::MemoryLog;
    use event_log::port::Expected;
    use tokio::runtime::Handle;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn behind_a_bar_nothing_is_appended_and_nothing_taken_in() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(ticking_stamp()));
        let bar = Bar::default();
        let scene = Scene::new(log.as_ref(), "guarded").await;
        let guarded = GuardedLog { log: Arc::clone(&log), bar: bar.clone() };
        let reader = AnyReader::Port(BlockingReader::new(Arc::clone(&log), Handle::current()));
        let mut reader = GuardedReader::new(reader, bar.clone());
        guarded.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

        bar.lower(&Barred::turned_away(&LogFault::NotInstalled).unwrap());
        let second = || scene.append("b", Expected::NoStream, "2", &["{}"]);
        let refused = guarded.append(second()).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused:?}");
        assert_eq!(log.read_all(None, 10).await.unwrap().events.len(), 1);
        let (mut reader, page) = tokio::task::spawn_blocking(move || {
            let page = reader.page(None, 10).unwrap();
            (reader, page)
        })
        .await
        .unwrap();
        assert_eq!((page.events.len(), page.at_end), (0, true));

        bar.lift();
        guarded.append(second()).await.unwrap();
        let page = tokio::task::spawn_blocking(move || reader.page(None, 10).unwrap()).await.unwrap();
        assert_eq!(page.events.len(), 2);
    }
}
