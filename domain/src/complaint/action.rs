//! What may be done to a complaint now: the same list that a refusal names and that a client shows as buttons.

use super::state::{Case, Stage};
use crate::clock::ClockKind;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// An act by its name in the API.
    Action {
        Dispatch = "dispatchCase", "分送";
        ReturnToIntake = "returnToIntake", "退回";
        Receive = "receiveCase", "签收";
        AssignHandler = "assignHandler", "指派";
        Accept = "acceptComplaint", "受理";
        Refuse = "refuseComplaint", "不予受理";
        OpenMediation = "openMediation", "开始调解";
        RecordSession = "recordSession", "调解记录";
        ReachAgreement = "reachAgreement", "达成调解协议";
        Settle = "settleCase", "自行和解";
        Withdraw = "withdrawCase", "撤回投诉";
        Terminate = "terminateMediation", "终止调解";
        GiveNotice = "giveNotice", "告知";
        StopClock = "stopClock", "中止计时";
        ResumeClock = "resumeClock", "恢复计时";
        ExtendClock = "extendClock", "延期";
        RecordClue = "recordClue", "发现违法线索";
        DecideClue = "decideClue", "线索核查决定";
        Close = "closeCase", "办结";
        Reopen = "reopenCase", "重办";
        Note = "noteWork", "工作记录";
        Urge = "urgeCase", "催办";
    }
}

impl Action {
    /// Whether the act changes where the case stands, so that its order against other acts matters.
    #[must_use]
    pub const fn moves_the_case(self) -> bool {
        !matches!(self, Self::Note | Self::Urge | Self::GiveNotice | Self::AssignHandler)
    }
}

impl Case {
    /// The acts that the state allows now, in the order of [`Action::ALL`].
    #[must_use]
    pub fn allowed(&self) -> Vec<Action> {
        Action::ALL.iter().copied().filter(|action| self.allows(*action)).collect()
    }

    fn allows(&self, action: Action) -> bool {
        use Stage::{Accepted, AtIntake, Closed, Dispatched, Ended, Mediating, NotAccepted, Received};
        let stage = self.stage;
        let ended = matches!(stage, Ended(_) | NotAccepted);
        match action {
            Action::Dispatch => matches!(stage, AtIntake | Dispatched | Received),
            Action::ReturnToIntake => matches!(stage, Dispatched | Received) && self.custody != self.intake,
            Action::Receive => matches!(stage, AtIntake | Dispatched),
            Action::AssignHandler => !matches!(stage, Closed(_)),
            Action::Accept | Action::Refuse => stage == Received,
            Action::OpenMediation => stage == Accepted,
            Action::RecordSession | Action::ReachAgreement => stage == Mediating,
            Action::Settle | Action::Terminate => matches!(stage, Accepted | Mediating),
            Action::Withdraw => matches!(stage, AtIntake | Dispatched | Received | Accepted | Mediating),
            Action::GiveNotice => ended || matches!(stage, Accepted | Mediating | Closed(_)),
            Action::StopClock => self.clocks.iter().any(|clock| {
                let stoppable = matches!(clock.terms.rule, ClockKind::Mediate | ClockKind::ClueVerify);
                stoppable && clock.is_running() && clock.stopped_on().is_none()
            }),
            Action::ResumeClock => self.clocks.iter().any(|clock| clock.is_running() && clock.stopped_on().is_some()),
            Action::ExtendClock => self.running(ClockKind::ClueVerify).is_some(),
            Action::RecordClue => {
                matches!(stage, Accepted | Mediating | Ended(_)) && self.running(ClockKind::ClueVerify).is_none()
            }
            Action::DecideClue => self.running(ClockKind::ClueVerify).is_some(),
            Action::Close => ended && self.running(ClockKind::ClueVerify).is_none(),
            Action::Reopen => matches!(stage, Closed(_)),
            Action::Note | Action::Urge => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action;
    use crate::complaint::testing::{
        History, accepted, agreed, closed, dispatched, mediating, received, refused, registered, terminated,
    };

    /// The acts that every open case allows are left out.
    fn allowed(history: &History) -> Vec<&'static str> {
        let everywhere = [Action::AssignHandler, Action::Note, Action::Urge];
        history.case().allowed().into_iter().filter(|action| !everywhere.contains(action)).map(Action::code).collect()
    }

    #[test]
    fn each_stage_allows_what_the_law_lets_follow_it() {
        for (history, expected) in [
            (registered(), vec!["dispatchCase", "receiveCase", "withdrawCase"]),
            (dispatched(), vec!["dispatchCase", "returnToIntake", "receiveCase", "withdrawCase"]),
            (received(), vec!["dispatchCase", "returnToIntake", "acceptComplaint", "refuseComplaint", "withdrawCase"]),
            (
                accepted(),
                vec![
                    "openMediation",
                    "settleCase",
                    "withdrawCase",
                    "terminateMediation",
                    "giveNotice",
                    "stopClock",
                    "recordClue",
                ],
            ),
            (
                mediating(),
                vec![
                    "recordSession",
                    "reachAgreement",
                    "settleCase",
                    "withdrawCase",
                    "terminateMediation",
                    "giveNotice",
                    "stopClock",
                    "recordClue",
                ],
            ),
            (agreed(), vec!["giveNotice", "recordClue", "closeCase"]),
            (terminated(), vec!["giveNotice", "recordClue", "closeCase"]),
            (refused(), vec!["giveNotice", "closeCase"]),
            (closed(), vec!["giveNotice", "reopenCase"]),
        ] {
            assert_eq!(allowed(&history), expected, "{}", history.case().stage);
        }
    }

    #[test]
    fn a_refusal_names_what_is_allowed() {
        let case = registered().case();
        let refused = crate::complaint::Rejection::NotAllowed {
            action: Action::Close,
            stage: case.stage,
            allowed: case.allowed(),
        };
        assert_eq!(
            refused.to_string(),
            "`closeCase` is not allowed while the complaint is `at-intake`; allowed now: dispatchCase, receiveCase, \
             assignHandler, withdrawCase, noteWork, urgeCase"
        );
    }
}
