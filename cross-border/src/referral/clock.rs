//! What is awaited of either council after an act, and by when, by the standards and the calendar of its place.

use chrono::NaiveDate;
use domain::clock::{Basis, PeriodUnit, reckon};

use super::event::{ClockStarted, Expected, ReferralEvent};
use super::rejection::Rejection;
use super::state::{Stage, StepClock, Transfer};
use crate::exchange::{SessionForm, Side, Step};
use crate::partner::{Partner, PartnerRegister, Standards};

/// The event, and behind it the clocks that it starts. What it ends needs no event: the state knows.
pub(super) fn and_clocks(
    transfer: &Transfer,
    event: ReferralEvent,
    day: NaiveDate,
) -> Result<Vec<ReferralEvent>, Rejection> {
    let steps = steps_after(transfer, &event);
    let mut events = vec![event];
    for step in steps {
        events.extend(started(transfer, *step, day)?.map(ReferralEvent::ClockStarted));
    }
    Ok(events)
}

/// When a council is expected to have acted, by its own working days.
pub(super) fn expected(council: &Partner, working_days: u16, day: NaiveDate) -> Result<Expected, Rejection> {
    due(council, (working_days, PeriodUnit::WorkingDays), day)
}

fn steps_after(transfer: &Transfer, event: &ReferralEvent) -> &'static [Step] {
    match event {
        ReferralEvent::Sent(_) => &[Step::Delivery, Step::Acknowledgement, Step::Outcome],
        // What comes in begins with its delivery; a fetch or an answer may have overtaken the receipt of what went out.
        ReferralEvent::Delivered(_) => match (transfer.own_side(), transfer.stage) {
            (Side::Target, _) => &[Step::Retrieval, Step::Acknowledgement, Step::Outcome],
            (Side::Origin, Stage::Sent) => &[Step::Retrieval],
            (Side::Origin, _) => &[],
        },
        ReferralEvent::Acknowledged(_) => &[Step::Feedback],
        // One clock awaits all offers, and one all arbitrations: another one does not put off the last day that was
        // set, nor undo what was done when it was over.
        ReferralEvent::SessionOffered(_) if is_awaited(transfer, Step::OfferAnswer) => &[],
        ReferralEvent::SessionOffered(_) => &[Step::OfferAnswer],
        ReferralEvent::OfferAnswered(answered) => {
            let form = transfer.sessions.get(&answered.session).map(|session| session.form);
            let to_be_held = answered.accepted && transfer.stage.is_handled();
            let begins = to_be_held && form == Some(SessionForm::Arbitration);
            if begins && !is_awaited(transfer, Step::Arbitration) { &[Step::Arbitration] } else { &[] }
        }
        ReferralEvent::OutcomeReported(_) => &[Step::OutcomeAcknowledgement],
        ReferralEvent::Recalled(recalled) if recalled.after_sending => &[Step::RecallAnswer],
        ReferralEvent::Recalled(_)
        | ReferralEvent::Drafted(_)
        | ReferralEvent::ConsentCaptured(_)
        | ReferralEvent::ConsentWithdrawn(_)
        | ReferralEvent::Assessed(_)
        | ReferralEvent::Sealed(_)
        | ReferralEvent::Returned(_)
        | ReferralEvent::Progressed(_)
        | ReferralEvent::OutcomeAcknowledged(_)
        | ReferralEvent::RecallAnswered(_)
        | ReferralEvent::Presented(_)
        | ReferralEvent::TransferRecorded(_)
        | ReferralEvent::MessageIssued(_)
        | ReferralEvent::MessageReceived(_)
        | ReferralEvent::Retrieved(_)
        | ReferralEvent::ClockStarted(_)
        | ReferralEvent::Reminded(_)
        | ReferralEvent::Escalated(_)
        | ReferralEvent::ReminderReceived(_)
        | ReferralEvent::SessionHeld(_)
        | ReferralEvent::EvidenceAdded(_)
        | ReferralEvent::EvidenceStored(_)
        | ReferralEvent::EvidenceScanned(_)
        | ReferralEvent::EvidenceBrought(_)
        | ReferralEvent::GivenOut(_)
        | ReferralEvent::PassedOver(_)
        | ReferralEvent::Erased(_)
        | ReferralEvent::ErasureHeld(_) => &[],
    }
}

fn is_awaited(transfer: &Transfer, step: Step) -> bool {
    transfer.clocks.get(&step).is_some_and(StepClock::is_running)
}

/// The side whose act a step is.
pub(super) const fn awaited(step: Step) -> Side {
    match step {
        Step::Delivery | Step::OfferAnswer | Step::OutcomeAcknowledgement => Side::Origin,
        Step::Retrieval
        | Step::Acknowledgement
        | Step::Feedback
        | Step::Arbitration
        | Step::Outcome
        | Step::RecallAnswer => Side::Target,
    }
}

