//! How many of each code were recorded in the minute that runs, and how many were only counted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Refused;

/// Codes that are told apart; the list of codes is closed and shorter. What comes beyond shares one measure.
const CODES_MAX: usize = 128;
/// The measure of what comes beyond.
const OTHERS: &str = "";

/// Bounds what is recorded.
#[derive(Debug)]
pub(super) struct Gauge {
    per_minute: u32,
    codes: HashMap<String, Flow>,
}

/// What one code came to.
#[derive(Debug, Default)]
struct Flow {
    /// Minutes since 1970.
    minute: i64,
    recorded: u32,
    /// Those that no record tells of yet, beside `newest`.
    suppressed: u64,
    /// The newest of those that no record tells of yet.
    newest: Option<Counted>,
}

/// A refusal that no record tells of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) refused: Refused,
    pub(super) at: DateTime<Utc>,
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) counted: Counted,
    /// Refusals of the same code before it that no other record tells of.
    pub(super) suppressed: u64,
}

/// What becomes of one refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is recorded, and with it those that were only counted.
    Record(Owed),
    /// It is only counted; `first` since the last that was recorded.
    Count { first: bool },
}

impl Gauge {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute.max(1), codes: HashMap::new() }
    }

    /// Takes in one refusal, under the code that it is recorded with.
    pub(super) fn pass(&mut self, code: &str, counted: Counted) -> Passed {
        let per_minute = self.per_minute;
        let minute = minute_of(counted.at);
        let flow = self.flow(code);
        if flow.minute != minute {
            flow.minute = minute;
            flow.recorded = 0;
        }
        if flow.recorded < per_minute {
            flow.recorded += 1;
            let suppressed = flow.take().map_or(0, |owed| owed.suppressed.saturating_add(1));
            Passed::Record(Owed { counted, suppressed })
        } else {
            Passed::Count { first: flow.count(counted, 0) }
        }
    }

    /// Keeps what was to be recorded and could not be.
    pub(super) fn owe(&mut self, code: &str, owed: Owed) {
        self.flow(code).count(owed.counted, owed.suppressed);
    }

    /// What the minutes that are over left unrecorded: of each code its newest refusal, and how many were before it.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) -> Vec<(String, Owed)> {
        let minute = minute_of(now);
        let over = self.codes.iter_mut().filter(|(_, flow)| flow.minute != minute);
        over.filter_map(|(code, flow)| Some((code.clone(), flow.take()?))).collect()
    }

    fn flow(&mut self, code: &str) -> &mut Flow {
        let known = self.codes.contains_key(code) || self.codes.len() < CODES_MAX;
        self.codes.entry(if known { code.to_owned() } else { OTHERS.to_owned() }).or_default()
    }
}

impl Flow {
    /// Counts a refusal and `before` it; whether they are the first since the last record.
    fn count(&mut self, counted: Counted, before: u64) -> bool {
        let first = self.newest.is_none();
        let older = u64::from(!first);
        self.suppressed = self.suppressed.saturating_add(before).saturating_add(older);
        // One that could not be recorded may have been overtaken meanwhile.
        self.newest = match self.newest.take() {
            Some(newest) if newest.at > counted.at => Some(newest),
            _ => Some(counted),
        };
        first
    }

    fn take(&mut self) -> Option<Owed> {
        let counted = self.newest.take()?;
        Some(Owed { counted, suppressed: std::mem::take(&mut self.suppressed) })
    }
}

/// Minutes since 1970.
fn minute_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(after: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_020 + after, 0).unwrap()
    }

    fn counted(after: i64) -> Counted {
        Counted { refused: Refused { what: format!("try {after}"), ..Refused::default() }, at: second(after) }
    }

    fn owed(after: i64, suppressed: u64) -> Owed {
        Owed { counted: counted(after), suppressed }
    }

    #[test]
    fn the_limit_is_recorded_and_one_more_is_counted() {
        let mut gauge = Gauge::new(2);
        assert_eq!(gauge.pass("A", counted(0)), Passed::Record(owed(0, 0)));
        assert_eq!(gauge.pass("A", counted(57)), Passed::Record(owed(57, 0)));
        assert_eq!(gauge.pass("A", counted(58)), Passed::Count { first: true });
        assert_eq!(gauge.pass("A", counted(59)), Passed::Count { first: false });
        // Another code has its own measure, and a new minute begins anew.
        assert_eq!(gauge.pass("B", counted(59)), Passed::Record(owed(59, 0)));
        assert_eq!(gauge.pass("A", counted(60)), Passed::Record(owed(60, 2)));
        assert_eq!(gauge.pass("A", counted(61)), Passed::Record(owed(61, 0)));
    }

    #[test]
    fn what_could_not_be_recorded_is_owed() {
        let mut gauge = Gauge::new(2);
        gauge.pass("A", counted(0));
        gauge.owe("A", owed(0, 3));
        assert_eq!(gauge.pass("A", counted(1)), Passed::Record(owed(1, 4)));
        assert!(gauge.settle(second(60)).is_empty());
    }

    #[test]
    fn a_minute_that_is_over_leaves_its_newest_and_how_many_were_before_it() {
        let mut gauge = Gauge::new(1);
        for after in 0..5 {
            gauge.pass("A", counted(after));
        }
        gauge.pass("B", counted(5));
        assert!(gauge.settle(second(39)).is_empty(), "the minute runs");
        assert_eq!(gauge.settle(second(60)), [("A".to_owned(), owed(4, 3))]);
        assert!(gauge.settle(second(61)).is_empty(), "it is told once");
        // What was told is not counted once more; what was not taken is.
        gauge.owe("A", owed(4, 3));
        assert_eq!(gauge.pass("A", counted(62)), Passed::Record(owed(62, 4)));
    }

    #[test]
    fn codes_beyond_the_limit_share_one_measure() {
        let mut gauge = Gauge::new(1);
        for code in 0..CODES_MAX {
            assert_eq!(gauge.pass(&code.to_string(), counted(0)), Passed::Record(owed(0, 0)));
        }
        assert_eq!(gauge.pass("one", counted(0)), Passed::Record(owed(0, 0)));
        assert_eq!(gauge.pass("other", counted(0)), Passed::Count { first: true });
        assert_eq!(gauge.codes.len(), CODES_MAX + 1);
    }
}
