//! Whether the read models of a data folder and a log belong together.
//!
//! Read models are built from one log. Beside another one, or beside the same one restored from an older backup, they
//! show what that log does not hold, and a position of theirs means another place in it: nothing of them may be shown.
//! A start looks before it serves; a node that serves looks again and again, and bars itself ([`bar`]).

pub mod bar;

use std::fs;
use std::io;
use std::path::Path;

use cross_border::index::ReferralIndex;
use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;
use event_log::durable::{self, Access};
use event_log::port::{EventLog, LogFault, ReadError};
use projections::{LastEvent, ReadModels};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::config::LogEngine;
use crate::data_dir::DataDir;
use crate::log::OpenedLog;

/// The log that the read models of a folder were built from. The engine counts too: a copied log keeps its
/// installation, and its positions become others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub engine: LogEngine,
    pub installation: Uuid,
}

impl Origin {
    /// What an open log is.
    #[must_use]
    pub fn of(log: &OpenedLog) -> Self {
        Self { engine: log.engine(), installation: log.installation() }
    }

    /// What is noted in a folder; `None` where nothing was built yet, or by an older program.
    ///
    /// # Errors
    /// The note cannot be read.
    pub fn read(dir: &DataDir) -> Result<Option<Self>, Failure> {
        let path = dir.origin_path();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{} cannot be read: {error}; {REBUILD}", path.display()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "cannot be read")(error)),
        }
    }

    /// Notes it in a folder. Written beside and moved into place, so that it is never half a note; durable when it
    /// returns: what is built afterwards must not outlive the note that says from which log.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(self, dir: &DataDir) -> Result<(), Failure> {
        let path = dir.origin_path();
        durable::write(&path, &serde_json::to_vec(&self)?, Access::Usual).map_err(at(&path, "cannot be written"))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let engine = match self.engine {
            LogEngine::Sqlite => "sqlite",
            LogEngine::EventStoreDb => "eventstoredb",
        };
        write!(f, "installation {} in {engine}", self.installation)
    }
}

/// What helps in all of these cases, once it is certain which log is meant.
const REBUILD: &str = "`baycase rebuild --force` builds the read models anew from this log";

/// Why read models must not be shown beside a log. Each text says what to do next.
#[derive(Debug, Error)]
pub enum Estranged {
    #[error(
        "the read models in {folder} were built from the log of {built_from}, and this is the log of {found}: \
         name the log or the data folder that is meant, or, if this log is the right one, {REBUILD}"
    )]
    OtherLog { folder: String, built_from: Origin, found: Origin },
    #[error(
        "nothing says which log the read models in {folder} were built from, and this one lies on a cluster: {REBUILD}"
    )]
    Unknown { folder: String },
    #[error(
        "the {what} stand at position {reached}, and the log ends at {head}: it was restored from an older backup, or \
         is another log; check which, then {REBUILD}"
    )]
    BeyondEnd { what: &'static str, reached: Position, head: u64 },
    #[error(
        "event {revision} of stream `{stream}`, which the read models end with, is not in the log at position \
         {position}: it was restored from an older backup and went on otherwise, or is another log; check which, then \
         {REBUILD}"
    )]
    Gone { stream: StreamId, revision: Revision, position: Position },
    #[error("the servers that this node is connected to were exchanged")]
    Exchanged {
        #[source]
        fault: LogFault,
    },
}

impl Estranged {
    /// A name for machines, which stays the same when the text does not.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherLog { .. } => "OTHER_INSTALLATION",
            Self::Unknown { .. } => "ORIGIN_UNKNOWN",
            Self::BeyondEnd { .. } | Self::Gone { .. } => "CHECKPOINT_BEYOND_LOG",
            Self::Exchanged { fault } => fault.code(),
        }
    }

    /// The same in words that anybody may see.
    #[must_use]
    pub const fn short(&self) -> &'static str {
        match self {
            Self::OtherLog { .. } | Self::Unknown { .. } => {
                "the read models belong to another log: name the right log, or build them anew from this one with \
                 `baycase rebuild --force`"
            }
            Self::BeyondEnd { .. } | Self::Gone { .. } => {
                "the read models show what the log does not hold: it was restored from an older backup, or is another \
                 log; build them anew with `baycase rebuild --force`"
            }
            Self::Exchanged { fault: LogFault::NotInstalled } => {
                "the servers have no log any more: lead this node to its own log again"
            }
            Self::Exchanged { .. } => {
                "the servers have the log of another installation now: lead this node to its own log again"
            }
        }
    }
}

