//! Copying a log to the servers: events as they are, and where their commands stand.

use std::ops::ControlFlow;

use domain::envelope::{Canonical, CommandDigest, PAYLOAD_BYTES_MAX, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};

use super::append::{appending, unwritable};
use super::claims::{self, COPIED, CopiedCommand};
use super::problem::Problem;
use super::store::{Store, locked};
use super::wire::{Decoded, Incoming, Outgoing, decode, outgoing};
use super::{Call, Query, Refused};
use crate::fault::LogFault;
use crate::port::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, AppendError, CommandRef, EVENT_FRAME_BYTES, Expected, ReadError,
};

type Copied = (RecordedEvent, CommandId, CommandDigest);

impl Store {
    pub(super) async fn append_copy(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: &[Copied],
    ) -> Result<bool, AppendError> {
        check_limits(events)?;
        let first = claims::after(expected).map_or(Revision::FIRST, Revision::next);
        let outgoing = as_outgoing(stream, first, events)?;
        let call = self.link.call();
        let actual = match self.link.append(&call, stream.as_str(), expected, &outgoing).await {
            Ok(()) => return Ok(true),
            Err(Refused { problem: Problem::WrongRevision { actual }, .. }) => actual.map(Revision::new),
            Err(Refused { problem: Problem::Deleted, .. }) => {
                return Err(LogFault::Deleted { stream: stream.clone() }.into());
            }
            Err(Refused { problem, .. }) => return Err(problem.into()),
        };
        // Refused or not, what counts is whether these very events stand at their places.
        let there = self.window(&call, stream, first, events.len()).await.map_err(appending)?;
        if there.len() == events.len() && there.iter().zip(events).all(|(there, copied)| is_copy(there, copied)) {
            return Ok(false);
        }
        Err(AppendError::Conflict { stream: stream.clone(), expected, actual })
    }

    /// So many events of a stream from a revision on, as far as they are there.
    async fn window(
        &self,
        call: &Call,
        stream: &StreamId,
        first: Revision,
        count: usize,
    ) -> Result<Vec<Decoded>, ReadError> {
        let (mut found, mut failed) = (Vec::with_capacity(count), None);
        let mut take = |incoming: Incoming| match decode(incoming) {
            Ok(decoded) => {
                found.push(decoded);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        match self.link.read(call, Query::Stream(stream.as_str(), first.get()), count, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => failed.map_or(Ok(found), Err),
            Err(Problem::Deleted) => Err(LogFault::Deleted { stream: stream.clone() }.into()),
            Err(problem) => Err(problem.into()),
        }
    }

    pub(super) async fn write_copied_commands(
        &self,
        bucket: u16,
        commands: &[CopiedCommand],
    ) -> Result<(), AppendError> {
        let call = self.link.call();
        let (there, mut next) = self.copied_commands(&call, bucket).await.map_err(appending)?;
        let there = claims::by_id(there);
        let missing: Vec<CopiedCommand> =
            commands.iter().filter(|command| there.get(&command.command) != Some(*command)).cloned().collect();
        if let Some(stray) = missing.iter().find(|command| claims::copied_bucket(command.command) != bucket) {
            let what = format!("command {} does not belong into bucket {bucket:04x}", stray.command);
            return Err(LogFault::Protocol { what }.into());
        }
        let stream = claims::copied_stream(bucket);
        for data in claims::copied_texts(&missing).map_err(unwritable)? {
            let call = self.link.call();
            let event = Outgoing {
                id: self.link.technical_id(&call, &format!("bucket {bucket} {next}")),
                kind: COPIED.to_owned(),
                data,
                metadata: String::new(),
            };
            let expected = next.checked_sub(1).map_or(Expected::NoStream, |last| Expected::At(Revision::new(last)));
            self.link.append(&call, &stream, expected, &[event]).await.map_err(|refused| match refused.problem {
                Problem::WrongRevision { .. } => AppendError::Overloaded,
                problem => problem.into(),
            })?;
            next = next.saturating_add(1);
        }
        locked(&self.buckets).remove(&bucket);
        Ok(())
    }

    pub(super) async fn read_copied_commands(&self, bucket: u16) -> Result<Vec<CopiedCommand>, ReadError> {
        Ok(self.copied_commands(&self.link.call(), bucket).await?.0)
    }
}

/// The limits of every append; a copied payload was within its own when it was written.
fn check_limits(events: &[Copied]) -> Result<(), AppendError> {
    if events.is_empty() || events.len() > APPEND_EVENTS_MAX {
        return Err(AppendError::BatchSize { events: events.len() });
    }
    let mut all = 0_usize;
    for (index, (event, ..)) in events.iter().enumerate() {
        let bytes = event.payload.len();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(AppendError::PayloadTooLarge { index, bytes, max: PAYLOAD_BYTES_MAX });
        }
        let texts = bytes.saturating_add(event.metadata.len()).saturating_add(event.kind.len());
        all = all.saturating_add(texts).saturating_add(EVENT_FRAME_BYTES);
    }
    if all > APPEND_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes: all, max: APPEND_BYTES_MAX });
    }
    Ok(())
}

