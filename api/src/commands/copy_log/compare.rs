//! Comparing both ends of a copy, stream by stream.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::blocking::BlockingReader;
use event_log::copy::{Batch, Comparison, Difference, Ledger, Side};
use event_log::digest::event_digest;
use event_log::eventstore::EventStoreLog;
use event_log::port::ReadError;
use event_log::sqlite::LogReader;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::{self, Fed};
use super::digests::write_digests;
use super::error::CopyError;
use super::listed::{self, ListCheck};
use super::{Manner, READ_EVENTS, READER, To};
use crate::commands::import::progress;
use crate::log::AnyReader;

/// The table of digests; of no use when the comparison is over.
const TABLE: &str = "copy-log.verify.sqlite";
/// Events of a stream that are compared at a time.
const STREAM_EVENTS: u32 = 1_024;

/// Both ends of a copy.
pub(super) struct Ends<'a> {
    pub(super) file: &'a Path,
    pub(super) store: &'a Arc<EventStoreLog>,
    /// Which of them is the copy.
    pub(super) to: To,
    /// The folder that the table of digests is made in.
    pub(super) folder: &'a Path,
}

/// What came of it.
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    /// For each difference that is listed, the first event of the stream that differs, where that was asked and found.
    pub(super) revisions: Vec<Option<Revision>>,
    /// Of a copy into the cluster: whether it knows every command.
    pub(super) list: Option<ListCheck>,
}

impl Compared {
    /// Nothing differs.
    pub(super) fn is_equal(&self) -> bool {
        let of_events = self.comparison.source.commands;
        self.comparison.is_equal() && self.list.is_none_or(|list| list.differing == 0 && list.commands == of_events)
    }
}

/// Reads both logs from end to end and compares them; writes the digests of the source's streams to `digests`.
///
/// # Errors
/// One of the logs cannot be read, or the folder cannot be written. Differences are no error.
pub(super) async fn compare(ends: &Ends<'_>, digests: Option<&Path>, manner: &Manner) -> Result<Compared, CopyError> {
    let began = Instant::now();
    // What is wrong with the file is told before anything else is read or made.
    drop(LogReader::open(ends.file, READER).map_err(CopyError::OpenFile)?);
    let (of_file, of_cluster) = match ends.to {
        To::EventStoreDb => (Side::Source, Side::Target),
        To::Sqlite => (Side::Target, Side::Source),
    };
    let scratch = Scratch::new(ends.folder.join(TABLE))?;
    // Dropped before the file that it lies in.
    let ledger = Arc::new(Mutex::new(Ledger::create(&scratch.0)?));
    let file = Sum { ledger: Arc::clone(&ledger), side: of_file };
    let cluster = Sum { ledger: Arc::clone(&ledger), side: of_cluster };
    tokio::try_join!(file.file(ends.file), cluster.cluster(ends.store, manner))?;
    let digests = digests.map(Path::to_owned);
    let of_both = Arc::clone(&ledger);
    let comparing = spawn_blocking(move || {
        let ledger = locked(&of_both);
        if let Some(path) = digests {
            write_digests(&ledger, &path)?;
        }
        Ok::<Comparison, CopyError>(ledger.compare()?)
    });
    let comparison = comparing.await.map_err(CopyError::Broke)??;
    drop(ledger);
    let revisions = first_differences(ends, &comparison.differences).await?;
    let list = match ends.to {
        To::EventStoreDb => Some(listed::check(ends.file, ends.store, manner).await?),
        To::Sqlite => None,
    };
    manner.tell("events on both sides compared", comparison.source.events, began);
    Ok(Compared { comparison, revisions, list })
}

/// A file that is removed at the end, whatever the end is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, CopyError> {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CopyError::Output { path, source }),
            Ok(()) | Err(_) => Ok(Self(path)),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: the next comparison removes it as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// Adds one side up.
struct Sum {
    ledger: Arc<Mutex<Ledger>>,
    side: Side,
}

impl Sum {
    async fn file(self, path: &Path) -> Result<(), CopyError> {
        let path = path.to_owned();
        let stop = CancellationToken::new();
        // When nobody waits any more, for one because the user has interrupted the program, the thread ends as well.
        let _stops = stop.clone().drop_guard();
        spawn_blocking(move || self.read_file(&path, &stop)).await.map_err(CopyError::Broke)?
    }

    /// Up to where the log ends now; a server may run when nothing is copied.
    fn read_file(&self, path: &Path, stop: &CancellationToken) -> Result<(), CopyError> {
        let mut reader = LogReader::open(path, READER).map_err(CopyError::OpenFile)?;
        let head = reader.head_blocking().map_err(CopyError::ReadFile)?;
        let (mut after, mut batch) = (None, Batch::default());
        while after < head && !stop.is_cancelled() {
            let (events, at_end) =
                reader.read_with_commands_blocking(after, READ_EVENTS).map_err(CopyError::ReadFile)?;
            after = events.last().map(|(event, ..)| event.position).or(after);
            for copied in events.iter().filter(|(event, ..)| Some(event.position) <= head) {
                if batch.push(copied) {
                    self.put(&mut batch)?;
                }
            }
            if at_end {
                break;
            }
        }
        self.put(&mut batch)
    }

