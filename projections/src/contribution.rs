//! From a case's track to the numbers it stands for: the heart of the ledger.
//!
//! The ledger never adjusts a count. After each event it asks here what the case contributes now, and books the
//! difference to what it contributed before. Corrections, back-dated acts, transfers, stops, extensions and
//! reopenings are right because they are not special.
//!
//! All intervals are half-open over local days. A case is open at the end of a day iff it was registered or reopened
//! by then and not closed since. It is overdue on a day iff it is open and some running clock that was not stopped in
//! time is past its legal last day, or, in its first round, the deadline of its source lies before the end of the day.

use std::cmp::Ordering;

use domain::money::Currency;

use crate::measure::Measure;
use crate::track::{Clock, Fact, Handover, NEVER, Track, What, day_of};

#[cfg(test)]
mod evenings;
#[cfg(test)]
mod tests;

/// One number that a case adds to, at one unit and handler, from one day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) measure: Measure,
    pub(crate) unit: u32,
    /// 0 where no handler had the case.
    pub(crate) handler: u32,
    /// The unit on the other side of a transfer, else 0.
    pub(crate) peer: u32,
    pub(crate) day: i32,
    pub(crate) amount: i64,
}

impl Entry {
    fn key(&self) -> (Measure, u32, u32, u32, i32) {
        (self.measure, self.unit, self.handler, self.peer, self.day)
    }
}

/// Who has the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    unit: u32,
    handler: u32,
}

/// Works out contributions; keeps its buffers, because it is asked millions of times.
#[derive(Debug, Default)]
pub(crate) struct Contributor {
    /// From which day on who has the case; the last one for ever.
    holders: Vec<(i32, Place)>,
    open: Vec<(i32, i32)>,
    overdue: Vec<(i32, i32)>,
    entries: Vec<Entry>,
}

impl Contributor {
    /// The entries of a case, sorted, one per place and day, none of them zero.
    pub(crate) fn of(&mut self, track: &Track) -> &mut Vec<Entry> {
        self.holders.clear();
        self.open.clear();
        self.overdue.clear();
        self.entries.clear();
        self.walk(track);
        self.collect_overdue(track);
        self.spread(Measure::Open);
        self.spread(Measure::Overdue);
        net(&mut self.entries);
        &mut self.entries
    }

    /// Follows the facts in the order of their moments.
    fn walk(&mut self, track: &Track) {
        let first = day_of(track.registered);
        let mut walk = Walk {
            place: Place { unit: track.intake, handler: 0 },
            open_since: Some(first),
            decided: false,
            recovered: None,
        };
        self.book(Measure::Received, walk.place, first, 1);
        self.holders.push((first, walk.place));
        for fact in &track.facts {
            self.step(&mut walk, fact);
        }
        if let Some(since) = walk.open_since {
            self.open.push((since, NEVER));
        }
    }

    fn step(&mut self, walk: &mut Walk, fact: &Fact) {
        let day = day_of(fact.at);
        let place = walk.place;
        match fact.what {
            What::Custody { unit, how } => {
                if how == Handover::Returned {
                    self.book(Measure::Returned, place, day, 1);
                }
                let kept = if how == Handover::Received { place.handler } else { 0 };
                walk.place = Place { unit, handler: kept };
                if unit != place.unit && walk.open_since.is_some() {
                    self.transfer(place, walk.place, day);
                }
                self.hold(day, walk.place);
            }
            What::Handler(handler) => {
                walk.place.handler = handler;
                self.hold(day, walk.place);
            }
            What::Accepted | What::Refused => {
                walk.decided = true;
                let measure = if fact.what == What::Accepted { Measure::Accepted } else { Measure::Refused };
                self.book(measure, place, day, 1);
                self.book(Measure::AcceptDecided, place, day, 1);
            }
            // A withdrawal meets the acceptance period as well, but decides nothing.
            What::AcceptLate if walk.decided => self.book(Measure::AcceptDecidedLate, place, day, 1),
            What::AcceptLate => {}
            What::MediationOpened => self.book(Measure::MediationOpened, place, day, 1),
            What::Succeeded => self.book(Measure::Succeeded, place, day, 1),
            What::Urged => self.book(Measure::Urged, place, day, 1),
            What::Closed { late, recovered } => {
                // Closing what is closed changes no number.
                let Some(since) = walk.open_since.take() else { return };
                self.open.push((since, day));
                self.book(Measure::Closed, place, day, 1);
                if late {
                    self.book(Measure::ClosedLate, place, day, 1);
                }
                walk.recovered = recovered.map(|money| (measure_of(money.currency()), place, money.minor()));
                if let Some((measure, place, amount)) = walk.recovered {
                    self.book(measure, place, day, amount);
                }
            }
            What::Reopened => {
                if walk.open_since.is_some() {
                    return;
                }
                walk.open_since = Some(day);
                walk.decided = false;
                self.book(Measure::Reopened, place, day, 1);
                // The closing no longer stands: its amount must not count beside that of the next one.
                if let Some((measure, place, amount)) = walk.recovered.take() {
                    self.book(measure, place, day, -amount);
                }
            }
        }
    }

