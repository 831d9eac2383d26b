//! What the store remembers of the whole log, so that it asks for nothing twice and sees what is missing.

use std::collections::HashMap;
use std::ops::ControlFlow;

use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;

use super::filter::is_technical;
use super::wire::Incoming;
use crate::fault::LogFault;
use crate::sqlite::cache::Generations;

/// Streams whose newest revision is remembered.
const STREAMS_MAX: usize = 65_536;

/// Where something stands in the servers' whole log. Both numbers go together when reading goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) commit: u64,
    pub(super) prepare: u64,
}

impl Cursor {
    /// The place of an event of the log, whose two numbers are the same.
    pub(super) const fn at(position: Position) -> Self {
        Self { commit: position.get(), prepare: position.get() }
    }
}

/// The end of the log as far as it was read: behind the newest event of ours there is nothing of ours up to a place
/// that lies among technical events.
///
/// The servers append at the end only, so what was read once stays so.
#[derive(Debug, Default)]
pub(super) struct Tail {
    ours: Option<Position>,
    scanned: Option<Cursor>,
    /// The furthest place that anything is known to stand at.
    furthest: Option<u64>,
}

impl Tail {
    /// Where reading behind `after` may begin: there, or further on when nothing of ours stands between.
    pub(super) fn start(&self, after: Option<Position>) -> Option<Cursor> {
        match self.scanned {
            Some(scanned) if after >= self.ours && after.is_none_or(|after| after.get() < scanned.commit) => {
                Some(scanned)
            }
            _ => after.map(Cursor::at),
        }
    }

    /// Everything from `start` up to `scanned` was read; `ours` is the last event of ours among it.
    pub(super) fn saw(&mut self, start: Option<Cursor>, ours: Option<Position>, scanned: Cursor) {
        self.knows(scanned.commit);
        let further = self.scanned.is_none_or(|known| scanned.commit > known.commit);
        if !further {
            return;
        }
        // What was read joins what is known, or it stands alone.
        let joins = self.scanned.is_some_and(|known| {
            let from = start.map_or(0, |start| start.commit);
            from <= known.commit && start.map(|start| Position::new(start.commit)) >= self.ours
        });
        self.ours = match ours {
            Some(ours) => Some(ours),
            None if joins => self.ours,
            None => start.map(|start| Position::new(start.commit)),
        };
        self.scanned = Some(scanned);
    }

    /// Something stands at `commit`.
    pub(super) fn knows(&mut self, commit: u64) {
        self.furthest = self.furthest.max(Some(commit));
    }

    /// Whether something is known to stand at `commit` or behind it.
    pub(super) fn reaches(&self, commit: u64) -> bool {
        self.furthest >= Some(commit)
    }

    /// Whether a search of the servers' log from its `end` backwards has come to what is known up to `known_to`.
    ///
    /// It never does where the log ends before that: it was restored from an older backup, and what is known of its end
    /// is true of it no more.
    pub(super) fn joins(known_to: Option<Cursor>, end: Cursor, place: Cursor) -> bool {
        known_to.is_some_and(|known_to| place.commit <= known_to.commit && known_to.commit <= end.commit)
    }

    /// The newest event of ours and how far it is known to be the newest.
    pub(super) const fn newest(&self) -> (Option<Position>, Option<Cursor>) {
        (self.ours, self.scanned)
    }
}

/// A search of the servers' log from its end backwards, for the newest event of ours or for what is known.
#[derive(Debug)]
pub(super) struct Search {
    known_to: Option<Cursor>,
    /// Where the read begins that is under way; `None` for the one from the end.
    pub(super) before: Option<Cursor>,
    /// The place of the last event that came.
    pub(super) last: Option<Cursor>,
    /// Everything from here back to the last event was read.
    pub(super) end: Option<Cursor>,
    pub(super) found: Option<Position>,
    /// It has come to what is known.
    pub(super) joined: bool,
}

impl Search {
    /// One that ends where the log is known up to `known_to`.
    pub(super) const fn behind(known_to: Option<Cursor>) -> Self {
        Self { known_to, before: None, last: None, end: None, found: None, joined: false }
    }