    async fn cluster(self, store: &EventStoreLog, manner: &Manner) -> Result<(), CopyError> {
        let head = cluster::head(store, manner).await?;
        let bar = progress::bytes("comparing", head.map_or(0, Position::get), manner.quiet);
        let (sender, receiver) = mpsc::channel(2);
        let adding = spawn_blocking(move || self.take(receiver));
        let fed = cluster::feed(store, None, head, sender, manner, &bar).await;
        // When both have failed, that one is the cause.
        adding.await.map_err(CopyError::Broke)??;
        bar.finish_and_clear();
        fed
    }

    fn take(&self, mut fed: mpsc::Receiver<Fed>) -> Result<(), CopyError> {
        let mut batch = Batch::default();
        while let Some(Fed::Events(events)) = fed.blocking_recv() {
            for copied in &events {
                if batch.push(copied) {
                    self.put(&mut batch)?;
                }
            }
        }
        self.put(&mut batch)
    }

    fn put(&self, batch: &mut Batch) -> Result<(), CopyError> {
        Ok(locked(&self.ledger).add(self.side, std::mem::take(batch))?)
    }
}

fn locked(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the streams begin to differ that have other events on each side. What cannot be read now is left open: the
/// difference stands without it.
async fn first_differences(ends: &Ends<'_>, differences: &[Difference]) -> Result<Vec<Option<Revision>>, CopyError> {
    let wanted = |difference: &Difference| match difference {
        Difference::Events { stream, .. } => Some(stream.clone()),
        Difference::Missing { .. }
        | Difference::Surplus { .. }
        | Difference::Gap { .. }
        | Difference::Commands { .. } => None,
    };
    let streams: Vec<Option<StreamId>> = differences.iter().map(wanted).collect();
    if streams.iter().all(Option::is_none) {
        return Ok(vec![None; streams.len()]);
    }
    let mut file = AnyReader::from(LogReader::open(ends.file, READER).map_err(CopyError::OpenFile)?);
    let store = Arc::clone(ends.store);
    let mut cluster = AnyReader::Port(BlockingReader::new(store, Handle::current()));
    let look = move || {
        let mut first = |stream: StreamId| first_difference(&mut file, &mut cluster, &stream).ok();
        streams.into_iter().map(|stream| stream.and_then(&mut first)).collect::<Vec<_>>()
    };
    spawn_blocking(look).await.map_err(CopyError::Broke)
}

fn first_difference(one: &mut AnyReader, other: &mut AnyReader, stream: &StreamId) -> Result<Revision, ReadError> {
    let mut after: Option<Revision> = None;
    loop {
        let ours = one.read_stream_blocking(stream, after, STREAM_EVENTS)?;
        let theirs = other.read_stream_blocking(stream, after, STREAM_EVENTS)?;
        let equal = ours.iter().zip(&theirs).take_while(|(ours, theirs)| same(ours, theirs)).count();
        if let Some(last) = equal.checked_sub(1).and_then(|last| ours.get(last)) {
            after = Some(last.revision);
        }
        if equal < ours.len() || equal < theirs.len() || equal == 0 {
            return Ok(after.map_or(Revision::FIRST, Revision::next));
        }
    }
}

fn same(one: &RecordedEvent, other: &RecordedEvent) -> bool {
    event_digest(one) == event_digest(other)
}

#[cfg(test)]
mod tests {
    use event_log::contract::fixture::{Scene, ticking_stamp};
    use event_log::memory::MemoryLog;
    use event_log::port::{EventLog, Expected};

    use super::*;

    fn reader(log: &Arc<MemoryLog>) -> AnyReader {
        AnyReader::Port(BlockingReader::new(Arc::clone(log) as Arc<dyn EventLog>, Handle::current()))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_first_event_that_differs_is_found() {
        let logs = [Arc::new(MemoryLog::new(ticking_stamp())), Arc::new(MemoryLog::new(ticking_stamp()))];
        let scene = Scene::new(logs[0].as_ref(), "compare").await;
        for (log, payloads) in logs.iter().zip([["1", "2", "3"], ["1", "2", "4"]]) {
            log.append(scene.append("a", Expected::NoStream, "a", &payloads)).await.unwrap();
            log.append(scene.append("b", Expected::NoStream, "b", &payloads[..2])).await.unwrap();
        }
        logs[1].append(scene.append("b", Expected::At(Revision::new(1)), "c", &["5"])).await.unwrap();
        let [mut one, mut other] = [reader(&logs[0]), reader(&logs[1])];
        let mut find = move |which| first_difference(&mut one, &mut other, &scene.stream(which)).unwrap();
        let found = spawn_blocking(move || ["a", "b", "c"].map(&mut find)).await.unwrap();
        assert_eq!(found, [Revision::new(2), Revision::new(2), Revision::FIRST]);
    }
}
