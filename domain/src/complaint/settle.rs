//! 自行和解: the two sides settled themselves, which ends the mediation (Order 121 Art. 23(1)(1)).

use super::Moment;
use super::event::{ComplaintEvent, Settled};
use super::rejection::Rejection;
use super::state::Case;
use super::terminate::end;
use crate::money::Money;

/// Records the settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    pub amount: Option<Money>,
}

impl Settle {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        end(ComplaintEvent::Settled(Settled { amount: self.amount }), case, moment)
    }
}

#[cfg(test)]
mod tests {
    use super::Settle;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, Settled};
    use crate::complaint::testing::{accepted, agreed, given, mediating, met, received, started, yuan};
    use crate::complaint::vocabulary::Outcome;
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-18T10:00:00+08:00";

    fn settle() -> Act {
        Act::Settle(Settle { amount: Some(yuan(300)) })
    }

    #[test]
    fn a_settlement_ends_the_mediation_and_both_sides_are_to_be_told() {
        for history in [accepted(), mediating()] {
            let case = given(history)
                .at(NOW)
                .when(settle())
                .then([
                    ComplaintEvent::Settled(Settled { amount: Some(yuan(300)) }),
                    met(ClockKind::Mediate, "2026-05-18", false),
                    started(ClockKind::TermNotice, "order121", "2026-05-18", "2026-05-27", "2026-05-27"),
                ])
                .case();
            assert_eq!(case.stage, Stage::Ended(Outcome::Settled));
        }
    }

    #[test]
    fn it_needs_a_mediation_that_has_not_ended() {
        for history in [received(), agreed()] {
            given(history)
                .at(NOW)
                .when(settle())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Settle, .. }));
        }
    }
}
