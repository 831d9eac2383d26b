//! 发出: every gate is open, and somebody else than who prepared the content lets that content leave (four eyes).
//!
//! One decision seals the message, sends it, records the transfer and issues the message: there is no moment at which
//! one of these is done and another is not. Delivering it is read from these events and repeated until a receipt comes.

use chrono::NaiveDate;

use super::Moment;
use super::clock::{and_clocks, council, expected};
use super::event::{
    Assessed, Controller, MessageMeta, Presented, PresentedContent, Recipient, ReferralEvent, Sealed, Sent,
    TransferRecorded,
};
use super::identity::is_same_person;
use super::rejection::Rejection;
use super::state::{Consent, Transfer};
use super::vocabulary::{DataField, LegalRoute, Purpose};
use super::{check_code, gate, message, present, seal};
use crate::exchange::body::Submission;
use crate::exchange::{AgeBand, Digest, MessageKind, Side};
use crate::partner::Partner;

/// What the message says of the basis of its transfer; each must be what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferBasis {
    pub consent: String,
    pub consent_text_version: String,
    pub purpose: Purpose,
    pub route: LegalRoute,
    /// The number of the contract, certificate or approval.
    pub contract: Option<String>,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
    pub onward_transfer: bool,
    /// Where the consumer was told to turn to.
    pub rights_contact: String,
    /// 统一社会信用代码 of our council, for the record.
    pub controller_uscc: Option<String>,
}

impl TransferBasis {
    /// The basis as a submission states it.
    #[must_use]
    pub fn of(submission: &Submission) -> Self {
        Self {
            consent: submission.consent.clone(),
            consent_text_version: submission.consent_text_version.clone(),
            purpose: submission.purpose,
            route: submission.route,
            contract: submission.contract.clone(),
            retention_to: submission.retention_to,
            onward_transfer: submission.onward_transfer,
            rights_contact: submission.rights_contact.clone(),
            controller_uscc: None,
        }
    }
}

/// Lets the message leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// The digest of the content that the second person has read.
    pub approved: Digest,
    pub sealed: Sealed,
    pub record: TransferBasis,
    /// The evidence that the message lists.
    pub evidence: Vec<Digest>,
    pub issued: MessageMeta,
}

/// What was decided before and must be there: the gates say so.
struct Ground<'a> {
    presented: &'a Presented,
    content: &'a PresentedContent,
    assessed: &'a Assessed,
    consent: &'a Consent,
}

impl Submit {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { approved, sealed, record, mut evidence, issued } = self;
        let sealed = seal::checked(sealed)?;
        let day = moment.day();
        evidence.sort_unstable();
        let shut = gate::shut(&prepared(transfer, &sealed, &evidence), day);
        let (Some(presented), Some(assessed), Some(consent), true) =
            (&transfer.presented, &transfer.assessed, &transfer.consent, shut.is_empty())
        else {
            return Err(Rejection::Gates(shut));
        };
        // A gate asks for it.
        let Some(content) = &presented.content else { return Err(Rejection::Gates(shut)) };
        if content.digest != approved {
            return Err(Rejection::OtherContent { presented: content.digest.clone() });
        }
        if has_prepared(transfer, &evidence, moment.ctx.actor) {
            return Err(Rejection::SameApprover);
        }
        present::check_retention(presented.retention_to, day)?;
        let partner = under_agreement(transfer, day)?;
        let ground = Ground { presented, content, assessed, consent };
        check_stated(transfer, &ground, &record)?;
        check_sealed(&ground, &sealed, &evidence, &issued)?;
        message::check_issued(transfer, MessageKind::Submission, &issued)?;

        let sent = Sent {
            approver: moment.ctx.actor.to_owned(),
            retention_to: presented.retention_to,
            acknowledgement: expected(partner, partner.standards.acknowledge_working_days, day)?,
        };
        let recorded = recorded(transfer, &ground, (&sealed, record, evidence), &sent, &issued)?;
        let mut events = vec![ReferralEvent::Sealed(Box::new(sealed))];
        events.extend(and_clocks(transfer, ReferralEvent::Sent(sent), day)?);
        events.push(ReferralEvent::TransferRecorded(Box::new(recorded)));
        events.push(ReferralEvent::MessageIssued(Box::new(issued)));
        Ok(events)
    }
}

/// The referral as the gates are to judge it: with the message that is to leave, and nothing that stays.
fn prepared(transfer: &Transfer, sealed: &Sealed, listed: &[Digest]) -> Transfer {
    let mut prepared = transfer.clone();
    prepared.sealed = Some(sealed.clone());
    prepared.evidence.retain(|digest, _| listed.contains(digest));
    prepared
}

