//! 办结: no complaint ends without a coded outcome, and not before those who must be told have been.

use super::Moment;
use super::event::{Closed, ComplaintEvent};
use super::rejection::Rejection;
use super::state::Case;
use super::vocabulary::{NoticeSubject, Outcome, Party};
use crate::clock::ClockKind;
use crate::money::Money;

/// Closes the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    pub outcome: Outcome,
    pub recovered: Option<Money>,
}

impl Close {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        if let Some(expected) = case.stage.outcome()
            && expected != self.outcome
        {
            return Err(Rejection::OutcomeDiffers { expected });
        }
        let missing = missing_notices(case);
        if !missing.is_empty() {
            return Err(Rejection::NoticesMissing(missing.join(", ")));
        }
        let late = is_late(case, moment);
        Ok(vec![ComplaintEvent::Closed(Closed { outcome: self.outcome, recovered: self.recovered, late })])
    }
}

/// Whether a period of this round was exceeded, or the deadline that the source of an imported case had set.
fn is_late(case: &Case, moment: &Moment<'_>) -> bool {
    let day = moment.day();
    let exceeded = case.clocks.iter().any(|clock| match clock.met {
        Some((_, late)) => late,
        None => clock.is_exceeded_on(day),
    });
    let deadline = case.source.as_ref().and_then(|source| source.deadline);
    exceeded || (case.round == 1 && deadline.is_some_and(|deadline| moment.at > deadline))
}

