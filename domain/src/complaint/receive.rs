//! 签收: the competent unit has the case; the acceptance period runs from this day (Order 121 Art. 15(1)).
//!
//! A unit that passes the case down to its own subordinate goes on counting: the period began with its own receipt, and
//! sending the case on must not lengthen it. Only a return to intake ends it, because that unit had no power to decide.

use chrono::NaiveDate;

use super::Moment;
use super::event::{ClockStarted, ComplaintEvent, HandlerAssigned, ReceivedByUnit};
use super::rejection::Rejection;
use super::state::Case;
use crate::clock::{self, ClockKind};
use crate::day::local_day;

/// Takes the case over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    pub handler: Option<String>,
}

impl Receive {
    pub(super) fn decide(self, case: &Case, moment: &Moment<'_>) -> Result<Vec<ComplaintEvent>, Rejection> {
        let mut events = vec![ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit: case.custody.clone() })];
        if case.running(ClockKind::Accept).is_none() {
            // The intake body that keeps a case has received it on the day it came in, not on the day it signs.
            let day = if case.custody == case.intake { local_day(case.arrived_at) } else { moment.day() };
            events.push(start_on(ClockKind::Accept, day, moment)?);
        }
        if let Some(handler) = self.handler {
            super::check_text("handler", &handler)?;
            events.push(ComplaintEvent::HandlerAssigned(HandlerAssigned { handler }));
        }
        Ok(events)
    }
}

/// Starts a clock under the rule in force on the day of the act that triggers it.
pub(super) fn start(kind: ClockKind, moment: &Moment<'_>) -> Result<ComplaintEvent, Rejection> {
    start_on(kind, moment.day(), moment)
}

/// Starts a clock with an act of an earlier day.
fn start_on(kind: ClockKind, day: NaiveDate, moment: &Moment<'_>) -> Result<ComplaintEvent, Rejection> {
    let rule = moment.ctx.rules.rule(kind, day)?;
    let terms = clock::start(rule, moment.ctx.calendar, day)?;
    Ok(ComplaintEvent::ClockStarted(ClockStarted { terms }))
}

#[cfg(test)]
mod tests {
    use super::Receive;
    use crate::clock::ClockKind;
    use crate::complaint::testing::{
        BUREAU, INTAKE, STATION, dispatch, dispatched, given, handled_by, nothing, receive, received, received_by,
        register, registered, started,
    };
    use crate::complaint::{Act, Action, Rejection, Stage};

    #[test]
    fn the_acceptance_period_begins_with_the_receipt() {
        let case = given(dispatched())
            .at("2026-05-06T11:00:00+08:00")
            .when(Act::Receive(Receive { handler: Some("officer-7".to_owned()) }))
            .then([
                received_by(BUREAU),
                started(ClockKind::Accept, "order121", "2026-05-06", "2026-05-14", "2026-05-14"),
                handled_by("officer-7"),
            ])
            .case();
        assert_eq!(case.stage, Stage::Received);
    }

    #[test]
    fn working_days_skip_the_holiday_and_count_the_make_up_saturday() {
        let sent =
            nothing().and("2026-04-27T09:00:00+08:00", register()).and("2026-04-27T09:30:00+08:00", dispatch(BUREAU));
        given(sent).at("2026-04-27T23:59:59+08:00").when(receive()).then([
            received_by(BUREAU),
            started(ClockKind::Accept, "order121", "2026-04-27", "2026-05-09", "2026-05-09"),
        ]);
    }

    #[test]
    fn the_intake_that_keeps_a_case_has_had_it_since_it_came_in() {
        given(registered()).at("2026-05-20T10:00:00+08:00").when(receive()).then([
            received_by(INTAKE),
            started(ClockKind::Accept, "order121", "2026-05-06", "2026-05-14", "2026-05-14"),
        ]);
    }

    #[test]
    fn the_rule_is_that_of_the_day_of_receipt() {
        let waiting =
            nothing().and("2026-04-13T09:00:00+08:00", register()).and("2026-04-13T10:00:00+08:00", dispatch(BUREAU));
        for (done, version, on, due) in [
            ("2026-04-14T23:59:59+08:00", "order20", "2026-04-14", "2026-04-23"),
            ("2026-04-15T00:00:00+08:00", "order121", "2026-04-15", "2026-04-24"),
        ] {
            given(waiting.clone())
                .at("2026-04-20T09:00:00+08:00")
                .done(done)
                .when(receive())
                .then([received_by(BUREAU), started(ClockKind::Accept, version, on, due, due)]);
        }
    }

    #[test]
    fn a_station_goes_on_in_the_period_that_its_bureau_began() {
        let passed_down = received().and("2026-05-07T09:00:00+08:00", dispatch(STATION));
        let case =
            given(passed_down).at("2026-05-08T09:00:00+08:00").when(receive()).then([received_by(STATION)]).case();
        assert_eq!(case.clocks.len(), 1);
    }

    #[test]
    fn a_case_is_received_once() {
        given(received()).at("2026-05-07T09:00:00+08:00").when(receive()).then_err(|refused| {
            matches!(refused, Rejection::NotAllowed { action: Action::Receive, stage: Stage::Received, .. })
        });
    }

    #[test]
    fn a_handler_has_an_id() {
        given(dispatched())
            .at("2026-05-06T11:00:00+08:00")
            .when(Act::Receive(Receive { handler: Some(" ".to_owned()) }))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "handler" });
    }
}
