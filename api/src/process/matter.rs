//! One matter of a filing on its way: it becomes a complaint, or it is noted that it led to none.

use std::sync::Arc;

use domain::complaint::register::Register;
use domain::complaint::{Act, Complaint, ComplaintCommand, Rejection};
use domain::decider::Context;
use domain::envelope::{CommandDigest, Metadata, Position, RecordedEvent};
use domain::filing::{
    Failure, Filing, FilingCommand, FilingEvent, FilingItem, FilingRejection, Received, RegistrationObstacle, Standing,
    registration,
};
use domain::id::{CommandId, ComplaintId};
use event_log::causes::with_causes;
use event_log::digest::command_digest;
use event_log::execute::{self, Done, ExecuteError, Issue, execute};
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
    /// Whoever else finds the same notes it under the same id, and the filing's state holds it once. Where that id has
    /// been spent on something else, it is noted under one that nobody could know. Should that fail too, it stands in
    /// the server's own log alone: what comes behind it must not wait for it.
    pub(super) async fn note(
        &self,
        app: &App,
        obstacle: RegistrationObstacle,
        error: &ExecuteError<Rejection>,
    ) -> Result<(Failure, Option<Position>), ChainError> {
        let meta = self.meta()?;
        let found = Failure { at: (app.now)(), obstacle };
        let mut noted = Box::pin(self.try_to_note(app, &meta, obstacle, self.command("fail"))).await;
        if matches!(noted, Err(ExecuteError::Append(AppendError::CommandReused { .. }))) {
            noted = Box::pin(self.try_to_note(app, &meta, obstacle, self.unforeseen())).await;
        }
        let done = match noted {
            Ok(done) => done,
            // Somebody noted it meanwhile, or has settled it since.
            Err(ExecuteError::NothingToDo) => return Ok((found, None)),
            Err(noting @ (ExecuteError::Rejected(_) | ExecuteError::Append(AppendError::CommandReused { .. }))) => {
                tracing::error!(
                    filing.id = %self.received.filing,
                    filing.item = self.item.item,
                    obstacle = %obstacle,
                    error = %with_causes(error),
                    error.noting = %with_causes(&noting),
                    "A matter of a filing led to no complaint, and that cannot be noted"
                );
                return Ok((found, None));
            }
            Err(noting) => return Err(ChainError::Note(noting)),
        };
        if !done.repeated {
            tracing::error!(
                filing.id = %self.received.filing,
                filing.item = self.item.item,
                obstacle = %obstacle,
                error = %with_causes(error),
                "A matter of a filing led to no complaint: `unregisteredMatters` lists it"
            );
        }
        let failure = match &done.state {
            Filing::Received(.., standings) => match standings.get(&self.item.item) {
                Some(Standing::Waiting(failure)) => Some(*failure),
                Some(Standing::Settled(_)) | None => None,
            },
            Filing::Unknown => None,
        };
        Ok((failure.unwrap_or(found), Some(done.position)))
    }

    async fn try_to_note(
        &self,
        app: &App,
        meta: &Metadata,
        obstacle: RegistrationObstacle,
        command: CommandRef,
    ) -> Result<Done<Filing>, ExecuteError<FilingRejection>> {
        let ctx = app.context(&meta.unit, &meta.actor);
        let body = FilingCommand::NoteFailure { item: self.item.item, obstacle };
        let (log, stream) = (app.log.as_ref(), self.received.filing.stream());
        execute::<Filing>(log, &stream, command, &self.issue(meta), None, &ctx, body).await
    }

    fn meta(&self) -> Result<Metadata, ChainError> {
        self.cause.meta().map_err(|source| ChainError::Read(ReadError::Store(Arc::new(source))))
    }

    fn command(&self, step: &str) -> CommandRef {
        CommandRef { id: self.cause.id.command(&format!("{step}-{}", self.item.item)), digest: self.digest() }
    }

    /// A command that notes the failure under an id that nobody could know beforehand.
    ///
    /// Other ids follow from that of a client's command alone. This one takes in where the log put the cause, and when.
    fn unforeseen(&self) -> CommandRef {
        let (position, recorded_at) = (self.cause.position, self.cause.recorded_at.timestamp_micros());
        let id = CommandId::derived(&[
            "registration-failed",
            &self.received.filing.to_string(),
            &self.item.item.to_string(),
            &position.to_string(),
            &recorded_at.to_string(),
        ]);
        CommandRef { id, digest: self.digest() }
    }

    /// A command is determined by its cause, so its body is the cause's id.
    fn digest(&self) -> CommandDigest {
        command_digest(self.cause.id.as_uuid().as_bytes())
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
    use domain::envelope::Revision;
    use domain::id::StreamId;
    use event_log::port::Expected;

    use super::*;

    fn stream() -> StreamId {
        StreamId::parse("complaint-1").unwrap()
    }

    #[test]
    fn what_may_pass_is_no_obstacle() {
        let reused = AppendError::CommandReused { command: CommandId::derived(&["spent"]), stream: stream() };
        let many = AppendError::BatchSize { events: 2_049 };
        let long = AppendError::PayloadTooLarge { index: 0, bytes: 2, max: 1 };
        let conflict = AppendError::Conflict { stream: stream(), expected: Expected::NoStream, actual: None };
        let stale = ExecuteError::Stale { read: Revision::new(1), actual: None, changes: Vec::new() };
        for (error, expected) in [
            (
                ExecuteError::Rejected(Rejection::AlreadyRegistered("1-C1".to_owned())),
                Some(RegistrationObstacle::AlreadyRegistered),
            ),
            (ExecuteError::Rejected(Rejection::CreditCode), Some(RegistrationObstacle::Rejected)),
            (ExecuteError::Append(reused), Some(RegistrationObstacle::CommandReused)),
            (ExecuteError::Append(AppendError::TooLarge { bytes: 2, max: 1 }), Some(RegistrationObstacle::TooLarge)),
            (ExecuteError::Append(many), Some(RegistrationObstacle::TooLarge)),
            (ExecuteError::Append(long), Some(RegistrationObstacle::TooLarge)),
            (ExecuteError::Append(conflict), None),
            (ExecuteError::Append(AppendError::DiskFull), None),
            (ExecuteError::Append(AppendError::Overloaded), None),
            (stale, None),
            (ExecuteError::NothingToDo, None),
            (ExecuteError::Busy, None),
            (ExecuteError::Read(ReadError::Closed), None),
        ] {
            assert_eq!(obstacle(&error), expected, "{error}");
        }
    }
    #[test]
    fn an_error_is_told_with_its_causes_and_nothing_twice() {
        let rejected: ExecuteError<Rejection> = ExecuteError::Rejected(Rejection::CreditCode);
        assert_eq!(with_causes(&rejected), Rejection::CreditCode.to_string());
        let full: ExecuteError<Rejection> = ExecuteError::Append(AppendError::DiskFull);
        assert_eq!(with_causes(&full), "the log refused the append: the log cannot be written: its disk is full");
    }
}
