//! Reading any log from a plain thread: for projections and commands, which block.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use tokio::runtime::Handle;

use crate::port::{EventLog, Page, ReadError};

/// Events that a scan asks for at a time.
const SCAN_EVENTS: u32 = 16_384;

/// A reader over the port for threads that may block. Cheap to clone; all clones read the same log.
///
/// Every call runs on the runtime that the log lives on, and the calling thread waits for its answer. Nothing is entered
/// on that thread, so it may have a runtime of its own; only it must not be the one thread that drives the log's runtime,
/// which would wait for itself. When that runtime has ended, the log counts as closed.
#[derive(Clone)]
pub struct BlockingReader {
    log: Arc<dyn EventLog>,
    runtime: Handle,
}

impl BlockingReader {
    /// A reader of `log`, whose calls run on `runtime`.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, runtime: Handle) -> Self {
        Self { log, runtime }
    }

    /// [`EventLog::read_all`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn read_all_blocking(&self, after: Option<Position>, limit: u32) -> Result<Page, ReadError> {
        let log = Arc::clone(&self.log);
        self.wait(async move { log.read_all(after, limit).await })
    }

    /// [`EventLog::read_stream`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn read_stream_blocking(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let (log, stream) = (Arc::clone(&self.log), stream.clone());
        self.wait(async move { log.read_stream(&stream, after, limit).await })
    }

    /// [`EventLog::head`], waited for.
    ///
    /// # Errors
    /// See there.
    pub fn head_blocking(&self) -> Result<Option<Position>, ReadError> {
        let log = Arc::clone(&self.log);
        self.wait(async move { log.head().await })
    }

    /// Hands up to `limit` events behind `after` to `each`, in log order, until it breaks off or the log ends.
    ///
    /// Returns how many were handed out. Events that are appended meanwhile are included.
    ///
    /// # Errors
    /// The log could not be read, or an event in it is damaged; those before its page were handed out.
    pub fn scan(
        &self,
        after: Option<Position>,
        limit: u64,
        each: &mut dyn FnMut(RecordedEvent) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        let (mut last, mut given) = (after, 0_u64);
        while given < limit {
            let wanted = u32::try_from(limit - given).unwrap_or(u32::MAX).min(SCAN_EVENTS);
            let page = self.read_all_blocking(last, wanted)?;
            for event in page.events {
                last = Some(event.position);
                given = given.saturating_add(1);
                if each(event).is_break() {
                    return Ok(given);
                }
            }
            if page.at_end {
                break;
            }
        }
        Ok(given)
    }

    fn wait<T, F>(&self, work: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReadError>> + Send + 'static,
    {
        let (sender, answer) = sync_channel(1);
        drop(self.runtime.spawn(async move {
            // It fails where the thread that asked is gone, and then nobody wants to know.
            let _ = sender.send(work.await);
        }));
        // A runtime that ends drops the task, and with it the sender.
        answer.recv().unwrap_or(Err(ReadError::Closed))
    }
}

impl fmt::Debug for BlockingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::contract::fixture::{Scene, ticking_stamp};
    use crate::memory::MemoryLog;
    use crate::port::Expected;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    /// A log with three events on one stream.
    fn filled(runtime: &Runtime) -> (Arc<dyn EventLog>, Scene) {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(ticking_stamp()));
        let scene = runtime.block_on(async {
            let scene = Scene::new(log.as_ref(), "blocking").await;
            log.append(scene.append("a", Expected::NoStream, "c", &["1", "2", "3"])).await.unwrap();
            scene
        });
        (log, scene)
    }

    #[test]
    fn a_plain_thread_reads_what_the_port_gives() {
        let runtime = runtime();
        let (log, scene) = filled(&runtime);
        let reader = BlockingReader::new(log, runtime.handle().clone());
        let page = reader.read_all_blocking(None, 2).unwrap();
        assert_eq!((page.events.len(), page.at_end), (2, false));
        assert_eq!(reader.head_blocking().unwrap(), Some(Position::new(3)));
        let rest = reader.read_stream_blocking(&scene.stream("a"), Some(Revision::new(0)), 9).unwrap();
        assert_eq!(rest.iter().map(|event| event.revision.get()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_thread_with_a_runtime_of_its_own_may_ask_too() {
        let runtime = runtime();
        let (log, _) = filled(&runtime);
        let reader = BlockingReader::new(log, runtime.handle().clone());
        let own = Builder::new_current_thread().build().unwrap();
        // Inside of it, where a nested `block_on` would panic.
        let head = own.block_on(async { reader.head_blocking() });
        assert_eq!(head.unwrap(), Some(Position::new(3)));
    }

    #[test]
    fn a_scan_ends_where_it_is_told_to() {
        let runtime = runtime();
        let (log, _) = filled(&runtime);
        let reader = BlockingReader::new(log, runtime.handle().clone());
        let scanned = |after: Option<u64>, limit: u64, enough: usize| {
            let mut seen = Vec::new();
            let given = reader.scan(after.map(Position::new), limit, &mut |event| {
                seen.push(event.position.get());
                if seen.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            assert_eq!(given.unwrap(), u64::try_from(seen.len()).unwrap());
            seen
        };
        assert_eq!(scanned(None, u64::MAX, 9), [1, 2, 3]);
        assert_eq!(scanned(Some(1), u64::MAX, 9), [2, 3]);
        assert_eq!(scanned(None, 2, 9), [1, 2]);
        assert_eq!(scanned(None, u64::MAX, 1), [1]);
        assert_eq!(scanned(None, 0, 9), [0_u64; 0]);
    }

    #[test]
    fn a_log_whose_runtime_has_ended_is_closed() {
        let runtime = runtime();
        let (log, _) = filled(&runtime);
        let reader = BlockingReader::new(log, runtime.handle().clone());
        drop(runtime);
        assert!(matches!(reader.head_blocking(), Err(ReadError::Closed)));
    }
}
