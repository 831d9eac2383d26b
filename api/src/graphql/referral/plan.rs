//! What each input asks for: an act of our own, a message to the partner, or a file.

use cross_border::exchange::body::{
    Acknowledgement, Offer, OfferAnswer, Outcome, OutcomeAcknowledgement, Progress, Retrieved, Return, SessionReport,
};
use cross_border::exchange::{Body, Digest, EvidenceItem, LangText, SessionId};
use cross_border::referral::assess::Assess;
use cross_border::referral::capture_consent::CaptureConsent;
use cross_border::referral::event;
use cross_border::referral::vocabulary::RecallReason;
use cross_border::referral::{Act, Transfer, recall};
use domain::money;

use super::inputs::{
    AcknowledgeOutcomeInput, AcknowledgeReferralInput, AnnounceEvidenceInput, AnswerOfferInput, AssessReferralInput,
    AssessmentInput, ConsentInput, EraseReferralInput, HasHead, InstrumentInput, LangTextInput, OfferSessionInput,
    PresentReferralInput, PresentationInput, RecallReferralInput, RecordConsentInput, RecordCouncilSessionInput,
    ReportOutcomeInput, ReportProgressInput, RetrieveReferralInput, ReturnReferralInput, WithdrawConsentInput,
};
use super::rights::Deed;
use crate::graphql::error::ApiError;
use crate::graphql::money::MoneyInput;

/// What is to be done.
#[derive(Debug)]
pub enum Plan {
    /// An act that the partner is not told of.
    Stay(Act),
    /// What the partner is told, which is the act.
    Tell(Body),
    /// A second person is to look at it.
    Present(Box<PresentationInput>),
    /// The consumer does not agree any more.
    Withdraw,
    /// What was sent is called back.
    Recall(RecallReason),
    /// A file belongs to it.
    Attach(EvidenceItem),
    /// What was received for it, or is kept for it alone, is to go.
    Erase,
}

/// An input that is an act on a referral.
pub trait Planned: HasHead {
    /// What somebody must be allowed to do for it.
    const DEED: Deed;

    /// What it asks for, in the state the referral is in.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a field that is not of its form.
    fn plan(self, transfer: &Transfer) -> Result<Plan, ApiError>;
}

macro_rules! plans {
    ($($input:ty: $deed:ident, |$given:pat_param, $transfer:pat_param| $plan:expr;)+) => {$(
        impl Planned for $input {
            const DEED: Deed = Deed::$deed;

            fn plan(self, transfer: &Transfer) -> Result<Plan, ApiError> {
                let ($given, $transfer) = (self, transfer);
                Ok($plan)
            }
        }
    )+};
}

plans! {
    RecordConsentInput: Prepare, |input, transfer| Plan::Stay(consent(input.consent, &transfer.drafted));
    WithdrawConsentInput: WithdrawConsent, |_, _| Plan::Withdraw;
    AssessReferralInput: Prepare, |input, _| Plan::Stay(assessment(input.assessment)?);
    PresentReferralInput: Prepare, |input, _| Plan::Present(Box::new(input.presentation));
    RecallReferralInput: Tell, |input, transfer| {
        let reason = input.reason.into();
        // What has not left is not the partner's business.
        if transfer.stage.has_left() {
            Plan::Recall(reason)
        } else {
            Plan::Stay(Act::Recall(recall::Recall { reason }))
        }
    };
    RetrieveReferralInput: Tell, |_, _| Plan::Tell(Retrieved {}.into());
    AcknowledgeReferralInput: Tell, |input, _| Plan::Tell(Acknowledgement { reference: input.reference }.into());
    ReturnReferralInput: Tell, |input, _| {
        Plan::Tell(Return { code: input.code.into(), note: input.note.map(Into::into) }.into())
    };
    ReportProgressInput: Tell, |input, _| {
        Plan::Tell(Progress { progress: input.progress.into(), note: input.note.map(Into::into) }.into())
    };
    OfferSessionInput: Tell, |input, transfer| Plan::Tell(
        Offer {
            session: next_session(transfer),
            form: input.form.into(),
            proposed_at: input.proposed_at,
            languages: input.languages.into_iter().map(Into::into).collect(),
            note: input.note.map(Into::into),
        }
        .into(),
    );
    AnswerOfferInput: Tell, |input, _| Plan::Tell(
        OfferAnswer {
            session: SessionId::from_uuid(input.session_id),
            accepted: input.accepted,
            recording_consent: input.recording_consent,
            note: input.note.map(Into::into),
        }
        .into(),
    );
    RecordCouncilSessionInput: Tell, |input, _| Plan::Tell(
        SessionReport {
            session: SessionId::from_uuid(input.session_id),
            held_at: input.held_at,
            recorded: input.recorded,
            result: input.result.into(),
            amount: amount(input.amount)?,
            record: input.record.as_deref().map(digest).transpose()?,
            text: input.text.map(Into::into),
        }
        .into(),
    );
    ReportOutcomeInput: Tell, |input, _| Plan::Tell(
        Outcome {
            outcome: input.outcome.into(),
            recovered: amount(input.recovered)?,
            note: input.note.map(Into::into),
        }
        .into(),
    );
    AcknowledgeOutcomeInput: Tell, |_, _| Plan::Tell(OutcomeAcknowledgement {}.into());
    AnnounceEvidenceInput: Prepare, |input, _| Plan::Attach(evidence(input)?);
    EraseReferralInput: Approve, |_, _| Plan::Erase;
}

