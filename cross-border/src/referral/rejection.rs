//! Why a referral's decider refuses; every refusal changes nothing.

use chrono::{DateTime, NaiveDate, Utc};
use domain::clock::ClockError;
use domain::region::RegionCode;
use thiserror::Error;

use super::action::Action;
use super::erase::NotErased;
use super::gate::Gate;
use super::id::ReferralId;
use super::seal::SIGNATURE_CHARS_MAX;
use super::state::Stage;
use super::vocabulary::ProgressKind;
use super::{BACKDATE_DAYS_MAX, CODE_CHARS_MAX};
use crate::exchange::{Digest, SegmentError, SessionId, Step};
use crate::partner::PartnerId;

/// A refusal with what was wrong and, where the state decides, what is allowed now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error("there is no such referral")]
    NotDrafted,
    #[error("referral `{0}` is drafted already")]
    AlreadyDrafted(ReferralId),
    #[error("`{action}` is not allowed while the referral is `{stage}`; allowed now: {}", actions(.allowed))]
    NotAllowed { action: Action, stage: Stage, allowed: Vec<Action> },
    #[error("an act must not lie in the future: {at}")]
    InFuture { at: DateTime<Utc> },
    #[error("an act may be entered at most {BACKDATE_DAYS_MAX} days late: {at}")]
    TooLongAgo { at: DateTime<Utc> },
    #[error("an act at {at} would lie before the last one at {last}")]
    BeforeLastAct { at: DateTime<Utc>, last: DateTime<Utc> },
    #[error("`{field}` must not be empty")]
    CodeMissing { field: &'static str },
    #[error("`{field}` has {chars} characters, more than {CODE_CHARS_MAX}")]
    CodeTooLong { field: &'static str, chars: usize },
    #[error("`{field}` has {chars} characters, more than {SIGNATURE_CHARS_MAX}")]
    SignatureTooLong { field: &'static str, chars: usize },
    #[error("`{field}` must be 64 hexadecimal digits in lower case")]
    Digest { field: &'static str },
    #[error("no partner `{0}` stands in the register")]
    UnknownPartner(PartnerId),
    #[error("no agreement with partner `{partner}` is in force on {on}")]
    NoAgreement { partner: PartnerId, on: NaiveDate },
    #[error("region `{0}` is not in the table of divisions")]
    UnknownRegion(RegionCode),
    #[error("what goes out concerns one of our complaints")]
    ComplaintMissing,
    #[error("what comes in has the partner's own number")]
    PartnerReferenceMissing,
    #[error("at least one field must be named")]
    FieldsMissing,
    #[error("`{field}` ends before it begins, or begins in the future")]
    Dates { field: &'static str },
    #[error("this may not be sent: {}", gates(.0))]
    Gates(Vec<Gate>),
    #[error("whoever presented a referral, or added a file to it, cannot approve it; somebody else has to")]
    SameApprover,
    #[error(
        "what is presented now has the digest `{presented}`: it was presented anew; read it, and approve what you read"
    )]
    OtherContent { presented: Digest },
    #[error("`{step}`: {refused}")]
    InStep { step: Action, refused: Box<Rejection> },
    #[error("the recipient may keep the data until a day from {first} to {last}")]
    Retention { first: NaiveDate, last: NaiveDate },
    #[error("the message does not say of `{field}` what was decided")]
    Misstated { field: &'static str },
    #[error("the other council is to be told of `{action}`: it is done with a message or not at all")]
    MustBeTold { action: Action },
    #[error("this is nothing that the other council is told of now")]
    NothingToTell,
    #[error("this comes from the other council or not at all")]
    OnlyReceived,
    #[error("the message does not stand where the next one of its lane must")]
    MessageOutOfPlace,
    #[error("a message of `{from}` has no place in this referral")]
    ForeignMessage { from: PartnerId },
    #[error("the message is sealed under another person's key")]
    OtherSubject,
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("the messages {expected:?} are to be carried out, each once and in this order")]
    EffectsMissing { expected: Vec<u32> },
    #[error("message {sequence} says something else than is to be carried out")]
    EffectMismatch { sequence: u32 },
    #[error("progress `{kind}` follows from an offer or a session, and is not reported by itself")]
    ProgressByOffer { kind: ProgressKind },
    #[error("no session `{0}` was offered")]
    UnknownSession(SessionId),
    #[error("session `{0}` was offered already")]
    SessionKnown(SessionId),
    #[error("the offer of session `{0}` was answered already")]
    SessionAnswered(SessionId),
    #[error("session `{0}` was not accepted")]
    SessionNotAccepted(SessionId),
    #[error("session `{0}` was held and came to its end")]
    SessionHeldAlready(SessionId),
    #[error("nobody agreed that session `{0}` is recorded")]
    RecordingWithoutConsent(SessionId),
    #[error("evidence `{0}` belongs to the referral already")]
    EvidenceKnown(Digest),
    #[error("no evidence `{0}` belongs to the referral")]
    UnknownEvidence(Digest),
    #[error("`{step}` is not awaited")]
    StepNotAwaited { step: Step },
    #[error("`{step}` may be done until {by}; there is nothing to remind of before")]
    NotOverdue { step: Step, by: NaiveDate },
    #[error(transparent)]
    NotErased(#[from] NotErased),
    #[error(transparent)]
    Clock(#[from] ClockError),
}

fn actions(actions: &[Action]) -> String {
    actions.iter().map(|action| action.code()).collect::<Vec<_>>().join(", ")
}

fn gates(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.code()).collect::<Vec<_>>().join(", ")
}
