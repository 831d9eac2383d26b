//! Reading the log: pages of it, its streams, its end, and what became of a command.

use std::ops::ControlFlow;
use std::sync::Arc;

use domain::envelope::{CommandDigest, Position, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};

use super::claims::{self, Claim, CopiedBucket, CopiedCommand};
use super::filter::is_technical;
use super::problem::Problem;
use super::scan::{Cursor, Search};
use super::store::{Store, locked};
use super::wire::{self, Decoded, Incoming, decode};
use super::{Call, Query, Read};
use crate::fault::LogFault;
use crate::port::{Appended, READ_EVENTS_MAX, ReadError};
use crate::sqlite::PAGE_BYTES_MAX;

/// The servers' largest revision. Larger ones stand for other things there, so they are never asked for.
pub(super) const REVISION_MAX: u64 = u64::MAX / 2;
/// Events that are asked for beyond those that are wanted, because technical ones lie between them.
const TECHNICAL_SLACK: usize = 64;
/// Events of the log's end that are looked at in one read for the newest one of ours.
const END_EVENTS: usize = 256;
/// Events of a technical stream, or of one that is searched, in one read.
const SEARCH_EVENTS: usize = 4_096;

/// Events of ours that were read so far.
struct Gathered {
    wanted: usize,
    bytes: usize,
    events: Vec<Decoded>,
    /// How far reading has come, technical events included.
    scanned: Option<Cursor>,
    failed: Option<ReadError>,
}

impl Gathered {
    fn new(limit: u32, from: Option<Cursor>) -> Self {
        let wanted = usize::try_from(limit.min(READ_EVENTS_MAX)).unwrap_or(usize::MAX);
        Self { wanted, bytes: 0, events: Vec::new(), scanned: from, failed: None }
    }

    /// Takes an event of the whole log.
    fn take(&mut self, incoming: Incoming) -> ControlFlow<()> {
        let place = incoming.place();
        if is_technical(&incoming.stream) {
            self.scanned = Some(place);
            return ControlFlow::Continue(());
        }
        match decode(incoming) {
            Ok(decoded) => {
                self.scanned = Some(place);
                self.put(decoded)
            }
            Err(error) => self.fail(error),
        }
    }

    fn put(&mut self, decoded: Decoded) -> ControlFlow<()> {
        let texts = decoded.event.metadata.len().saturating_add(decoded.event.payload.len());
        self.bytes = self.bytes.saturating_add(texts);
        self.events.push(decoded);
        if self.events.len() < self.wanted && self.bytes < PAGE_BYTES_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn fail(&mut self, error: impl Into<ReadError>) -> ControlFlow<()> {
        self.failed = Some(error.into());
        ControlFlow::Break(())
    }

    /// What was read, or why nothing was. An event in the way does not keep back those before it; whoever reads on
    /// behind them comes to it.
    fn finish(self) -> Result<Vec<Decoded>, ReadError> {
        match self.failed {
            Some(error) if self.events.is_empty() => Err(error),
            Some(_) | None => Ok(self.events),
        }
    }

    fn still_wanted(&self) -> usize {
        self.wanted.saturating_sub(self.events.len())
    }
}

impl Store {
    /// Up to `limit` events of ours behind `after`, and whether nothing more could be read.
    pub(super) async fn page(&self, after: Option<Position>, limit: u32) -> Result<(Vec<Decoded>, bool), ReadError> {
        if limit == 0 {
            return Ok((Vec::new(), false));
        }
        let call = self.link.call();
        let start = self.tail().start(after);
        let unheard_of = start.filter(|start| !self.tail().reaches(start.commit));
        if let Some(start) = unheard_of {
            // The servers do not take a place behind their end.
            let end = self.end(&call).await?;
            if end.is_none_or(|end| start.commit >= end.commit) {
                return Ok((Vec::new(), true));
            }
        }
        let mut page = Gathered::new(limit, start);
        let at_end = loop {
            let count = page.still_wanted().saturating_mul(2).saturating_add(TECHNICAL_SLACK);
            let query = Query::Behind(page.scanned);
            match self.link.read(&call, query, count, &mut |incoming| page.take(incoming)).await? {
                Read::Ended => break true,
                Read::Stopped => break false,
                Read::Counted => {}
            }
        };
        let scanned = page.scanned;
        let decoded = page.finish()?;
        let events = decoded.iter().map(|decoded| &decoded.event);
        self.coverage().check(after, events.clone())?;
        if let Some(scanned) = scanned.filter(|scanned| Some(*scanned) != start) {
            self.tail().saw(start, events.clone().next_back().map(|event| event.position), scanned);
        }
        events.for_each(|event| self.saw_recorded(event.recorded_at));
        Ok((decoded, at_end))
    }