/// The clock of a step that begins on the day; none where the council has no standard for it.
fn started(transfer: &Transfer, step: Step, day: NaiveDate) -> Result<Option<ClockStarted>, Rejection> {
    let council = council(transfer, awaited(step))?;
    let Some(period) = period(&council.standards, step) else { return Ok(None) };
    let Expected { by, calendar, provisional } = due(council, period, day)?;
    Ok(Some(ClockStarted { step, council: council.place, started_on: day, by, calendar, provisional }))
}

fn period(standards: &Standards, step: Step) -> Option<(u16, PeriodUnit)> {
    let working_days = match step {
        Step::Outcome => return Some((standards.closing_days, PeriodUnit::NaturalDays)),
        Step::Arbitration => standards.arbitration_working_days?,
        Step::Delivery => standards.delivery_working_days,
        Step::Retrieval => standards.retrieval_working_days,
        Step::Acknowledgement => standards.acknowledge_working_days,
        Step::Feedback => standards.feedback_working_days,
        Step::OfferAnswer => standards.offer_answer_working_days,
        Step::OutcomeAcknowledgement => standards.outcome_acknowledgement_working_days,
        Step::RecallAnswer => standards.recall_answer_working_days,
    };
    Some((working_days, PeriodUnit::WorkingDays))
}

fn due(council: &Partner, (length, unit): (u16, PeriodUnit), day: NaiveDate) -> Result<Expected, Rejection> {
    let calendar = council.place.calendar();
    let due = reckon(Basis { started_on: day, length, unit, extended_by: 0 }, &[], calendar)?;
    Ok(Expected { by: due.strict, calendar: calendar.edition().clone(), provisional: due.provisional })
}

/// The council of a side, as the register has it.
pub(super) fn council(transfer: &Transfer, side: Side) -> Result<&'static Partner, Rejection> {
    let register = PartnerRegister::builtin();
    let drafted = &transfer.drafted;
    if side == transfer.own_side() {
        let place = transfer.place().ok_or(Rejection::UnknownRegion(drafted.seat))?;
        register.at(place).ok_or(Rejection::UnknownRegion(drafted.seat))
    } else {
        register.get(&drafted.partner).ok_or_else(|| Rejection::UnknownPartner(drafted.partner.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partner::Place;
    use crate::referral::testing::{came_in, day, sent};

    fn by(transfer: &Transfer, step: Step, from: &str) -> Option<(Place, NaiveDate, bool)> {
        let clock = started(transfer, step, day(from)).unwrap();
        clock.map(|clock| (clock.council, clock.by, clock.provisional))
    }

    #[test]
    fn each_step_is_awaited_of_one_council_by_the_calendar_of_its_place() {
        let out = sent().transfer();
        let (hong_kong, ours) = (Place::HongKong, Place::Guangdong);
        // From Wednesday 2026-05-20. Monday 05-25 is free in Hong Kong.
        for (step, council, last) in [
            (Step::Delivery, ours, "2026-05-21"),
            (Step::Retrieval, hong_kong, "2026-05-22"),
            (Step::Acknowledgement, hong_kong, "2026-05-28"),
            (Step::Feedback, hong_kong, "2026-06-03"),
            (Step::OfferAnswer, ours, "2026-05-27"),
            (Step::Outcome, hong_kong, "2026-07-19"),
            (Step::OutcomeAcknowledgement, ours, "2026-05-27"),
            (Step::RecallAnswer, hong_kong, "2026-05-28"),
        ] {
            assert_eq!(by(&out, step, "2026-05-20"), Some((council, day(last), false)), "{step}");
        }
    }

    #[test]
    fn what_comes_in_is_awaited_of_us_by_our_standards() {
        let incoming = came_in().transfer();
        let (macao, ours) = (Place::Macao, Place::Guangdong);
        for (step, council, last) in [
            (Step::Retrieval, ours, "2026-05-22"),
            (Step::Acknowledgement, ours, "2026-05-29"),
            (Step::OfferAnswer, macao, "2026-05-28"),
        ] {
            assert_eq!(by(&incoming, step, "2026-05-20"), Some((council, day(last), false)), "{step}");
        }
    }

    #[test]
    fn where_a_council_has_no_standard_there_is_no_clock() {
        assert_eq!(by(&sent().transfer(), Step::Arbitration, "2026-05-20"), None);
        assert_eq!(by(&came_in().transfer(), Step::Arbitration, "2026-05-20"), None);
    }

    #[test]
    fn a_year_without_a_calendar_gives_a_provisional_day() {
        let transfer = sent().transfer();
        assert_eq!(by(&transfer, Step::Acknowledgement, "2026-12-30").map(|(.., provisional)| provisional), Some(true));
    }
}
