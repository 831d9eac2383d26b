//! 指派: a named handler has the work.

use super::event::{ComplaintEvent, HandlerAssigned};
use super::rejection::Rejection;

/// Gives the case to a handler of the unit that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignHandler {
    /// Work id, never a personal name.
    pub handler: String,
}

impl AssignHandler {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_text("handler", &self.handler)?;
        Ok(vec![ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: self.handler })])
    }
}

#[cfg(test)]
mod tests {
    use super::AssignHandler;
    use crate::complaint::testing::{
        STATION, closed, dispatch, given, handled_by, longest_text, overlong_text, received,
    };
    use crate::complaint::{Act, Action, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn assign(handler: &str) -> Act {
        Act::AssignHandler(AssignHandler { handler: handler.to_owned() })
    }

    #[test]
    fn the_newest_handler_has_the_work_until_the_case_moves_on() {
        let assigned = given(received()).at(NOW).when(assign("officer-7")).then([handled_by("officer-7")]);
        assert_eq!(assigned.case().handler.as_deref(), Some("officer-7"));
        let again = given(assigned).at(NOW).when(assign("officer-8")).then([handled_by("officer-8")]);
        assert_eq!(again.case().handler.as_deref(), Some("officer-8"));
        assert_eq!(again.and(NOW, dispatch(STATION)).case().handler, None);
    }

    #[test]
    fn an_id_is_a_text_within_its_limit() {
        given(received()).at(NOW).when(assign(&longest_text())).then([handled_by(&longest_text())]);
        given(received())
            .at(NOW)
            .when(assign(""))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "handler" });
        given(received())
            .at(NOW)
            .when(assign(&overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "handler", .. }));
    }

    #[test]
    fn a_closed_case_is_nobodys_work() {
        given(closed())
            .at(NOW)
            .when(assign("officer-7"))
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::AssignHandler, .. }));
    }
}