    /// Takes an event, and breaks off when it is one that was looked for.
    pub(super) fn take(&mut self, incoming: &Incoming) -> ControlFlow<()> {
        let place = incoming.place();
        // A read that was cut off begins anew, on another leader maybe, and the end may be further on then or further
        // back. What the cut one began with does not count: nobody has read what lies between it and this end.
        let anew = incoming.begins && self.before.is_none();
        let end = self.end.filter(|_| !anew).unwrap_or(place);
        (self.end, self.last) = (Some(end), Some(place));
        self.joined = Tail::joins(self.known_to, end, place);
        self.found = (!self.joined && !is_technical(&incoming.stream)).then(|| Position::new(place.commit));
        if self.joined || self.found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The stretch of the log that this process has seen event by event, with the newest revision of every stream in it.
///
/// A stream that goes on within it with another revision than the next one has lost events. Readers that are elsewhere
/// in the log are checked within each of their pages only.
#[derive(Debug)]
pub(super) struct Coverage {
    /// Behind which position it begins and up to which it goes; `None` before the first page.
    seen: Option<(Option<Position>, Position)>,
    newest: Generations<StreamId, Revision>,
    /// Streams put into `newest`: more than it holds, and a stream that is not in it may have been.
    streams: usize,
}

impl Coverage {
    /// Nothing was seen yet.
    pub(super) fn new() -> Self {
        Self { seen: None, newest: Generations::new(STREAMS_MAX), streams: 0 }
    }

    /// Checks a page that was read behind `after`, and remembers it.
    pub(super) fn check<'e>(
        &mut self,
        after: Option<Position>,
        events: impl Iterator<Item = &'e RecordedEvent> + Clone,
    ) -> Result<(), LogFault> {
        check_page(events.clone())?;
        let Some(last) = events.clone().last() else { return Ok(()) };
        let new_to = match self.seen {
            // It begins within what was seen; what goes beyond it is new.
            Some((from, to)) if after >= from && after <= Some(to) => to,
            Some((_, to)) if after <= Some(to) => return Ok(()),
            // It begins behind a place up to which nobody has read: what was seen before says nothing about it.
            Some(_) | None => {
                *self = Self::new();
                Position::new(after.map_or(0, Position::get))
            }
        };
        let from = self.seen.map_or(after, |(from, _)| from);
        for event in events.filter(|event| event.position > new_to) {
            self.follow(from, event)?;
            self.seen = Some((from, event.position));
        }
        let to = self.seen.map_or(last.position, |(_, to)| to.max(last.position));
        self.seen = Some((from, to));
        Ok(())
    }

    /// Whether an event of the stream was seen, as far as that is remembered.
    pub(super) fn knows(&mut self, stream: &StreamId) -> bool {
        self.newest.get(stream).is_some()
    }

    fn follow(&mut self, from: Option<Position>, event: &RecordedEvent) -> Result<(), LogFault> {
        let expected = match self.newest.get(&event.stream) {
            Some(newest) => Some(newest.next()),
            None => {
                self.streams = self.streams.saturating_add(1);
                // From the beginning of the log on, and with every stream remembered, a stream begins where it begins.
                (from.is_none() && self.streams <= STREAMS_MAX).then_some(Revision::FIRST)
            }
        };
        if let Some(expected) = expected.filter(|expected| *expected != event.revision) {
            return Err(truncated(event, expected));
        }
        self.newest.insert(event.stream.clone(), event.revision);
        Ok(())
    }
}

/// Within a page, every stream goes on without a gap.
fn check_page<'e>(events: impl Iterator<Item = &'e RecordedEvent>) -> Result<(), LogFault> {
    let mut newest: HashMap<&StreamId, Revision> = HashMap::new();
    for event in events {
        match newest.insert(&event.stream, event.revision) {
            Some(before) if before.next() != event.revision => return Err(truncated(event, before.next())),
            Some(_) | None => {}
        }
    }
    Ok(())
}

fn truncated(event: &RecordedEvent, expected: Revision) -> LogFault {
    LogFault::Truncated { stream: event.stream.clone(), expected, found: event.revision }
}

#[cfg(test)]
mod tests {
    use domain::id::CommandId;

    use super::*;
    use crate::contract::fixture::{SOME_MICROS, moment};

    fn cursor(at: u64) -> Cursor {
        Cursor { commit: at, prepare: at }
    }

    fn position(at: u64) -> Option<Position> {
        Some(Position::new(at))
    }

    fn event(at: u64, stream: &str, revision: u64) -> RecordedEvent {
        let stream = StreamId::parse(stream).unwrap();
        RecordedEvent {
            position: Position::new(at),
            id: CommandId::derived(&["scan"]).event(&stream, 0),
            stream,
            revision: Revision::new(revision),
            kind: "scan.seen".into(),
            schema: 1,
            occurred_at: moment(SOME_MICROS),
            recorded_at: moment(SOME_MICROS),
            metadata: "{}".into(),
            payload: "{}".into(),
        }
    }

