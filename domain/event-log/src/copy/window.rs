//! The way back into a file: recording times must not go back there, and on servers they may.
//!
//! Several processes write a log on servers, each by its own clock, and a log that was copied there has streams side by
//! side that were not. So a stretch of the log is held, and what was recorded earliest leaves it first. The events of
//! one command were recorded at one moment, and leave it together: a file takes them as one append or not at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use domain::envelope::{CommandDigest, Position, RecordedEvent};
use domain::id::{CommandId, StreamId};

use super::Copied;

/// The events of one command, in the order of their stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: CommandId,
    pub digest: CommandDigest,
    pub recorded_at: DateTime<Utc>,
    /// At least one.
    pub events: Vec<RecordedEvent>,
    /// The position of the event before its first one in the log that it comes from.
    before: Option<Position>,
}

/// Holds events that come in the order of their log, and lets them go in the order of their recording.
#[derive(Debug)]
pub struct Window {
    events_max: usize,
    held: usize,
    /// By the position of their first event.
    runs: BTreeMap<u64, Run>,
    /// When each goes: by its moment, which never is before that of its stream's run before it, and by its position.
    order: BinaryHeap<Reverse<(i64, u64)>>,
    /// The last run of every stream that has one, and when it goes.
    newest: HashMap<StreamId, (u64, i64)>,
    /// The last event that came.
    last: Option<Position>,
}

impl Window {
    /// A window of so many events onto the log behind `after`.
    #[must_use]
    pub fn new(events_max: usize, after: Option<Position>) -> Self {
        Self {
            events_max,
            held: 0,
            runs: BTreeMap::new(),
            order: BinaryHeap::new(),
            newest: HashMap::new(),
            last: after,
        }
    }

    /// Takes the next event in.
    pub fn push(&mut self, (event, command, digest): Copied) {
        let before = self.last.replace(event.position);
        let recorded_at = event.recorded_at;
        self.held = self.held.saturating_add(1);
        let newest = self.newest.get(&event.stream).copied();
        if let Some((first, _)) = newest
            && let Some(run) = self.runs.get_mut(&first)
            && run.command == command
            && run.recorded_at == recorded_at
        {
            run.events.push(event);
            return;
        }
        let first = event.position.get();
        let micros = recorded_at.timestamp_micros();
        let goes = newest.map_or(micros, |(_, goes)| goes.max(micros));
        self.newest.insert(event.stream.clone(), (first, goes));
        self.order.push(Reverse((goes, first)));
        self.runs.insert(first, Run { command, digest, recorded_at, events: vec![event], before });
    }

    /// What goes next, when more is held than the window is wide. A run that the next event may belong to stays.
    pub fn ready(&mut self) -> Option<Run> {
        let Reverse((_, first)) = self.order.peek()?;
        let may_grow = self.runs.get(first)?.events.last().map(|event| event.position) == self.last;
        if self.held <= self.events_max || may_grow { None } else { self.rest() }
    }

    /// What goes next when nothing more comes.
    pub fn rest(&mut self) -> Option<Run> {
        let Reverse((_, first)) = self.order.pop()?;
        let run = self.runs.remove(&first)?;
        self.held = self.held.saturating_sub(run.events.len());
        if let Some(event) = run.events.first()
            && self.newest.get(&event.stream).is_some_and(|(newest, _)| *newest == first)
        {
            self.newest.remove(&event.stream);
        }
        Some(run)
    }

