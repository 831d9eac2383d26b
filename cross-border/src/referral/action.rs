//! What may be done to a referral now: the same list that a refusal names.
//!
//! Two questions are answered here. What our own people may do ([`Transfer::allowed`]) depends on which of the two
//! councils we are. What a message of the other council may still change ([`Transfer::takes`]) is wider: it was allowed
//! where it was written, and what has happened here meanwhile decides only whether it still has an effect.

use domain::vocabulary::vocabulary;

use super::Act;
use super::clock::awaited;
use super::state::{SessionState, Stage, Transfer};
use crate::exchange::MessageKind;

vocabulary! {
    /// An act by its name in the API.
    Action {
        CaptureConsent = "recordConsent", "取得同意";
        WithdrawConsent = "withdrawConsent", "撤回同意";
        Assess = "assessReferral", "合法性评估";
        Present = "presentReferral", "送审";
        Submit = "submitReferral", "发出";
        RecordDelivery = "recordDelivery", "送达";
        Retrieve = "retrieveReferral", "提取";
        Acknowledge = "acknowledgeReferral", "签收";
        Return = "returnReferral", "退回";
        ReportProgress = "reportProgress", "通报进展";
        OfferSession = "offerSession", "建议调解或者仲裁";
        AnswerOffer = "answerOffer", "答复建议";
        RecordSession = "recordCouncilSession", "通报调解或者仲裁情况";
        AddEvidence = "addEvidence", "补充证据";
        StoreEvidence = "storeEvidence", "证据入库";
        RecordScan = "recordScan", "证据检查";
        ReportOutcome = "reportOutcome", "通报结果";
        AcknowledgeOutcome = "acknowledgeOutcome", "转告结果";
        Recall = "recallReferral", "撤回转办";
        AnswerRecall = "answerRecall", "答复撤回";
        Remind = "remindPartner", "催办";
        Escalate = "escalateReferral", "升级";
    }
}

impl Action {
    /// Whether the act must not lie before the last one. A receipt may be overtaken by an answer, a withdrawal of
    /// consent counts from the day it was given to anybody of ours, and a file is there or not, whatever else happened.
    #[must_use]
    pub const fn keeps_the_order(self) -> bool {
        !matches!(self, Self::RecordDelivery | Self::WithdrawConsent | Self::StoreEvidence | Self::RecordScan)
    }
}

impl Act {
    /// The action this act is, for what is allowed. What begins a life, comes from the other council, was done by
    /// whoever brings or gives things over or erases, or follows by itself is none.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            Self::Draft(_)
            | Self::Begin(_)
            | Self::Receive(_)
            | Self::NoteReminder(_)
            | Self::BringEvidence(_)
            | Self::GiveOut(_)
            | Self::Withhold(_)
            | Self::PassOver(_)
            | Self::Erase(_)
            | Self::HoldErasure(_) => return None,
            Self::Tell(tell) => return tell.act.action(),
            Self::CaptureConsent(_) => Action::CaptureConsent,
            Self::WithdrawConsent(_) => Action::WithdrawConsent,
            Self::Assess(_) => Action::Assess,
            Self::Present(_) => Action::Present,
            Self::Submit(_) => Action::Submit,
            Self::RecordDelivery(_) => Action::RecordDelivery,
            Self::Retrieve(_) => Action::Retrieve,
            Self::Acknowledge(_) => Action::Acknowledge,
            Self::Return(_) => Action::Return,
            Self::ReportProgress(_) => Action::ReportProgress,
            Self::OfferSession(_) => Action::OfferSession,
            Self::AnswerOffer(_) => Action::AnswerOffer,
            Self::RecordSession(_) => Action::RecordSession,
            Self::AddEvidence(_) => Action::AddEvidence,
            Self::StoreEvidence(_) => Action::StoreEvidence,
            Self::RecordScan(_) => Action::RecordScan,
            Self::ReportOutcome(_) => Action::ReportOutcome,
            Self::AcknowledgeOutcome(_) => Action::AcknowledgeOutcome,
            Self::Recall(_) => Action::Recall,
            Self::AnswerRecall(_) => Action::AnswerRecall,
            Self::Remind(_) => Action::Remind,
            Self::Escalate(_) => Action::Escalate,
        })
    }

    /// The message by which the other council is told of the act; none for what stays with us. The submission is told
    /// by [`Act::Submit`] itself.
    #[must_use]
    pub const fn message_kind(&self) -> Option<MessageKind> {
        Some(match self {
            Self::Retrieve(_) => MessageKind::Retrieved,
            Self::Acknowledge(_) => MessageKind::Acknowledgement,
            Self::Return(_) => MessageKind::Return,
            Self::ReportProgress(_) => MessageKind::Progress,
            Self::OfferSession(_) => MessageKind::Offer,
            Self::AnswerOffer(_) => MessageKind::OfferAnswer,
            Self::RecordSession(_) => MessageKind::SessionReport,
            Self::AddEvidence(_) => MessageKind::Evidence,
            Self::ReportOutcome(_) => MessageKind::Outcome,
            Self::AcknowledgeOutcome(_) => MessageKind::OutcomeAcknowledgement,
            Self::Recall(_) => MessageKind::Recall,
            Self::AnswerRecall(_) => MessageKind::RecallAnswer,
            Self::Remind(_) | Self::NoteReminder(_) => MessageKind::Reminder,
            Self::Draft(_)
            | Self::Begin(_)
            | Self::CaptureConsent(_)
            | Self::WithdrawConsent(_)
            | Self::Withhold(_)
            | Self::Assess(_)
            | Self::Present(_)
            | Self::Submit(_)
            | Self::Tell(_)
            | Self::Receive(_)
            | Self::RecordDelivery(_)
            | Self::StoreEvidence(_)
            | Self::RecordScan(_)
            | Self::BringEvidence(_)
            | Self::GiveOut(_)
            | Self::PassOver(_)
            | Self::Erase(_)
            | Self::HoldErasure(_)
            | Self::Escalate(_) => return None,
        })
    }
}

