//! What a message does to the referral it is about: the same for whoever writes it and whoever receives it.

use domain::privacy::Sealed as SealedText;
use event_log::vault::VaultError;

use super::{EVIDENCE_NAME_PURPOSE, NOTE_PURPOSE};
use crate::exchange::{Body, EvidenceItem, LangText};
use crate::referral::Act;
use crate::referral::acknowledge::Acknowledge;
use crate::referral::acknowledge_outcome::AcknowledgeOutcome;
use crate::referral::add_evidence::AddEvidence;
use crate::referral::answer_offer::AnswerOffer;
use crate::referral::answer_recall::AnswerRecall;
use crate::referral::offer_session::OfferSession;
use crate::referral::recall::Recall;
use crate::referral::record_session::RecordSession;
use crate::referral::remind::Remind;
use crate::referral::report_outcome::ReportOutcome;
use crate::referral::report_progress::ReportProgress;
use crate::referral::retrieve::Retrieve;
use crate::referral::return_referral::Return;

/// Seals a text of a message for a purpose. It waits for the vault, so the caller must be where it may block.
pub type Seal<'s> = &'s dyn Fn(&'static str, &str) -> Result<SealedText, VaultError>;

/// The act that a message tells of, with its texts sealed. A submission tells of none: it begins a referral.
///
/// # Errors
/// A text cannot be sealed.
pub fn act_of(body: &Body, seal: Seal<'_>) -> Result<Option<Act>, VaultError> {
    let note = |note: &Option<LangText>| note.as_ref().map(|note| seal(NOTE_PURPOSE, &note.text)).transpose();
    Ok(Some(match body {
        Body::Submission(_) => return Ok(None),
        Body::Retrieved(_) => Act::Retrieve(Retrieve {}),
        Body::Acknowledgement(body) => Act::Acknowledge(Acknowledge { reference: body.reference.clone() }),
        Body::Return(body) => Act::Return(Return { code: body.code, note: note(&body.note)? }),
        Body::Progress(body) => Act::ReportProgress(ReportProgress { kind: body.progress, note: note(&body.note)? }),
        Body::Offer(body) => Act::OfferSession(OfferSession {
            session: body.session,
            form: body.form,
            proposed_at: body.proposed_at,
            languages: body.languages.clone(),
            note: note(&body.note)?,
        }),
        Body::OfferAnswer(body) => Act::AnswerOffer(AnswerOffer {
            session: body.session,
            accepted: body.accepted,
            recording_consent: body.recording_consent,
            note: note(&body.note)?,
        }),
        Body::SessionReport(body) => Act::RecordSession(RecordSession {
            session: body.session,
            held_at: body.held_at,
            recorded: body.recorded,
            result: body.result,
            amount: body.amount,
            record: body.record.clone(),
            text: note(&body.text)?,
        }),
        Body::Outcome(body) => Act::ReportOutcome(ReportOutcome {
            outcome: body.outcome,
            recovered: body.recovered,
            note: note(&body.note)?,
        }),
        Body::OutcomeAcknowledgement(_) => Act::AcknowledgeOutcome(AcknowledgeOutcome {}),
        Body::Recall(body) => Act::Recall(Recall { reason: body.reason }),
        Body::RecallAnswer(body) => Act::AnswerRecall(AnswerRecall { erased: body.erased, note: note(&body.note)? }),
        Body::Reminder(body) => Act::Remind(Remind { step: body.step }),
        Body::Evidence(body) => Act::AddEvidence(evidence_of(&body.item, seal)?),
    }))
}

/// A file as a message announces it, with its name sealed.
///
/// # Errors
/// The name cannot be sealed.
pub fn evidence_of(item: &EvidenceItem, seal: Seal<'_>) -> Result<AddEvidence, VaultError> {
    Ok(AddEvidence {
        digest: item.digest.clone(),
        name: seal(EVIDENCE_NAME_PURPOSE, &item.name)?,
        bytes: item.bytes,
        media: item.media.clone(),
    })
}
