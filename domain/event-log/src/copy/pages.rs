//! The way into a log on servers: events that are copied at once, and the appends that they make.
//!
//! Servers take one stream in an append, and an append costs a journey. So a stretch of the log is taken together, and
//! each of its streams makes one append of all that it has there. Streams change places with each other by that, and
//! two things bound it:
//! - A stretch never goes beyond a local day of recording. What was known at the end of a day is what dashboards are
//!   asked for, and read models take that day from the order of the log: no event may come to stand behind one of a
//!   later day.
//! - Within it, what others refer to comes first: units before filings, filings before complaints.

use std::collections::HashMap;

use chrono::NaiveDate;
use domain::day::local_day;
use domain::envelope::{Position, RecordedEvent, Revision};
use domain::id::StreamId;

use super::Copied;
use crate::port::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, EVENT_FRAME_BYTES, Expected};

/// Texts of one page in bytes: a page that reaches this ends there.
pub const PAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Waves of a page, the last for whatever has no other.
const WAVES: usize = 5;

/// Events of one stream, as appends that go one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub stream: StreamId,
    /// None of them is empty, and none more than an append may hold.
    pub appends: Vec<Vec<Copied>>,
}

/// A stretch of the log that is copied at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// One behind the other; the chains of one wave in any order. A stream stands in one chain.
    pub waves: Vec<Vec<Chain>>,
    /// The position of its last event.
    pub last: Position,
    pub events: usize,
}

/// Cuts a log that comes in its order into pages.
#[derive(Debug)]
pub struct Pages {
    events_max: usize,
    held: Vec<Copied>,
    text_bytes: usize,
    /// The local day that the last event was recorded on.
    day: NaiveDate,
}

impl Pages {
    /// Pages of at most so many events; 0 is taken as 1.
    #[must_use]
    pub const fn new(events_max: usize) -> Self {
        Self { events_max, held: Vec::new(), text_bytes: 0, day: NaiveDate::MIN }
    }

    /// Takes the next event in. Gives the page that ends before it, when one does.
    pub fn push(&mut self, copied: Copied) -> Option<Page> {
        let day = local_day(copied.0.recorded_at);
        let is_full = self.held.len() >= self.events_max || self.text_bytes >= PAGE_BYTES_MAX;
        let ended = if is_full || day != self.day { self.rest() } else { None };
        self.day = day;
        self.text_bytes = self.text_bytes.saturating_add(text_bytes(&copied.0));
        self.held.push(copied);
        ended
    }

    /// What is held, as the last page; `None` when it is nothing.
    pub fn rest(&mut self) -> Option<Page> {
        self.text_bytes = 0;
        Page::of(std::mem::take(&mut self.held))
    }
}

impl Page {
    fn of(events: Vec<Copied>) -> Option<Self> {
        let (last, count) = (events.last()?.0.position, events.len());
        let mut places: HashMap<StreamId, usize> = HashMap::new();
        let mut streams: Vec<(StreamId, Vec<Copied>)> = Vec::new();
        for copied in events {
            let place = match places.get(&copied.0.stream) {
                Some(place) => *place,
                None => {
                    let stream = copied.0.stream.clone();
                    places.insert(stream.clone(), streams.len());
                    streams.push((stream, Vec::new()));
                    streams.len() - 1
                }
            };
            if let Some((_, events)) = streams.get_mut(place) {
                events.push(copied);
            }
        }
        drop(places);
        let mut waves: [Vec<Chain>; WAVES] = Default::default();
        for (stream, events) in streams {
            if let Some(wave) = waves.get_mut(wave(stream.category())) {
                wave.push(Chain { stream, appends: appends(events) });
            }
        }
        let waves = waves.into_iter().filter(|wave| !wave.is_empty()).collect();
        Some(Self { waves, last, events: count })
    }
}

/// Which streams go together: those that others refer to before the others.
fn wave(category: &str) -> usize {
    match category {
        "unit" | "operator" | "subject" | "rulebook" | "calendar" => 0,
        "filing" => 1,
        "complaint" | "report" | "enquiry" => 2,
        "referral" => 3,
        _ => WAVES - 1,
    }
}

/// What a stream must be at before these events of it are appended.
#[must_use]
pub fn expected(events: &[Copied]) -> Expected {
    let before = events.first().and_then(|(event, ..)| event.revision.get().checked_sub(1));
    before.map_or(Expected::NoStream, |before| Expected::At(Revision::new(before)))
}

fn text_bytes(event: &RecordedEvent) -> usize {
    event.payload.len().saturating_add(event.metadata.len())
}

/// The size of an event as a part of an append.
fn size(copied: &Copied) -> usize {
    text_bytes(&copied.0).saturating_add(copied.0.kind.len()).saturating_add(EVENT_FRAME_BYTES)
}

/// Cuts the events of a stream into appends that every engine takes.
fn appends(events: Vec<Copied>) -> Vec<Vec<Copied>> {
    let lengths = lengths(&events);
    if lengths.len() <= 1 {
        return vec![events];
    }
    let mut rest = events.into_iter();
    lengths.into_iter().map(|length| rest.by_ref().take(length).collect()).collect()
}

/// How many events each append holds. Those of one command stand in one append, unless they are too many by themselves,
/// which only older programs wrote.
fn lengths(events: &[Copied]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut open = Open::default();
    for of_command in events.chunk_by(|one, next| one.1 == next.1) {
        let bytes = of_command.iter().map(size).sum();
        if !open.has_room(of_command.len(), bytes) {
            lengths.extend(open.end());
        }
        if open.has_room(of_command.len(), bytes) {
            open.add(of_command.len(), bytes);
            continue;
        }
        for event in of_command {
            if !open.has_room(1, size(event)) {
                lengths.extend(open.end());
            }
            open.add(1, size(event));
        }
    }
    lengths.extend(open.end());
    lengths
}

