//! One matter of a filing on its way: it becomes a complaint, or it is noted that it led to none.

use std::sync::Arc;

use domain::complaint::register::Register;
use domain::complaint::{Act, Complaint, ComplaintCommand, Rejection};
use domain::decider::Context;
use domain::envelope::{Metadata, Position, RecordedEvent};
use domain::filing::{
    Failure, Filing, FilingCommand, FilingEvent, FilingItem, Received, RegistrationObstacle, registration,
};
use domain::id::ComplaintId;
use event_log::digest::command_digest;
use event_log::execute::{self, ExecuteError, Issue, execute};
use event_log::port::{AppendError, CommandRef, ReadError};

use super::{ChainError, Led};
use crate::app::App;

/// A matter that is to become a complaint.
pub(super) struct Matter<'a> {
    received: &'a Received,
    item: &'a FilingItem,
    split: &'a RecordedEvent,
    /// The split, or the newest event that has it tried again. The ids of what follows are derived from it.
    cause: &'a RecordedEvent,
}

impl<'a> Matter<'a> {
    /// A matter of a filing with these events; `None` while the filing is not split.
    pub(super) fn of(events: &'a [RecordedEvent], received: &'a Received, item: &'a FilingItem) -> Option<Self> {
        let split = events.iter().find(|event| &*event.kind == "filing.split")?;
        let retry = events.iter().rev().find(|event| is_retry(event, item.item));
        Some(Self { received, item, split, cause: retry.unwrap_or(split) })
    }

    /// Registers the complaint, or finds it registered already.
    pub(super) async fn register(&self, app: &App) -> Result<Led, ChainError> {
        let complaint = ComplaintId::of_item(self.received.filing, self.item.item);
        let meta = self.meta()?;
        // The moment of the filing: what was in time for it is in time for what follows from it.
        let at = self.split.occurred_at;
        let ctx = Context { now: at, ..app.context(&meta.unit, &meta.actor) };
        let registered = registration(self.received, self.item);
        let act = Act::Register(Box::new(Register { registered, handler: None }));
        let body = ComplaintCommand { at: Some(at), act };
        let (log, stream, command) = (app.log.as_ref(), complaint.stream(), self.command("register"));
        let done = execute::<Complaint>(log, &stream, command, &self.issue(&meta), None, &ctx, body)
            .await
            .map_err(ChainError::Register)?;
        Ok(Led { complaint, done })
    }

    /// Notes that the matter led to no complaint, so that somebody sees it; answers where the log says so.
    ///
    /// Whoever else finds the same notes it under the same id, so it stands there once. Should even that id have been
    /// spent on something else, it stands in the server's own log alone: what comes behind it must not wait for it.
    pub(super) async fn note(
        &self,
        app: &App,
        obstacle: RegistrationObstacle,
        error: &ExecuteError<Rejection>,
    ) -> Result<(Failure, Option<Position>), ChainError> {
        let meta = self.meta()?;
        let ctx = app.context(&meta.unit, &meta.actor);
        let body = FilingCommand::NoteFailure { item: self.item.item, obstacle };
        let (log, stream, command) = (app.log.as_ref(), self.received.filing.stream(), self.command("fail"));
        let found = Failure { at: ctx.now, obstacle };
        let done = match execute::<Filing>(log, &stream, command, &self.issue(&meta), None, &ctx, body).await {
            Ok(done) => done,
            Err(
                error @ (ExecuteError::Rejected(_)
                | ExecuteError::NothingToDo
                | ExecuteError::Append(AppendError::CommandReused { .. })),
            ) => {
                tracing::error!(
                    filing.id = %self.received.filing,
                    filing.item = self.item.item,
                    obstacle = %obstacle,
                    error = %error,
                    "A matter of a filing led to no complaint, and that cannot be noted"
                );
                return Ok((found, None));
            }
            Err(error) => return Err(ChainError::Note(error)),
        };
        if !done.repeated {
            tracing::error!(
                filing.id = %self.received.filing,
                filing.item = self.item.item,
                obstacle = %obstacle,
                error = %error,
                "A matter of a filing led to no complaint: `unregisteredMatters` lists it"
            );
        }
        let noted = match &done.state {
            Filing::Received(.., failures) => failures.get(&self.item.item).copied(),
            Filing::Unknown => None,
        };
        Ok((noted.unwrap_or(found), Some(done.position)))
    }

    fn meta(&self) -> Result<Metadata, ChainError> {
        self.cause.meta().map_err(|source| ChainError::Read(ReadError::Store(Arc::new(source))))
    }

    fn command(&self, step: &str) -> CommandRef {
        CommandRef {
            id: self.cause.id.command(&format!("{step}-{}", self.item.item)),
            // The command is determined by its cause, so its body is the cause's id.
            digest: command_digest(self.cause.id.as_uuid().as_bytes()),
        }
    }

    fn issue(&self, meta: &Metadata) -> Issue {
        Issue {
            on_behalf_of: meta.on_behalf_of.clone(),
            causation: Some(self.cause.id),
            correlation: Some(meta.command),
            traceparent: meta.traceparent.clone(),
        }
    }
}

/// Whether an event has this matter tried again.
fn is_retry(event: &RecordedEvent, item: u16) -> bool {
    if &*event.kind != "filing.registration-retried" {
        return false;
    }
    let read = execute::read::<FilingEvent>(event).map(|happened| happened.event);
    matches!(read, Ok(FilingEvent::RegistrationRetried(retried)) if retried.item == item)
}

/// Why a complaint cannot be registered however often it is asked; `None` for what may pass.
pub(super) fn obstacle(error: &ExecuteError<Rejection>) -> Option<RegistrationObstacle> {
    match error {
        ExecuteError::Rejected(Rejection::AlreadyRegistered(_)) => Some(RegistrationObstacle::AlreadyRegistered),
        ExecuteError::Rejected(_) => Some(RegistrationObstacle::Rejected),
        ExecuteError::Append(AppendError::CommandReused { .. }) => Some(RegistrationObstacle::CommandReused),
        ExecuteError::Append(
            AppendError::BatchSize { .. } | AppendError::PayloadTooLarge { .. } | AppendError::TooLarge { .. },
        ) => Some(RegistrationObstacle::TooLarge),
        ExecuteError::Append(_)
        | ExecuteError::Stale { .. }
        | ExecuteError::Busy
        | ExecuteError::NothingToDo
        | ExecuteError::Read(_)
        | ExecuteError::Wire(_)
        | ExecuteError::Encode(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{CommandId, StreamId};

    use super::*;

    #[test]
    fn what_may_pass_is_no_obstacle() {
        let (command, stream) = (CommandId::derived(&["spent"]), StreamId::parse("complaint-1").unwrap());
        let reused = AppendError::CommandReused { command, stream };
        for (error, expected) in [
            (
                ExecuteError::Rejected(Rejection::AlreadyRegistered("1-C1".to_owned())),
                Some(RegistrationObstacle::AlreadyRegistered),
            ),
            (ExecuteError::Rejected(Rejection::CreditCode), Some(RegistrationObstacle::Rejected)),
            (ExecuteError::Append(reused), Some(RegistrationObstacle::CommandReused)),
            (ExecuteError::Append(AppendError::TooLarge { bytes: 2, max: 1 }), Some(RegistrationObstacle::TooLarge)),
            (ExecuteError::Append(AppendError::DiskFull), None),
            (ExecuteError::Append(AppendError::Overloaded), None),
            (ExecuteError::Busy, None),
            (ExecuteError::Read(ReadError::Closed), None),
        ] {
            assert_eq!(obstacle(&error), expected, "{error}");
        }
    }
}
