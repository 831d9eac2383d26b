//! Appending: a claim, the events at their exact revisions, and a look at what stands there then.

use std::sync::Arc;

use domain::envelope::{Canonical, CommandDigest, Revision};
use domain::id::StreamId;
use tokio::time::timeout_at;

use super::claims::{self, CLAIMED, Claim};
use super::filter::is_technical;
use super::problem::Problem;
use super::read::REVISION_MAX;
use super::store::Store;
use super::wire::{Outgoing, outgoing};
use super::{Call, Refused};
use crate::fault::LogFault;
use crate::memory::check_limits;
use crate::port::{Append, AppendError, Appended, CommandRef, Expected, ReadError};

/// Claims that are tried when others claim the same command at the same time.
const CLAIM_ATTEMPTS: u32 = 8;

impl Store {
    /// Carries out an append, once.
    ///
    /// The checks come in the same order as in every store: the limits, then the command, then the stream.
    pub(super) async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        check_limits(&batch)?;
        if is_technical(batch.stream.as_str()) {
            let what = format!("a stream named `{}`, which the store keeps for itself", batch.stream);
            return Err(LogFault::Settings { what }.into());
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(AppendError::Overloaded) };
        let call = self.link.call();
        let Ok(_turn) = timeout_at(call.deadline, self.turns.take(batch.command.id)).await else {
            return Err(LogFault::TimedOut.into());
        };
        match self.claim(&call, &batch).await? {
            Some((digest, before)) if digest == batch.command.digest => Ok(before),
            Some((_, before)) => Err(AppendError::CommandReused { command: batch.command.id, stream: before.stream }),
            None => self.write(&call, batch).await,
        }
    }

    /// Claims the command, unless it has been carried out: then its digest and its answer.
    async fn claim(&self, call: &Call, batch: &Append) -> Result<Option<(CommandDigest, Appended)>, AppendError> {
        let CommandRef { id, digest } = batch.command;
        // A copied command has no claim, and must get none before it was looked for.
        if let Some(before) = self.copied_command(call, id).await.map_err(appending)? {
            return Ok(Some(before));
        }
        let ours = Claim { digest, stream: batch.stream.clone(), expected: batch.expected };
        let (name, data) = (claims::claim_stream(id), ours.text().map_err(unwritable)?);
        let mut number = 0_u64;
        for _ in 0..CLAIM_ATTEMPTS {
            let event = Outgoing {
                id: self.link.technical_id(call, &format!("claim {id} {number}")),
                kind: CLAIMED.to_owned(),
                data: data.clone(),
                metadata: String::new(),
            };
            let expected = number.checked_sub(1).map_or(Expected::NoStream, |last| Expected::At(Revision::new(last)));
            match self.link.append(call, &name, expected, &[event]).await {
                Ok(()) => return Ok(None),
                Err(Refused { problem: Problem::WrongRevision { .. }, .. }) => {}
                Err(Refused { problem, .. }) => return Err(problem.into()),
            }
            let (claims, next) = self.claims(call, id).await.map_err(appending)?;
            if let Some(before) = self.carried_out(call, id, &claims).await.map_err(appending)? {
                return Ok(Some(before));
            }
            // Nobody carried it out. A claim that leads to where our events will stand is as good as one of our own.
            if claims::covers(&claims, &ours) {
                return Ok(None);
            }
            number = next;
        }
        Err(AppendError::Overloaded)
    }

    /// Appends the events of a claimed command.
    async fn write(&self, call: &Call, batch: Append) -> Result<Appended, AppendError> {
        let first = match batch.expected {
            Expected::NoStream => Revision::FIRST,
            // No event stands there; the servers take it for something else.
            Expected::At(revision) if revision.get() >= REVISION_MAX / 2 => {
                let actual = self.newest_revision(call, &batch.stream).await?;
                return Err(AppendError::Conflict { stream: batch.stream, expected: batch.expected, actual });
            }
            Expected::At(revision) => revision.next(),
        };
        let events = self.outgoing(&batch, first)?;
        let last = Revision::new(first.get().saturating_add(further(events.len())));
        let written = self.link.append(call, batch.stream.as_str(), batch.expected, &events).await;
        let conflict = match written {
            Ok(()) => None,
            // The events may stand there all the same, from an attempt that was not answered.
            Err(Refused { problem: Problem::WrongRevision { actual }, open }) => {
                let actual = actual.map(Revision::new);
                let refused = AppendError::Conflict { stream: batch.stream.clone(), expected: batch.expected, actual };
                if !open || actual < Some(last) {
                    return Err(refused);
                }
                Some(refused)
            }
            Err(Refused { problem: Problem::Deleted, .. }) => {
                return Err(LogFault::Deleted { stream: batch.stream }.into());
            }
            Err(Refused { problem, .. }) => return Err(problem.into()),
        };
        // The servers tell events by their ids, and another body of the same command has the same ids: only what stands
        // there says whose it is.
        let there = self.event_at(call, &batch.stream, last).await.map_err(appending)?;
        let last_id = events.last().map(|event| event.id);
        let Some(there) = there.filter(|there| Some(there.event.id.as_uuid()) == last_id) else {
            // Appended and yet not there: the stream did not begin where its revisions say.
            return Err(conflict.unwrap_or_else(|| LogFault::Deleted { stream: batch.stream }.into()));
        };
        if there.command != batch.command {
            return Err(AppendError::CommandReused { command: batch.command.id, stream: batch.stream });
        }
        self.saw_recorded(there.event.recorded_at);
        self.tail().knows(there.event.position.get());
        self.hint_at(there.event.position);
        Ok(Appended {
            stream: batch.stream,
            first_revision: first,
            last_revision: last,
            last_position: there.event.position,
            repeated: false,
        })
    }

    fn outgoing(&self, batch: &Append, first: Revision) -> Result<Vec<Outgoing>, AppendError> {
        let recorded_at = self.stamp();
        let mut revision = first;
        let mut events = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            let form = Canonical {
                stream: batch.stream.as_str(),
                revision,
                id: event.id,
                kind: event.kind,
                schema: event.schema,
                occurred_at: event.occurred_at,
                recorded_at,
                metadata: &event.metadata,
                payload: &event.payload,
            };
            events.push(outgoing(&form, &batch.command).map_err(unwritable)?);
            revision = revision.next();
        }
        Ok(events)
    }

    /// Where a stream stands; `None` when there is none.
    async fn newest_revision(&self, call: &Call, stream: &StreamId) -> Result<Option<Revision>, AppendError> {
        match self.newest_of(call, stream.as_str()).await {
            Ok(newest) => Ok(newest.map(|newest| Revision::new(newest.revision))),
            Err(Problem::Deleted) => Err(LogFault::Deleted { stream: stream.clone() }.into()),
            Err(problem) => Err(problem.into()),
        }
    }
}

/// How much further the last of so many events stands than the first.
pub(super) fn further(events: usize) -> u64 {
    u64::try_from(events.saturating_sub(1)).unwrap_or(u64::MAX)
}

/// What an append is answered when the log could not be read for it.
pub(super) fn appending(error: ReadError) -> AppendError {
    match error {
        ReadError::Fault(fault) => AppendError::Fault(fault),
        ReadError::Closed => AppendError::Closed,
        other @ (ReadError::Damaged { .. } | ReadError::Store(_)) => AppendError::Store(Arc::new(other)),
    }
}

pub(super) fn unwritable(error: serde_json::Error) -> AppendError {
    AppendError::Store(Arc::new(error))
}