fn as_outgoing(stream: &StreamId, first: Revision, events: &[Copied]) -> Result<Vec<Outgoing>, AppendError> {
    let mut revision = first;
    let mut all = Vec::with_capacity(events.len());
    for (event, command, digest) in events {
        if event.stream != *stream || event.revision != revision {
            let what =
                format!("event {} of stream `{}` is not event {revision} of `{stream}`", event.revision, event.stream);
            return Err(LogFault::Protocol { what }.into());
        }
        let form = Canonical {
            stream: stream.as_str(),
            revision,
            id: event.id,
            kind: &event.kind,
            schema: event.schema,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            metadata: &event.metadata,
            payload: &event.payload,
        };
        all.push(outgoing(&form, &CommandRef { id: *command, digest: *digest }).map_err(unwritable)?);
        revision = revision.next();
    }
    Ok(all)
}

/// Whether the event is the copied one in everything but its place in the whole log.
fn is_copy(there: &Decoded, (event, command, digest): &Copied) -> bool {
    let mut same_place = there.event.clone();
    same_place.position = event.position;
    same_place == *event && there.command == CommandRef { id: *command, digest: *digest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixture::{SOME_MICROS, moment};
    use crate::digest::command_digest;

    fn copied(stream: &str, revision: u64, payload: &str) -> Copied {
        let stream = StreamId::parse(stream).unwrap();
        let command = CommandId::derived(&["copy"]);
        let event = RecordedEvent {
            position: domain::envelope::Position::new(revision + 1),
            id: command.event(&stream, 0),
            stream,
            revision: Revision::new(revision),
            kind: "filing.received".into(),
            schema: 1,
            occurred_at: moment(SOME_MICROS),
            recorded_at: moment(SOME_MICROS),
            metadata: "{}".into(),
            payload: payload.into(),
        };
        (event, command, command_digest(b"copy"))
    }

    #[test]
    fn a_copy_holds_the_limits_of_an_append() {
        assert!(matches!(check_limits(&[]), Err(AppendError::BatchSize { events: 0 })));
        let one = copied("filing-1", 0, "{}");
        let frame = EVENT_FRAME_BYTES + "filing.received".len() + 4;
        let many = vec![one.clone(); APPEND_EVENTS_MAX];
        assert!(frame * APPEND_EVENTS_MAX <= APPEND_BYTES_MAX && check_limits(&many).is_ok());
        assert!(check_limits(&[many, vec![one]].concat()).is_err());
        let large = copied("filing-1", 0, &"x".repeat(PAYLOAD_BYTES_MAX));
        assert!(check_limits(&[large.clone(), large.clone(), large.clone()]).is_ok());
        let over = check_limits(&[large.clone(), large.clone(), large.clone(), large]);
        assert!(matches!(over, Err(AppendError::TooLarge { .. })), "{over:?}");
        let huge = check_limits(&[copied("filing-1", 0, &"x".repeat(PAYLOAD_BYTES_MAX + 1))]);
        assert!(matches!(huge, Err(AppendError::PayloadTooLarge { index: 0, .. })), "{huge:?}");
    }

    #[test]
    fn events_must_stand_where_the_copy_puts_them() {
        let stream = StreamId::parse("filing-1").unwrap();
        let events = [copied("filing-1", 4, "1"), copied("filing-1", 5, "2")];
        let outgoing = as_outgoing(&stream, Revision::new(4), &events).unwrap();
        assert_eq!(outgoing.iter().map(|event| event.data.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert!(as_outgoing(&stream, Revision::new(3), &events).is_err());
        assert!(as_outgoing(&stream, Revision::new(4), &[copied("filing-2", 4, "1")]).is_err());
    }

    #[test]
    fn a_copy_is_known_by_all_but_its_position() {
        let original = copied("filing-1", 4, "1");
        let command = CommandRef { id: original.1, digest: original.2 };
        let mut event = original.0.clone();
        event.position = domain::envelope::Position::new(9_000);
        assert!(is_copy(&Decoded { event: event.clone(), command }, &original));
        event.schema = 2;
        assert!(!is_copy(&Decoded { event, command }, &original));
        let other = CommandRef { id: original.1, digest: command_digest(b"other") };
        assert!(!is_copy(&Decoded { event: original.0.clone(), command: other }, &original));
    }
}
