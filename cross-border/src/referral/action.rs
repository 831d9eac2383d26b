//! What may be done to a referral now: the same list that a refusal names.

use domain::vocabulary::vocabulary;

use super::state::{Stage, Transfer};

vocabulary! {
    /// An act by its name in the API.
    Action {
        CaptureConsent = "recordConsent", "取得同意";
        WithdrawConsent = "withdrawConsent", "撤回同意";
        Assess = "assessReferral", "合法性评估";
        Seal = "sealReferral", "封装";
        Send = "sendReferral", "发出";
        RecordDelivery = "recordDelivery", "送达";
        Acknowledge = "acknowledgeReferral", "签收";
        Return = "returnReferral", "退回";
        ReportProgress = "reportProgress", "通报进展";
        ReportOutcome = "reportOutcome", "通报结果";
        AcknowledgeOutcome = "acknowledgeOutcome", "转告结果";
        Recall = "recallReferral", "撤回转办";
        AnswerRecall = "answerRecall", "答复撤回";
    }
}

impl Action {
    /// Whether the act must not lie before the last one. A receipt may be overtaken by an answer, and a withdrawal of
    /// consent counts from the day it was given to anybody of ours.
    #[must_use]
    pub const fn keeps_the_order(self) -> bool {
        !matches!(self, Self::RecordDelivery | Self::WithdrawConsent)
    }
}

impl Transfer {
    /// The acts that the state allows now, in the order of [`Action::ALL`].
    #[must_use]
    pub fn allowed(&self) -> Vec<Action> {
        Action::ALL.iter().copied().filter(|action| self.allows(*action)).collect()
    }

    fn allows(&self, action: Action) -> bool {
        use Stage::{Acknowledged, Assessed, ConsentCaptured, Delivered, Drafted, InProgress, OutcomeReported};
        use Stage::{Recalled, Sealed, Sent};
        let stage = self.stage;
        let outbound = self.is_outbound();
        let handled = matches!(stage, Acknowledged | InProgress(_));
        match action {
            Action::CaptureConsent => outbound && stage.is_before_sending(),
            Action::WithdrawConsent => self.consent.as_ref().is_some_and(|consent| !consent.withdrawn),
            Action::Assess => outbound && matches!(stage, ConsentCaptured | Assessed | Sealed),
            Action::Seal => outbound && matches!(stage, Assessed | Sealed),
            Action::Send => outbound && stage == Sealed,
            // A receipt that comes late or again is no fault of whoever brings it.
            Action::RecordDelivery => stage.has_left() || (!outbound && stage == Drafted),
            Action::Acknowledge => matches!(stage, Sent | Delivered) || handled,
            Action::Return => matches!(stage, Sent | Delivered),
            Action::ReportProgress | Action::ReportOutcome => handled,
            Action::AcknowledgeOutcome => matches!(stage, OutcomeReported(_)),
            Action::Recall => stage.is_before_sending() || matches!(stage, Sent | Delivered) || handled,
            Action::AnswerRecall => stage == Recalled { after_sending: true, erased: None },
        }
    }
}
