//! 登记未成: a matter of a filing that was taken in led to no complaint. It is noted and seen; then it is tried again, or
//! settled because it needs none.

use super::event::{
    FilingEvent, FilingItem, ItemKind, Received, RegistrationFailed, RegistrationRetried, RegistrationSettled,
};
use super::{Filing, FilingRejection, RegistrationObstacle, RegistrationSettlement, Standing};
use crate::decider::{Context, Happened};

type Decided = Result<Vec<Happened<FilingEvent>>, FilingRejection>;

/// Notes that a matter led to no complaint; nothing when that is noted already, or the matter is settled.
pub(super) fn note_failure(state: &Filing, item: u16, obstacle: RegistrationObstacle, ctx: &Context<'_>) -> Decided {
    let (received, matter, standing) = matter(state, item)?;
    if standing.is_some() {
        return Ok(Vec::new());
    }
    let (number, unit) = (matter.number.clone(), received.unit.clone());
    let failed = RegistrationFailed { item, number, unit, obstacle };
    Ok(vec![Happened { at: ctx.now, event: FilingEvent::RegistrationFailed(failed) }])
}

/// Has a matter that led to no complaint tried again.
pub(super) fn retry(state: &Filing, item: u16, ctx: &Context<'_>) -> Decided {
    check_waiting(state, item)?;
    let retried = RegistrationRetried { item };
    Ok(vec![Happened { at: ctx.now, event: FilingEvent::RegistrationRetried(retried) }])
}

/// Says that a matter that led to no complaint needs none. It is the last that happens to it.
pub(super) fn settle(state: &Filing, item: u16, reason: RegistrationSettlement, ctx: &Context<'_>) -> Decided {
    check_waiting(state, item)?;
    let settled = RegistrationSettled { item, reason };
    Ok(vec![Happened { at: ctx.now, event: FilingEvent::RegistrationSettled(settled) }])
}

/// Only what waits for somebody is tried again or settled.
fn check_waiting(state: &Filing, item: u16) -> Result<(), FilingRejection> {
    let (.., standing) = matter(state, item)?;
    match standing {
        Some(Standing::Waiting(_)) => Ok(()),
        Some(Standing::Settled(_)) => Err(FilingRejection::Settled(item)),
        None => Err(FilingRejection::NotFailed(item)),
    }
}

