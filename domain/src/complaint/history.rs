//! Histories that another system kept: adopted as they were recorded there, at their own business times.
//!
//! The statutory clocks do not run on them: the source worked under its own rules and set its own deadline, which
//! stands in the registration as recorded by the source. Adopting a history again with more at its end adds the end;
//! adopting one that differs in what is already stored is refused.

use super::event::ComplaintEvent;
use super::register;
use super::rejection::Rejection;
use super::state::Complaint;
use crate::decider::{Context, Happened};

/// A whole history, registration first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    pub history: Vec<Happened<ComplaintEvent>>,
    /// How many events of it are stored already; the caller has compared them.
    pub stored: usize,
}

impl Adopt {
    pub(super) fn decide(
        self,
        state: &Complaint,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happened<ComplaintEvent>>, Rejection> {
        match (state, self.history.first().map(|first| &first.event)) {
            (Complaint::Unregistered, Some(ComplaintEvent::Registered(registered))) if self.stored == 0 => {
                register::check_adopted(registered)?;
            }
            (Complaint::Registered(case), Some(ComplaintEvent::Registered(registered)))
                if case.number == registered.number && self.stored > 0 => {}
            (Complaint::Unregistered | Complaint::Registered(_), _) => return Err(Rejection::HistoryBeginning),
        }
        if let Some(late) = self.history.iter().find(|happened| happened.at > ctx.now + super::FUTURE_TOLERANCE) {
            return Err(Rejection::InFuture { at: late.at });
        }
        Ok(self.history.into_iter().skip(self.stored).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Adopt;
    use crate::complaint::event::{Closed, ComplaintEvent, Registered};
    use crate::complaint::testing::{
        BUREAU, Event, adopted, decide, nothing, received_by, registered, registration, time,
    };
    use crate::complaint::vocabulary::Outcome;
    use crate::complaint::{Act, Complaint, ComplaintCommand, Rejection, Stage};
    use crate::decider::Happened;

    const NOW: &str = "2026-05-06T09:00:00+08:00";

    fn adopt(state: &Complaint, history: Vec<Event>, stored: usize) -> Result<Vec<Event>, Rejection> {
        decide(state, time(NOW), ComplaintCommand { at: None, act: Act::Adopt(Box::new(Adopt { history, stored })) })
    }

    fn at(text: &str, event: ComplaintEvent) -> Event {
        Happened { at: time(text), event }
    }

    fn begun(registered: Registered) -> Event {
        at("2019-03-15T09:00:00+08:00", ComplaintEvent::Registered(Box::new(registered)))
    }

    fn whole() -> Vec<Event> {
        let closed = Closed { outcome: Outcome::RecordedBySource, recovered: None, late: true };
        vec![
            begun(registration()),
            at("2019-03-16T09:00:00+08:00", received_by(BUREAU)),
            at("2019-05-01T09:00:00+08:00", ComplaintEvent::Closed(closed)),
        ]
    }

    #[test]
    fn a_history_is_adopted_as_it_stands_at_its_own_times() {
        assert_eq!(adopt(&nothing().state(), whole(), 0), Ok(whole()));
    }

    #[test]
    fn its_texts_are_taken_as_the_other_system_wrote_them() {
        let named = |name: &str| {
            let mut registered = registration();
            registered.respondent.as_mut().unwrap().name = name.to_owned();
            adopt(&nothing().state(), vec![begun(registered)], 0)
        };
        assert!(named("示例\u{e863}\u{ad}商店").is_ok());
        assert_eq!(named("示例\u{202e}商店"), Err(Rejection::TextUnseen { field: "respondent.name" }));
    }

    #[test]
    fn adopting_it_again_adds_only_its_end() {
        let begun = crate::decider::fold::<Complaint>(&whole()[..2]);
        assert_eq!(adopt(&begun, whole(), 2), Ok(whole()[2..].to_vec()));
        let complete = crate::decider::fold::<Complaint>(&whole());
        assert_eq!(adopt(&complete, whole(), 3), Ok(Vec::new()));
        assert_eq!(
            complete.case().map(|case| (case.stage, case.closed_late)),
            Some((Stage::Closed(Outcome::RecordedBySource), true))
        );
    }

    #[test]
    fn it_begins_with_the_registration_of_this_very_complaint() {
        let other = Registered { number: "GZ-2026-000002-C1".to_owned(), ..registration() };
        for (state, history, stored) in [
            (nothing(), Vec::new(), 0),
            (nothing(), whole()[1..].to_vec(), 0),
            (nothing(), whole(), 1),
            (registered(), whole(), 0),
            (registered(), vec![begun(other)], 1),
        ] {
            assert_eq!(adopt(&state.state(), history, stored), Err(Rejection::HistoryBeginning));
        }
    }

    #[test]
    fn its_registration_is_checked_like_any_other() {
        let unnumbered = Registered { number: String::new(), ..registration() };
        assert_eq!(adopt(&nothing().state(), vec![begun(unnumbered)], 0), Err(Rejection::Number(0)));
    }

    #[test]
    fn nothing_in_it_lies_in_the_future() {
        let with = |text: &str| vec![begun(registration()), at(text, received_by(BUREAU))];
        let at_limit = with("2026-05-06T09:05:00+08:00");
        assert_eq!(adopt(&nothing().state(), at_limit.clone(), 0), Ok(at_limit));
        let beyond = "2026-05-06T09:05:01+08:00";
        assert_eq!(adopt(&nothing().state(), with(beyond), 0), Err(Rejection::InFuture { at: time(beyond) }));
    }

    #[test]
    fn it_keeps_the_deadline_of_its_source_and_runs_no_clock() {
        let deadline = "2026-05-20T00:00:00+08:00";
        let case = adopted(deadline, [at("2026-04-21T09:00:00+08:00", received_by(BUREAU))]).case();
        assert_eq!(case.source.and_then(|source| source.deadline), Some(time(deadline)));
        assert!(case.clocks.is_empty());
    }
}
