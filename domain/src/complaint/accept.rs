//! 受理: the unit takes the complaint on (Order 121 Art. 15(1)); the mediation period runs from this day (Art. 23).

use chrono::NaiveDate;

use super::Moment;
use super::event::{Accepted, ClockMet, ComplaintEvent};
use super::receive::start;
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::ClockKind;

/// Accepts the complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {}

impl Accept {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        let mut events = vec![ComplaintEvent::Accepted(Accepted {})];
        events.extend(met(case, ClockKind::Accept, moment));
        events.push(start(ClockKind::Mediate, moment)?);
        Ok(events)
    }
}

/// The act that the running clock of this kind was for has been done.
pub(super) fn met(case: &Case, kind: ClockKind, moment: &Moment<'_>) -> Option<ComplaintEvent> {
    met_on(case, kind, moment.day())
}

/// The same for an act that was complete on another day than that of its last part.
pub(super) fn met_on(case: &Case, kind: ClockKind, on: NaiveDate) -> Option<ComplaintEvent> {
    let clock = case.running(kind)?;
    Some(ComplaintEvent::ClockMet(ClockMet { clock: kind, on, late: clock.is_exceeded_on(on) }))
}

#[cfg(test)]
mod tests {
    use crate::clock::ClockKind;
    use crate::complaint::event::{Accepted, ComplaintEvent};
    use crate::complaint::testing::{
        INTAKE, accept, accepted, adopted, given, met, nothing, receive, received, received_by, register, started, time,
    };
    use crate::complaint::{Action, Rejection, Stage};
    use crate::decider::Happened;

    const TAKEN: ComplaintEvent = ComplaintEvent::Accepted(Accepted {});

    #[test]
    fn acceptance_meets_its_period_and_begins_that_of_the_mediation() {
        let case = given(received())
            .at("2026-05-08T10:00:00+08:00")
            .when(accept())
            .then([
                TAKEN,
                met(ClockKind::Accept, "2026-05-08", false),
                started(ClockKind::Mediate, "order121", "2026-05-08", "2026-07-07", "2026-07-07"),
            ])
            .case();
        assert_eq!((case.stage, case.running(ClockKind::Accept)), (Stage::Accepted, None));
    }

    #[test]
    fn it_is_in_time_on_the_last_day_and_late_on_the_next() {
        given(received()).at("2026-05-14T23:59:59+08:00").when(accept()).then([
            TAKEN,
            met(ClockKind::Accept, "2026-05-14", false),
            started(ClockKind::Mediate, "order121", "2026-05-14", "2026-07-13", "2026-07-13"),
        ]);
        given(received()).at("2026-05-15T00:00:00+08:00").when(accept()).then([
            TAKEN,
            met(ClockKind::Accept, "2026-05-15", true),
            started(ClockKind::Mediate, "order121", "2026-05-15", "2026-07-14", "2026-07-14"),
        ]);
    }

    #[test]
    fn the_mediation_period_is_that_of_the_day_of_acceptance() {
        let waiting =
            nothing().and("2026-04-13T09:00:00+08:00", register()).and("2026-04-13T10:00:00+08:00", receive());
        for (done, version, on, due) in [
            ("2026-04-14T23:59:59+08:00", "crr2024", "2026-04-14", "2026-06-13"),
            ("2026-04-15T00:00:00+08:00", "order121", "2026-04-15", "2026-06-14"),
        ] {
            given(waiting.clone()).at("2026-04-20T09:00:00+08:00").done(done).when(accept()).then([
                TAKEN,
                met(ClockKind::Accept, on, false),
                started(ClockKind::Mediate, version, on, due, due),
            ]);
        }
    }

    #[test]
    fn before_the_regulation_of_2024_it_was_forty_five_working_days() {
        let waiting =
            nothing().and("2024-06-24T09:00:00+08:00", register()).and("2024-06-24T10:00:00+08:00", receive());
        for (now, version, on) in [
            ("2024-06-28T10:00:00+08:00", "order20", "2024-06-28"),
            ("2024-07-01T10:00:00+08:00", "crr2024", "2024-07-01"),
        ] {
            given(waiting.clone()).at(now).when(accept()).then([
                TAKEN,
                met(ClockKind::Accept, on, false),
                started(ClockKind::Mediate, version, on, "2024-08-30", "2024-08-30"),
            ]);
        }
    }

    #[test]
    fn it_cannot_lie_before_the_receipt() {
        given(received()).at("2026-05-08T10:00:00+08:00").done("2026-05-06T10:59:59+08:00").when(accept()).then_err(
            |refused| {
                let last = time("2026-05-06T11:00:00+08:00");
                matches!(refused, Rejection::BeforeLastAct { last: found, .. } if *found == last)
            },
        );
        given(received()).at("2026-05-08T10:00:00+08:00").done("2026-05-06T11:00:00+08:00").when(accept()).then([
            TAKEN,
            met(ClockKind::Accept, "2026-05-06", false),
            started(ClockKind::Mediate, "order121", "2026-05-06", "2026-07-05", "2026-07-05"),
        ]);
    }

    #[test]
    fn a_complaint_is_accepted_once() {
        given(accepted()).at("2026-05-08T10:00:00+08:00").when(accept()).then_err(|refused| {
            matches!(refused, Rejection::NotAllowed { action: Action::Accept, stage: Stage::Accepted, .. })
        });
    }

    #[test]
    fn an_imported_case_has_no_acceptance_period_to_meet() {
        let there = Happened { at: time("2026-04-21T09:00:00+08:00"), event: received_by(INTAKE) };
        given(adopted("2026-05-20T00:00:00+08:00", [there]))
            .at("2026-05-08T10:00:00+08:00")
            .when(accept())
            .then([TAKEN, started(ClockKind::Mediate, "order121", "2026-05-08", "2026-07-07", "2026-07-07")]);
    }
}
