//! 告知: a side was told; both sides told of the end of mediation meets its period (Order 121 Art. 23(2)).
//!
//! Notices may be entered in any order, so the period is met on the day the later of the two was given, not on the
//! day of the one entered last. A notice from before the end of the mediation is kept as what was done, and counts
//! for nothing.

use chrono::NaiveDate;

use super::Moment;
use super::accept::met_on;
use super::event::{ComplaintEvent, NoticeGiven};
use super::state::Case;
use super::vocabulary::{Manner, NoticeSubject, Party};
use crate::clock::ClockKind;

/// Records a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveNotice {
    pub subject: NoticeSubject,
    pub to: Party,
    pub manner: Manner,
}

impl GiveNotice {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Vec<ComplaintEvent> {
        let mut events =
            vec![ComplaintEvent::NoticeGiven(NoticeGiven { subject: self.subject, to: self.to, manner: self.manner })];
        if self.subject == NoticeSubject::Termination {
            events.extend(self.meets(case, moment.day()));
        }
        events
    }

    /// The period's end, when this notice is the second of the two that count.
    fn meets(&self, case: &Case, on: NaiveDate) -> Option<ComplaintEvent> {
        let began = case.running(ClockKind::TermNotice)?.terms.started_on;
        let other = match self.to {
            Party::Complainant => Party::Respondent,
            Party::Respondent => Party::Complainant,
        };
        let other_on = case.told_on(NoticeSubject::Termination, other)?;
        if on < began {
            return None;
        }
        met_on(case, ClockKind::TermNotice, on.max(other_on))
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::ClockKind;
    use crate::complaint::event::{ComplaintEvent, NoticeGiven};
    use crate::complaint::testing::{
        accepted, day, given, mediating, met, received, refused, tell, terminate, terminated,
    };
    use crate::complaint::vocabulary::{Manner, NoticeSubject, Party, TerminationGround};
    use crate::complaint::{Action, Rejection};

    use NoticeSubject::{Acceptance, Refusal, Termination};
    use Party::{Complainant, Respondent};

    fn told(subject: NoticeSubject, to: Party) -> ComplaintEvent {
        ComplaintEvent::NoticeGiven(NoticeGiven { subject, to, manner: Manner::Sms })
    }

    #[test]
    fn a_side_is_told() {
        let now = "2026-05-08T11:00:00+08:00";
        let case =
            given(accepted()).at(now).when(tell(Acceptance, Complainant)).then([told(Acceptance, Complainant)]).case();
        assert_eq!(case.told_on(Acceptance, Complainant), Some(day("2026-05-08")));
        assert!(!case.told(Acceptance, Respondent));
        given(refused()).at(now).when(tell(Refusal, Complainant)).then([told(Refusal, Complainant)]);
    }

    #[test]
    fn the_second_side_told_meets_the_period_in_time_or_late() {
        for (now, on, late) in
            [("2026-05-27T23:59:59+08:00", "2026-05-27", false), ("2026-05-28T00:00:00+08:00", "2026-05-28", true)]
        {
            for (first, second) in [(Complainant, Respondent), (Respondent, Complainant)] {
                let one_told = given(terminated())
                    .at("2026-05-19T10:00:00+08:00")
                    .when(tell(Termination, first))
                    .then([told(Termination, first)]);
                assert!(one_told.case().running(ClockKind::TermNotice).is_some());
                given(one_told)
                    .at(now)
                    .when(tell(Termination, second))
                    .then([told(Termination, second), met(ClockKind::TermNotice, on, late)]);
            }
        }
    }

    #[test]
    fn the_same_side_told_twice_is_one_side() {
        let once = terminated().and("2026-05-19T10:00:00+08:00", tell(Termination, Complainant));
        let case = given(once)
            .at("2026-05-20T10:00:00+08:00")
            .when(tell(Termination, Complainant))
            .then([told(Termination, Complainant)])
            .case();
        assert_eq!(case.told_on(Termination, Complainant), Some(day("2026-05-19")));
    }

    #[test]
    fn notices_entered_in_another_order_meet_the_period_on_the_later_day() {
        let late_one = terminated().and("2026-05-28T10:00:00+08:00", tell(Termination, Complainant));
        given(late_one)
            .at("2026-05-29T10:00:00+08:00")
            .done("2026-05-20T10:00:00+08:00")
            .when(tell(Termination, Respondent))
            .then([told(Termination, Respondent), met(ClockKind::TermNotice, "2026-05-28", true)]);
    }

    #[test]
    fn a_notice_of_an_end_that_has_not_come_counts_for_nothing() {
        let foretold = mediating()
            .and("2026-05-18T09:00:00+08:00", tell(Termination, Complainant))
            .and("2026-05-18T09:00:00+08:00", tell(Termination, Respondent))
            .and("2026-05-18T10:00:00+08:00", terminate(TerminationGround::NoAgreementPossible));
        let case = foretold.case();
        assert!(!case.told(Termination, Complainant) && !case.told(Termination, Respondent));
        given(foretold)
            .at("2026-05-19T10:00:00+08:00")
            .when(tell(Termination, Complainant))
            .then([told(Termination, Complainant)]);
    }

    #[test]
    fn nor_does_one_that_is_dated_before_the_end() {
        let one_told = terminated().and("2026-05-19T10:00:00+08:00", tell(Termination, Complainant));
        let case = given(one_told)
            .at("2026-05-19T11:00:00+08:00")
            .done("2026-05-17T10:00:00+08:00")
            .when(tell(Termination, Respondent))
            .then([told(Termination, Respondent)])
            .case();
        assert!(!case.told(Termination, Respondent));
        assert!(case.running(ClockKind::TermNotice).is_some());
    }

    #[test]
    fn there_is_nothing_to_tell_before_the_decision() {
        given(received())
            .at("2026-05-07T10:00:00+08:00")
            .when(tell(Acceptance, Complainant))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::GiveNotice, .. }));
    }
}
