//! 终止调解: the mediation ends without agreement, on a ground of the closed list (Order 121 Art. 23(1)).

use super::Moment;
use super::accept::met;
use super::event::{ComplaintEvent, Terminated};
use super::receive::start;
use super::rejection::Rejection;
use super::state::Case;
use super::vocabulary::TerminationGround;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Ends the mediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminate {
    pub ground: TerminationGround,
    pub note: Option<FreeText>,
}

impl Terminate {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_note("note", self.note.as_ref())?;
        match self.ground {
            TerminationGround::WithdrawnOrSettled => return Err(Rejection::UseWithdrawOrSettle),
            // The period's end makes the ground available; a person decides.
            TerminationGround::SixtyDays => {
                let clock = case.running(ClockKind::Mediate).ok_or(Rejection::NotRunning(ClockKind::Mediate))?;
                if !clock.is_exceeded_on(moment.day()) {
                    return Err(Rejection::PeriodNotOver { due: clock.terms.due_legal });
                }
            }
            TerminationGround::AbsentOrRefused
            | TerminationGround::NoAgreementPossible
            | TerminationGround::AppraisalCost
            | TerminationGround::RefusalGroundFound
            | TerminationGround::PartyGone
            | TerminationGround::OtherLaw => {}
        }
        end(ComplaintEvent::Terminated(Terminated { ground: self.ground, note: self.note }), case, moment)
    }
}

/// Ends the mediation: its period is met and the one for telling both sides begins (Art. 23(2)).
pub(super) fn end(ended: ComplaintEvent, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
    let mut events = vec![ended];
    events.extend(met(case, ClockKind::Mediate, moment));
    events.push(start(ClockKind::TermNotice, moment)?);
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::Terminate;
    use crate::clock::ClockKind;
    use crate::complaint::event::{Accepted, ComplaintEvent, Terminated};
    use crate::complaint::stop_clock::StopClock;
    use crate::complaint::testing::{
        INTAKE, accepted, adopted, day, given, longest_text, mediating, met, overlong_text, received, received_by,
        started, terminate, terminated, time,
    };
    use crate::complaint::vocabulary::{Outcome, StopReason, TerminationGround};
    use crate::complaint::{Act, Action, Rejection, Stage};
    use crate::decider::Happened;

    const NOW: &str = "2026-05-18T10:00:00+08:00";

    fn ended(ground: TerminationGround) -> ComplaintEvent {
        ComplaintEvent::Terminated(Terminated { ground, note: None })
    }

    #[test]
    fn the_end_meets_the_period_and_begins_that_of_telling_both_sides() {
        for history in [accepted(), mediating()] {
            let case = given(history)
                .at(NOW)
                .when(terminate(TerminationGround::AbsentOrRefused))
                .then([
                    ended(TerminationGround::AbsentOrRefused),
                    met(ClockKind::Mediate, "2026-05-18", false),
                    started(ClockKind::TermNotice, "order121", "2026-05-18", "2026-05-27", "2026-05-27"),
                ])
                .case();
            assert_eq!(case.stage, Stage::Ended(Outcome::Terminated));
        }
    }

    #[test]
    fn every_ground_but_two_needs_no_more_than_its_naming() {
        for ground in TerminationGround::ALL {
            let decided = given(mediating()).at(NOW).when(terminate(*ground));
            match ground {
                TerminationGround::WithdrawnOrSettled => {
                    decided.then_err(|refused| *refused == Rejection::UseWithdrawOrSettle);
                }
                TerminationGround::SixtyDays => {
                    decided.then_err(|refused| *refused == Rejection::PeriodNotOver { due: day("2026-07-07") });
                }
                TerminationGround::AbsentOrRefused
                | TerminationGround::NoAgreementPossible
                | TerminationGround::AppraisalCost
                | TerminationGround::RefusalGroundFound
                | TerminationGround::PartyGone
                | TerminationGround::OtherLaw => {
                    decided.then([
                        ended(*ground),
                        met(ClockKind::Mediate, "2026-05-18", false),
                        started(ClockKind::TermNotice, "order121", "2026-05-18", "2026-05-27", "2026-05-27"),
                    ]);
                }
            }
        }
    }

    #[test]
    fn the_ground_of_the_sixty_days_opens_on_the_day_after_them() {
        given(mediating())
            .at("2026-07-07T23:59:59+08:00")
            .when(terminate(TerminationGround::SixtyDays))
            .then_err(|refused| *refused == Rejection::PeriodNotOver { due: day("2026-07-07") });
        given(mediating()).at("2026-07-08T00:00:00+08:00").when(terminate(TerminationGround::SixtyDays)).then([
            ended(TerminationGround::SixtyDays),
            met(ClockKind::Mediate, "2026-07-08", true),
            started(ClockKind::TermNotice, "order121", "2026-07-08", "2026-07-17", "2026-07-17"),
        ]);
    }

    #[test]
    fn while_a_test_is_made_the_sixty_days_do_not_end() {
        let stop = StopClock { clock: ClockKind::Mediate, reason: StopReason::Testing, evidence: None };
        given(mediating().and(NOW, Act::StopClock(stop)))
            .at("2026-07-08T00:00:00+08:00")
            .when(terminate(TerminationGround::SixtyDays))
            .then_err(|refused| matches!(refused, Rejection::PeriodNotOver { .. }));
    }

    #[test]
    fn an_imported_case_has_no_sixty_days_of_ours() {
        let there = [received_by(INTAKE), ComplaintEvent::Accepted(Accepted {})]
            .map(|event| Happened { at: time("2026-04-21T09:00:00+08:00"), event });
        given(adopted("2026-05-20T00:00:00+08:00", there))
            .at("2026-08-01T09:00:00+08:00")
            .when(terminate(TerminationGround::SixtyDays))
            .then_err(|refused| *refused == Rejection::NotRunning(ClockKind::Mediate));
    }

    #[test]
    fn a_note_holds_its_limit() {
        let noted =
            |note: String| Act::Terminate(Terminate { ground: TerminationGround::PartyGone, note: Some(note.into()) });
        given(mediating()).at(NOW).when(noted(longest_text())).then([
            ComplaintEvent::Terminated(Terminated {
                ground: TerminationGround::PartyGone,
                note: Some(longest_text().into()),
            }),
            met(ClockKind::Mediate, "2026-05-18", false),
            started(ClockKind::TermNotice, "order121", "2026-05-18", "2026-05-27", "2026-05-27"),
        ]);
        given(mediating())
            .at(NOW)
            .when(noted(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "note", .. }));
    }

    #[test]
    fn a_mediation_ends_once() {
        for history in [received(), terminated()] {
            given(history)
                .at(NOW)
                .when(terminate(TerminationGround::PartyGone))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Terminate, .. }));
        }
    }
}
