//! 撤回投诉: the complainant withdraws; after acceptance this ends the mediation (Order 121 Art. 23(1)(1)).

use super::Moment;
use super::accept::met;
use super::event::{ComplaintEvent, Withdrawn};
use super::rejection::Rejection;
use super::state::{Case, Stage};
use super::terminate::end;
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Records the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdraw {
    pub reason: FreeText,
}

impl Withdraw {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("reason", &self.reason)?;
        let withdrawn = ComplaintEvent::Withdrawn(Withdrawn { reason: self.reason });
        match case.stage {
            Stage::Accepted | Stage::Mediating => end(withdrawn, case, moment),
            Stage::AtIntake
            | Stage::Dispatched
            | Stage::Received
            | Stage::Ended(_)
            | Stage::NotAccepted
            | Stage::Closed(_) => {
                let mut events = vec![withdrawn];
                events.extend(met(case, ClockKind::Accept, moment));
                Ok(events)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Withdraw;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, Withdrawn};
    use crate::complaint::testing::{
        STATION, agreed, closed, dispatch, dispatched, given, longest_text, mediating, met, overlong_text, received,
        refused, registered, started,
    };
    use crate::complaint::vocabulary::Outcome;
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-18T10:00:00+08:00";

    fn withdraw(reason: &str) -> Act {
        Act::Withdraw(Withdraw { reason: reason.to_owned().into() })
    }

    fn withdrawn(reason: &str) -> ComplaintEvent {
        ComplaintEvent::Withdrawn(Withdrawn { reason: reason.to_owned().into() })
    }

    #[test]
    fn before_the_receipt_no_period_runs() {
        for history in [registered(), dispatched()] {
            let case = given(history).at(NOW).when(withdraw("已退款")).then([withdrawn("已退款")]).case();
            assert_eq!(case.stage, Stage::Ended(Outcome::Withdrawn));
        }
    }

    #[test]
    fn before_the_decision_it_ends_the_acceptance_period_in_time_or_late() {
        for (now, on, late) in
            [("2026-05-14T23:59:59+08:00", "2026-05-14", false), ("2026-05-15T00:00:00+08:00", "2026-05-15", true)]
        {
            for history in [received(), received().and("2026-05-07T09:00:00+08:00", dispatch(STATION))] {
                let case = given(history)
                    .at(now)
                    .when(withdraw("已退款"))
                    .then([withdrawn("已退款"), met(ClockKind::Accept, on, late)])
                    .case();
                assert!(case.clocks.iter().all(|clock| !clock.is_running()));
            }
        }
    }

    #[test]
    fn after_acceptance_it_ends_the_mediation_and_both_sides_are_to_be_told() {
        given(mediating()).at(NOW).when(withdraw(&longest_text())).then([
            withdrawn(&longest_text()),
            met(ClockKind::Mediate, "2026-05-18", false),
            started(ClockKind::TermNotice, "order121", "2026-05-18", "2026-05-27", "2026-05-27"),
        ]);
    }

    #[test]
    fn it_says_why() {
        given(registered())
            .at(NOW)
            .when(withdraw(""))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "reason" });
        given(registered())
            .at(NOW)
            .when(withdraw(&overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "reason", .. }));
    }

    #[test]
    fn what_has_ended_is_not_withdrawn() {
        for history in [agreed(), refused(), closed()] {
            given(history)
                .at("2026-05-20T10:00:00+08:00")
                .when(withdraw("已退款"))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Withdraw, .. }));
        }
    }
}
