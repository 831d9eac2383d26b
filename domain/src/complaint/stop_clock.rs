//! 中止计时: appraisal and testing do not count in the mediation period (Order 121 Art. 22); nothing else stops one.
//!
//! What a clock leaves out is read from its rule, the one in force on the day it was started.

use super::Moment;
use super::event::{ClockStopped, ComplaintEvent};
use super::rejection::Rejection;
use super::state::Case;
use super::vocabulary::StopReason;
use crate::clock::{ClockKind, Exclusion};

/// Stops a clock from the day of the act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopClock {
    pub clock: ClockKind,
    pub reason: StopReason,
    /// What shows it: the number of the commission, the receipt of the laboratory.
    pub evidence: Option<String>,
}

impl StopClock {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_optional("evidence", self.evidence.as_ref())?;
        let clock = case.running(self.clock).ok_or(Rejection::NotRunning(self.clock))?;
        let rule = moment.ctx.rules.rule(self.clock, clock.terms.started_on)?;
        let excluded = exclusion(self.reason).is_some_and(|exclusion| rule.excludes(exclusion));
        if !excluded {
            return Err(Rejection::NotStoppable(self.clock));
        }
        if clock.stopped_on().is_some() {
            return Err(Rejection::AlreadyStopped(self.clock));
        }
        Ok(vec![ComplaintEvent::ClockStopped(ClockStopped {
            clock: self.clock,
            on: moment.day(),
            reason: self.reason,
            evidence: self.evidence,
        })])
    }
}

/// What the law calls the reason. A stop that a source recorded is adopted with its history and is none of our acts.
const fn exclusion(reason: StopReason) -> Option<Exclusion> {
    match reason {
        StopReason::Appraisal => Some(Exclusion::Appraisal),
        StopReason::Testing => Some(Exclusion::Testing),
        StopReason::RecordedBySource => None,
    }
}

#[cfg(test)]
mod tests {
    use super::StopClock;
    use crate::clock::ClockKind;
    use crate::complaint::event::{AgreementReached, ClockStopped, ComplaintEvent};
    use crate::complaint::record_clue::RecordClue;
    use crate::complaint::testing::{
        History, accepted, agree, day, given, longest_text, mediating, met, overlong_text, received, terminate, yuan,
    };
    use crate::complaint::vocabulary::{StopReason, TerminationGround};
    use crate::complaint::{Act, Action, Rejection};

    const NOW: &str = "2026-05-20T10:00:00+08:00";

    fn stop(clock: ClockKind, reason: StopReason, evidence: Option<String>) -> Act {
        Act::StopClock(StopClock { clock, reason, evidence })
    }

    fn stopped(clock: ClockKind, on: &str, evidence: Option<String>) -> ComplaintEvent {
        ComplaintEvent::ClockStopped(ClockStopped { clock, on: day(on), reason: StopReason::Testing, evidence })
    }

    fn with_clue() -> History {
        mediating().and("2026-05-12T10:00:00+08:00", Act::RecordClue(RecordClue { summary: "无标签".into() }))
    }

    #[test]
    fn a_test_stops_the_mediation_period_from_its_day() {
        for (history, evidence) in [(accepted(), None), (mediating(), Some(longest_text()))] {
            let case = given(history)
                .at(NOW)
                .when(stop(ClockKind::Mediate, StopReason::Testing, evidence.clone()))
                .then([stopped(ClockKind::Mediate, "2026-05-20", evidence)])
                .case();
            let clock = case.running(ClockKind::Mediate).unwrap();
            assert_eq!(clock.stopped_on(), Some(day("2026-05-20")));
            assert!(!clock.is_exceeded_on(day("2026-12-01")));
        }
    }

    #[test]
    fn the_verification_of_a_clue_stands_still_for_a_test_even_after_the_mediation() {
        let ended = with_clue().and("2026-05-18T10:00:00+08:00", terminate(TerminationGround::PartyGone));
        for history in [with_clue(), ended] {
            given(history).at(NOW).when(stop(ClockKind::ClueVerify, StopReason::Testing, None)).then([stopped(
                ClockKind::ClueVerify,
                "2026-05-20",
                None,
            )]);
        }
    }

    #[test]
    fn what_stands_still_is_not_stopped_again() {
        let stopped = with_clue().and(NOW, stop(ClockKind::Mediate, StopReason::Testing, None));
        given(stopped)
            .at("2026-05-21T10:00:00+08:00")
            .when(stop(ClockKind::Mediate, StopReason::Appraisal, None))
            .then_err(|refused| *refused == Rejection::AlreadyStopped(ClockKind::Mediate));
    }

    #[test]
    fn no_other_reason_and_no_other_clock_stands_still() {
        given(mediating())
            .at(NOW)
            .when(stop(ClockKind::Mediate, StopReason::RecordedBySource, None))
            .then_err(|refused| *refused == Rejection::NotStoppable(ClockKind::Mediate));
        given(mediating())
            .at(NOW)
            .when(stop(ClockKind::Accept, StopReason::Testing, None))
            .then_err(|refused| *refused == Rejection::NotRunning(ClockKind::Accept));
        let ended = with_clue().and("2026-05-18T10:00:00+08:00", terminate(TerminationGround::PartyGone));
        given(ended)
            .at(NOW)
            .when(stop(ClockKind::TermNotice, StopReason::Testing, None))
            .then_err(|refused| *refused == Rejection::NotStoppable(ClockKind::TermNotice));
    }

    #[test]
    fn while_only_the_acceptance_period_runs_there_is_nothing_to_stop() {
        given(received())
            .at("2026-05-07T10:00:00+08:00")
            .when(stop(ClockKind::Accept, StopReason::Testing, None))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::StopClock, .. }));
    }

    #[test]
    fn a_stop_on_the_last_day_saves_the_period_and_one_after_it_does_not() {
        for (day_of_stop, on, late) in
            [("2026-07-07T10:00:00+08:00", "2026-07-07", false), ("2026-07-08T10:00:00+08:00", "2026-07-08", true)]
        {
            let standing = given(mediating())
                .at(day_of_stop)
                .when(stop(ClockKind::Mediate, StopReason::Testing, None))
                .then([stopped(ClockKind::Mediate, on, None)]);
            given(standing).at("2026-07-20T10:00:00+08:00").when(agree()).then([
                ComplaintEvent::AgreementReached(AgreementReached { document: true, amount: Some(yuan(499)) }),
                met(ClockKind::Mediate, "2026-07-20", late),
            ]);
        }
    }

    #[test]
    fn the_evidence_holds_its_limit() {
        given(mediating())
            .at(NOW)
            .when(stop(ClockKind::Mediate, StopReason::Testing, Some(overlong_text())))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "evidence", .. }));
    }
}