    #[test]
    fn a_foreign_tail_is_not_read_again() {
        let mut tail = Tail::default();
        assert_eq!((tail.start(None), tail.start(position(5))), (None, Some(cursor(5))));
        // Behind our event at 10 there is nothing of ours up to 90.
        tail.saw(None, position(10), cursor(90));
        assert_eq!(tail.start(position(10)), Some(cursor(90)));
        assert_eq!(tail.start(position(50)), Some(cursor(90)));
        assert_eq!(tail.start(position(9)), Some(cursor(9)), "the event at 10 stands between");
        assert_eq!(tail.start(None), None);
        assert_eq!(tail.start(position(90)), Some(cursor(90)));
        assert_eq!(tail.start(position(95)), Some(cursor(95)));
        // More of the same.
        tail.saw(Some(cursor(90)), None, cursor(99));
        assert_eq!(tail.start(position(10)), Some(cursor(99)));
        assert_eq!(tail.newest(), (position(10), Some(cursor(99))));
        // Ours again.
        tail.saw(Some(cursor(99)), position(120), cursor(130));
        assert_eq!(tail.start(position(10)), Some(cursor(10)));
        assert_eq!(tail.start(position(120)), Some(cursor(130)));
        // A reader far behind teaches nothing new.
        tail.saw(Some(cursor(5)), position(10), cursor(50));
        assert_eq!(tail.newest(), (position(120), Some(cursor(130))));
    }

    #[test]
    fn a_log_without_events_of_ours_is_scanned_once() {
        let mut tail = Tail::default();
        tail.saw(None, None, cursor(40));
        assert_eq!(tail.start(None), Some(cursor(40)));
        assert_eq!(tail.newest(), (None, Some(cursor(40))));
        tail.saw(Some(cursor(40)), None, cursor(60));
        assert_eq!(tail.start(None), Some(cursor(60)));
    }

    #[test]
    fn what_was_read_apart_from_the_known_stands_alone() {
        let mut tail = Tail::default();
        tail.saw(None, position(10), cursor(20));
        tail.saw(Some(cursor(100)), None, cursor(150));
        assert_eq!(tail.start(position(10)), Some(cursor(10)), "what lies between 20 and 100 is not known");
        assert_eq!(tail.start(position(100)), Some(cursor(150)));
    }

    #[test]
    fn a_log_that_ends_before_what_is_known_is_searched_itself() {
        let known_to = Some(cursor(90));
        assert!(!Tail::joins(None, cursor(120), cursor(50)), "nothing is known");
        assert!(!Tail::joins(known_to, cursor(120), cursor(100)), "not there yet");
        assert!(Tail::joins(known_to, cursor(120), cursor(90)));
        assert!(Tail::joins(known_to, cursor(120), cursor(80)), "what stood at 90 was scavenged");
        assert!(Tail::joins(known_to, cursor(90), cursor(90)));
        assert!(!Tail::joins(known_to, cursor(80), cursor(80)) && !Tail::joins(known_to, cursor(80), cursor(10)));
    }

    /// An event at a place, ours or a technical one; `begins` when it is the first of an attempt.
    fn seen(at: u64, stream: &str, begins: bool) -> Incoming {
        Incoming {
            stream: stream.to_owned(),
            revision: 0,
            id: CommandId::derived(&["seen"]).as_uuid(),
            kind: "scan.seen".to_owned(),
            data: Vec::new(),
            metadata: Vec::new(),
            commit: at,
            prepare: at,
            begins,
        }
    }

    #[test]
    fn a_search_that_begins_anew_counts_from_where_it_begins() {
        let technical = "baycase.lease-sweep";
        // It is cut off behind its first event, and the leader that is asked then ends further back.
        let mut search = Search::behind(None);
        assert!(search.take(&seen(200, technical, true)).is_continue());
        assert!(search.take(&seen(150, technical, true)).is_continue());
        assert!(search.take(&seen(140, "a-1", false)).is_break());
        assert_eq!((search.end, search.found, search.joined), (Some(cursor(150)), position(140), false));
        let mut tail = Tail::default();
        tail.saw(None, search.found, cursor(150));
        assert_eq!(tail.start(position(140)), Some(cursor(150)), "nobody has read what stands behind 150");

        // What is known beyond that end is not come to, though the read that was cut off began behind it.
        let mut search = Search::behind(Some(cursor(180)));
        assert!(search.take(&seen(200, technical, true)).is_continue());
        assert!(search.take(&seen(150, technical, true)).is_continue());
        assert!(search.take(&seen(140, "a-1", false)).is_break() && !search.joined);
        // Further on, it is.
        let mut search = Search::behind(Some(cursor(180)));
        assert!(search.take(&seen(200, technical, true)).is_continue());
        assert!(search.take(&seen(210, technical, true)).is_continue());
        assert!(search.take(&seen(180, "a-1", false)).is_break());
        assert_eq!((search.end, search.found, search.joined), (Some(cursor(210)), None, true));
    }

