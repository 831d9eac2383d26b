//! 催办: whoever is late is reminded. The other council is told; our own people are reminded here.

use chrono::NaiveDate;

use super::Moment;
use super::event::{ReferralEvent, Reminded};
use super::rejection::Rejection;
use super::state::{StepClock, Transfer};
use crate::exchange::Step;

/// Reminds of a step whose last day is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remind {
    pub step: Step,
}

impl Remind {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let clock = overdue(transfer, self.step, moment.day())?;
        let nth = clock.reminders.saturating_add(1);
        Ok(vec![ReferralEvent::Reminded(Reminded { step: self.step, nth })])
    }
}

/// The clock of a step that is still awaited although its last day is over.
pub(super) fn overdue(transfer: &Transfer, step: Step, on: NaiveDate) -> Result<&StepClock, Rejection> {
    let clock = transfer.clocks.get(&step).filter(|clock| clock.is_running());
    let clock = clock.ok_or(Rejection::StepNotAwaited { step })?;
    if clock.is_overdue(on) { Ok(clock) } else { Err(Rejection::NotOverdue { step, by: clock.by }) }
}

#[cfg(test)]
mod tests {
    use super::Remind;
    use crate::exchange::Step;
    use crate::referral::event::{ReferralEvent, Reminded};
    use crate::referral::testing::{acknowledged, came_in, day, drafted, given, sent};
    use crate::referral::{Act, Action, Rejection};

    fn remind(step: Step) -> Act {
        Act::Remind(Remind { step })
    }

    fn reminded(step: Step, nth: u16) -> ReferralEvent {
        ReferralEvent::Reminded(Reminded { step, nth })
    }

    #[test]
    fn the_other_council_is_reminded_by_a_message_and_counted() {
        // Acknowledgement is awaited until 2026-05-28.
        let step = Step::Acknowledgement;
        let mut history = sent();
        for nth in 1..=3 {
            history = given(history).at("2026-05-29T09:00:00+08:00").told(remind(step)).then([reminded(step, nth)]);
            assert_eq!(history.transfer().clocks[&step].reminders, nth);
        }
        given(history)
            .at("2026-05-29T09:00:00+08:00")
            .when(remind(step))
            .then_err(|refused| *refused == Rejection::MustBeTold { action: Action::Remind });
    }

    #[test]
    fn our_own_people_are_reminded_here() {
        let late = "2026-06-01T09:00:00+08:00";
        let step = Step::Acknowledgement;
        given(came_in()).at(late).when(remind(step)).then([reminded(step, 1)]);
        given(came_in()).at(late).told(remind(step)).then_err(|refused| *refused == Rejection::NothingToTell);
    }

    #[test]
    fn nobody_is_reminded_before_the_last_day_is_over() {
        let step = Step::Acknowledgement;
        given(sent())
            .at("2026-05-28T23:59:59+08:00")
            .told(remind(step))
            .then_err(|refused| *refused == Rejection::NotOverdue { step, by: day("2026-05-28") });
        given(sent()).at("2026-05-29T00:00:00+08:00").told(remind(step)).then([reminded(step, 1)]);
    }

    #[test]
    fn what_is_not_awaited_is_not_reminded_of() {
        let late = "2026-07-25T09:00:00+08:00";
        for step in [Step::Acknowledgement, Step::RecallAnswer] {
            given(acknowledged())
                .at(late)
                .told(remind(step))
                .then_err(|refused| *refused == Rejection::StepNotAwaited { step });
        }
        given(drafted())
            .at("2026-05-20T09:00:00+08:00")
            .when(remind(Step::Outcome))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Remind, .. }));
    }
}