    /// The place of the last event on the servers, of whatever kind.
    async fn end(&self, call: &Call) -> Result<Option<Cursor>, Problem> {
        let mut end = None;
        let mut take = |incoming: Incoming| {
            end = Some(incoming.place());
            ControlFlow::Break(())
        };
        self.link.read(call, Query::Before(None), 1, &mut take).await?;
        if let Some(end) = end {
            self.tail().knows(end.commit);
        }
        Ok(end)
    }

    /// The newest position, found from the end backwards.
    ///
    /// The leader is asked, so whatever was acknowledged counts. What is known only spares reading the technical events
    /// at the end once more: no answer lies behind the end of the servers, whatever was announced or read before.
    pub(super) async fn head(&self) -> Result<Option<Position>, ReadError> {
        let call = self.link.call();
        let (known, known_to) = self.tail().newest();
        let mut search = Search::behind(known_to);
        loop {
            let query = Query::Before(search.before);
            let mut take = |incoming: Incoming| search.take(&incoming);
            match self.link.read(&call, query, END_EVENTS, &mut take).await? {
                Read::Counted => search.before = search.last,
                Read::Ended | Read::Stopped => break,
            }
        }
        let Search { end, found, joined, .. } = search;
        if let Some(end) = end {
            self.tail().saw(if joined { known_to } else { None }, found, end);
        }
        Ok(if joined { known } else { found })
    }

    pub(super) async fn read_stream(
        &self,
        stream: &StreamId,
        after: Option<Revision>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let from = after.map_or(Revision::FIRST, Revision::next);
        if limit == 0 || from.get() > REVISION_MAX {
            return Ok(Vec::new());
        }
        let call = self.link.call();
        let mut page = Gathered::new(limit, None);
        let (count, mut expected) = (page.wanted, from);
        let mut take = |incoming: Incoming| match decode(incoming) {
            Ok(Decoded { event, .. }) if event.revision != expected => {
                page.fail(LogFault::Truncated { stream: event.stream, expected, found: event.revision })
            }
            Ok(decoded) => {
                expected = expected.next();
                page.put(decoded)
            }
            Err(error) => page.fail(error),
        };
        // Asked before the servers are: it may be begun, and seen by another reader, while their answer is on its way.
        let known = self.coverage().knows(stream);
        match self.link.read(&call, Query::Stream(stream.as_str(), from.get()), count, &mut take).await {
            Ok(_) => {}
            Err(Problem::NotFound) if !known => return Ok(Vec::new()),
            // A stream that was seen to have events is not unknown: somebody has taken it away.
            Err(Problem::NotFound | Problem::Deleted) => {
                return Err(LogFault::Deleted { stream: stream.clone() }.into());
            }
            Err(problem) => return Err(problem.into()),
        }
        let events: Vec<RecordedEvent> = page.finish()?.into_iter().map(|decoded| decoded.event).collect();
        events.iter().for_each(|event| self.saw_recorded(event.recorded_at));
        Ok(events)
    }

    /// Where the events of a command stand, when it has been carried out.
    pub(super) async fn find_command(
        &self,
        command: CommandId,
    ) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        let call = self.link.call();
        let (claims, _) = self.claims(&call, command).await?;
        match self.carried_out(&call, command, &claims).await? {
            Some(found) => Ok(Some(found)),
            None => self.copied_command(&call, command).await,
        }
    }

    /// The claims of a command in their order, and the revision of the next one.
    pub(super) async fn claims(&self, call: &Call, command: CommandId) -> Result<(Vec<Claim>, u64), ReadError> {
        let read = |data: &[u8]| Claim::read(data).map(|claim| vec![claim]);
        self.notes(call, &claims::claim_stream(command), read).await
    }

    /// The commands of a bucket of a copied log, and the revision of its next event.
    pub(super) async fn copied_commands(
        &self,
        call: &Call,
        bucket: u16,
    ) -> Result<(Vec<CopiedCommand>, u64), ReadError> {
        self.notes(call, &claims::copied_stream(bucket), claims::read_copied).await
    }