/// Who has not been told what the law wants told.
#[must_use]
pub fn missing_notices(case: &Case) -> Vec<String> {
    const BOTH: [(NoticeSubject, Party); 2] =
        [(NoticeSubject::Termination, Party::Complainant), (NoticeSubject::Termination, Party::Respondent)];
    let mut wanted = Vec::new();
    // The complainant is told of the acceptance as well (Art. 15(1)); a source that accepted the case told it itself.
    if case.started(ClockKind::Mediate).is_some() {
        wanted.push((NoticeSubject::Acceptance, Party::Complainant));
    }
    match case.stage.outcome() {
        Some(Outcome::NotAccepted) => wanted.push((NoticeSubject::Refusal, Party::Complainant)),
        Some(Outcome::Terminated | Outcome::Settled) => wanted.extend(BOTH),
        // A withdrawal before acceptance ends nothing that the other side knew of.
        Some(Outcome::Withdrawn) if case.started(ClockKind::TermNotice).is_some() => wanted.extend(BOTH),
        Some(Outcome::Agreement | Outcome::Withdrawn | Outcome::RecordedBySource) | None => {}
    }
    wanted
        .into_iter()
        .filter(|(subject, party)| !case.told(*subject, *party))
        .map(|(subject, party)| format!("{subject} to {party}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Close;
    use crate::complaint::event::{Closed, ComplaintEvent};
    use crate::complaint::reopen::Reopen;
    use crate::complaint::testing::{
        History, accept, accepted, adopted, agree, agreed, close, given, mediating, open_mediation, received,
        received_by, refuse, refused, registered, tell, terminated, time, yuan,
    };
    use crate::complaint::vocabulary::{NoticeSubject, Outcome, Party};
    use crate::complaint::withdraw::Withdraw;
    use crate::complaint::{Act, Action, Rejection, Stage};
    use crate::decider::Happened;

    use NoticeSubject::{Acceptance, Refusal, Termination};
    use Party::{Complainant, Respondent};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    fn done(outcome: Outcome, late: bool) -> ComplaintEvent {
        ComplaintEvent::Closed(Closed { outcome, recovered: None, late })
    }

    fn told(history: History, now: &str, notices: &[(NoticeSubject, Party)]) -> History {
        notices.iter().fold(history, |history, (subject, to)| history.and(now, tell(*subject, *to)))
    }

    fn withdrawn(history: History) -> History {
        history.and("2026-05-18T10:00:00+08:00", Act::Withdraw(Withdraw { reason: "已退款".into() }))
    }

    #[track_caller]
    fn still_missing(history: History, outcome: Outcome, missing: &str) {
        given(history)
            .at(NOW)
            .when(close(outcome))
            .then_err(|refused| *refused == Rejection::NoticesMissing(missing.to_owned()));
    }

    #[test]
    fn an_agreement_is_closed_once_the_complainant_knows_of_the_acceptance() {
        still_missing(agreed(), Outcome::Agreement, "acceptance to complainant");
        let case = given(told(agreed(), "2026-05-19T10:00:00+08:00", &[(Acceptance, Complainant)]))
            .at(NOW)
            .when(Act::Close(Close { outcome: Outcome::Agreement, recovered: Some(yuan(499)) }))
            .then([ComplaintEvent::Closed(Closed {
                outcome: Outcome::Agreement,
                recovered: Some(yuan(499)),
                late: false,
            })])
            .case();
        assert_eq!((case.stage, case.recovered), (Stage::Closed(Outcome::Agreement), Some(yuan(499))));
    }

    #[test]
    fn a_termination_is_closed_once_both_sides_know() {
        let now = "2026-05-19T10:00:00+08:00";
        still_missing(
            terminated(),
            Outcome::Terminated,
            "acceptance to complainant, termination to complainant, termination to respondent",
        );
        still_missing(
            told(terminated(), now, &[(Acceptance, Complainant), (Termination, Respondent)]),
            Outcome::Terminated,
            "termination to complainant",
        );
        let all = [(Termination, Complainant), (Termination, Respondent), (Acceptance, Complainant)];
        given(told(terminated(), now, &all))
            .at(NOW)
            .when(close(Outcome::Terminated))
            .then([done(Outcome::Terminated, false)]);
    }

    #[test]
    fn a_refusal_is_closed_once_the_complainant_knows() {
        still_missing(refused(), Outcome::NotAccepted, "refusal to complainant");
        given(told(refused(), "2026-05-19T10:00:00+08:00", &[(Refusal, Complainant)]))
            .at(NOW)
            .when(close(Outcome::NotAccepted))
            .then([done(Outcome::NotAccepted, false)]);
    }

    #[test]
    fn a_withdrawal_is_told_to_both_sides_only_if_the_complaint_was_accepted() {
        given(withdrawn(registered())).at(NOW).when(close(Outcome::Withdrawn)).then([done(Outcome::Withdrawn, false)]);
        still_missing(
            told(withdrawn(mediating()), "2026-05-19T10:00:00+08:00", &[(Acceptance, Complainant)]),
            Outcome::Withdrawn,
            "termination to complainant, termination to respondent",
        );
    }

    #[test]
    fn the_outcome_is_the_one_that_came_about() {
        for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Terminated) {
            given(terminated())
                .at(NOW)
                .when(close(*outcome))
                .then_err(|refused| *refused == Rejection::OutcomeDiffers { expected: Outcome::Terminated });
        }
    }

    #[test]
    fn what_has_no_outcome_is_not_closed() {
        for history in [registered(), received(), accepted(), mediating()] {
            given(history)
                .at(NOW)
                .when(close(Outcome::Agreement))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Close, .. }));
        }
    }

    #[test]
    fn one_late_act_makes_the_whole_round_late() {
        let refused_late = received().and("2026-05-15T10:00:00+08:00", refuse());
        given(told(refused_late, "2026-05-15T11:00:00+08:00", &[(Refusal, Complainant)]))
            .at(NOW)
            .when(close(Outcome::NotAccepted))
            .then([done(Outcome::NotAccepted, true)]);
        let told_late = told(
            terminated(),
            "2026-05-28T10:00:00+08:00",
            &[(Acceptance, Complainant), (Termination, Complainant), (Termination, Respondent)],
        );
        given(told_late)
            .at("2026-05-28T11:00:00+08:00")
            .when(close(Outcome::Terminated))
            .then([done(Outcome::Terminated, true)]);
    }

    #[test]
    fn a_round_answers_for_itself_alone() {
        let first = received()
            .and("2026-05-15T10:00:00+08:00", accept())
            .and("2026-05-15T11:00:00+08:00", open_mediation())
            .and("2026-05-15T12:00:00+08:00", agree());
        let closed = given(told(first, "2026-05-15T13:00:00+08:00", &[(Acceptance, Complainant)]))
            .at("2026-05-18T10:00:00+08:00")
            .when(close(Outcome::Agreement))
            .then([done(Outcome::Agreement, true)]);
        let second = closed
            .and("2026-05-18T11:00:00+08:00", Act::Reopen(Reopen { reason: "未履行".into() }))
            .and("2026-05-19T09:00:00+08:00", Act::Withdraw(Withdraw { reason: "已退款".into() }));
        given(second).at(NOW).when(close(Outcome::Withdrawn)).then([done(Outcome::Withdrawn, false)]);
    }

    #[test]
    fn an_imported_case_is_late_after_the_deadline_of_its_source() {
        let there = Happened { at: time("2026-04-21T09:00:00+08:00"), event: received_by("gz-tianhe") };
        let history = adopted("2026-05-20T10:00:00+08:00", [there])
            .and("2026-05-18T10:00:00+08:00", Act::Withdraw(Withdraw { reason: "已退款".into() }));
        for (now, late) in [("2026-05-20T10:00:00+08:00", false), ("2026-05-20T10:00:01+08:00", true)] {
            given(history.clone()).at(now).when(close(Outcome::Withdrawn)).then([done(Outcome::Withdrawn, late)]);
        }
    }
}