impl Transfer {
    /// The acts of our own people that the state allows now, in the order of [`Action::ALL`].
    #[must_use]
    pub fn allowed(&self) -> Vec<Action> {
        Action::ALL.iter().copied().filter(|action| self.allows(*action)).collect()
    }

    fn allows(&self, action: Action) -> bool {
        let stage = self.stage;
        let outbound = self.is_outbound();
        let prepared = outbound && matches!(stage, Stage::Assessed | Stage::Sealed);
        match action {
            Action::CaptureConsent => outbound && stage.is_before_sending(),
            Action::WithdrawConsent => self.consent.as_ref().is_some_and(|consent| !consent.withdrawn),
            Action::Assess => prepared || (outbound && stage == Stage::ConsentCaptured),
            Action::Present | Action::Submit => prepared,
            // A receipt that comes late or again is no fault of whoever brings it.
            Action::RecordDelivery => outbound && stage.has_left(),
            Action::Retrieve => !outbound && stage == Stage::Delivered && !self.retrieved,
            Action::Acknowledge | Action::Return => !outbound && stage == Stage::Delivered,
            Action::ReportProgress | Action::OfferSession | Action::ReportOutcome => !outbound && stage.is_handled(),
            Action::AnswerOffer => {
                let open = self.sessions.values().any(|session| session.answer.is_none());
                outbound && stage.is_handled() && open && !self.recall_is_due()
            }
            Action::RecordSession => {
                let open = self.sessions.values().any(SessionState::is_to_be_held);
                !outbound && stage.is_handled() && open
            }
            // The consumer who has withdrawn the consent is not spoken for any more, however long the recall takes.
            Action::AddEvidence => {
                let is_open = (outbound && stage.is_before_sending()) || stage.is_on_the_way() || stage.is_handled();
                is_open && !self.recall_is_due()
            }
            Action::StoreEvidence => {
                let kept = !stage.is_recalled() && self.erasure.done.is_none();
                kept && self.evidence.values().any(|evidence| !evidence.stored)
            }
            Action::RecordScan => !self.evidence.is_empty(),
            Action::AcknowledgeOutcome => outbound && matches!(stage, Stage::OutcomeReported(_)),
            // Whoever sends a referral back has read it all the same.
            Action::Recall => outbound && !stage.is_recalled(),
            Action::AnswerRecall => !outbound && stage == Stage::Recalled { after_sending: true, erased: None },
            Action::Remind | Action::Escalate => self.running().next().is_some(),
        }
    }

    /// Whether a message of the other council with this act still changes anything here.
    ///
    /// Both councils come to the same stage whatever crosses: the receiving council alone moves the referral on until
    /// its result, in the order of its lane; the sending one only confirms the result or calls the referral back; and a
    /// recall wins over everything that it crosses, on both sides.
    pub(super) fn takes(&self, act: &Act) -> bool {
        let stage = self.stage;
        let recalled = stage.is_recalled();
        let outbound = self.is_outbound();
        match act {
            Act::Retrieve(_) => outbound && stage.is_on_the_way() && !self.retrieved,
            Act::Acknowledge(_) | Act::Return(_) => outbound && stage.is_on_the_way(),
            Act::ReportProgress(_) | Act::ReportOutcome(_) => outbound && stage.is_handled(),
            Act::OfferSession(offer) => outbound && stage.is_handled() && !self.sessions.contains_key(&offer.session),
            Act::RecordSession(report) => outbound && stage.is_handled() && self.sessions.contains_key(&report.session),
            Act::AnswerOffer(answer) => {
                let open = self.sessions.get(&answer.session).is_some_and(|session| session.answer.is_none());
                !outbound && !recalled && open
            }
            Act::AddEvidence(added) => !recalled && !self.evidence.contains_key(&added.digest),
            Act::AcknowledgeOutcome(_) => !outbound && matches!(stage, Stage::OutcomeReported(_)),
            Act::Recall(_) => !outbound && !recalled,
            Act::AnswerRecall(_) => outbound && stage == Stage::Recalled { after_sending: true, erased: None },
            Act::Remind(_) | Act::NoteReminder(_) => true,
            Act::Draft(_)
            | Act::Begin(_)
            | Act::CaptureConsent(_)
            | Act::WithdrawConsent(_)
            | Act::Withhold(_)
            | Act::Assess(_)
            | Act::Present(_)
            | Act::Submit(_)
            | Act::Tell(_)
            | Act::Receive(_)
            | Act::RecordDelivery(_)
            | Act::StoreEvidence(_)
            | Act::RecordScan(_)
            | Act::BringEvidence(_)
            | Act::GiveOut(_)
            | Act::PassOver(_)
            | Act::Erase(_)
            | Act::HoldErasure(_)
            | Act::Escalate(_) => false,
        }
    }

    /// Whether the act may only be done together with a message: the other council has the referral and must know.
    pub(super) fn must_be_told(&self, act: &Act) -> bool {
        let theirs = match act {
            // We remind ourselves without telling anybody.
            Act::Remind(remind) => awaited(remind.step) != self.own_side(),
            _ => act.message_kind().is_some(),
        };
        self.stage.has_left() && theirs
    }
}
