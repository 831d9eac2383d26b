//! What one act causes in another stream: a filing's complaints become complaints of their own.
//!
//! No append spans two streams. This process manager reads the log and issues commands whose ids are derived from
//! the events that cause them, so a crash in between is caught up and never doubled. What leads to no complaint is an
//! event as well, which somebody sees.

mod matter;

use std::io;
use std::path::{Path, PathBuf};

use cross_border::wire::is_known;
use domain::complaint::{Complaint, Rejection};
use domain::envelope::Position;
use domain::filing::{Failure, Filing, FilingRejection, ItemKind, Standing};
use domain::id::{ComplaintId, StreamId, UnitId};
use event_log::execute::{Done, ExecuteError, LoadError, load};
use event_log::port::ReadError;
use thiserror::Error;

use self::matter::Matter;
use crate::app::App;
use crate::leases::Progress;

/// Events read at once while catching up.
const CATCH_UP_PAGE: u32 = 4_096;
/// The events that may lead to a complaint.
const CAUSES: [&str; 2] = ["filing.split", "filing.registration-retried"];

/// Why the chain behind a filing could not be completed now; it is taken up again later.
#[derive(Debug, Error)]
pub enum ChainError {
    #[error("the filing could not be read")]
    Load(#[source] LoadError),
    #[error("the log could not be read")]
    Read(#[source] ReadError),
    #[error("the place reached cannot be kept")]
    Bookmark(#[source] io::Error),
    #[error("a complaint of the filing could not be registered")]
    Register(#[source] ExecuteError<Rejection>),
    #[error("that a matter of the filing led to no complaint could not be noted")]
    Note(#[source] ExecuteError<FilingRejection>),
    #[error("a newer program wrote the event at position {position}, a `{kind}`; what it causes is not known here")]
    Newer { position: Position, kind: Box<str> },
}

impl ChainError {
    /// Whether a newer program wrote what stands in the way: this one can do nothing about it, another node may.
    #[must_use]
    pub fn is_of_newer_program(&self) -> bool {
        match self {
            Self::Newer { .. } => true,
            Self::Load(LoadError::Wire(error))
            | Self::Register(ExecuteError::Wire(error))
            | Self::Note(ExecuteError::Wire(error)) => error.is_of_newer_program(),
            Self::Load(LoadError::Read(_)) | Self::Read(_) | Self::Bookmark(_) | Self::Register(_) | Self::Note(_) => {
                false
            }
        }
    }
}

/// A complaint that a filing led to.
#[derive(Debug, Clone)]
pub struct Led {
    pub complaint: ComplaintId,
    pub done: Done<Complaint>,
}

/// A matter that led to no complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unregistered {
    pub item: u16,
    /// The number that the complaint would have had.
    pub number: String,
    /// The unit that took the filing in.
    pub unit: UnitId,
    pub failure: Failure,
}

/// What the matters of a filing have led to, in their order.
#[derive(Debug, Clone, Default)]
pub struct Completed {
    pub led: Vec<Led>,
    pub unregistered: Vec<Unregistered>,
    /// The position of the filing's newest event.
    pub position: Option<Position>,
}

/// Registers every complaint of a filing, or finds it registered already.
///
/// What cannot be registered, however often it is asked, is noted on the filing's own stream and holds nothing else up.
/// It is left so until somebody has it tried again, or for ever when somebody settles it.
///
/// # Errors
/// The log cannot be read or written; what was registered stays so.
pub async fn complete_filing(app: &App, stream: &StreamId) -> Result<Completed, ChainError> {
    let loaded = load::<Filing>(app.log.as_ref(), stream, None).await.map_err(ChainError::Load)?;
    let mut completed = Completed { position: loaded.position, ..Completed::default() };
    let Filing::Received(received, items, standings) = &loaded.state else { return Ok(completed) };
    for item in items.iter().filter(|item| item.kind == ItemKind::Complaint) {
        let Some(matter) = Matter::of(&loaded.events, received, item) else { continue };
        let failure = match standings.get(&item.item) {
            Some(Standing::Waiting(failure)) => *failure,
            Some(Standing::Settled(_)) => continue,
            None => match matter.register(app).await {
                Ok(led) => {
                    completed.led.push(led);
                    continue;
                }
                Err(ChainError::Register(error)) => {
                    let Some(obstacle) = matter::obstacle(&error) else { return Err(ChainError::Register(error)) };
                    let (failure, position) = Box::pin(matter.note(app, obstacle, &error)).await?;
                    completed.position = completed.position.max(position);
                    failure
                }
                Err(error) => return Err(error),
            },
        };
        let (number, unit) = (item.number.clone(), received.unit.clone());
        completed.unregistered.push(Unregistered { item: item.item, number, unit, failure });
    }
    Ok(completed)
}

/// How far the process manager has read, so that a start does not read the whole log.
///
/// Losing it is harmless: everything is read again and found done.
#[derive(Debug, Clone)]
pub enum Bookmark {
    /// Kept in the data folder, for the one node of a log.
    File(PathBuf),
    /// Kept with the lease, for whichever node holds it.
    Lease(Progress),
}

impl Bookmark {
    /// The bookmark of a data folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::File(root.join("process-manager.position"))
    }

    /// Up to where everything was read and completed; `None` when that is not known.
    #[must_use]
    pub fn read(&self) -> Option<Position> {
        match self {
            Self::File(path) => std::fs::read_to_string(path).ok()?.trim().parse().ok().map(Position::new),
            Self::Lease(progress) => progress.done(),
        }
    }

    /// Moves the bookmark. In a file it is written beside and moved into place, so that it is never half a number.
    ///
    /// # Errors
    /// The data folder cannot be written.
    pub fn write(&self, position: Position) -> io::Result<()> {
        match self {
            Self::File(path) => {
                let beside = path.with_extension("position.new");
                // The system does not say which file it means.
                let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
                std::fs::write(&beside, position.to_string())
                    .and_then(|()| std::fs::rename(&beside, path))
                    .map_err(named)
            }
            Self::Lease(progress) => {
                progress.reach(position);
                Ok(())
            }
        }
    }

    /// Takes back a bookmark that lies beyond the end of the log: that log was restored from an older backup, and what
    /// is appended to it from now on must not be passed over.
    ///
    /// # Errors
    /// The data folder cannot be written.
    pub fn fit(&self, head: Option<Position>) -> io::Result<()> {
        match self {
            Self::File(path) if self.read() > head => {
                tracing::warn!("The process manager had read beyond the end of the log; it reads all of it again");
                std::fs::remove_file(path)
            }
            Self::File(_) | Self::Lease(_) => Ok(()),
        }
    }
}

/// Completes every filing behind the bookmark and moves it, no further than to an event that this program does not
/// know: a newer one may have something to do there.
///
/// # Errors
/// The log cannot be read or written, or a newer program wrote to it.
pub async fn advance(app: &App, bookmark: &Bookmark) -> Result<(), ChainError> {
    loop {
        let page = app.log.read_all(bookmark.read(), CATCH_UP_PAGE).await.map_err(ChainError::Read)?;
        let known = page.events.iter().take_while(|event| is_known(&event.kind, event.schema)).count();
        let (known, unknown) = page.events.split_at(known);
        for event in known.iter().filter(|event| CAUSES.contains(&&*event.kind)) {
            complete_filing(app, &event.stream).await?;
        }
        if let Some(last) = known.last() {
            bookmark.write(last.position).map_err(ChainError::Bookmark)?;
        }
        if let Some(event) = unknown.first() {
            return Err(ChainError::Newer { position: event.position, kind: event.kind.clone() });
        }
        if page.at_end || page.events.is_empty() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_in_a_file_is_kept_and_taken_back_when_the_log_ends_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let bookmark = Bookmark::new(folder.path());
        assert_eq!(bookmark.read(), None);
        bookmark.fit(None).unwrap();
        bookmark.write(Position::new(7)).unwrap();
        for head in [Position::new(7), Position::new(8)] {
            bookmark.fit(Some(head)).unwrap();
            assert_eq!(bookmark.read(), Some(Position::new(7)));
        }
        bookmark.fit(Some(Position::new(6))).unwrap();
        assert_eq!(bookmark.read(), None);
    }

    #[test]
    fn a_bookmark_of_a_lease_goes_with_it() {
        let progress = Progress::new(Some(Position::new(3)));
        let bookmark = Bookmark::Lease(progress.clone());
        assert_eq!(bookmark.read(), Some(Position::new(3)));
        bookmark.write(Position::new(5)).unwrap();
        assert_eq!(progress.done(), Some(Position::new(5)));
    }
}
