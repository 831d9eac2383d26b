//! What one act causes in another stream: a filing's complaints become complaints of their own.
//!
//! No append spans two streams. This process manager reads the log and issues commands whose ids are derived from
//! the events that cause them, so a crash in between is caught up and never doubled.

use std::io;
use std::path::{Path, PathBuf};

use domain::complaint::register::Register;
use domain::complaint::{Act, Complaint, ComplaintCommand, Rejection};
use domain::decider::Context;
use domain::envelope::{Position, RecordedEvent};
use domain::filing::{Filing, FilingItem, ItemKind, Received, registration};
use domain::id::{ComplaintId, StreamId};
use event_log::digest::command_digest;
use event_log::execute::{self, Done, ExecuteError, Issue, LoadError, load};
use event_log::port::{CommandRef, ReadError};
use thiserror::Error;

use crate::app::App;

/// Events read at once while catching up.
const CATCH_UP_PAGE: u32 = 4_096;

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
}

/// A complaint that a filing led to.
#[derive(Debug, Clone)]
pub struct Led {
    pub complaint: ComplaintId,
    pub done: Done<Complaint>,
}

/// Registers every complaint of a filing, or finds it registered already.
///
/// # Errors
/// The log cannot be read or written; what was registered stays so.
pub async fn complete_filing(app: &App, stream: &StreamId) -> Result<Vec<Led>, ChainError> {
    let loaded = load::<Filing>(app.log.as_ref(), stream, None).await.map_err(ChainError::Load)?;
    let Filing::Received(received, items) = &loaded.state else { return Ok(Vec::new()) };
    let Some(split) = loaded.events.iter().find(|event| &*event.kind == "filing.split") else { return Ok(Vec::new()) };
    let mut led = Vec::new();
    for item in items.iter().filter(|item| item.kind == ItemKind::Complaint) {
        led.push(register(app, received, item, split).await?);
    }
    Ok(led)
}

async fn register(app: &App, received: &Received, item: &FilingItem, split: &RecordedEvent) -> Result<Led, ChainError> {
    let complaint = ComplaintId::of_item(received.filing, item.item);
    let meta = split.meta().map_err(|source| ChainError::Read(ReadError::Store(std::sync::Arc::new(source))))?;
    let command = CommandRef {
        id: split.id.command(&format!("register-{}", item.item)),
        // The command is determined by its cause, so its body is the cause's id.
        digest: command_digest(split.id.as_uuid().as_bytes()),
    };
    let issue = Issue {
        on_behalf_of: meta.on_behalf_of,
        causation: Some(split.id),
        correlation: Some(meta.command),
        traceparent: meta.traceparent,
    };
    // The moment of the filing: what was in time for it is in time for what follows from it.
    let ctx = Context { now: split.occurred_at, ..app.context(&meta.unit, &meta.actor) };
    let body = ComplaintCommand {
        at: Some(split.occurred_at),
        act: Act::Register(Box::new(Register { registered: registration(received, item), handler: None })),
    };
    let stream = complaint.stream();
    let done = execute::execute::<Complaint>(app.log.as_ref(), &stream, command, &issue, None, &ctx, body)
        .await
        .map_err(ChainError::Register)?;
    Ok(Led { complaint, done })
}

/// How far the process manager has read, kept in the data folder so that a start does not read the whole log.
///
/// Losing the file is harmless: everything is read again and found done.
#[derive(Debug, Clone)]
pub struct Bookmark(PathBuf);

impl Bookmark {
    /// The bookmark of a data folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self(root.join("process-manager.position"))
    }

    fn read(&self) -> Option<Position> {
        std::fs::read_to_string(&self.0).ok()?.trim().parse().ok().map(Position::new)
    }

    /// Moves the bookmark. Written beside and moved into place, so that it is never half a number.
    ///
    /// # Errors
    /// The data folder cannot be written.
    pub fn write(&self, position: Position) -> io::Result<()> {
        let beside = self.0.with_extension("position.new");
        // The system does not say which file it means.
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", self.0.display()));
        std::fs::write(&beside, position.to_string()).and_then(|()| std::fs::rename(&beside, &self.0)).map_err(named)
    }
}

/// Completes every filing behind the bookmark and moves it.
///
/// # Errors
/// The log cannot be read or written.
pub async fn advance(app: &App, bookmark: &Bookmark) -> Result<(), ChainError> {
    loop {
        let page = app.log.read_all(bookmark.read(), CATCH_UP_PAGE).await.map_err(ChainError::Read)?;
        for event in page.events.iter().filter(|event| &*event.kind == "filing.split") {
            match complete_filing(app, &event.stream).await {
                Ok(_) => {}
                // A refusal stays one however often it is asked; what stands behind it must not wait for it.
                Err(ChainError::Register(error @ ExecuteError::Rejected(_))) => {
                    tracing::error!(event.position = %event.position, error = %error, "A filing's complaint is refused for good");
                }
                Err(error) => return Err(error),
            }
        }
        let Some(last) = page.events.last() else { return Ok(()) };
        bookmark.write(last.position).map_err(ChainError::Bookmark)?;
        if page.at_end {
            return Ok(());
        }
    }
}
