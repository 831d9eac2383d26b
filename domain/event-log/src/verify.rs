//! The full check of a log: every byte of every event, every order that the log promises, every page of its file.

use std::path::{Path, PathBuf};

use domain::envelope::{Position, RecordedEvent};
use domain::id::StreamId;
use rusqlite::Connection;
use thiserror::Error;

use crate::digest::DIGEST_BYTES;
use crate::sqlite::OpenError;
use crate::sqlite::inspect::identify;
use crate::sqlite::schema;
use crate::verify::walk::Walk;

mod commands;
mod walk;

/// Findings that a report lists; the others are counted.
pub const FINDINGS_MAX: usize = 100;
/// Lines that SQLite's own check of the file may add.
const STRUCTURE_LINES_MAX: i64 = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The event it was found at; for what concerns the file as a whole, `None`.
    pub position: Option<Position>,
    pub stream: Option<StreamId>,
    pub revision: Option<u64>,
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Events that could be read.
    pub events: u64,
    /// Streams that have events.
    pub streams: u64,
    /// The newest position when the check began.
    pub head: Option<Position>,
    /// [`crate::digest::LogDigest`] over the events, computed from their stored bytes. It depends on the order of the
    /// log, which is another one in each engine.
    pub log_digest: [u8; DIGEST_BYTES],
    /// [`crate::digest::ContentDigest`] over the same, which a copy in another engine has too; `None` when some of the
    /// log could not be read.
    pub content_digest: Option<[u8; DIGEST_BYTES]>,
    /// The first [`FINDINGS_MAX`] findings.
    pub findings: Vec<Finding>,
    pub findings_total: u64,
}

impl VerifyReport {
    /// Nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings_total == 0
    }
}

/// Why a check could not be made. Damage is no error but a finding, unless nothing behind it can be read.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error("the log cannot be checked")]
    Open(#[source] OpenError),
    #[error(
        "the log at `{path}` is damaged so far that nothing in it can be checked: {what}; keep the file as it is and \
         restore the newest backup that verifies"
    )]
    Unreadable { path: PathBuf, what: String },
    #[error("the check was broken off; check the disk")]
    Store(#[source] rusqlite::Error),
}

impl VerifyError {
    /// Whoever is told to run this very check, because a log is damaged, is told something else here.
    fn open(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { path, what } => Self::Unreadable { path, what },
            other => Self::Open(other),
        }
    }
}

/// Decodes an event as the program would, to prove that it still can.
pub type Decode<'a> = dyn Fn(&RecordedEvent) -> Result<(), String> + 'a;

/// Checks the whole log at `path`; it may be in use meanwhile, what is appended after the beginning is not looked at.
///
/// For every event: its row can be read, its digest matches its stored bytes, position and revision follow the ones
/// before, its recording time does not go back, its metadata and payload are what they must be (`decode` says so of the
/// payload), and its command is in the list of commands with this very place. Then SQLite checks the file page by page.
/// Where pages cannot be read the check goes on behind them. `progress` is told how many events are done, of how many.
///
/// Memory: a hundred bytes or so for each stream. Time: one pass over the log and two over its indexes.
///
/// # Errors
/// There is no log of this program at `path`, or its disk fails in a way that is not damage to the log.
pub fn verify(
    path: &Path,
    decode: &Decode<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, VerifyError> {
    let Some(conn) = identify(path).map_err(VerifyError::open)? else {
        return Err(VerifyError::Open(OpenError::nothing(path)));
    };
    conn.pragma_update(None, "cell_size_check", true).map_err(VerifyError::Store)?;
    let mut findings = Findings::default();
    match schema::objects(&conn) {
        Ok(present) => {
            if let Some(what) = schema::missing_object(&present) {
                findings.of_file(what);
            }
        }
        Err(error) => findings.of_file(format!("the list of tables cannot be read: {error}")),
    }
    let mut walk = Walk::new(&conn, decode, findings);
    walk.run(progress)?;
    walk.check_command_count();
    let mut report = walk.into_report();
    check_structure(&conn, &mut report);
    Ok(report.finish())
}

/// The findings so far: the first ones in full, the rest as a number.
#[derive(Debug, Default)]
struct Findings {
    listed: Vec<Finding>,
    total: u64,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.total = self.total.saturating_add(1);
        if self.listed.len() < FINDINGS_MAX {
            self.listed.push(finding);
        }
    }

    fn of_file(&mut self, what: impl Into<String>) {
        self.add(Finding { position: None, stream: None, revision: None, what: what.into() });
    }

    fn at(&mut self, position: u64, what: impl Into<String>) {
        self.add(Finding { position: Some(Position::new(position)), stream: None, revision: None, what: what.into() });
    }

    fn of_event(&mut self, event: &RecordedEvent, what: impl Into<String>) {
        self.add(Finding {
            position: Some(event.position),
            stream: Some(event.stream.clone()),
            revision: Some(event.revision.get()),
            what: what.into(),
        });
    }
}

/// A report that may still get findings.
struct Draft {
    report: VerifyReport,
    findings: Findings,
}

impl Draft {
    fn finish(self) -> VerifyReport {
        VerifyReport { findings: self.findings.listed, findings_total: self.findings.total, ..self.report }
    }
}

/// Lets SQLite check every page, every index against its table, and every value against its column.
fn check_structure(conn: &Connection, draft: &mut Draft) {
    let mut lines: Vec<String> = Vec::new();
    let checked = conn.pragma(None, "integrity_check", STRUCTURE_LINES_MAX, |row| {
        lines.push(row.get(0)?);
        Ok(())
    });
    for line in lines.iter().filter(|line| *line != "ok") {
        draft.findings.of_file(format!("SQLite: {line}"));
    }
    if let Err(error) = checked {
        draft.findings.of_file(format!("SQLite could not check the file to its end: {error}"));
    }
}
