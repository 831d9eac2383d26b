//! One filing (来件): what came in, once, with the people sealed, and the matters it was split into.
//!
//! Order 121 Art. 9: one document holding a complaint and a report is handled as two, each under its own procedure.

mod clear;
pub mod event;
mod unregistered;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

pub use clear::InClear;
pub use event::{
    Complainant, FilingEvent, FilingItem, ItemKind, Received, RegistrationFailed, RegistrationObstacle,
    RegistrationRetried, RegistrationSettled, RegistrationSettlement, Split,
};

use crate::complaint::event::Registered;
use crate::complaint::{Rejection, register};
use crate::decider::{Context, Decider, Happened};
use crate::id::FilingId;

/// Most matters one filing may be split into.
pub const ITEMS_MAX: usize = 20;

/// What one may do to a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilingCommand {
    Register(Box<RegisterFiling>),
    /// Notes that a matter led to no complaint; the process manager's own.
    NoteFailure {
        item: u16,
        obstacle: RegistrationObstacle,
    },
    /// Has the registration of such a matter tried again.
    RetryRegistration {
        item: u16,
    },
    /// Says that such a matter needs no complaint.
    SettleRegistration {
        item: u16,
        reason: RegistrationSettlement,
    },
}

/// Takes in a filing and splits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterFiling {
    /// When it came in; at most [`crate::complaint::BACKDATE_DAYS_MAX`] days ago.
    pub at: Option<DateTime<Utc>>,
    pub received: Received,
    pub items: Vec<FilingItem>,
}

/// Why a filing is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilingRejection {
    #[error("filing `{0}` is registered already")]
    AlreadyRegistered(FilingId),
    #[error("a filing holds 1 to {ITEMS_MAX} matters, this one has {0}")]
    Items(usize),
    #[error("the matters must be numbered 1, 2, 3 …; number {0} is out of order")]
    ItemNumber(u16),
    #[error("matter {item} cannot be registered: {source}")]
    Item { item: u16, source: Rejection },
    #[error(
        "`{}` of matter {item} is stored in clear and has a number of a person behind {} characters; leave it out there, \
         and write it in the facts, which are sealed",
        .found.text, .found.offset
    )]
    InClear { item: u16, found: InClear },
    #[error("there is no such filing")]
    NotRegistered,
    #[error("the filing has no matter {0} that becomes a complaint")]
    NoSuchMatter(u16),
    #[error("matter {0} did not fail to become a complaint, so there is nothing to try again or to settle")]
    NotFailed(u16),
    #[error("matter {0} is settled and stays so; what is a complaint after all is filed under a number of its own")]
    Settled(u16),
    #[error("a filing's time must not lie in the future")]
    InFuture,
    #[error("a filing may be entered at most {} days late", crate::complaint::BACKDATE_DAYS_MAX)]
    TooLate,
}

/// Since when a matter stands without its complaint, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub at: DateTime<Utc>,
    pub obstacle: RegistrationObstacle,
}

/// How a matter stands that led to no complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody has to look at it.
    Waiting(Failure),
    /// It needs no complaint, for ever.
    Settled(RegistrationSettlement),
}

/// A filing's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filing {
    Unknown,
    /// What came in, its matters, and those of them, by number, that led to no complaint and are not tried again.
    Received(Box<Received>, Vec<FilingItem>, BTreeMap<u16, Standing>),
}

/// What a filing's matter says as the registration of a complaint.
#[must_use]
pub fn registration(received: &Received, item: &FilingItem) -> Registered {
    Registered {
        filing: received.filing,
        item: item.item,
        number: item.number.clone(),
        channel: received.channel,
        category: item.category,
        region: received.region,
        unit: received.unit.clone(),
        respondent: item.respondent.clone(),
        amount: item.amount,
        remedies: item.remedies.clone(),
        facts: item.facts.clone(),
        source: item.source.clone(),
    }
}

impl Decider for Filing {
    const CATEGORY: &'static str = "filing";
    type Command = FilingCommand;
    type Event = FilingEvent;
    type State = Self;
    type Rejection = FilingRejection;

    fn initial() -> Self {
        Self::Unknown
    }

