//! Presenting: what is to leave is composed of the case and of what the officer gives, and kept as it will leave.
//!
//! The content is the body of the submission, letter by letter. It is sealed under the consumer's key, and its digest is
//! keyed: whoever reads both can tell that it is what was presented, and nobody can guess at it once the key is gone.
//! Whatever could not leave in any case (a limit, a file that is not here, a number of a person in a text) is refused
//! here, before anybody reads it; the gates are shown and bind only when it is sent.

use chrono::{DateTime, NaiveDate, Utc};
use domain::day::local_day;
use domain::decider::Decider as _;
use domain::envelope::Revision;
use domain::id::SubjectId;
use event_log::digest::hex;
use event_log::execute::Done;
use event_log::port::CommandRef;
use serde::Serialize;

use super::act::Composes;
use super::compose::{Ask, rendered};
use super::{Caller, Council, CouncilError, EVIDENCE_NAME_PURPOSE, PRESENTED_PURPOSE, numbers};
use crate::exchange::body::Submission;
use crate::exchange::{AgeBand, Body, Consumer, Digest, EvidenceItem, LangText, Purchase, Trader};
use crate::partner::Language;
use crate::referral::begin::Begin;
use crate::referral::draft::Draft;
use crate::referral::event::{Presented, PresentedContent};
use crate::referral::present::Present;
use crate::referral::vocabulary::DataField;
use crate::referral::{Act, Action, Referral, ReferralCommand, ReferralId, Rejection, Transfer, gate};

/// What an officer lays before the second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentation {
    pub age: AgeBand,
    /// The last day on which the partner may keep the data.
    pub retention_to: NaiveDate,
    /// The fields that the message is to hold.
    pub fields: Vec<DataField>,
    /// To whom the partner would pass the data on, outside the three places.
    pub onward_to: Option<String>,
    pub given: Given,
}

/// What the message says beside, or instead of, what the case holds; only of the fields that it is to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub consumer: Consumer,
    pub trader: Trader,
    pub purchase: Purchase,
    pub facts: Option<LangText>,
    pub request: Option<LangText>,
    /// Where the consumer turns to with the rights of a data subject (PIPL Art. 39); the partner's contact without it.
    pub rights_contact: Option<String>,
}

/// A referral that is begun, with the steps that are taken at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    pub draft: Draft,
    /// Consent and assessment, as far as they are given.
    pub then: Vec<Act>,
    pub presentation: Option<Presentation>,
}

/// All that the second person judges; its canonical form (RFC 8785) is what the digest is of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    referral: ReferralId,
    subject: SubjectId,
    age: AgeBand,
    retention_to: NaiveDate,
    fields: &'a [DataField],
    onward_to: Option<&'a str>,
    content: &'a str,
}

impl Composes for Presentation {
    async fn compose(&self, council: &Council, transfer: &Transfer) -> Result<Act, CouncilError> {
        council.presenting(transfer, self).await
    }
}

impl Council {
    /// Composes what is to leave and lays it before the second person; a later one takes the place of the one before.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed.
    pub async fn present(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
        presentation: Presentation,
    ) -> Result<Done<Referral>, CouncilError> {
        self.act_composed(id, command, caller, read, at, &presentation).await
    }

    /// Begins a referral and takes it as far as what is given allows: all of it in one append, or nothing.
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed. What a step was refused for is [`Rejection::InStep`].
    pub async fn begin(
        &self,
        command: CommandRef,
        caller: Caller<'_>,
        at: Option<DateTime<Utc>>,
        beginning: Beginning,
    ) -> Result<Done<Referral>, CouncilError> {
        let Beginning { draft, mut then, presentation } = beginning;
        let id = draft.drafted.referral;
        if let Some(done) = self.repeated(&id.stream(), command).await? {
            return Ok(done);
        }
        if let Some(presentation) = presentation {
            let before = self.begun(&caller, at, Begin { draft: draft.clone(), then: then.clone() })?;
            let transfer = before.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
            let presenting = self.presenting(transfer, &presentation).await;
            then.push(presenting.map_err(|error| match error {
                CouncilError::Rejected(refused) => {
                    CouncilError::Rejected(Rejection::InStep { step: Action::Present, refused: Box::new(refused) })
                }
                error => error,
            })?);
        }
        let act = Act::Begin(Box::new(Begin { draft, then }));
        self.act(id, command, caller, None, at, act).await
    }

    /// The referral as it would be, begun so.
    fn begun(&self, caller: &Caller<'_>, at: Option<DateTime<Utc>>, begin: Begin) -> Result<Referral, CouncilError> {
        let ctx = self.context(caller.unit, caller.actor);
        let command = ReferralCommand { at, act: Act::Begin(Box::new(begin)) };
        let happened = Referral::decide(&Referral::initial(), command, &ctx).map_err(CouncilError::Rejected)?;
        Ok(happened.iter().fold(Referral::initial(), Referral::evolve))
    }