/// A matter that is to become a complaint, what it came in with, and how it stands when it led to none.
fn matter(state: &Filing, item: u16) -> Result<(&Received, &FilingItem, Option<Standing>), FilingRejection> {
    let Filing::Received(received, items, standings) = state else { return Err(FilingRejection::NotRegistered) };
    let matter = items.iter().find(|matter| matter.item == item && matter.kind == ItemKind::Complaint);
    let matter = matter.ok_or(FilingRejection::NoSuchMatter(item))?;
    Ok((received, matter, standings.get(&item).copied()))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::{Failure, FilingCommand, Split};
    use super::*;
    use crate::calendar::WorkingCalendar;
    use crate::clock::RuleTable;
    use crate::decider::{Decider, fold};
    use crate::id::{FilingId, UnitId};
    use crate::region::RegionCode;
    use crate::vocabulary::{Category, Channel};

    const OBSTACLE: RegistrationObstacle = RegistrationObstacle::AlreadyRegistered;
    const REASON: RegistrationSettlement = RegistrationSettlement::RegisteredOtherwise;

    fn now() -> DateTime<Utc> {
        "2026-05-06T09:00:00+08:00".parse().unwrap()
    }

    fn unit() -> UnitId {
        UnitId::parse("gz-12315").unwrap()
    }

    fn item(item: u16, kind: ItemKind) -> FilingItem {
        FilingItem {
            item,
            kind,
            number: format!("1-{item}"),
            category: Category::Quality,
            respondent: None,
            amount: None,
            remedies: Vec::new(),
            facts: None,
            source: None,
        }
    }

    /// A filing of a complaint and a report.
    fn filed() -> Vec<Happened<FilingEvent>> {
        let received = Received {
            filing: FilingId::derived("12315", "1"),
            source: "12315".to_owned(),
            external_number: "1".to_owned(),
            channel: Channel::Phone,
            region: RegionCode::parse("440106").unwrap(),
            unit: unit(),
            complainant: None,
        };
        let items = vec![item(1, ItemKind::Complaint), item(2, ItemKind::Report)];
        vec![
            Happened { at: now(), event: FilingEvent::Received(Box::new(received)) },
            Happened { at: now(), event: FilingEvent::Split(Split { items }) },
        ]
    }

    fn failed() -> Happened<FilingEvent> {
        let failed = RegistrationFailed { item: 1, number: "1-1".to_owned(), unit: unit(), obstacle: OBSTACLE };
        Happened { at: now(), event: FilingEvent::RegistrationFailed(failed) }
    }

    fn retried() -> Happened<FilingEvent> {
        Happened { at: now(), event: FilingEvent::RegistrationRetried(RegistrationRetried { item: 1 }) }
    }

    fn settled() -> Happened<FilingEvent> {
        let settled = RegistrationSettled { item: 1, reason: REASON };
        Happened { at: now(), event: FilingEvent::RegistrationSettled(settled) }
    }

    fn decide(events: &[Happened<FilingEvent>], command: FilingCommand) -> Decided {
        let ctx = Context {
            now: now(),
            unit: &unit(),
            actor: "officer-1",
            calendar: WorkingCalendar::mainland(),
            rules: RuleTable::builtin(),
        };
        Filing::decide(&fold::<Filing>(events), command, &ctx)
    }

    fn with(more: &[Happened<FilingEvent>]) -> Vec<Happened<FilingEvent>> {
        [filed().as_slice(), more].concat()
    }

    fn note(item: u16) -> FilingCommand {
        FilingCommand::NoteFailure { item, obstacle: OBSTACLE }
    }

    fn again(item: u16) -> FilingCommand {
        FilingCommand::RetryRegistration { item }
    }

    fn enough(item: u16) -> FilingCommand {
        FilingCommand::SettleRegistration { item, reason: REASON }
    }

    /// How the matters stand that led to no complaint.
    fn standings(events: &[Happened<FilingEvent>]) -> Vec<(u16, Standing)> {
        let Filing::Received(.., standings) = fold::<Filing>(events) else { panic!("it was filed") };
        standings.into_iter().collect()
    }

    #[test]
    fn what_led_to_no_complaint_is_noted_once() {
        assert_eq!(decide(&filed(), note(1)), Ok(vec![failed()]));
        assert_eq!(decide(&with(&[failed()]), note(1)), Ok(Vec::new()));
        let waiting = Standing::Waiting(Failure { at: now(), obstacle: OBSTACLE });
        assert_eq!(standings(&with(&[failed()])), [(1, waiting)]);
    }

    #[test]
    fn what_failed_is_tried_again_and_may_fail_again() {
        assert_eq!(decide(&with(&[failed()]), again(1)), Ok(vec![retried()]));
        assert!(standings(&with(&[failed(), retried()])).is_empty());
        for command in [again(1), enough(1)] {
            assert_eq!(decide(&with(&[failed(), retried()]), command), Err(FilingRejection::NotFailed(1)));
        }
        assert_eq!(decide(&with(&[failed(), retried()]), note(1)), Ok(vec![failed()]));
    }

    #[test]
    fn what_needs_no_complaint_is_settled_for_ever() {
        assert_eq!(decide(&with(&[failed()]), enough(1)), Ok(vec![settled()]));
        let over = with(&[failed(), settled()]);
        assert_eq!(standings(&over), [(1, Standing::Settled(REASON))]);
        for command in [again(1), enough(1)] {
            assert_eq!(decide(&over, command), Err(FilingRejection::Settled(1)));
        }
        // Whoever tried it meanwhile and failed has nothing to note.
        assert_eq!(decide(&over, note(1)), Ok(Vec::new()));
        // What failed once more after it was tried again can be settled too.
        assert_eq!(decide(&with(&[failed(), retried(), failed()]), enough(1)), Ok(vec![settled()]));
    }

    #[test]
    fn only_a_matter_that_is_to_become_a_complaint_can_fail_to() {
        for command in [note(2), again(2), enough(2)] {
            assert_eq!(decide(&filed(), command.clone()), Err(FilingRejection::NoSuchMatter(2)));
            assert_eq!(decide(&[], command), Err(FilingRejection::NotRegistered));
        }
        for command in [again(1), enough(1)] {
            assert_eq!(decide(&filed(), command), Err(FilingRejection::NotFailed(1)));
        }
    }

    #[test]
    fn without_its_filing_it_says_nothing() {
        for event in [failed(), retried(), settled()] {
            assert_eq!(Filing::evolve(Filing::initial(), &event), Filing::Unknown);
        }
    }
}