    fn decide(
        state: &Self,
        command: FilingCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<FilingEvent>>, FilingRejection> {
        match command {
            FilingCommand::Register(register) => register.decide(state, ctx),
            FilingCommand::NoteFailure { item, obstacle } => unregistered::note_failure(state, item, obstacle, ctx),
            FilingCommand::RetryRegistration { item } => unregistered::retry(state, item, ctx),
            FilingCommand::SettleRegistration { item, reason } => unregistered::settle(state, item, reason, ctx),
        }
    }

    fn evolve(state: Self, event: &Happened<FilingEvent>) -> Self {
        match (&event.event, state) {
            (FilingEvent::Received(received), _) => Self::Received(received.clone(), Vec::new(), BTreeMap::new()),
            (FilingEvent::Split(split), Self::Received(received, ..)) => {
                Self::Received(received, split.items.clone(), BTreeMap::new())
            }
            (FilingEvent::RegistrationFailed(failed), Self::Received(received, items, mut standings)) => {
                let failure = Failure { at: event.at, obstacle: failed.obstacle };
                standings.insert(failed.item, Standing::Waiting(failure));
                Self::Received(received, items, standings)
            }
            (FilingEvent::RegistrationRetried(retried), Self::Received(received, items, mut standings)) => {
                standings.remove(&retried.item);
                Self::Received(received, items, standings)
            }
            (FilingEvent::RegistrationSettled(settled), Self::Received(received, items, mut standings)) => {
                standings.insert(settled.item, Standing::Settled(settled.reason));
                Self::Received(received, items, standings)
            }
            (
                FilingEvent::Split(_)
                | FilingEvent::RegistrationFailed(_)
                | FilingEvent::RegistrationRetried(_)
                | FilingEvent::RegistrationSettled(_),
                Self::Unknown,
            ) => Self::Unknown,
        }
    }
}

impl RegisterFiling {
    fn decide(self, state: &Filing, ctx: &Context<'_>) -> Result<Vec<Happened<FilingEvent>>, FilingRejection> {
        if let Filing::Received(known, ..) = state {
            return Err(FilingRejection::AlreadyRegistered(known.filing));
        }
        if self.items.is_empty() || self.items.len() > ITEMS_MAX {
            return Err(FilingRejection::Items(self.items.len()));
        }
        for (expected, item) in (1_u16..).zip(&self.items) {
            if item.item != expected {
                return Err(FilingRejection::ItemNumber(item.item));
            }
        }
        // What could never become a complaint, and what may not stand in clear, is refused here, before anything of it is
        // stored. Reports and enquiries are stored as well, and held to the same.
        for item in &self.items {
            register::check(&registration(&self.received, item))
                .map_err(|source| FilingRejection::Item { item: item.item, source })?;
            if let Some(found) = item.respondent.as_ref().and_then(clear::find) {
                return Err(FilingRejection::InClear { item: item.item, found });
            }
        }
        let at = self.at.unwrap_or(ctx.now);
        if at > ctx.now + crate::complaint::FUTURE_TOLERANCE {
            return Err(FilingRejection::InFuture);
        }
        if at < ctx.now - chrono::Duration::days(crate::complaint::BACKDATE_DAYS_MAX) {
            return Err(FilingRejection::TooLate);
        }
        Ok(vec![
            Happened { at, event: FilingEvent::Received(Box::new(self.received)) },
            Happened { at, event: FilingEvent::Split(Split { items: self.items }) },
        ])
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Duration, Utc};

    use super::*;
    use crate::calendar::WorkingCalendar;
    use crate::clock::RuleTable;
    use crate::complaint::{BACKDATE_DAYS_MAX, FUTURE_TOLERANCE};
    use crate::id::UnitId;
    use crate::region::RegionCode;
    use crate::vocabulary::{Category, Channel};

    fn now() -> DateTime<Utc> {
        "2026-05-06T09:00:00+08:00".parse().unwrap()
    }

    fn received() -> Received {
        Received {
            filing: FilingId::derived("12315", "1"),
            source: "12315".to_owned(),
            external_number: "1".to_owned(),
            channel: Channel::Phone,
            region: RegionCode::parse("440106").unwrap(),
            unit: UnitId::parse("gz-12315").unwrap(),
            complainant: None,
        }
    }

