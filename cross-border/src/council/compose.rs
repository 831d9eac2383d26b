//! Composing a submission from what the filing holds: only the fields that are asked for, nothing else.

use chrono::NaiveDate;
use domain::complaint::Complaint;
use domain::complaint::event::Respondent;
use domain::filing::{Complainant, Filing};
use domain::id::ComplaintId;
use domain::money::Money;
use domain::privacy::Sealed as SealedText;
use event_log::execute::load;

use super::{Council, CouncilError};
use crate::exchange::body::Submission;
use crate::exchange::content::renditions;
use crate::exchange::{Consumer, EvidenceItem, LangText, Purchase, Rendition, Trader};
use crate::partner::Language;
use crate::referral::vocabulary::{DataField, FieldClass, LegalRoute, Purpose};

/// What a submission is to hold, and what the filing does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The fields to be sent. What the partner does not take is left in, so that the gate refuses it by its name.
    pub fields: Vec<DataField>,
    pub purpose: Purpose,
    /// The language that the consumer wants to be written to in.
    pub language: Option<Language>,
    /// The language and script of the facts.
    pub facts_in: Language,
    /// The shop on a platform.
    pub trader_link: Option<String>,
    /// What was bought; without an amount the complaint's is taken.
    pub purchase: Purchase,
    pub request: Option<LangText>,
    /// The scripts that the partner reads: facts and request are converted into them.
    pub renditions: Vec<Language>,
    pub evidence: Vec<EvidenceItem>,
    /// Our id of the consent.
    pub consent: String,
    pub consent_text_version: String,
    pub route: LegalRoute,
    pub contract: Option<String>,
    /// The last day on which the partner may keep the data.
    pub retention_to: NaiveDate,
    /// Where the consumer turns to with the rights of a data subject (PIPL Art. 39).
    pub rights_contact: String,
}

/// What the streams of a complaint hold of the dispute, sealed as it is.
#[derive(Debug, Clone, Default)]
struct Material {
    complainant: Option<Complainant>,
    respondent: Option<Respondent>,
    amount: Option<Money>,
    facts: Option<SealedText>,
}

impl Council {
    /// Opens the filing of a complaint as far as the fields ask for it, and builds the submission.
    ///
    /// # Errors
    /// There is no such complaint, the person was erased, a field has no place in a message, or log or vault cannot be
    /// read.
    pub async fn compose(&self, complaint: ComplaintId, ask: Ask) -> Result<Submission, CouncilError> {
        if let Some(field) = ask.fields.iter().find(|field| field.class() != FieldClass::Listed) {
            return Err(CouncilError::NoPlace { field: *field });
        }
        let material = self.material(complaint).await?.ok_or(CouncilError::NotFound { what: "complaint" })?;
        let asked = |field: DataField| ask.fields.contains(&field);
        let person = material.complainant.as_ref();
        let name = person.map(|person| &person.name).filter(|_| asked(DataField::ConsumerName));
        let phone = person.map(|person| &person.phone).filter(|_| asked(DataField::ConsumerContact));
        let facts = material.facts.as_ref().filter(|_| asked(DataField::Facts));
        let consumer = Consumer {
            name: self.opened("name", name).await?,
            contact: self.opened("phone", phone).await?,
            language: ask.language.filter(|_| asked(DataField::ConsumerLanguage)),
        };
        let facts = self.opened("facts", facts).await?.map(|text| LangText::typed(ask.facts_in, &text));
        let trader = trader(material.respondent, &ask, asked);
        let purchase = purchase(&ask.purchase, material.amount, asked);
        let with_request = asked(DataField::Request);
        let with_evidence = asked(DataField::Evidence);
        let request = ask.request.filter(|_| with_request).map(|text| LangText::typed(text.lang, &text.text));
        Ok(Submission {
            purpose: ask.purpose,
            consumer,
            trader,
            purchase,
            renditions: rendered(facts.as_ref(), request.as_ref(), &ask.renditions),
            facts,
            request,
            evidence: if with_evidence { ask.evidence } else { Vec::new() },
            consent: ask.consent,
            consent_text_version: ask.consent_text_version,
            route: ask.route,
            contract: ask.contract,
            retention_to: ask.retention_to,
            onward_transfer: false,
            rights_contact: ask.rights_contact,
        })
    }