    #[test]
    fn a_search_that_goes_on_keeps_its_end() {
        let technical = "baycase.lease-sweep";
        let mut search = Search::behind(None);
        assert!(search.take(&seen(200, technical, true)).is_continue());
        assert!(search.take(&seen(190, technical, false)).is_continue());
        search.before = search.last;
        // The second read is cut off as well, and begins anew where it began.
        for _ in 0..2 {
            assert!(search.take(&seen(180, technical, true)).is_continue());
        }
        assert!(search.take(&seen(170, "a-1", false)).is_break());
        assert_eq!((search.end, search.found), (Some(cursor(200)), position(170)));
    }

    #[test]
    fn the_furthest_place_is_remembered() {
        let mut tail = Tail::default();
        assert!(!tail.reaches(0));
        tail.knows(7);
        tail.knows(3);
        assert!(tail.reaches(7) && tail.reaches(0) && !tail.reaches(8));
        tail.saw(None, None, cursor(9));
        assert!(tail.reaches(9) && !tail.reaches(10));
    }

    fn check(coverage: &mut Coverage, after: Option<Position>, events: &[RecordedEvent]) -> Result<(), LogFault> {
        coverage.check(after, events.iter())
    }

    #[test]
    fn a_gap_within_a_page_is_seen() {
        let events = [event(1, "a-1", 4), event(2, "b-1", 0), event(3, "a-1", 6)];
        let fault = check(&mut Coverage::new(), position(9), &events).unwrap_err();
        let stream = StreamId::parse("a-1").unwrap();
        assert_eq!(fault, LogFault::Truncated { stream, expected: Revision::new(5), found: Revision::new(6) });
    }

    #[test]
    fn a_gap_between_pages_is_seen() {
        let mut coverage = Coverage::new();
        check(&mut coverage, position(10), &[event(11, "a-1", 4), event(12, "b-1", 7)]).unwrap();
        check(&mut coverage, position(12), &[event(13, "b-1", 8)]).unwrap();
        assert!(check(&mut coverage, position(13), &[event(14, "a-1", 6)]).is_err());
        check(&mut coverage, position(13), &[event(14, "a-1", 5), event(15, "c-1", 9)]).unwrap();
        assert!(coverage.knows(&StreamId::parse("c-1").unwrap()));
    }

    #[test]
    fn from_the_beginning_on_a_stream_begins_with_its_first_event() {
        let mut coverage = Coverage::new();
        check(&mut coverage, None, &[event(1, "a-1", 0), event(2, "a-1", 1)]).unwrap();
        assert!(check(&mut coverage, position(2), &[event(3, "b-1", 1)]).is_err());
        assert!(check(&mut Coverage::new(), None, &[event(3, "b-1", 1)]).is_err());
    }

    #[test]
    fn readers_at_several_places_do_not_disturb_each_other() {
        let mut coverage = Coverage::new();
        check(&mut coverage, position(10), &[event(11, "a-1", 4)]).unwrap();
        // One that reads the same again, and one step further.
        check(&mut coverage, position(10), &[event(11, "a-1", 4), event(12, "a-1", 5)]).unwrap();
        // One that builds anew from the beginning.
        check(&mut coverage, None, &[event(1, "a-1", 0), event(2, "a-1", 1)]).unwrap();
        check(&mut coverage, position(5), &[event(6, "a-1", 3), event(11, "a-1", 4)]).unwrap();
        assert!(check(&mut coverage, position(12), &[event(13, "a-1", 7)]).is_err());
        // One that jumps ahead: what came between is not known.
        check(&mut coverage, position(50), &[event(51, "a-1", 20)]).unwrap();
        assert!(check(&mut coverage, position(51), &[event(52, "a-1", 22)]).is_err());
    }
}