    /// All that a technical stream holds in its order, and the revision of its next event. What `read` makes nothing of
    /// was written by another program.
    async fn notes<T: Send>(
        &self,
        call: &Call,
        stream: &str,
        read: fn(&[u8]) -> Option<Vec<T>>,
    ) -> Result<(Vec<T>, u64), ReadError> {
        let (mut notes, mut next, mut strange) = (Vec::new(), 0, None);
        loop {
            let query = Query::Stream(stream, next);
            let mut take = |incoming: Incoming| {
                next = incoming.revision.saturating_add(1);
                match read(&incoming.data) {
                    Some(found) => notes.extend(found),
                    None => strange = Some(wire::foreign(&incoming)),
                }
                ControlFlow::Continue(())
            };
            let read = self.link.read(call, query, SEARCH_EVENTS, &mut take).await;
            match (read, strange.take()) {
                (Ok(_), Some(strange)) => return Err(strange.into()),
                (Ok(Read::Counted), None) => {}
                (Ok(Read::Ended | Read::Stopped) | Err(Problem::NotFound), _) => return Ok((notes, next)),
                (Err(problem), _) => return Err(problem.into()),
            }
        }
    }

    /// The events of a command, looked for wherever it was claimed for. What counts is the digest that they carry.
    pub(super) async fn carried_out(
        &self,
        call: &Call,
        command: CommandId,
        claims: &[Claim],
    ) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        for (stream, after) in claims::places(claims) {
            let from = after.map_or(Revision::FIRST, Revision::next).get();
            if let Some(found) = self.search(call, command, &stream, from).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn search(
        &self,
        call: &Call,
        command: CommandId,
        stream: &StreamId,
        from: u64,
    ) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        let (mut from, mut found, mut failed) = (from, None::<(CommandDigest, Appended)>, None);
        let mut index = 0_usize;
        while from <= REVISION_MAX {
            let query = Query::Stream(stream.as_str(), from);
            let mut take = |incoming: Incoming| {
                from = incoming.revision.saturating_add(1);
                if incoming.id != command.event(stream, index).as_uuid() {
                    // The events of a command stand together: behind the first ones there are no others.
                    return if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                }
                index = index.saturating_add(1);
                match decode(incoming) {
                    Ok(Decoded { event, command }) => {
                        let first_revision = found.take().map_or(event.revision, |(_, found)| found.first_revision);
                        let appended = Appended {
                            stream: event.stream,
                            first_revision,
                            last_revision: event.revision,
                            last_position: event.position,
                            repeated: true,
                        };
                        found = Some((command.digest, appended));
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            };
            let read = self.link.read(call, query, SEARCH_EVENTS, &mut take).await;
            if let Some(error) = failed {
                return Err(error);
            }
            match read {
                Ok(Read::Counted) => {}
                Ok(Read::Ended | Read::Stopped) | Err(Problem::NotFound) => break,
                Err(Problem::Deleted) => return Err(LogFault::Deleted { stream: stream.clone() }.into()),
                Err(problem) => return Err(problem.into()),
            }
        }
        Ok(found)
    }

    /// A command of the log that this one is a copy of.
    pub(super) async fn copied_command(
        &self,
        call: &Call,
        command: CommandId,
    ) -> Result<Option<(CommandDigest, Appended)>, ReadError> {
        if !self.is_copy() {
            return Ok(None);
        }
        let bucket = self.bucket(call, claims::copied_bucket(command)).await?;
        let Some(copied) = bucket.get(&command) else { return Ok(None) };
        let Some(last) = self.event_at(call, &copied.stream, copied.last).await? else {
            let what = format!("the last event of command {command}, which was copied, is not there");
            return Err(LogFault::Protocol { what }.into());
        };
        let appended = Appended {
            stream: copied.stream.clone(),
            first_revision: copied.first,
            last_revision: copied.last,
            last_position: last.event.position,
            repeated: true,
        };
        Ok(Some((copied.digest, appended)))
    }

    /// One event of a stream; `None` when it is not there.
    pub(super) async fn event_at(
        &self,
        call: &Call,
        stream: &StreamId,
        revision: Revision,
    ) -> Result<Option<Decoded>, ReadError> {
        let mut found = None;
        let mut take = |incoming: Incoming| {
            if incoming.revision == revision.get() {
                found = Some(decode(incoming));
            }
            ControlFlow::Break(())
        };
        match self.link.read(call, Query::Stream(stream.as_str(), revision.get()), 1, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => found.transpose(),
            Err(Problem::Deleted) => Err(LogFault::Deleted { stream: stream.clone() }.into()),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn bucket(&self, call: &Call, bucket: u16) -> Result<Arc<CopiedBucket>, ReadError> {
        if let Some(known) = locked(&self.buckets).get(&bucket) {
            return Ok(Arc::clone(known));
        }
        let commands = Arc::new(claims::by_id(self.copied_commands(call, bucket).await?.0));
        locked(&self.buckets).insert(bucket, Arc::clone(&commands));
        Ok(commands)
    }
}
