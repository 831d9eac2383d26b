//! 升级: reminding did not help, and somebody higher among our own is told.

use super::event::{Escalated, ReferralEvent};
use super::rejection::Rejection;
use super::remind::overdue;
use super::state::Transfer;
use super::{Moment, check_code};
use crate::exchange::Step;

/// Escalates a step whose last day is over; a second time changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalate {
    pub step: Step,
    /// A unit or a person, by id.
    pub to: String,
}

impl Escalate {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_code("to", &self.to)?;
        let clock = overdue(transfer, self.step, moment.day())?;
        if clock.escalated {
            return Ok(Vec::new());
        }
        Ok(vec![ReferralEvent::Escalated(Escalated { step: self.step, to: self.to })])
    }
}

#[cfg(test)]
mod tests {
    use super::Escalate;
    use crate::exchange::Step;
    use crate::referral::event::{Escalated, ReferralEvent};
    use crate::referral::testing::{came_in, day, drafted, given, sent};
    use crate::referral::{Act, Action, Rejection};

    const LATE: &str = "2026-06-05T09:00:00+08:00";
    const STEP: Step = Step::Acknowledgement;

    fn escalate(to: &str) -> Act {
        Act::Escalate(Escalate { step: STEP, to: to.to_owned() })
    }

    #[test]
    fn it_is_escalated_once_and_nobody_outside_is_told() {
        for history in [sent(), came_in()] {
            let escalated = ReferralEvent::Escalated(Escalated { step: STEP, to: "gd-council".to_owned() });
            let once = given(history).at(LATE).when(escalate("gd-council")).then([escalated]);
            assert!(once.transfer().clocks[&STEP].escalated);
            given(once.clone()).at(LATE).when(escalate("gd-council")).then([]);
            given(once).at(LATE).told(escalate("gd-council")).then_err(|refused| *refused == Rejection::NothingToTell);
        }
    }

    #[test]
    fn it_needs_somebody_to_turn_to_and_somebody_who_is_late() {
        given(sent())
            .at(LATE)
            .when(escalate(" "))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "to" });
        given(sent())
            .at("2026-05-28T09:00:00+08:00")
            .when(escalate("gd-council"))
            .then_err(|refused| *refused == Rejection::NotOverdue { step: STEP, by: day("2026-05-28") });
        given(drafted())
            .at("2026-05-28T09:00:00+08:00")
            .when(escalate("gd-council"))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Escalate, .. }));
    }
}