/// Whether somebody has written or shown anything of what is to leave: presented it, also as it was before, or added a
/// file that it lists. Whoever has does not judge it.
fn has_prepared(transfer: &Transfer, listed: &[Digest], actor: &str) -> bool {
    let files = listed.iter().filter_map(|digest| transfer.evidence.get(digest)?.by.as_ref());
    transfer.presenters.iter().chain(files).any(|by| is_same_person(by, actor))
}

/// The recipient, with which an agreement is in force: one from when the referral was drafted may have ended since.
pub(super) fn under_agreement(transfer: &Transfer, on: NaiveDate) -> Result<&'static Partner, Rejection> {
    let partner = council(transfer, Side::Target)?;
    let our = transfer.place().ok_or(Rejection::UnknownRegion(transfer.drafted.seat))?;
    match partner.agreement_on(on, our) {
        Some(_) => Ok(partner),
        None => Err(Rejection::NoAgreement { partner: partner.id.clone(), on }),
    }
}

/// The message is signed and kept by both sides, so it may not say of its basis what the record does not.
fn check_stated(transfer: &Transfer, ground: &Ground<'_>, record: &TransferBasis) -> Result<(), Rejection> {
    check_code("rightsContact", &record.rights_contact)?;
    if let Some(uscc) = &record.controller_uscc {
        check_code("controllerUscc", uscc)?;
    }
    let consent = &ground.consent.captured;
    let contract = ground.assessed.instrument.as_ref().map(|instrument| &instrument.number);
    for (field, same) in [
        ("consent", record.consent == consent.consent),
        ("consentTextVersion", record.consent_text_version == consent.text_version),
        ("purpose", record.purpose == transfer.drafted.purpose),
        ("route", record.route == ground.assessed.route),
        ("contract", record.contract.as_ref() == contract),
        ("retentionTo", record.retention_to == ground.presented.retention_to),
        ("onwardTransfer", !record.onward_transfer),
    ] {
        if !same {
            return Err(Rejection::Misstated { field });
        }
    }
    Ok(())
}

/// What was sealed is the message that is issued, and its files are those of the content, named as a field of it.
fn check_sealed(
    ground: &Ground<'_>,
    sealed: &Sealed,
    listed: &[Digest],
    issued: &MessageMeta,
) -> Result<(), Rejection> {
    if sealed.payload != issued.entry.digest.as_str() {
        return Err(Rejection::Misstated { field: "payload" });
    }
    let is_named = listed.is_empty() || sealed.fields.contains(&DataField::Evidence);
    if !is_named || listed != ground.content.evidence.as_slice() {
        return Err(Rejection::Misstated { field: "evidence" });
    }
    Ok(())
}

fn recorded(
    transfer: &Transfer,
    ground: &Ground<'_>,
    (sealed, basis, evidence): (&Sealed, TransferBasis, Vec<Digest>),
    sent: &Sent,
    issued: &MessageMeta,
) -> Result<TransferRecorded, Rejection> {
    let drafted = &transfer.drafted;
    let Ground { presented, assessed, consent, content: _ } = ground;
    let ours = council(transfer, Side::Origin)?;
    let theirs = council(transfer, Side::Target)?;
    Ok(TransferRecorded {
        transfer: issued.entry.delivery,
        referral: drafted.referral,
        complaint: drafted.complaint,
        direction: drafted.direction,
        controller: Controller {
            council: issued.entry.from.clone(),
            name: ours.name.zh_hant.clone(),
            uscc: basis.controller_uscc,
            seat: drafted.seat,
        },
        recipient: Recipient {
            council: theirs.id.clone(),
            name: theirs.name.zh_hant.clone(),
            contact: theirs.contact.clone(),
            place: theirs.place,
        },
        route: assessed.route,
        instrument: assessed.instrument.clone(),
        impact: assessed.impact.clone(),
        consent: consent.captured.clone(),
        consented_at: consent.captured_at,
        purpose: drafted.purpose,
        subject: presented.subject,
        subjects: 1,
        age: presented.age,
        sensitive: presented.age == AgeBand::Child,
        fields: sealed.fields.clone(),
        evidence,
        minimisation: sealed.minimisation.clone(),
        removed: sealed.removed.clone(),
        payload: sealed.payload.clone(),
        key: sealed.key.clone(),
        signature: sealed.signature.clone(),
        presented_by: presented.by.clone(),
        approver: sent.approver.clone(),
        retention_to: sent.retention_to,
        onward_transfer: basis.onward_transfer,
        rights_contact: basis.rights_contact,
    })
}

#[cfg(test)]
mod tests;