/// An append that is being filled.
#[derive(Default)]
struct Open {
    events: usize,
    bytes: usize,
}

impl Open {
    const fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.events.saturating_add(events) <= APPEND_EVENTS_MAX && self.bytes.saturating_add(bytes) <= APPEND_BYTES_MAX
    }

    const fn add(&mut self, events: usize, bytes: usize) {
        self.events = self.events.saturating_add(events);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Its length, unless it is empty; another begins.
    fn end(&mut self) -> Option<usize> {
        Some(std::mem::take(self).events).filter(|events| *events > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::copy::fixture::copied;

    const DAY: i64 = 86_400;

    fn all_of(pages: &[Page]) -> Vec<&Copied> {
        let chains = pages.iter().flat_map(|page| page.waves.iter().flatten());
        chains.flat_map(|chain| chain.appends.iter().flatten()).collect()
    }

    fn cut(events_max: usize, events: impl IntoIterator<Item = Copied>) -> Vec<Page> {
        let mut pages = Pages::new(events_max);
        let mut cut: Vec<Page> = events.into_iter().filter_map(|copied| pages.push(copied)).collect();
        cut.extend(pages.rest());
        cut
    }

    #[test]
    fn a_stream_makes_one_append_of_all_that_it_has_in_a_page() {
        let events = [
            copied(1, "complaint-1", 0, "a", 0),
            copied(2, "filing-1", 0, "b", 0),
            copied(3, "complaint-1", 1, "c", 1),
            copied(4, "unit-1", 7, "d", 2),
            copied(5, "letter-1", 0, "e", 2),
        ];
        let pages = cut(10, events);
        let [page] = &pages[..] else { panic!("one page") };
        assert_eq!((page.last, page.events), (Position::new(5), 5));
        let names: Vec<Vec<&str>> =
            page.waves.iter().map(|wave| wave.iter().map(|chain| chain.stream.as_str()).collect()).collect();
        assert_eq!(names, [["unit-1"], ["filing-1"], ["complaint-1"], ["letter-1"]]);
        assert_eq!(page.waves[2][0].appends[0].len(), 2);
        assert_eq!(expected(&page.waves[0][0].appends[0]), Expected::At(Revision::new(6)));
        assert_eq!(expected(&page.waves[2][0].appends[0]), Expected::NoStream);
    }

    #[test]
    fn a_page_ends_with_its_day_and_when_it_is_full() {
        let events = [0, 0, 0, DAY, DAY, 2 * DAY];
        let events = events.iter().zip(1..).map(|(seconds, at)| copied(at, "filing-1", at - 1, "a", *seconds));
        let lengths: Vec<usize> = cut(2, events).iter().map(|page| page.events).collect();
        assert_eq!(lengths, [2, 1, 2, 1]);
        assert!(cut(2, []).is_empty());
    }

    #[test]
    fn an_append_ends_between_two_commands() {
        let commands = ["a", "a", "b", "c"];
        let text = "x".repeat(200_000);
        let events: Vec<Copied> = commands
            .iter()
            .zip(0..)
            .map(|(command, revision)| {
                let (event, id, digest) = copied(revision + 1, "filing-1", revision, command, 0);
                let payload: Box<str> = if *command == "c" { "x".repeat(700_000).into() } else { text.as_str().into() };
                (RecordedEvent { payload, ..event }, id, digest)
            })
            .collect();
        let lengths: Vec<usize> = appends(events).iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 1]);
    }

    #[test]
    fn what_one_command_has_too_much_of_is_cut_all_the_same() {
        let lengths = |count: u64| {
            let events = (0..count).map(|revision| copied(revision + 1, "filing-1", revision, "a", 0)).collect();
            appends(events).iter().map(Vec::len).collect::<Vec<_>>()
        };
        let most = u64::try_from(APPEND_EVENTS_MAX).unwrap();
        assert_eq!(lengths(most), [APPEND_EVENTS_MAX]);
        assert_eq!(lengths(most + 1), [APPEND_EVENTS_MAX, 1]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_every_stream_keeps_its_order(
            steps in prop::collection::vec((0_usize..6, 0_i64..40_000), 0..200),
            events_max in 0_usize..40,
        ) {
            let (mut revisions, mut seconds, mut events) = ([0_u64; 6], 0, Vec::new());
            for ((stream, pause), position) in steps.into_iter().zip(1..) {
                seconds += pause;
                let name = format!("{}-{stream}", ["unit", "filing", "complaint"][stream % 3]);
                events.push(copied(position, &name, revisions[stream], &format!("c{}", position / 2), seconds));
                revisions[stream] += 1;
            }
            let pages = cut(events_max, events.clone());
            let all = all_of(&pages);
            prop_assert_eq!(all.len(), events.len());
            let mut next: HashMap<&StreamId, u64> = HashMap::new();
            for (event, ..) in &all {
                let expected = next.entry(&event.stream).or_default();
                prop_assert_eq!(event.revision.get(), *expected);
                *expected += 1;
            }
            let days: Vec<NaiveDate> = all.iter().map(|(event, ..)| local_day(event.recorded_at)).collect();
            prop_assert!(days.is_sorted(), "an event stands behind one of a later day");
            prop_assert!(pages.iter().map(|page| page.last).is_sorted());
        }
    }
}