/// A consent as a client writes it, for this partner.
pub(super) fn consent(input: ConsentInput, drafted: &event::Drafted) -> Act {
    let consent = event::ConsentCaptured {
        consent: input.consent,
        text_version: input.text_version,
        language: input.language.into(),
        channel: input.channel.into(),
        recipient: drafted.partner.clone(),
        purpose: input.purpose.map_or(drafted.purpose, Into::into),
        fields: input.fields.into_iter().map(Into::into).collect(),
        evidence: input.evidence,
        by_guardian: input.by_guardian,
    };
    Act::CaptureConsent(Box::new(CaptureConsent { consent }))
}

/// An assessment as a client writes it.
pub(super) fn assessment(input: AssessmentInput) -> Result<Act, ApiError> {
    let assessed = event::Assessed {
        route: input.route.into(),
        instrument: input.instrument.map(instrument).transpose()?,
        impact: input.impact.map(|impact| event::ImpactAssessment {
            number: impact.number,
            version: impact.version,
            assessed_on: impact.assessed_on.0,
            valid_to: impact.valid_to.0,
        }),
        important_data: input.important_data,
    };
    Ok(Act::Assess(Box::new(Assess { assessed })))
}

fn instrument(input: InstrumentInput) -> Result<event::Instrument, ApiError> {
    let filing = match (input.filing_number, input.filed_on) {
        (Some(number), Some(on)) => Some(event::Filed { number, on: on.0 }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(ApiError::invalid("`filingNumber` and `filedOn` go together"));
        }
    };
    Ok(event::Instrument { number: input.number, valid_from: input.valid_from.0, valid_to: input.valid_to.0, filing })
}

fn evidence(input: AnnounceEvidenceInput) -> Result<EvidenceItem, ApiError> {
    let item = EvidenceItem {
        digest: digest(&input.digest)?,
        name: input.name,
        bytes: u64::from(input.bytes),
        media: input.media,
    };
    item.check().map_err(ApiError::invalid)?;
    Ok(item)
}

/// Sessions are numbered by the council that offers them.
fn next_session(transfer: &Transfer) -> SessionId {
    let offered = u32::try_from(transfer.sessions.len()).unwrap_or(u32::MAX);
    SessionId::derived(transfer.shared(), offered.saturating_add(1))
}

fn digest(raw: &str) -> Result<Digest, ApiError> {
    Digest::parse(raw).map_err(ApiError::invalid)
}

/// An amount as a client writes it.
pub(super) fn amount(input: Option<MoneyInput>) -> Result<Option<money::Money>, ApiError> {
    input.map(TryInto::try_into).transpose()
}

impl From<LangTextInput> for LangText {
    fn from(input: LangTextInput) -> Self {
        Self::typed(input.lang.into(), &input.text)
    }
}