    /// The position up to which everything has gone: behind it a copy that was broken off goes on.
    #[must_use]
    pub fn reached(&self) -> Option<Position> {
        match self.runs.first_key_value() {
            Some((_, earliest)) => earliest.before,
            None => self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::copy::fixture::copied;

    fn through(events_max: usize, events: impl IntoIterator<Item = Copied>) -> Vec<Run> {
        let mut window = Window::new(events_max, None);
        let mut gone = Vec::new();
        for copied in events {
            window.push(copied);
            while let Some(run) = window.ready() {
                gone.push(run);
            }
        }
        gone.extend(std::iter::from_fn(|| window.rest()));
        gone
    }

    fn positions(runs: &[Run]) -> Vec<u64> {
        runs.iter().flat_map(|run| run.events.iter().map(|event| event.position.get())).collect()
    }

    #[test]
    fn what_was_recorded_earlier_goes_first() {
        let events = [
            copied(10, "a-1", 0, "a", 5),
            copied(20, "b-1", 0, "b", 3),
            copied(30, "b-1", 1, "b", 3),
            copied(40, "c-1", 0, "c", 5),
            copied(50, "d-1", 0, "d", 4),
        ];
        assert_eq!(positions(&through(9, events.clone())), [20, 30, 50, 10, 40]);
        assert_eq!(positions(&through(3, events.clone())), [20, 30, 50, 10, 40]);
        // Too narrow, the last one comes too late.
        assert_eq!(positions(&through(1, events)), [20, 30, 10, 50, 40]);
    }

    #[test]
    fn the_events_of_a_command_go_together() {
        let events = [copied(1, "a-1", 0, "a", 0), copied(2, "b-1", 0, "b", 0), copied(3, "a-1", 1, "a", 0)];
        let runs = through(9, events);
        assert_eq!(runs.iter().map(|run| run.events.len()).collect::<Vec<_>>(), [2, 1]);
        // Also when the window is too narrow for them: the last one that came may not be the last one of its command.
        let narrow = through(0, (0..4).map(|n| copied(n + 1, "a-1", n, if n < 3 { "a" } else { "b" }, 0)));
        assert_eq!(narrow.iter().map(|run| run.events.len()).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn a_stream_keeps_its_order_whatever_its_times_say() {
        let events = [copied(1, "a-1", 0, "a", 9), copied(2, "a-1", 1, "b", 3), copied(3, "b-1", 0, "c", 5)];
        assert_eq!(positions(&through(9, events)), [3, 1, 2]);
    }

    #[test]
    fn a_copy_goes_on_behind_what_has_gone_altogether() {
        let mut window = Window::new(1, Some(Position::new(7)));
        assert_eq!(window.reached(), Some(Position::new(7)));
        for (position, seconds) in [(10, 9), (20, 1), (30, 2)] {
            window.push(copied(position, &format!("a-{position}"), 0, &position.to_string(), seconds));
        }
        assert_eq!(window.ready().unwrap().events[0].position.get(), 20);
        assert_eq!(window.reached(), Some(Position::new(7)), "10 is held");
        assert_eq!(window.rest().unwrap().events[0].position.get(), 30);
        assert!(window.rest().is_some());
        assert_eq!(window.reached(), Some(Position::new(30)));
        assert_eq!(window.rest(), None);
    }

    proptest! {
        #[test]
        fn a_window_as_wide_as_the_disorder_puts_it_right(
            mut times in prop::collection::vec(0_i64..1_000, 1..150),
            page in 1_usize..40,
            seed in any::<u64>(),
        ) {
            // Sorted, then each page of it in some other order, as the way into servers leaves it.
            times.sort_unstable();
            let mut order: Vec<usize> = (0..times.len()).collect();
            for page in order.chunks_mut(page) {
                page.sort_by_key(|place| (u64::try_from(*place).unwrap() ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            }
            let events = order.iter().zip(1..).map(|(place, position)| {
                copied(position, &format!("s-{place}"), 0, &place.to_string(), times[*place])
            });
            let mut window = Window::new(page, None);
            let mut gone: Vec<Run> = Vec::new();
            for copied in events {
                window.push(copied);
                while let Some(run) = window.ready() {
                    gone.push(run);
                    let reached = window.reached().map_or(0, Position::get);
                    let done = positions(&gone);
                    prop_assert!((1..=reached).all(|position| done.contains(&position)), "{reached} of {done:?}");
                }
            }
            gone.extend(std::iter::from_fn(|| window.rest()));
            prop_assert_eq!(gone.len(), times.len());
            prop_assert!(gone.iter().map(|run| run.recorded_at).is_sorted());
        }
    }
}
