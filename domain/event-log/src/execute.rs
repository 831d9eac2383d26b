//! Carrying out a command: load, decide, append; decide again when somebody else was faster.

use std::sync::Arc;

use domain::decider::{Context, Decider, Happened};
use domain::envelope::{Metadata, NewEvent, Position, RecordedEvent, Revision};
use domain::id::{CommandId, EventId, StreamId};
use domain::wire::{Stored, WireError};
use thiserror::Error;

use crate::port::{Append, AppendError, Appended, CommandRef, EventLog, Expected, READ_EVENTS_MAX, ReadError};

/// How often a command is decided anew after a conflict before the caller is told.
pub const DECIDE_ATTEMPTS_MAX: u32 = 8;
/// How many events since a stale revision are named in the answer.
pub const CHANGES_SHOWN_MAX: usize = 20;

/// Who issues a command, for whom and because of what; the unit and the actor stand in the [`Context`].
#[derive(Debug, Clone, Default)]
pub struct Issue {
    pub on_behalf_of: Option<Box<str>>,
    pub causation: Option<EventId>,
    pub correlation: Option<CommandId>,
    pub traceparent: Option<Box<str>>,
}

/// A command that was carried out, now or before.
#[derive(Debug, Clone)]
pub struct Done<S> {
    /// The state right behind the command's own events.
    pub state: S,
    pub revision: Revision,
    pub position: Position,
    /// It had been carried out before; nothing was appended now.
    pub repeated: bool,
}

/// One event since the revision a caller had read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub revision: Revision,
    pub kind: Box<str>,
    pub actor: Box<str>,
}

