//! The other council reminded us of a step. It changes nothing but the count, at whatever stage it arrives.

use super::event::{ReferralEvent, ReminderReceived};
use crate::exchange::Step;

/// Notes a reminder that came in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteReminder {
    pub step: Step,
}

impl NoteReminder {
    pub(super) fn effects(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::ReminderReceived(ReminderReceived { step: self.step })]
    }
}

#[cfg(test)]
mod tests {
    use super::NoteReminder;
    use crate::exchange::Step;
    use crate::referral::event::{ReferralEvent, ReminderReceived};
    use crate::referral::recall::Recall;
    use crate::referral::remind::Remind;
    use crate::referral::testing::{came_in, given, sent};
    use crate::referral::vocabulary::RecallReason;
    use crate::referral::{Act, Rejection};

    const NOW: &str = "2026-06-01T09:00:00+08:00";
    const STEP: Step = Step::Acknowledgement;

    fn noted() -> ReferralEvent {
        ReferralEvent::ReminderReceived(ReminderReceived { step: STEP })
    }

    #[test]
    fn a_reminder_is_counted_apart_from_our_own() {
        let once = given(came_in()).at(NOW).received(Act::Remind(Remind { step: STEP })).then([noted()]);
        let twice =
            given(once).at(NOW).received(Act::NoteReminder(NoteReminder { step: STEP })).then([noted()]).transfer();
        let clock = &twice.clocks[&STEP];
        assert_eq!((clock.received, clock.reminders), (2, 0));
    }

    #[test]
    fn it_is_noted_even_after_a_recall() {
        let recalled = sent().told(NOW, Act::Recall(Recall { reason: RecallReason::WrongContent }));
        given(recalled)
            .at(NOW)
            .received(Act::Remind(Remind { step: Step::OfferAnswer }))
            .then([ReferralEvent::ReminderReceived(ReminderReceived { step: Step::OfferAnswer })]);
    }

    #[test]
    fn nobody_here_writes_one_down() {
        let note = || Act::NoteReminder(NoteReminder { step: STEP });
        given(came_in()).at(NOW).when(note()).then_err(|refused| *refused == Rejection::OnlyReceived);
        given(came_in()).at(NOW).told(note()).then_err(|refused| *refused == Rejection::NothingToTell);
    }
}
