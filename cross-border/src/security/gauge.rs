//! How many of each code were recorded in the minute that runs, and how many were only counted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

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
#[derive(Debug, Default, Clone, Copy)]
struct Flow {
    /// Minutes since 1970.
    minute: i64,
    recorded: u32,
    /// Counted since the last one that was recorded.
    suppressed: u64,
}

/// What becomes of one refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is recorded, and with it those that were only counted.
    Record { suppressed: u64 },
    /// It is only counted; `first` since the last that was recorded.
    Count { first: bool },
}

impl Gauge {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute.max(1), codes: HashMap::new() }
    }

    /// Takes in one refusal.
    pub(super) fn pass(&mut self, code: &str, now: DateTime<Utc>) -> Passed {
        let per_minute = self.per_minute;
        let minute = now.timestamp().div_euclid(60);
        let flow = self.flow(code);
        if flow.minute != minute {
            flow.minute = minute;
            flow.recorded = 0;
        }
        if flow.recorded < per_minute {
            flow.recorded += 1;
            Passed::Record { suppressed: std::mem::take(&mut flow.suppressed) }
        } else {
            flow.suppressed = flow.suppressed.saturating_add(1);
            Passed::Count { first: flow.suppressed == 1 }
        }
    }

    /// Counts what was to be recorded and could not be.
    pub(super) fn owe(&mut self, code: &str, refusals: u64) {
        let flow = self.flow(code);
        flow.suppressed = flow.suppressed.saturating_add(refusals);
    }

    fn flow(&mut self, code: &str) -> &mut Flow {
        let known = self.codes.contains_key(code) || self.codes.len() < CODES_MAX;
        self.codes.entry(if known { code.to_owned() } else { OTHERS.to_owned() }).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(after: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_020 + after, 0).unwrap()
    }

    #[test]
    fn the_limit_is_recorded_and_one_more_is_counted() {
        let mut gauge = Gauge::new(2);
        assert_eq!(gauge.pass("A", second(0)), Passed::Record { suppressed: 0 });
        assert_eq!(gauge.pass("A", second(59)), Passed::Record { suppressed: 0 });
        assert_eq!(gauge.pass("A", second(59)), Passed::Count { first: true });
        assert_eq!(gauge.pass("A", second(59)), Passed::Count { first: false });
        // Another code has its own measure, and a new minute begins anew.
        assert_eq!(gauge.pass("B", second(59)), Passed::Record { suppressed: 0 });
        assert_eq!(gauge.pass("A", second(60)), Passed::Record { suppressed: 2 });
        assert_eq!(gauge.pass("A", second(61)), Passed::Record { suppressed: 0 });
    }

    #[test]
    fn what_could_not_be_recorded_is_owed() {
        let mut gauge = Gauge::new(2);
        assert_eq!(gauge.pass("A", second(0)), Passed::Record { suppressed: 0 });
        gauge.owe("A", 1);
        assert_eq!(gauge.pass("A", second(1)), Passed::Record { suppressed: 1 });
    }

    #[test]
    fn codes_beyond_the_limit_share_one_measure() {
        let mut gauge = Gauge::new(1);
        for code in 0..CODES_MAX {
            assert_eq!(gauge.pass(&code.to_string(), second(0)), Passed::Record { suppressed: 0 });
        }
        assert_eq!(gauge.pass("one", second(0)), Passed::Record { suppressed: 0 });
        assert_eq!(gauge.pass("other", second(0)), Passed::Count { first: true });
        assert_eq!(gauge.codes.len(), CODES_MAX + 1);
    }
}