    fn book(&mut self, measure: Measure, place: Place, day: i32, amount: i64) {
        self.entries.push(Entry { measure, unit: place.unit, handler: place.handler, peer: 0, day, amount });
    }

    fn transfer(&mut self, from: Place, to: Place, day: i32) {
        self.entries.push(Entry {
            measure: Measure::TransferredOut,
            unit: from.unit,
            handler: from.handler,
            peer: to.unit,
            day,
            amount: 1,
        });
        self.entries.push(Entry {
            measure: Measure::TransferredIn,
            unit: to.unit,
            handler: to.handler,
            peer: from.unit,
            day,
            amount: 1,
        });
    }

    /// Of several holders on one day, the last has the case at its end.
    fn hold(&mut self, day: i32, place: Place) {
        match self.holders.last_mut() {
            Some((last, holder)) if *last == day => *holder = place,
            Some(_) | None => self.holders.push((day, place)),
        }
    }

    /// The days on which some period is exceeded, while the case is open.
    fn collect_overdue(&mut self, track: &Track) {
        let mut spans: Vec<(i32, i32)> = Vec::new();
        if let Some(deadline) = track.deadline {
            spans.push((deadline, track.deadline_end.unwrap_or(NEVER)));
        }
        spans.extend(track.clocks.iter().filter(|clock| !clock.stands_still()).map(exceeded));
        spans.retain(|(from, to)| from < to);
        if spans.is_empty() {
            return;
        }
        unite(&mut spans);
        for (open_from, open_to) in &self.open {
            for (from, to) in &spans {
                let (from, to) = ((*from).max(*open_from), (*to).min(*open_to));
                if from < to {
                    self.overdue.push((from, to));
                }
            }
        }
    }

    /// Books a state that lasts: in where a holder gets it, out where the holder no longer has it.
    fn spread(&mut self, measure: Measure) {
        let spans = if measure == Measure::Open { &self.open } else { &self.overdue };
        for (from, to) in spans {
            let ends = self.holders.iter().skip(1).map(|(day, _)| *day).chain([NEVER]);
            for ((since, place), until) in self.holders.iter().zip(ends) {
                let (begin, end) = ((*from).max(*since), (*to).min(until));
                if begin >= end {
                    continue;
                }
                let Place { unit, handler } = *place;
                self.entries.push(Entry { measure, unit, handler, peer: 0, day: begin, amount: 1 });
                if end != NEVER {
                    self.entries.push(Entry { measure, unit, handler, peer: 0, day: end, amount: -1 });
                }
            }
        }
    }
}

/// What is known while the facts are followed.
struct Walk {
    place: Place,
    open_since: Option<i32>,
    /// In this round it was decided whether to accept.
    decided: bool,
    /// The amount of the closing that stands, and where it was booked.
    recovered: Option<(Measure, Place, i64)>,
}

const fn measure_of(currency: Currency) -> Measure {
    match currency {
        Currency::Cny => Measure::RecoveredFen,
        Currency::Hkd => Measure::RecoveredHkd,
        Currency::Mop => Measure::RecoveredMop,
    }
}

/// The days on which a clock is past its last day: from the day after it until it was met or fell away.
fn exceeded(clock: &Clock) -> (i32, i32) {
    (clock.due.saturating_add(1), clock.end.unwrap_or(NEVER))
}

/// Sorts intervals and joins those that touch.
fn unite(spans: &mut Vec<(i32, i32)>) {
    spans.sort_unstable();
    spans.dedup_by(|next, before| {
        if next.0 <= before.1 {
            before.1 = before.1.max(next.1);
            true
        } else {
            false
        }
    });
}

/// Sorts entries, adds up those of one place and day, and leaves out what comes to nothing.
fn net(entries: &mut Vec<Entry>) {
    entries.sort_unstable();
    entries.dedup_by(|next, before| {
        let same = next.key() == before.key();
        if same {
            before.amount = before.amount.saturating_add(next.amount);
        }
        same
    });
    entries.retain(|entry| entry.amount != 0);
}

/// Hands out what must be booked to get from `old` to `new`; both as [`Contributor::of`] gives them.
pub(crate) fn difference(old: &[Entry], new: &[Entry], mut each: impl FnMut(Entry)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(before), Some(after)) => before.key().cmp(&after.key()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let before = if order == Ordering::Greater { None } else { old.next() };
        let after = if order == Ordering::Less { None } else { new.next() };
        let amount = after.map_or(0, |entry| entry.amount) - before.map_or(0, |entry| entry.amount);
        if let Some(entry) = after.or(before)
            && amount != 0
        {
            each(Entry { amount, ..*entry });
        }
    }
}