    async fn presenting(&self, transfer: &Transfer, presentation: &Presentation) -> Result<Act, CouncilError> {
        let submission = self.composed(transfer, presentation).await?;
        self.laid(transfer, presentation, submission).await
    }

    /// The submission of the case and of what is given, on the basis that was decided.
    async fn composed(&self, transfer: &Transfer, presentation: &Presentation) -> Result<Submission, CouncilError> {
        let Presentation { fields, given, .. } = presentation;
        let (Some(assessed), Some(consent), Some(complaint), true) = (
            &transfer.assessed,
            &transfer.consent,
            transfer.drafted.complaint,
            transfer.allowed().contains(&Action::Present),
        ) else {
            return Err(CouncilError::Rejected(not_allowed(transfer, Action::Present)));
        };
        check_given(fields, given)?;
        let unknown = || CouncilError::Rejected(Rejection::UnknownPartner(transfer.drafted.partner.clone()));
        let partner = self.partner(&transfer.drafted.partner).ok_or_else(unknown)?;
        let ask = Ask {
            fields: fields.clone(),
            purpose: transfer.drafted.purpose,
            language: given.consumer.language,
            facts_in: given.facts.as_ref().map_or_else(|| self.own_language(), |facts| facts.lang),
            trader_link: given.trader.link.clone(),
            purchase: given.purchase.clone(),
            request: given.request.clone(),
            renditions: partner.languages.clone(),
            evidence: if fields.contains(&DataField::Evidence) { self.files(transfer).await? } else { Vec::new() },
            consent: consent.captured.consent.clone(),
            consent_text_version: consent.captured.text_version.clone(),
            route: assessed.route,
            contract: assessed.instrument.as_ref().map(|instrument| instrument.number.clone()),
            retention_to: presentation.retention_to,
            rights_contact: given.rights_contact.clone().unwrap_or_else(|| partner.contact.clone()),
        };
        let mut submission = self.compose(complaint, ask).await?;
        put_instead(&mut submission, given);
        submission.renditions = rendered(submission.facts.as_ref(), submission.request.as_ref(), &partner.languages);
        let held = submission.fields();
        let missing: Vec<DataField> = fields.iter().filter(|field| !held.contains(field)).copied().collect();
        if missing.is_empty() { Ok(submission) } else { Err(CouncilError::Missing { fields: missing }) }
    }

    /// The language that our own place writes in.
    fn own_language(&self) -> Language {
        let own = self.partner(&self.own).and_then(|own| own.languages.first().copied());
        own.unwrap_or(Language::SimplifiedChinese)
    }

    /// The files of our own, each of which is here.
    async fn files(&self, transfer: &Transfer) -> Result<Vec<EvidenceItem>, CouncilError> {
        let mut files = Vec::new();
        for (digest, known) in transfer.evidence.iter().filter(|(_, known)| known.side == transfer.own_side()) {
            if !known.stored {
                return Err(CouncilError::FileMissing { digest: digest.clone() });
            }
            let name = self.open(EVIDENCE_NAME_PURPOSE, &known.name).await?.ok_or(CouncilError::Erased)?;
            files.push(EvidenceItem { digest: digest.clone(), name, bytes: known.bytes, media: known.media.clone() });
        }
        Ok(files)
    }

    /// The act that keeps a content and lays it before the second person.
    pub(super) async fn laid(
        &self,
        transfer: &Transfer,
        presentation: &Presentation,
        submission: Submission,
    ) -> Result<Act, CouncilError> {
        // Written as it would be now, for what the limits and the days in it say.
        let (message, _) = self.draft(transfer, submission.into())?;
        numbers::check(transfer, &message.body)?;
        let text = serde_json_canonicalizer::to_string(&message.body).map_err(CouncilError::Encode)?;
        let Body::Submission(submission) = message.body else { return Err(CouncilError::NothingToDo) };
        let mut evidence: Vec<Digest> = submission.evidence.into_iter().map(|item| item.digest).collect();
        evidence.sort_unstable();
        let mut fields = presentation.fields.clone();
        fields.sort_unstable();
        fields.dedup();
        let subject = self.subject_of(transfer).await?;
        let shown = Shown {
            referral: transfer.drafted.referral,
            subject,
            age: presentation.age,
            retention_to: presentation.retention_to,
            fields: &fields,
            onward_to: presentation.onward_to.as_deref(),
            content: &text,
        };
        let digest = self.digest_of(&shown)?;
        let sealed = self.with_vault(move |vault| vault.seal(subject, PRESENTED_PURPOSE, &text)).await?;
        Ok(Act::Present(Present {
            subject,
            age: presentation.age,
            retention_to: presentation.retention_to,
            fields,
            onward_to: presentation.onward_to.clone(),
            content: PresentedContent { digest, text: sealed, evidence },
        }))
    }

