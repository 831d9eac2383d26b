//! 不予受理: on one of the closed grounds, with the reason and the other routes (Order 121 Art. 15(2), 16).

use super::Moment;
use super::accept::met;
use super::event::{ComplaintEvent, NotAccepted};
use super::rejection::Rejection;
use super::state::Case;
use super::vocabulary::{RefusalGround, Route};
use crate::clock::ClockKind;
use crate::privacy::FreeText;

/// Refuses the complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    pub ground: RefusalGround,
    pub reason: FreeText,
    /// At least one; repeated ones count once.
    pub routes: Vec<Route>,
}

impl Refuse {
    pub(super) fn decide(mut self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("reason", &self.reason)?;
        self.routes.sort_unstable();
        self.routes.dedup();
        if self.routes.is_empty() {
            return Err(Rejection::RoutesMissing);
        }
        let mut events = vec![ComplaintEvent::NotAccepted(NotAccepted {
            ground: self.ground,
            reason: self.reason,
            routes: self.routes,
        })];
        events.extend(met(case, ClockKind::Accept, moment));
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::Refuse;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, NotAccepted};
    use crate::complaint::testing::{accepted, given, longest_text, met, overlong_text, received, refuse};
    use crate::complaint::vocabulary::{Outcome, RefusalGround, Route};
    use crate::complaint::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-08T10:00:00+08:00";

    fn for_reason(reason: String, routes: Vec<Route>) -> Act {
        Act::Refuse(Refuse { ground: RefusalGround::TooLate, reason: reason.into(), routes })
    }

    fn refused_for(reason: String, routes: Vec<Route>) -> ComplaintEvent {
        ComplaintEvent::NotAccepted(NotAccepted { ground: RefusalGround::TooLate, reason: reason.into(), routes })
    }

    #[test]
    fn a_refusal_names_its_ground_its_reason_and_each_other_route_once() {
        let routes = vec![Route::Court, Route::Arbitration, Route::Court];
        let case = given(received())
            .at(NOW)
            .when(for_reason(longest_text(), routes))
            .then([
                refused_for(longest_text(), vec![Route::Arbitration, Route::Court]),
                met(ClockKind::Accept, "2026-05-08", false),
            ])
            .case();
        assert_eq!((case.stage, case.stage.outcome()), (Stage::NotAccepted, Some(Outcome::NotAccepted)));
    }

    #[test]
    fn it_is_in_time_on_the_last_day_and_late_on_the_next() {
        for (now, on, late) in
            [("2026-05-14T23:59:59+08:00", "2026-05-14", false), ("2026-05-15T00:00:00+08:00", "2026-05-15", true)]
        {
            given(received())
                .at(now)
                .when(for_reason("超过三年".to_owned(), vec![Route::Court]))
                .then([refused_for("超过三年".to_owned(), vec![Route::Court]), met(ClockKind::Accept, on, late)]);
        }
    }

    #[test]
    fn without_another_route_or_a_reason_there_is_no_refusal() {
        given(received())
            .at(NOW)
            .when(for_reason("超过三年".to_owned(), Vec::new()))
            .then_err(|refused| *refused == Rejection::RoutesMissing);
        given(received())
            .at(NOW)
            .when(for_reason("\n".to_owned(), vec![Route::Court]))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "reason" });
        given(received())
            .at(NOW)
            .when(for_reason(overlong_text(), vec![Route::Court]))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "reason", .. }));
    }

    #[test]
    fn what_was_accepted_is_not_refused() {
        given(accepted())
            .at(NOW)
            .when(refuse())
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Refuse, .. }));
    }
}
