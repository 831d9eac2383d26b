//! 发出: every gate is open, and somebody else than the sender approved (four eyes).
//!
//! The decision only says that the message may leave. Delivering it is read from this event and repeated until a
//! receipt comes.

use chrono::{Days, NaiveDate};

use super::event::{Expected, ReferralEvent, Sent};
use super::gate;
use super::rejection::Rejection;
use super::state::Transfer;
use super::{Moment, check_code};
use crate::partner::{Partner, PartnerRegister};

/// How long a recipient may be allowed to keep the data: three years, as long as the record of the transfer (PIPL
/// Art. 56).
pub const RETENTION_DAYS_MAX: u64 = 1_096;

/// Lets the message leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The second person, by work id.
    pub approver: String,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
}

impl Send {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_code("approver", &self.approver)?;
        if self.approver == moment.ctx.actor {
            return Err(Rejection::SameApprover);
        }
        let day = moment.day();
        let last = day.checked_add_days(Days::new(RETENTION_DAYS_MAX)).unwrap_or(NaiveDate::MAX);
        if self.retention_to < day || self.retention_to > last {
            return Err(Rejection::Retention { first: day, last });
        }
        let shut = gate::shut(transfer, day);
        if !shut.is_empty() {
            return Err(Rejection::Gates(shut));
        }
        let partner = partner(transfer)?;
        let acknowledgement = expected(partner, day, partner.standards.acknowledge_working_days)?;
        Ok(vec![ReferralEvent::Sent(Sent {
            approver: self.approver,
            retention_to: self.retention_to,
            acknowledgement,
        })])
    }
}

pub(super) fn partner(transfer: &Transfer) -> Result<&'static Partner, Rejection> {
    let id = &transfer.drafted.partner;
    PartnerRegister::builtin().get(id).ok_or_else(|| Rejection::UnknownPartner(id.clone()))
}

/// When the partner is expected to have acted, by the working days of its place.
pub(super) fn expected(partner: &Partner, from: NaiveDate, working_days: u16) -> Result<Expected, Rejection> {
    let due = partner.working_days_after(from, working_days)?;
    Ok(Expected { by: due.strict, calendar: partner.place.calendar().edition().clone(), provisional: due.provisional })
}

#[cfg(test)]
mod tests {
    use super::Send;
    use crate::referral::event::{ReferralEvent, Sent};
    use crate::referral::testing::{ACTOR, assessed, came_in, day, expected, given, sealed, send, sent};
    use crate::referral::withdraw_consent::WithdrawConsent;
    use crate::referral::{Act, Action, Gate, Rejection, Stage};

    const NOW: &str = "2026-05-20T09:00:00+08:00";

    fn send_with(approver: &str, retention_to: &str) -> Act {
        Act::Send(Send { approver: approver.to_owned(), retention_to: day(retention_to) })
    }

    fn left(retention_to: &str) -> ReferralEvent {
        ReferralEvent::Sent(Sent {
            approver: "officer-2".to_owned(),
            retention_to: day(retention_to),
            acknowledgement: expected("2026-05-28", "HK-2026/1"),
        })
    }

    #[test]
    fn it_leaves_when_every_gate_is_open_and_an_answer_is_expected() {
        let transfer = given(sealed()).at(NOW).when(send()).then([left("2027-05-20")]).transfer();
        assert_eq!(transfer.stage, Stage::Sent);
        assert!(transfer.sent.is_some());
    }

    #[test]
    fn a_shut_gate_is_named() {
        let withdrawn = sealed().and("2026-05-19T11:00:00+08:00", Act::WithdrawConsent(WithdrawConsent {}));
        given(withdrawn)
            .at(NOW)
            .when(send())
            .then_err(|refused| *refused == Rejection::Gates(vec![Gate::ConsentWithdrawn]));
    }

    #[test]
    fn a_second_person_approves() {
        given(sealed())
            .at(NOW)
            .when(send_with(ACTOR, "2027-05-20"))
            .then_err(|refused| *refused == Rejection::SameApprover);
        given(sealed())
            .at(NOW)
            .when(send_with("", "2027-05-20"))
            .then_err(|refused| *refused == Rejection::CodeMissing { field: "approver" });
    }

    #[test]
    fn the_recipient_keeps_the_data_for_three_years_at_most() {
        for last in ["2026-05-20", "2029-05-20"] {
            given(sealed()).at(NOW).when(send_with("officer-2", last)).then([left(last)]);
        }
        let bounds = Rejection::Retention { first: day("2026-05-20"), last: day("2029-05-20") };
        for beyond in ["2026-05-19", "2029-05-21"] {
            given(sealed()).at(NOW).when(send_with("officer-2", beyond)).then_err(|refused| *refused == bounds);
        }
    }

    #[test]
    fn only_what_is_sealed_is_sent_once() {
        for history in [assessed(), sent(), came_in()] {
            given(history)
                .at(NOW)
                .when(send())
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Send, .. }));
        }
    }
}
