//! What a referral is after everything that happened to it.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::decider::Happened;

use super::event::{Assessed, ConsentCaptured, Drafted, ReferralEvent, Sealed, Sent};
use super::vocabulary::{Direction, ProgressKind, ReferralOutcome, ReturnCode};

/// Where a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// 拟转办.
    Drafted,
    /// 已取得同意.
    ConsentCaptured,
    /// 已评估.
    Assessed,
    /// 已封装.
    Sealed,
    /// 已发出: waiting for a receipt or an answer.
    Sent,
    /// 已送达.
    Delivered,
    /// 已签收: the receiving council has it.
    Acknowledged,
    /// 办理中, with the newest that was reported.
    InProgress(ProgressKind),
    /// 结果已通报.
    OutcomeReported(ReferralOutcome),
    /// 已转告当事人: nothing is left to do.
    Closed(ReferralOutcome),
    /// 被退回.
    Returned(ReturnCode),
    /// 已撤回: whether data had left, and what the recipient answered.
    Recalled { after_sending: bool, erased: Option<bool> },
}

impl Stage {
    /// The stable code of the stage, without its details.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::ConsentCaptured => "consent-captured",
            Self::Assessed => "assessed",
            Self::Sealed => "sealed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::InProgress(_) => "in-progress",
            Self::OutcomeReported(_) => "outcome-reported",
            Self::Closed(_) => "closed",
            Self::Returned(_) => "returned",
            Self::Recalled { .. } => "recalled",
        }
    }

    /// Whether the message has left its sender.
    #[must_use]
    pub const fn has_left(self) -> bool {
        match self {
            Self::Drafted | Self::ConsentCaptured | Self::Assessed | Self::Sealed => false,
            Self::Recalled { after_sending, .. } => after_sending,
            Self::Sent
            | Self::Delivered
            | Self::Acknowledged
            | Self::InProgress(_)
            | Self::OutcomeReported(_)
            | Self::Closed(_)
            | Self::Returned(_) => true,
        }
    }

    /// Whether it is still being prepared.
    #[must_use]
    pub const fn is_before_sending(self) -> bool {
        matches!(self, Self::Drafted | Self::ConsentCaptured | Self::Assessed | Self::Sealed)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A consent, and whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    pub captured: ConsentCaptured,
    pub withdrawn: bool,
}

/// A drafted referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub drafted: Drafted,
    pub stage: Stage,
    /// The newest consent.
    pub consent: Option<Consent>,
    pub assessed: Option<Assessed>,
    pub sealed: Option<Sealed>,
    pub sent: Option<Sent>,
    pub delivered: bool,
    /// The receiving council's own number.
    pub reference: Option<String>,
    pub drafted_at: DateTime<Utc>,
    pub last_act_at: DateTime<Utc>,
}

impl Transfer {
    /// Whether it goes to the partner.
    #[must_use]
    pub fn is_outbound(&self) -> bool {
        self.drafted.direction == Direction::Outbound
    }

    fn new(at: DateTime<Utc>, drafted: &Drafted) -> Self {
        Self {
            drafted: drafted.clone(),
            stage: Stage::Drafted,
            consent: None,
            assessed: None,
            sealed: None,
            sent: None,
            delivered: false,
            reference: None,
            drafted_at: at,
            last_act_at: at,
        }
    }

    /// Moves on from exactly one stage; at any other the event only adds to the record.
    fn advance(&mut self, from: Stage, to: Stage) {
        if self.stage == from {
            self.stage = to;
        }
    }
}

/// The state of a referral's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referral {
    Unknown,
    Known(Box<Transfer>),
}

impl Referral {
    /// The referral, once it is drafted.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Unknown => None,
            Self::Known(transfer) => Some(transfer),
        }
    }
}

/// See [`domain::decider::Decider::evolve`].
pub(super) fn evolve(state: Referral, happened: &Happened<ReferralEvent>) -> Referral {
    match (state, &happened.event) {
        (Referral::Unknown, ReferralEvent::Drafted(drafted)) => {
            Referral::Known(Box::new(Transfer::new(happened.at, drafted)))
        }
        (Referral::Unknown, _) => Referral::Unknown,
        (Referral::Known(mut transfer), event) => {
            apply(&mut transfer, event);
            transfer.last_act_at = transfer.last_act_at.max(happened.at);
            Referral::Known(transfer)
        }
    }
}

fn apply(transfer: &mut Transfer, event: &ReferralEvent) {
    match event {
        ReferralEvent::Drafted(_) => {}
        ReferralEvent::ConsentCaptured(captured) => {
            transfer.consent = Some(Consent { captured: captured.as_ref().clone(), withdrawn: false });
            transfer.advance(Stage::Drafted, Stage::ConsentCaptured);
        }
        ReferralEvent::ConsentWithdrawn(_) => {
            if let Some(consent) = &mut transfer.consent {
                consent.withdrawn = true;
            }
        }
        ReferralEvent::Assessed(assessed) => {
            transfer.assessed = Some(assessed.as_ref().clone());
            transfer.advance(Stage::ConsentCaptured, Stage::Assessed);
        }
        ReferralEvent::Sealed(sealed) => {
            transfer.sealed = Some(sealed.as_ref().clone());
            transfer.advance(Stage::Assessed, Stage::Sealed);
        }
        ReferralEvent::Sent(sent) => {
            transfer.sent = Some(sent.clone());
            transfer.stage = Stage::Sent;
        }
        ReferralEvent::Delivered(_) => {
            transfer.delivered = true;
            // An answer may overtake the receipt; what comes in begins with its delivery.
            if matches!(transfer.stage, Stage::Drafted | Stage::Sent) {
                transfer.stage = Stage::Delivered;
            }
        }
        ReferralEvent::Acknowledged(acknowledged) => {
            transfer.reference = Some(acknowledged.reference.clone());
            transfer.stage = Stage::Acknowledged;
        }
        ReferralEvent::Returned(returned) => transfer.stage = Stage::Returned(returned.code),
        ReferralEvent::Progressed(progressed) => transfer.stage = Stage::InProgress(progressed.kind),
        ReferralEvent::OutcomeReported(reported) => transfer.stage = Stage::OutcomeReported(reported.outcome),
        ReferralEvent::OutcomeAcknowledged(_) => {
            if let Stage::OutcomeReported(outcome) = transfer.stage {
                transfer.stage = Stage::Closed(outcome);
            }
        }
        ReferralEvent::Recalled(recalled) => {
            transfer.stage = Stage::Recalled { after_sending: recalled.after_sending, erased: None };
        }
        ReferralEvent::RecallAnswered(answered) => {
            if let Stage::Recalled { after_sending, .. } = transfer.stage {
                transfer.stage = Stage::Recalled { after_sending, erased: Some(answered.erased) };
            }
        }
    }
}
