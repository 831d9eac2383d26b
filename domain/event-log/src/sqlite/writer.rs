//! The one thread that writes: it takes everything that waits and commits it as one transaction (group commit).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::envelope::Position;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::memory::Stamp;
use crate::port::{Append, AppendError};
use crate::sqlite::append::{Answer, Batch, Entry, State, Statements};
use crate::sqlite::file::FileLock;

/// How long the last checkpoint waits for readers that are still at work.
const LAST_CHECKPOINT_WAIT: Duration = Duration::from_millis(250);

/// Appends that are written in one transaction, all of them or, when the disk fails, none.
#[derive(Debug)]
pub(super) struct Job {
    entries: Vec<Entry>,
    events: usize,
    bytes: usize,
    reply: oneshot::Sender<Vec<Answer>>,
}

impl Job {
    /// A job and where its answers arrive, one for each entry in their order.
    pub(super) fn new(entries: Vec<Entry>) -> (Self, oneshot::Receiver<Vec<Answer>>) {
        let (reply, answers) = oneshot::channel();
        let events = entries.iter().map(|entry| entry.append.events.len()).sum();
        let bytes = entries.iter().map(|entry| text_bytes(&entry.append)).sum();
        (Self { entries, events, bytes, reply }, answers)
    }

    /// Bytes of its texts, which is what it takes in memory while it waits.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn text_bytes(append: &Append) -> usize {
    append.events.iter().map(|event| event.payload.len().saturating_add(event.metadata.len())).sum()
}

/// When a transaction is large enough. A transaction always holds at least one job.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
}

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) lock: FileLock,
    pub(super) conn: Connection,
    pub(super) stamp: Stamp,
    pub(super) limits: BatchLimits,
    /// Bytes of the jobs in the queue.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) head: watch::Sender<Option<Position>>,
    pub(super) queue: mpsc::Receiver<Job>,
}

impl Writer {
    /// Starts the thread. It ends when the queue is closed and empty; the lock is given back then.
    ///
    /// Should it panic, the open transaction is rolled back and the queue is dropped with all that waits in it, so that
    /// every caller is told and none waits for ever.
    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || self.run())
    }

    fn run(self) {
        // Bindings are dropped in reverse: the queue first, the lock last, also when this thread panics.
        let Self { lock: _lock, conn, stamp, limits, waiting, head, mut queue } = self;
        match Statements::prepare(&conn) {
            Ok(mut sql) => {
                let mut state = None;
                while let Some(first) = queue.blocking_recv() {
                    let jobs = gather(first, &mut queue, limits);
                    waiting.fetch_sub(jobs.iter().map(Job::bytes).sum(), Ordering::Relaxed);
                    let outcome = commit(&conn, &mut sql, &mut state, &stamp, &jobs);
                    let answers = match outcome {
                        Ok((answers, newest)) => {
                            publish(&head, newest);
                            answers
                        }
                        Err(error) => {
                            roll_back(&conn, &mut sql);
                            refuse(&jobs, error)
                        }
                    };
                    for (job, answers) in jobs.into_iter().zip(answers) {
                        // The caller may have gone away; what was written stays written.
                        let _ = job.reply.send(answers);
                    }
                }
            }
            Err(error) => error!(error = &error as &dyn std::error::Error, "The log's writer could not start"),
        }
        last_checkpoint(&conn);
    }
}

/// The first job and what waits behind it, until the transaction is large enough.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>, limits: BatchLimits) -> Vec<Job> {
    let (mut events, mut bytes) = (first.events, first.bytes);
    let mut jobs = vec![first];
    while events < limits.events_max && bytes < limits.bytes_max {
        let Ok(job) = queue.try_recv() else { break };
        events = events.saturating_add(job.events);
        bytes = bytes.saturating_add(job.bytes);
        jobs.push(job);
    }
    jobs
}

/// Carries out the jobs in one transaction. Nothing in the answers holds unless this returns them.
///
/// `state` is left empty by an error: what it knew of the lost transaction is not so.
fn commit(
    conn: &Connection,
    sql: &mut Statements<'_>,
    state: &mut Option<State>,
    stamp: &Stamp,
    jobs: &[Job],
) -> rusqlite::Result<(Vec<Vec<Answer>>, Option<Position>)> {
    if !conn.is_autocommit() {
        // An earlier transaction could not be rolled back at the time.
        sql.rollback.execute([])?;
    }
    sql.begin.execute([])?;
    let mut current = match state.take() {
        Some(state) => state,
        None => State::load(conn)?,
    };
    let mut batch = Batch { sql: &mut *sql, state: &mut current, stamp };
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut of_job = Vec::with_capacity(job.entries.len());
        for entry in &job.entries {
            of_job.push(batch.append(entry)?);
        }
        answers.push(of_job);
    }
    sql.commit.execute([])?;
    let newest = current.head();
    *state = Some(current);
    Ok((answers, newest))
}

fn roll_back(conn: &Connection, sql: &mut Statements<'_>) {
    // SQLite rolls back by itself after some errors, a full disk among them.
    if conn.is_autocommit() {
        return;
    }
    if let Err(error) = sql.rollback.execute([]) {
        error!(error = &error as &dyn std::error::Error, "A transaction of the log could not be rolled back yet");
    }
}

fn publish(head: &watch::Sender<Option<Position>>, newest: Option<Position>) {
    head.send_if_modified(|known| {
        let moved = *known != newest;
        *known = newest;
        moved
    });
}

/// The same refusal for every append of a lost transaction: also the refused ones may have been judged by events that
/// do not exist now.
fn refuse(jobs: &[Job], error: rusqlite::Error) -> Vec<Vec<Answer>> {
    let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
    let appends: usize = jobs.iter().map(|job| job.entries.len()).sum();
    error!(
        log.appends = appends,
        error = &error as &dyn std::error::Error,
        "A transaction of the log was lost, its {appends} appends are refused"
    );
    let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(error);
    let refusal = || {
        if full { AppendError::DiskFull } else { AppendError::Store(Arc::clone(&source)) }
    };
    jobs.iter().map(|job| job.entries.iter().map(|_| Err(refusal())).collect()).collect()
}

/// Moves the write-ahead file into the database, so that a copy of that one file is the whole log.
fn last_checkpoint(conn: &Connection) {
    let busy = conn
        .busy_timeout(LAST_CHECKPOINT_WAIT)
        .and_then(|()| conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
    match busy {
        Ok(0) => {}
        Ok(_) => warn!("The log was closed while it was read; its write-ahead file stays until it is opened again"),
        Err(error) => warn!(
            error = &error as &dyn std::error::Error,
            "The log was closed without its last checkpoint; its write-ahead file stays until it is opened again"
        ),
    }
}
