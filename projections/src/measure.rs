//! What is counted: the closed list of measures, and the numbers of one place at one moment.

use std::fmt;

/// One thing that the ledger counts. The numbers behind the names are stored, so they are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Measure {
    /// Registered (登记).
    Received = 0,
    /// Accepted (受理).
    Accepted = 1,
    /// Refused (不予受理).
    Refused = 2,
    /// Mediations opened (开始调解).
    MediationOpened = 3,
    /// Agreements and settlements (调解成功).
    Succeeded = 4,
    /// Closed (办结), each closing of a case that was open.
    Closed = 5,
    /// Closed after a deadline.
    ClosedLate = 6,
    /// Open at the end of the day.
    Open = 7,
    /// Open, with a running period exceeded at the end of the day.
    Overdue = 8,
    /// Decided whether to accept (初查).
    AcceptDecided = 9,
    /// Decided after the period for it.
    AcceptDecidedLate = 10,
    /// Came, while open, from a unit outside the place that is counted.
    TransferredIn = 11,
    /// Went, while open, to a unit outside the place that is counted.
    TransferredOut = 12,
    /// Handed back to intake (退回).
    Returned = 13,
    /// Taken up again after closing (重办).
    Reopened = 14,
    /// Urged (催办).
    Urged = 15,
    /// Economic loss recovered, in fen (挽回经济损失), of closings that stand: a reopening takes it back.
    RecoveredFen = 16,
    /// The same in cents of Hong Kong.
    RecoveredHkd = 17,
    /// The same in avos of Macao.
    RecoveredMop = 18,
}

impl Measure {
    /// How many measures there are.
    pub const COUNT: usize = 19;

    /// Every measure, in the order of its number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Received,
        Self::Accepted,
        Self::Refused,
        Self::MediationOpened,
        Self::Succeeded,
        Self::Closed,
        Self::ClosedLate,
        Self::Open,
        Self::Overdue,
        Self::AcceptDecided,
        Self::AcceptDecidedLate,
        Self::TransferredIn,
        Self::TransferredOut,
        Self::Returned,
        Self::Reopened,
        Self::Urged,
        Self::RecoveredFen,
        Self::RecoveredHkd,
        Self::RecoveredMop,
    ];

    /// The stored number.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The measure with this stored number.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The name in digests, logs and exports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::MediationOpened => "mediation-opened",
            Self::Succeeded => "succeeded",
            Self::Closed => "closed",
            Self::ClosedLate => "closed-late",
            Self::Open => "open",
            Self::Overdue => "overdue",
            Self::AcceptDecided => "accept-decided",
            Self::AcceptDecidedLate => "accept-decided-late",
            Self::TransferredIn => "transferred-in",
            Self::TransferredOut => "transferred-out",
            Self::Returned => "returned",
            Self::Reopened => "reopened",
            Self::Urged => "urged",
            Self::RecoveredFen => "recovered-fen",
            Self::RecoveredHkd => "recovered-hkd",
            Self::RecoveredMop => "recovered-mop",
        }
    }

    /// The measure with this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.code() == code)
    }

    /// Whether only what crosses the border of the place counts.
    #[must_use]
    pub const fn is_transfer(self) -> bool {
        matches!(self, Self::TransferredIn | Self::TransferredOut)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.id())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One number per measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    amounts: [i64; Measure::COUNT],
}

impl Counts {
    /// The number of one measure.
    #[must_use]
    pub fn get(&self, measure: Measure) -> i64 {
        self.amounts.get(measure.index()).copied().unwrap_or(0)
    }

    /// Whether every number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.amounts.iter().all(|amount| *amount == 0)
    }

    pub(crate) fn add(&mut self, measure: Measure, amount: i64) {
        if let Some(sum) = self.amounts.get_mut(measure.index()) {
            *sum = sum.saturating_add(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_read_back() {
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure.index(), index);
            assert_eq!(Measure::from_id(measure.id()), Some(measure));
            assert_eq!(Measure::from_code(measure.code()), Some(measure));
        }
        assert_eq!(Measure::from_id(19), None);
        assert_eq!(Measure::from_code("opened"), None);
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        assert!(counts.is_zero());
        counts.add(Measure::Open, 3);
        counts.add(Measure::Open, -1);
        assert_eq!(counts.get(Measure::Open), 2);
        assert_eq!(counts.get(Measure::Overdue), 0);
    }
}