    /// What was presented, as it is to leave: the content whose digest was approved, opened and held against it.
    pub(super) async fn presented(&self, transfer: &Transfer, approved: &Digest) -> Result<Submission, CouncilError> {
        let (presented, content) = standing(transfer, local_day(self.moment())).map_err(CouncilError::Rejected)?;
        if content.digest != *approved {
            let presented = content.digest.clone();
            return Err(CouncilError::Rejected(Rejection::OtherContent { presented }));
        }
        let text = self.open(PRESENTED_PURPOSE, &content.text).await?.ok_or(CouncilError::Erased)?;
        let shown = Shown {
            referral: transfer.drafted.referral,
            subject: presented.subject,
            age: presented.age,
            retention_to: presented.retention_to,
            fields: &presented.fields,
            onward_to: presented.onward_to.as_deref(),
            content: &text,
        };
        let misstated = || CouncilError::Rejected(Rejection::Misstated { field: "content" });
        if self.digest_of(&shown)? != content.digest {
            return Err(misstated());
        }
        let submission: Submission = serde_json::from_str(&text).map_err(|_error| misstated())?;
        numbers::check(transfer, &submission.clone().into())?;
        Ok(submission)
    }

    fn digest_of(&self, shown: &Shown<'_>) -> Result<Digest, CouncilError> {
        let canonical = serde_json_canonicalizer::to_string(shown).map_err(CouncilError::Encode)?;
        let digits = hex(&self.vault.fingerprint(canonical.as_bytes()));
        Ok(Digest::parse(&digits).expect("a fingerprint has 32 bytes"))
    }
}

/// What stands presented, with the content that was kept.
fn standing(transfer: &Transfer, day: NaiveDate) -> Result<(&Presented, &PresentedContent), Rejection> {
    if !transfer.is_outbound() || !transfer.stage.is_before_sending() {
        return Err(not_allowed(transfer, Action::Submit));
    }
    let standing = transfer.presented.as_ref().and_then(|presented| Some((presented, presented.content.as_ref()?)));
    standing.ok_or_else(|| Rejection::Gates(gate::ahead(transfer, day)))
}

fn not_allowed(transfer: &Transfer, action: Action) -> Rejection {
    Rejection::NotAllowed { action, stage: transfer.stage, allowed: transfer.allowed() }
}

/// Refuses what is given of a field that the message is not to hold: it would be left out unseen.
fn check_given(fields: &[DataField], given: &Given) -> Result<(), CouncilError> {
    let Given { consumer, trader, purchase, facts, request, rights_contact: _ } = given;
    let beyond: Vec<DataField> = [
        (DataField::ConsumerName, consumer.name.is_some()),
        (DataField::ConsumerContact, consumer.contact.is_some()),
        (DataField::ConsumerLanguage, consumer.language.is_some()),
        (DataField::TraderName, trader.name.is_some()),
        (DataField::TraderAddress, trader.address.is_some()),
        (DataField::TraderLink, trader.link.is_some()),
        (DataField::TraderLicence, trader.licence.is_some()),
        (DataField::PurchaseDate, purchase.date.is_some()),
        (DataField::PurchaseItem, purchase.item.is_some()),
        (DataField::PurchaseAmount, purchase.amount.is_some()),
        (DataField::PurchaseOrder, purchase.order.is_some()),
        (DataField::Facts, facts.is_some()),
        (DataField::Request, request.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, given)| (given && !fields.contains(&field)).then_some(field))
    .collect();
    if beyond.is_empty() { Ok(()) } else { Err(CouncilError::Beyond { fields: beyond }) }
}

/// Puts what is given in the place of what the case holds.
fn put_instead(submission: &mut Submission, given: &Given) {
    let put = |place: &mut Option<String>, given: &Option<String>| {
        if given.is_some() {
            place.clone_from(given);
        }
    };
    put(&mut submission.consumer.name, &given.consumer.name);
    put(&mut submission.consumer.contact, &given.consumer.contact);
    put(&mut submission.trader.name, &given.trader.name);
    put(&mut submission.trader.address, &given.trader.address);
    put(&mut submission.trader.licence, &given.trader.licence);
    if let Some(LangText { lang, text }) = &given.facts {
        submission.facts = Some(LangText::typed(*lang, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_that_the_message_is_not_to_hold() {
        let given = Given {
            consumer: Consumer { name: Some("陈小明".to_owned()), ..Consumer::default() },
            purchase: Purchase { order: Some("A-1".to_owned()), ..Purchase::default() },
            rights_contact: Some("12345".to_owned()),
            ..Given::default()
        };
        let both = [DataField::ConsumerName, DataField::PurchaseOrder];
        assert!(check_given(&both, &given).is_ok());
        let refused = check_given(&[DataField::ConsumerName], &given);
        assert!(
            matches!(&refused, Err(CouncilError::Beyond { fields }) if *fields == [DataField::PurchaseOrder]),
            "{refused:?}"
        );
        assert!(check_given(&[], &Given::default()).is_ok());
    }
}