    fn item(item: u16, kind: ItemKind) -> FilingItem {
        FilingItem {
            item,
            kind,
            number: format!("GZ-2026-000001-{item}"),
            category: Category::Quality,
            respondent: None,
            amount: None,
            remedies: Vec::new(),
            facts: None,
            source: None,
        }
    }

    fn items(count: u16) -> Vec<FilingItem> {
        (1..=count).map(|number| item(number, ItemKind::Complaint)).collect()
    }

    fn decide(
        state: &Filing,
        at: Option<DateTime<Utc>>,
        items: Vec<FilingItem>,
    ) -> Result<Vec<Happened<FilingEvent>>, FilingRejection> {
        let ctx = Context {
            now: now(),
            unit: &received().unit,
            actor: "officer-1",
            calendar: WorkingCalendar::mainland(),
            rules: RuleTable::builtin(),
        };
        let register = RegisterFiling { at, received: received(), items };
        Filing::decide(state, FilingCommand::Register(Box::new(register)), &ctx)
    }

    fn taken_in(at: DateTime<Utc>, items: Vec<FilingItem>) -> Vec<Happened<FilingEvent>> {
        vec![
            Happened { at, event: FilingEvent::Received(Box::new(received())) },
            Happened { at, event: FilingEvent::Split(Split { items }) },
        ]
    }

    #[test]
    fn a_complaint_and_a_report_in_one_paper_are_two_matters() {
        let both = vec![item(1, ItemKind::Complaint), item(2, ItemKind::Report)];
        let happened = decide(&Filing::initial(), None, both.clone()).unwrap();
        assert_eq!(happened, taken_in(now(), both.clone()));
        let state = crate::decider::fold::<Filing>(&happened);
        assert_eq!(state, Filing::Received(Box::new(received()), both, BTreeMap::new()));
    }

    #[test]
    fn a_filing_is_taken_in_once() {
        let state = crate::decider::fold::<Filing>(&taken_in(now(), items(1)));
        assert_eq!(decide(&state, None, items(1)), Err(FilingRejection::AlreadyRegistered(received().filing)));
    }

    #[test]
    fn it_holds_one_to_twenty_matters() {
        for count in [1, 20] {
            assert_eq!(decide(&Filing::initial(), None, items(count)), Ok(taken_in(now(), items(count))));
        }
        for count in [0, 21] {
            let refused = FilingRejection::Items(usize::from(count));
            assert_eq!(decide(&Filing::initial(), None, items(count)), Err(refused));
        }
        assert_eq!(ITEMS_MAX, 20);
    }

    #[test]
    fn they_are_numbered_from_one_without_a_gap() {
        for (numbers, wrong) in [([2, 3], 2), ([1, 3], 3), ([1, 1], 1), ([0, 1], 0)] {
            let matters = numbers.map(|number| item(number, ItemKind::Complaint)).to_vec();
            assert_eq!(decide(&Filing::initial(), None, matters), Err(FilingRejection::ItemNumber(wrong)));
        }
    }

    #[test]
    fn it_is_entered_at_most_thirty_days_late_and_never_early() {
        let second = Duration::seconds(1);
        let earliest = now() - Duration::days(BACKDATE_DAYS_MAX);
        let latest = now() + FUTURE_TOLERANCE;
        for at in [earliest, latest] {
            assert_eq!(decide(&Filing::initial(), Some(at), items(1)), Ok(taken_in(at, items(1))));
        }
        let too_late = decide(&Filing::initial(), Some(earliest - second), items(1));
        assert_eq!(too_late, Err(FilingRejection::TooLate));
        let in_future = decide(&Filing::initial(), Some(latest + second), items(1));
        assert_eq!(in_future, Err(FilingRejection::InFuture));
    }

    #[test]
    fn matters_without_a_filing_are_passed_over() {
        let split = Happened { at: now(), event: FilingEvent::Split(Split { items: items(1) }) };
        assert_eq!(Filing::evolve(Filing::initial(), &split), Filing::Unknown);
    }
}
