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

/// A reader for what follows the log. While the bar is down it cannot read, and whoever follows tries again: an empty
/// page would mean that all is taken in.
pub(super) struct GuardedReader<R = AnyReader> {
    reader: R,
    bar: Bar,
}

impl<R> GuardedReader<R> {
    pub(super) fn new(reader: R, bar: Bar) -> Self {
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

impl<R: LogSource> LogSource for GuardedReader<R> {
    fn page(&mut self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        if self.bar.is_down() {
            return Err(away().into());
        }
        let read = self.reader.page(after, limit);
        self.passed(read)
    }

    fn head(&mut self) -> Result<Option<Position>, ReadError> {
        let read = self.reader.head();
        self.passed(read)
    }
}

impl<R: StreamSource> StreamSource for GuardedReader<R> {
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
    use event_log::lease::MemoryLeases;
    use event_log::memory::MemoryLog;
    use event_log::port::Expected;
    use tokio::runtime::Handle;

    use super::*;

    /// A reader that does something before it answers.
    struct Meanwhile<F: FnMut() -> Result<Page, ReadError>>(F);

    impl<F: FnMut() -> Result<Page, ReadError>> LogSource for Meanwhile<F> {
        fn page(&mut self, _after: Option<Position>, _limit: u32) -> Result<Page, ReadError> {
            (self.0)()
        }

        fn head(&mut self) -> Result<Option<Position>, ReadError> {
            Ok(None)
        }
    }

    fn lost() -> Barred {
        Barred::turned_away(&LogFault::NotInstalled).unwrap()
    }

    fn passes(error: &ReadError) -> bool {
        matches!(error, ReadError::Fault(fault) if fault.passes_by_itself())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn behind_a_bar_nothing_is_appended_and_nothing_taken_in() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(ticking_stamp()));
        let bar = Bar::default();
        let scene = Scene::new(log.as_ref(), "guarded").await;
        let guarded = GuardedLog { log: Arc::clone(&log), bar: bar.clone() };
        let reader = AnyReader::Port(BlockingReader::new(Arc::clone(&log), Handle::current()));
        let mut reader = GuardedReader::new(reader, bar.clone());
        guarded.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

        bar.lower(&lost());
        let second = || scene.append("b", Expected::NoStream, "2", &["{}"]);
        let refused = guarded.append(second()).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused:?}");
        assert_eq!(log.read_all(None, 10).await.unwrap().events.len(), 1);
        let (mut reader, unread) = tokio::task::spawn_blocking(move || {
            let unread = reader.page(None, 10).unwrap_err();
            (reader, unread)
        })
        .await
        .unwrap();
        assert!(passes(&unread), "it is tried again, and nobody takes it for the end: {unread:?}");

        bar.lift();
        guarded.append(second()).await.unwrap();
        let page = tokio::task::spawn_blocking(move || reader.page(None, 10).unwrap()).await.unwrap();
        assert_eq!(page.events.len(), 2);
    }

    #[test]
    fn what_was_read_while_the_bar_came_down_is_not_taken_in() {
        let bar = Bar::default();
        let lowered = bar.clone();
        let reader = Meanwhile(move || {
            lowered.lower(&lost());
            Ok(Page { events: Vec::new(), at_end: true })
        });
        let mut reader = GuardedReader::new(reader, bar.clone());
        let refused = reader.page(None, 10).unwrap_err();
        assert!(passes(&refused), "{refused:?}");
        bar.lift();
        assert_eq!(reader.head().unwrap(), None);
    }

    #[test]
    fn servers_that_are_turned_away_let_the_bar_down_and_the_fault_passes() {
        let bar = Bar::default();
        let mut reader = GuardedReader::new(Meanwhile(|| Err(LogFault::NotInstalled.into())), bar.clone());
        let refused = reader.page(None, 10).unwrap_err();
        assert!(passes(&refused), "{refused:?}");
        assert_eq!(bar.barred(), Some(lost()));
    }

    #[test]
    fn any_other_fault_is_handed_on_as_it_is() {
        let bar = Bar::default();
        let mut reader = GuardedReader::new(Meanwhile(|| Err(LogFault::UnfinishedCopy.into())), bar.clone());
        let refused = reader.page(None, 10).unwrap_err();
        assert!(matches!(refused, ReadError::Fault(LogFault::UnfinishedCopy)), "{refused:?}");
        assert_eq!(bar.barred(), None);
    }

    #[tokio::test]
    async fn behind_a_bar_no_lease_is_kept() {
        let (leases, bar) = (Arc::new(MemoryLeases::new()), Bar::default());
        let guarded = GuardedLeases { leases: Arc::clone(&leases) as Arc<dyn Leases>, bar: bar.clone() };
        let name = LeaseName::parse("process-manager").unwrap();
        let record = LeaseRecord { holder: "gz-1/7f".into(), term: 1, progress: None, released: false, version: 0 };
        bar.lower(&lost());
        let refused = guarded.write(&name, None, record.clone()).await.unwrap_err();
        assert!(matches!(&refused, LeaseError::Fault(fault) if fault.passes_by_itself()), "{refused:?}");
        assert_eq!(leases.read(&name).await.unwrap(), None, "it did not reach the store");
        bar.lift();
        assert!(guarded.write(&name, None, record).await.unwrap());
        assert!(leases.read(&name).await.unwrap().is_some());
    }
}