/// Why a command was not carried out.
#[derive(Debug, Error)]
pub enum ExecuteError<R: std::error::Error + 'static> {
    #[error("{0}")]
    Rejected(#[source] R),
    #[error("the stream moved on from revision {read} to {actual:?}")]
    Stale { read: Revision, actual: Option<Revision>, changes: Vec<Change> },
    #[error("others kept changing the stream; try again")]
    Busy,
    #[error("the command asks for nothing that is not so already")]
    NothingToDo,
    #[error("the log refused the append")]
    Append(#[source] AppendError),
    #[error("the log could not be read")]
    Read(#[source] ReadError),
    #[error("a stored event of the stream cannot be read")]
    Wire(#[source] WireError),
    #[error("an event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}

/// A stream as loaded: its events and the state they fold to.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    pub state: S,
    pub revision: Option<Revision>,
    pub position: Option<Position>,
    pub events: Vec<RecordedEvent>,
}

/// Reads a whole stream and folds it, up to and including `until` when it is given.
///
/// # Errors
/// The log cannot be read, or an event is of no known kind.
pub async fn load<D>(
    log: &dyn EventLog,
    stream: &StreamId,
    until: Option<Revision>,
) -> Result<Loaded<D::State>, LoadError>
where
    D: Decider,
    D::Event: Stored,
{
    let mut loaded = Loaded { state: D::initial(), revision: None, position: None, events: Vec::new() };
    loop {
        let page = log.read_stream(stream, loaded.revision, READ_EVENTS_MAX).await.map_err(LoadError::Read)?;
        if page.is_empty() {
            return Ok(loaded);
        }
        for event in page {
            if until.is_some_and(|until| event.revision > until) {
                return Ok(loaded);
            }
            let happened = read::<D::Event>(&event).map_err(LoadError::Wire)?;
            loaded.state = D::evolve(loaded.state, &happened);
            loaded.revision = Some(event.revision);
            loaded.position = Some(event.position);
            loaded.events.push(event);
        }
    }
}

/// Why a stream could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the log could not be read")]
    Read(#[source] ReadError),
    #[error("a stored event of the stream cannot be read")]
    Wire(#[source] WireError),
}

impl<R: std::error::Error + 'static> From<LoadError> for ExecuteError<R> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(source) => Self::Read(source),
            LoadError::Wire(source) => Self::Wire(source),
        }
    }
}

/// Reads a recorded event as an event of one life.
///
/// # Errors
/// Its kind or schema is not known, or its payload does not have its shape.
pub fn read<E: Stored>(event: &RecordedEvent) -> Result<Happened<E>, WireError> {
    Ok(Happened { at: event.occurred_at, event: E::decode(&event.kind, event.schema, &event.payload)? })
}

/// Carries out a command on a stream, once, however often it is asked.
///
/// `read` is the revision the caller had before its eyes; when it is given and the stream has moved on, the command
/// is not decided and the answer says what changed.
///
/// # Errors
/// Each names what was wrong; nothing was appended.
pub async fn execute<D>(
    log: &dyn EventLog,
    stream: &StreamId,
    command: CommandRef,
    issue: &Issue,
    read: Option<Revision>,
    ctx: &Context<'_>,
    body: D::Command,
) -> Result<Done<D::State>, ExecuteError<D::Rejection>>
where
    D: Decider,
    D::Command: Clone,
    D::Event: Stored,
    D::Rejection: 'static,
{
    for _ in 0..DECIDE_ATTEMPTS_MAX {
        // Loaded first: a command that is not found after this cannot be part of what was loaded, so its own effect
        // is never taken for somebody else's.
        let loaded = load::<D>(log, stream, None).await?;
        if let Some(done) = repeated::<D>(log, stream, command).await? {
            return Ok(done);
        }
        check_read(&loaded, read)?;
        let happened = D::decide(&loaded.state, body.clone(), ctx).map_err(ExecuteError::Rejected)?;
        if happened.is_empty() {
            return Err(ExecuteError::NothingToDo);
        }
        let expected = loaded.revision.map_or(Expected::NoStream, Expected::At);
        let events = new_events(stream, command.id, issue, ctx, &happened).map_err(ExecuteError::Encode)?;
        match log.append(Append { stream: stream.clone(), expected, command, events }).await {
            // The same command won a race against itself: its first answer is the answer.
            Ok(appended) if appended.repeated => {}
            Ok(appended) => {
                let state = happened.iter().fold(loaded.state, D::evolve);
                return Ok(Done {
                    state,
                    revision: appended.last_revision,
                    position: appended.last_position,
                    repeated: false,
                });
            }
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(ExecuteError::Append(error)),
        }
    }
    Err(ExecuteError::Busy)
}

async fn repeated<D>(
    log: &dyn EventLog,
    stream: &StreamId,
    command: CommandRef,
) -> Result<Option<Done<D::State>>, ExecuteError<D::Rejection>>
where
    D: Decider,
    D::Event: Stored,
    D::Rejection: 'static,
{
    let Some((digest, appended)) = log.find_command(command.id).await.map_err(ExecuteError::Read)? else {
        return Ok(None);
    };
    let Appended { stream: first_stream, last_revision, last_position, .. } = appended;
    if digest != command.digest || first_stream != *stream {
        return Err(ExecuteError::Append(AppendError::CommandReused { command: command.id, stream: first_stream }));
    }
    let loaded = load::<D>(log, stream, Some(last_revision)).await?;
    Ok(Some(Done { state: loaded.state, revision: last_revision, position: last_position, repeated: true }))
}

fn check_read<S, R: std::error::Error + 'static>(
    loaded: &Loaded<S>,
    read: Option<Revision>,
) -> Result<(), ExecuteError<R>> {
    let Some(read) = read else { return Ok(()) };
    if loaded.revision == Some(read) {
        return Ok(());
    }
    let changes = loaded
        .events
        .iter()
        .filter(|event| event.revision > read)
        .take(CHANGES_SHOWN_MAX)
        .map(|event| Change {
            revision: event.revision,
            kind: event.kind.clone(),
            actor: event.meta().map_or_else(|_| "unknown".into(), |meta| meta.actor),
        })
        .collect();
    Err(ExecuteError::Stale { read, actual: loaded.revision, changes })
}

/// Makes the events of a command ready to append: derived ids, shared metadata, payloads as JSON.
///
/// # Errors
/// A payload cannot be written as JSON.
pub fn new_events<E: Stored>(
    stream: &StreamId,
    command: CommandId,
    issue: &Issue,
    ctx: &Context<'_>,
    happened: &[Happened<E>],
) -> Result<Vec<NewEvent>, serde_json::Error> {
    let metadata: Arc<str> = serde_json::to_string(&Metadata {
        actor: ctx.actor.into(),
        unit: ctx.unit.clone(),
        on_behalf_of: issue.on_behalf_of.clone(),
        command,
        causation: issue.causation,
        correlation: issue.correlation,
        traceparent: issue.traceparent.clone(),
    })?
    .into();
    happened
        .iter()
        .enumerate()
        .map(|(index, happened)| {
            let (kind, schema) = happened.event.kind();
            Ok(NewEvent {
                id: command.event(stream, index),
                kind,
                schema,
                occurred_at: happened.at,
                metadata: Arc::clone(&metadata),
                payload: happened.event.encode()?.into(),
            })
        })
        .collect()
}