    /// The fields that we hold of a complaint, in the order of the vocabulary; none of one that was adopted without a
    /// filing, or that is not known.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn held(&self, complaint: ComplaintId) -> Result<Vec<DataField>, CouncilError> {
        let Material { complainant, respondent, amount, facts } = self.material(complaint).await?.unwrap_or_default();
        let (person, trader) = (complainant.as_ref(), respondent.as_ref());
        let mut held: Vec<DataField> = [
            (DataField::ConsumerName, person.is_some()),
            (DataField::ConsumerContact, person.is_some()),
            (DataField::ConsumerAddress, person.is_some_and(|person| person.address.is_some())),
            (DataField::TraderName, trader.is_some()),
            (DataField::TraderAddress, trader.is_some_and(|trader| trader.address.is_some())),
            (DataField::TraderLicence, trader.is_some_and(|trader| trader.uscc.is_some())),
            (DataField::PurchaseAmount, amount.is_some()),
            (DataField::Facts, facts.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, there)| there.then_some(field))
        .collect();
        held.sort_unstable();
        Ok(held)
    }

    async fn material(&self, complaint: ComplaintId) -> Result<Option<Material>, CouncilError> {
        let loaded = load::<Complaint>(self.log.as_ref(), &complaint.stream(), None).await?;
        let Some(case) = loaded.state.case() else { return Ok(None) };
        let filing = load::<Filing>(self.log.as_ref(), &case.filing.stream(), None).await?;
        let Filing::Received(received, items, _) = filing.state else { return Ok(None) };
        let item = items.into_iter().find(|item| ComplaintId::of_item(case.filing, item.item) == complaint);
        Ok(item.map(|item| Material {
            complainant: received.complainant,
            respondent: item.respondent,
            amount: item.amount,
            facts: item.facts,
        }))
    }

    /// Opens a text that is there; an erased one is an error, for nothing may be sent of the person any more.
    async fn opened(&self, purpose: &'static str, sealed: Option<&SealedText>) -> Result<Option<String>, CouncilError> {
        match sealed {
            Some(sealed) => Ok(Some(self.open(purpose, sealed).await?.ok_or(CouncilError::Erased)?)),
            None => Ok(None),
        }
    }
}

fn trader(respondent: Option<Respondent>, ask: &Ask, asked: impl Fn(DataField) -> bool) -> Trader {
    let (name, address, licence) = match respondent {
        Some(Respondent { name, uscc, address }) => (Some(name), address, uscc),
        None => (None, None, None),
    };
    Trader {
        name: name.filter(|_| asked(DataField::TraderName)),
        address: address.filter(|_| asked(DataField::TraderAddress)),
        link: ask.trader_link.clone().filter(|_| asked(DataField::TraderLink)),
        licence: licence.filter(|_| asked(DataField::TraderLicence)),
    }
}

fn purchase(told: &Purchase, amount: Option<Money>, asked: impl Fn(DataField) -> bool) -> Purchase {
    Purchase {
        date: told.date.filter(|_| asked(DataField::PurchaseDate)),
        item: told.item.clone().filter(|_| asked(DataField::PurchaseItem)),
        amount: told.amount.or(amount).filter(|_| asked(DataField::PurchaseAmount)),
        order: told.order.clone().filter(|_| asked(DataField::PurchaseOrder)),
    }
}

/// The texts in the scripts that the partner reads.
pub(super) fn rendered(facts: Option<&LangText>, request: Option<&LangText>, wanted: &[Language]) -> Vec<Rendition> {
    let of = |name: &str, text: Option<&LangText>| text.map(|text| renditions(name, text, wanted)).unwrap_or_default();
    let mut rendered = of("facts", facts);
    rendered.extend(of("request", request));
    rendered
}
