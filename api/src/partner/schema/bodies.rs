//! The bodies of the messages that follow a submission.

use async_graphql::{ID, InputObject};

use super::submission::{EvidenceItemInput, LangTextInput, MoneyInput};

/// The recipient has opened a file for the dispute.
#[derive(Debug, Clone, InputObject)]
pub struct AcknowledgementInput {
    /// The recipient's own number of the case; at most 128 characters.
    pub reference: String,
}

/// The recipient does not take the dispute. A note has at most 4,000 characters, here and below.
#[derive(Debug, Clone, InputObject)]
pub struct ReturnInput {
    /// `NOT_CONSUMER`, `B2B`, `PRIVATE_DEAL`, `GOVERNMENT_SERVICE`, `INVESTMENT`, `GAMBLING_AUCTION`,
    /// `TRADER_UNTRACEABLE`, `INSUFFICIENT_INFO`, `OUT_OF_WARRANTY`, `ALREADY_HANDLED`, `CRIMINAL`, `NOT_LOCAL` or
    /// `NO_CONSENT`.
    pub code: String,
    pub note: Option<LangTextInput>,
}

/// How far the recipient is.
#[derive(Debug, Clone, InputObject)]
pub struct ProgressInput {
    /// `handling` or `trader-replied`. Mediation and arbitration are offered with `offerSession`.
    pub progress: String,
    pub note: Option<LangTextInput>,
}

/// A mediation or an arbitration that the recipient offers.
#[derive(Debug, Clone, InputObject)]
pub struct OfferInput {
    /// A UUID chosen by the recipient, used for no other session; the answer and the report refer to it.
    pub session: ID,
    /// `video-mediation` or `arbitration`.
    pub form: String,
    /// When it is to be held, UTC.
    pub proposed_at: Option<String>,
    /// The languages in which it can be held, codes as in `lang`; at least one, each once.
    pub languages: Vec<String>,
    pub note: Option<LangTextInput>,
}

/// The consumer's answer to an offer, told by the origin.
#[derive(Debug, Clone, InputObject)]
pub struct OfferAnswerInput {
    /// The session of the offer.
    pub session: ID,
    pub accepted: bool,
    /// Whether the session may be recorded. Without it a report must not say `recorded`.
    pub recording_consent: bool,
    pub note: Option<LangTextInput>,
}

/// What came of a session.
#[derive(Debug, Clone, InputObject)]
pub struct SessionReportInput {
    /// The session of an offer that was accepted.
    pub session: ID,
    /// When it was held, UTC.
    pub held_at: String,
    pub recorded: bool,
    /// `settled`, `award`, `failed` or `adjourned`.
    pub result: String,
    /// What the trader is to pay.
    pub amount: Option<MoneyInput>,
    /// SHA-256 of the record or the award, if it is sent as evidence.
    pub record: Option<String>,
    /// What was agreed or decided; at most 8,000 characters.
    pub text: Option<LangTextInput>,
}

/// What became of the dispute.
#[derive(Debug, Clone, InputObject)]
pub struct OutcomeInput {
    /// `settled`, `conciliation-failed`, `award`, `out-of-scope` or `withdrawn`.
    pub outcome: String,
    /// What the consumer got back, in the currency in which it was paid.
    pub recovered: Option<MoneyInput>,
    pub note: Option<LangTextInput>,
}

/// The origin takes the dispute back.
#[derive(Debug, Clone, InputObject)]
pub struct RecallInput {
    /// `consent-withdrawn`, `wrong-recipient`, `wrong-content` or `settled-here`.
    pub reason: String,
}

/// What the recipient has done about a recall.
#[derive(Debug, Clone, InputObject)]
pub struct RecallAnswerInput {
    /// The consumer's data were erased. False where a law forbids it; then the note says which, and they are only kept.
    pub erased: bool,
    pub note: Option<LangTextInput>,
}

/// A step that is awaited and overdue by the calendar of the council that must take it.
#[derive(Debug, Clone, InputObject)]
pub struct ReminderInput {
    /// `delivery`, `retrieval`, `acknowledgement`, `feedback`, `offer-answer`, `arbitration`, `outcome`,
    /// `outcome-acknowledgement` or `recall-answer`.
    pub step: String,
}

/// A file that follows the submission.
#[derive(Debug, Clone, InputObject)]
pub struct EvidenceInput {
    pub item: EvidenceItemInput,
}
