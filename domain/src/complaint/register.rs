//! 登记: a complaint begins, with the unit that took it in.

use super::event::{ComplaintEvent, HandlerAssigned, Registered};
use super::rejection::Rejection;

/// Longest number of a complaint in characters.
pub const NUMBER_CHARS_MAX: usize = 64;
const CREDIT_CODE_CHARS: usize = 18;

/// Registers one matter of a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    pub registered: Registered,
    pub handler: Option<String>,
}

impl Register {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        check(&self.registered)?;
        super::check_optional("handler", self.handler.as_ref())?;
        let mut events = vec![ComplaintEvent::Registered(Box::new(self.registered))];
        if let Some(handler) = self.handler {
            events.push(ComplaintEvent::HandlerAssigned(HandlerAssigned { handler }));
        }
        Ok(events)
    }
}

/// Checks what a registration says.
pub(crate) fn check(registered: &Registered) -> Result<(), Rejection> {
    check_with(registered, super::check_text)
}

/// Checks what the registration of a history says that another system recorded: its texts are taken as they are there,
/// unless they would disturb ours.
pub(super) fn check_adopted(registered: &Registered) -> Result<(), Rejection> {
    check_with(registered, super::text::check_adopted)
}

fn check_with(
    registered: &Registered,
    check_text: fn(&'static str, &str) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let chars = registered.number.chars().count();
    if chars == 0 || chars > NUMBER_CHARS_MAX {
        return Err(Rejection::Number(chars));
    }
    if let Some(respondent) = &registered.respondent {
        check_text("respondent.name", &respondent.name)?;
        respondent.address.as_ref().map_or(Ok(()), |address| check_text("respondent.address", address))?;
        if let Some(code) = &respondent.uscc {
            let right =
                code.len() == CREDIT_CODE_CHARS && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !right {
                return Err(Rejection::CreditCode);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CREDIT_CODE_CHARS, NUMBER_CHARS_MAX, Register};
    use crate::complaint::event::{ComplaintEvent, Registered};
    use crate::complaint::testing::{
        BUREAU, INTAKE, dispatch, given, handled_by, longest_text, nothing, overlong_text, register, registered,
        registration, unit,
    };
    use crate::complaint::{Act, Rejection, Stage};

    const NOW: &str = "2026-05-06T09:00:00+08:00";

    fn changed(change: impl FnOnce(&mut Registered)) -> Act {
        let mut registered = registration();
        change(&mut registered);
        Act::Register(Box::new(Register { registered, handler: None }))
    }

    fn with_credit_code(code: &str) -> Act {
        changed(|registered| registered.respondent.as_mut().unwrap().uscc = Some(code.to_owned()))
    }

    #[test]
    fn a_complaint_begins_with_the_unit_that_took_it_in() {
        let case = given(nothing())
            .at(NOW)
            .when(Act::Register(Box::new(Register {
                registered: registration(),
                handler: Some("officer-7".to_owned()),
            })))
            .then([ComplaintEvent::Registered(Box::new(registration())), handled_by("officer-7")])
            .case();
        assert_eq!((case.stage, case.round), (Stage::AtIntake, 1));
        assert_eq!((&case.intake, &case.custody), (&unit(INTAKE), &unit(INTAKE)));
        assert_eq!(case.handler.as_deref(), Some("officer-7"));
        assert!(case.clocks.is_empty());
    }

    #[test]
    fn it_begins_once_and_before_everything_else() {
        let number = registration().number;
        given(registered())
            .at(NOW)
            .when(register())
            .then_err(|refused| *refused == Rejection::AlreadyRegistered(number));
        given(nothing()).at(NOW).when(dispatch(BUREAU)).then_err(|refused| *refused == Rejection::NotRegistered);
    }

    #[test]
    fn a_number_has_one_to_sixty_four_characters() {
        for (chars, fits) in [(0, false), (1, true), (NUMBER_CHARS_MAX, true), (NUMBER_CHARS_MAX + 1, false)] {
            let decided = given(nothing()).at(NOW).when(changed(|registered| registered.number = "号".repeat(chars)));
            if fits {
                decided.then([ComplaintEvent::Registered(Box::new(Registered {
                    number: "号".repeat(chars),
                    ..registration()
                }))]);
            } else {
                decided.then_err(|refused| *refused == Rejection::Number(chars));
            }
        }
    }

    #[test]
    fn a_credit_code_has_eighteen_capital_letters_and_digits() {
        let right = "9".repeat(CREDIT_CODE_CHARS);
        let mut registered = registration();
        registered.respondent.as_mut().unwrap().uscc = Some(right.clone());
        given(nothing())
            .at(NOW)
            .when(with_credit_code(&right))
            .then([ComplaintEvent::Registered(Box::new(registered))]);
        for wrong in [&right[1..], format!("{right}9").as_str(), "91440101ma5xxxxx0k", "", "９９９９９９"] {
            given(nothing())
                .at(NOW)
                .when(with_credit_code(wrong))
                .then_err(|refused| *refused == Rejection::CreditCode);
        }
    }

    #[test]
    fn the_respondents_name_and_the_handler_are_texts_within_their_limit() {
        let named = |name: String| changed(|registered| registered.respondent.as_mut().unwrap().name = name);
        let mut longest = registration();
        longest.respondent.as_mut().unwrap().name = longest_text();
        given(nothing()).at(NOW).when(named(longest_text())).then([ComplaintEvent::Registered(Box::new(longest))]);
        given(nothing())
            .at(NOW)
            .when(named(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "respondent.name", chars: 2_001 }));
        given(nothing())
            .at(NOW)
            .when(named(" ".to_owned()))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "respondent.name" });
        given(nothing())
            .at(NOW)
            .when(Act::Register(Box::new(Register { registered: registration(), handler: Some(String::new()) })))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "handler" });
    }

    #[test]
    fn an_act_is_entered_at_most_thirty_days_late() {
        given(nothing())
            .at(NOW)
            .done("2026-04-06T09:00:00+08:00")
            .when(register())
            .then([ComplaintEvent::Registered(Box::new(registration()))]);
        given(nothing())
            .at(NOW)
            .done("2026-04-06T08:59:59+08:00")
            .when(register())
            .then_err(|refused| matches!(refused, Rejection::TooLongAgo { .. }));
    }

    #[test]
    fn a_callers_clock_may_run_five_minutes_ahead() {
        given(nothing())
            .at(NOW)
            .done("2026-05-06T09:05:00+08:00")
            .when(register())
            .then([ComplaintEvent::Registered(Box::new(registration()))]);
        given(nothing())
            .at(NOW)
            .done("2026-05-06T09:05:01+08:00")
            .when(register())
            .then_err(|refused| matches!(refused, Rejection::InFuture { .. }));
    }
}
