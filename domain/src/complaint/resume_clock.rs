//! 恢复计时: the period runs again, longer by the days it stood still.

use super::Moment;
use super::event::{ClockResumed, ComplaintEvent};
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::{ClockKind, Stop};

/// Resumes a stopped clock from the day of the act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeClock {
    pub clock: ClockKind,
}

impl ResumeClock {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        let clock = case.running(self.clock).ok_or(Rejection::NotRunning(self.clock))?;
        let stopped_on = clock.stopped_on().ok_or(Rejection::NotStopped(self.clock))?;
        let on = moment.day();
        if on < stopped_on {
            return Err(Rejection::ResumedBeforeStop { stopped_on });
        }
        let mut stops = clock.stops.clone();
        stops.pop();
        stops.push(Stop { from: stopped_on, to: Some(on) });
        let terms = clock.reckoned(clock.extended_by, &stops, moment.ctx.calendar)?;
        Ok(vec![ComplaintEvent::ClockResumed(ClockResumed { on, terms })])
    }
}

#[cfg(test)]
mod tests {
    use super::ResumeClock;
    use crate::clock::ClockKind;
    use crate::complaint::event::{ClockResumed, ComplaintEvent};
    use crate::complaint::record_clue::RecordClue;
    use crate::complaint::stop_clock::StopClock;
    use crate::complaint::testing::{History, day, given, mediating, terms};
    use crate::complaint::vocabulary::StopReason;
    use crate::complaint::{Act, Action, Rejection};

    fn stop() -> Act {
        Act::StopClock(StopClock { clock: ClockKind::Mediate, reason: StopReason::Appraisal, evidence: None })
    }

    fn resume(clock: ClockKind) -> Act {
        Act::ResumeClock(ResumeClock { clock })
    }

    fn resumed(on: &str, due: &str) -> ComplaintEvent {
        ComplaintEvent::ClockResumed(ClockResumed {
            on: day(on),
            terms: terms(ClockKind::Mediate, "order121", "2026-05-08", due, due),
        })
    }

    fn stopped() -> History {
        mediating().and("2026-05-20T10:00:00+08:00", stop())
    }

    #[test]
    fn the_period_is_longer_by_the_days_it_stood_still() {
        // 2026-05-20 to 05-31 are twelve days; without them the last day is 07-07.
        let case = given(stopped())
            .at("2026-06-01T10:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then([resumed("2026-06-01", "2026-07-19")])
            .case();
        let clock = case.running(ClockKind::Mediate).unwrap();
        assert_eq!(clock.stopped_on(), None);
        assert!(!clock.is_exceeded_on(day("2026-07-19")));
        assert!(clock.is_exceeded_on(day("2026-07-20")));
    }

    #[test]
    fn two_stops_add_up() {
        let again = stopped()
            .and("2026-06-01T10:00:00+08:00", resume(ClockKind::Mediate))
            .and("2026-06-10T10:00:00+08:00", stop());
        given(again)
            .at("2026-06-12T10:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then([resumed("2026-06-12", "2026-07-21")]);
    }

    #[test]
    fn a_stop_within_one_day_takes_none() {
        given(stopped())
            .at("2026-05-20T17:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then([resumed("2026-05-20", "2026-07-07")]);
    }

    #[test]
    fn a_stop_after_the_last_day_gives_nothing_back() {
        let too_late = mediating().and("2026-07-08T10:00:00+08:00", stop());
        given(too_late)
            .at("2026-07-20T10:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then([resumed("2026-07-20", "2026-07-07")]);
    }

    #[test]
    fn only_a_clock_that_stands_still_is_resumed() {
        let clue = Act::RecordClue(RecordClue { summary: "无标签".into() });
        let one_stands = mediating().and("2026-05-12T10:00:00+08:00", clue).and("2026-05-20T10:00:00+08:00", stop());
        given(one_stands)
            .at("2026-06-01T10:00:00+08:00")
            .when(resume(ClockKind::ClueVerify))
            .then_err(|refused| *refused == Rejection::NotStopped(ClockKind::ClueVerify));
        given(stopped())
            .at("2026-06-01T10:00:00+08:00")
            .when(resume(ClockKind::Accept))
            .then_err(|refused| *refused == Rejection::NotRunning(ClockKind::Accept));
        given(mediating())
            .at("2026-06-01T10:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::ResumeClock, .. }));
    }

    #[test]
    fn it_cannot_lie_before_the_stop() {
        given(stopped())
            .at("2026-06-01T10:00:00+08:00")
            .done("2026-05-19T10:00:00+08:00")
            .when(resume(ClockKind::Mediate))
            .then_err(|refused| matches!(refused, Rejection::BeforeLastAct { .. }));
    }
}
