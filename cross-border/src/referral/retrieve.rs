//! 提取: an officer of the receiving council has fetched what arrived, and the sending one is told.

use super::event::{ReferralEvent, Retrieved};

/// Marks the referral as fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieve {}

impl Retrieve {
    pub(super) fn decide(self) -> Vec<ReferralEvent> {
        vec![ReferralEvent::Retrieved(Retrieved {})]
    }
}

#[cfg(test)]
mod tests {
    use super::Retrieve;
    use crate::exchange::Step;
    use crate::referral::event::{ReferralEvent, Retrieved};
    use crate::referral::testing::{came_in, day, deliver, given, sent, taken};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-21T09:00:00+08:00";

    fn retrieve() -> Act {
        Act::Retrieve(Retrieve {})
    }

    #[test]
    fn it_is_fetched_once_before_it_is_taken() {
        let fetched = given(came_in()).at(NOW).told(retrieve()).then([ReferralEvent::Retrieved(Retrieved {})]);
        let transfer = fetched.transfer();
        assert_eq!((transfer.stage, transfer.retrieved), (Stage::Delivered, true));
        assert_eq!(transfer.clocks[&Step::Retrieval].met_on, Some(day("2026-05-21")));
        for history in [fetched, taken()] {
            given(history)
                .at(NOW)
                .told(retrieve())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Retrieve, .. }));
        }
    }

    #[test]
    fn what_was_fetched_has_arrived_even_before_its_receipt() {
        let fetched = given(sent()).at(NOW).received(retrieve()).then([ReferralEvent::Retrieved(Retrieved {})]);
        assert_eq!(fetched.transfer().stage, Stage::Delivered);
        assert_eq!(fetched.transfer().clocks[&Step::Delivery].met_on, Some(day("2026-05-21")));
        // The receipt that comes later starts no clock for a fetch that is over.
        let receipt = fetched.and(NOW, deliver()).transfer();
        assert!(receipt.delivered);
        assert!(!receipt.clocks.contains_key(&Step::Retrieval));
    }
}