/// Why it is not known whether they belong together.
#[derive(Debug, Error)]
pub enum CheckError {
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error("the read models could not be read")]
    Query(#[from] projections::QueryError),
    #[error("reading the read models broke off")]
    Broken(#[from] tokio::task::JoinError),
    #[error("it cannot be told which log the read models were built from")]
    Note(#[source] Failure),
}

/// Whether the read models and the index of a folder belong to a log. Of those that nothing stands in yet nothing is
/// asked; the folder remembers their log from now on.
///
/// # Errors
/// The log, the read models or the note cannot be read.
pub async fn check(
    dir: &DataDir,
    log: &OpenedLog,
    models: &ReadModels,
    index: &ReferralIndex,
) -> Result<Result<(), Estranged>, CheckError> {
    let found = Origin::of(log);
    let is_fresh = models.position().is_none() && index.position().is_none();
    let noted = Origin::read(dir).map_err(CheckError::Note)?;
    if let Err(estranged) = is_of(dir.root(), noted, found, is_fresh) {
        return Ok(Err(estranged));
    }
    if let Err(estranged) = still_holds(log.port().as_ref(), models, index).await? {
        return Ok(Err(estranged));
    }
    if noted != Some(found) {
        found.write(dir).map_err(CheckError::Note)?;
    }
    Ok(Ok(()))
}

/// Whether a log is the one that a folder remembers. Nothing stands in read models that are fresh.
///
/// # Errors
/// It is another one, or nothing says which one it was.
pub fn is_of(folder: &Path, noted: Option<Origin>, found: Origin, is_fresh: bool) -> Result<(), Estranged> {
    let folder = || folder.display().to_string();
    match noted {
        _ if is_fresh => Ok(()),
        Some(built_from) if built_from == found => Ok(()),
        Some(built_from) => Err(Estranged::OtherLog { folder: folder(), built_from, found }),
        // A program that kept no note knew one engine: the file beside.
        None if found.engine == LogEngine::Sqlite => Ok(()),
        None => Err(Estranged::Unknown { folder: folder() }),
    }
}

/// Whether a log that ends at `head` goes as far as what was built from it. `reached` is asked for before the end is:
/// both may go on meanwhile.
///
/// # Errors
/// It does not.
pub fn reaches(head: Option<Position>, what: &'static str, reached: Option<Position>) -> Result<(), Estranged> {
    match reached.filter(|reached| Some(*reached) > head) {
        Some(reached) => Err(Estranged::BeyondEnd { what, reached, head: head.map_or(0, Position::get) }),
        None => Ok(()),
    }
}

/// Behind which revision of its stream an event is to be read to find it again.
#[must_use]
pub fn before(seen: &LastEvent) -> Option<Revision> {
    seen.revision.get().checked_sub(1).map(Revision::new)
}

/// Whether an event stands where it was seen, by what was read there: the one behind [`before`].
///
/// # Errors
/// The log could not be read.
pub fn is_there(
    seen: &LastEvent,
    read: Result<Vec<RecordedEvent>, ReadError>,
) -> Result<Result<(), Estranged>, ReadError> {
    let found = match read {
        Ok(found) => found.first().map(LastEvent::of),
        // What a store says of a stream that it has seen and does not find any more: so it is in an older backup.
        Err(ReadError::Fault(LogFault::Deleted { .. })) => None,
        Err(error) => return Err(error),
    };
    if found.as_ref() == Some(seen) {
        return Ok(Ok(()));
    }
    let LastEvent { position, stream, revision, .. } = seen.clone();
    Ok(Err(Estranged::Gone { stream, revision, position }))
}

/// Whether a log still holds what the read models and the index were built from.
///
/// # Errors
/// The log or the read models cannot be read.
pub async fn still_holds(
    log: &dyn EventLog,
    models: &ReadModels,
    index: &ReferralIndex,
) -> Result<Result<(), Estranged>, CheckError> {
    let reached = [("read models", models.position()), ("rows of the index of referrals", index.position())];
    let last = {
        let models = models.clone();
        tokio::task::spawn_blocking(move || models.last_event()).await??
    };
    let head = log.head().await?;
    for (what, reached) in reached {
        if let Err(estranged) = reaches(head, what, reached) {
            return Ok(Err(estranged));
        }
    }
    match last {
        Some(last) => Ok(holds(log, &last).await?),
        None => Ok(Ok(())),
    }
}

/// Whether a log holds an event where it was seen.
///
/// # Errors
/// The log cannot be read.
pub async fn holds(log: &dyn EventLog, seen: &LastEvent) -> Result<Result<(), Estranged>, ReadError> {
    is_there(seen, log.read_stream(&seen.stream, before(seen), 1).await)
}

#[cfg(test)]
mod tests;
