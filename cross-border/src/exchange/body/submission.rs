//! 转办: what the receiving council needs to take the case, and on what ground it may have it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::super::check::{
    BodyError, CONTACT_CHARS_MAX, EVIDENCE_ITEMS_MAX, REFERENCE_CHARS_MAX, RENDITIONS_MAX, TEXT_CHARS_MAX, check_line,
    check_list, check_optional, check_past_day, check_retention,
};
use super::super::content::{Consumer, EvidenceItem, LangText, Purchase, Rendition, Trader};
use crate::referral::vocabulary::{DataField, LegalRoute, Purpose};

/// The dispute, as far as its fields were consented to, with the record that goes with every transfer (PIPL Art. 23, 39
/// and 55).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submission {
    pub purpose: Purpose,
    pub consumer: Consumer,
    pub trader: Trader,
    pub purchase: Purchase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<LangText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<LangText>,
    /// Conversions of the two texts into other scripts.
    pub renditions: Vec<Rendition>,
    pub evidence: Vec<EvidenceItem>,
    /// The sender's id of the consent.
    pub consent: String,
    pub consent_text_version: String,
    pub route: LegalRoute,
    /// The contract, certificate or approval of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
    /// Whether the recipient may pass the data on. It may not; the member stands here so that it is signed.
    pub onward_transfer: bool,
    /// Where the consumer turns to with the rights of a data subject.
    pub rights_contact: String,
}

impl Submission {
    /// The fields that are there, in the order of the vocabulary.
    #[must_use]
    pub fn fields(&self) -> Vec<DataField> {
        let Self { consumer, trader, purchase, .. } = self;
        [
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
            (DataField::Facts, self.facts.is_some()),
            (DataField::Request, self.request.is_some()),
            (DataField::Evidence, !self.evidence.is_empty()),
        ]
        .into_iter()
        .filter_map(|(field, there)| there.then_some(field))
        .collect()
    }

    /// Checks the limits, and that renditions belong to a text that is there.
    ///
    /// # Errors
    /// [`BodyError`] about the first thing that is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        if self.onward_transfer {
            return Err(BodyError::OnwardTransfer);
        }
        self.consumer.check()?;
        self.trader.check()?;
        self.purchase.check()?;
        for (field, text) in [("facts", &self.facts), ("request", &self.request)] {
            text.as_ref().map_or(Ok(()), |text| text.check(field, TEXT_CHARS_MAX))?;
        }
        self.check_renditions()?;
        let digests: Vec<_> = self.evidence.iter().map(|item| &item.digest).collect();
        check_list("evidence", &digests, EVIDENCE_ITEMS_MAX)?;
        self.evidence.iter().try_for_each(EvidenceItem::check)?;
        check_line("consent", &self.consent, REFERENCE_CHARS_MAX)?;
        check_line("consentTextVersion", &self.consent_text_version, REFERENCE_CHARS_MAX)?;
        check_optional("contract", self.contract.as_ref(), REFERENCE_CHARS_MAX)?;
        check_line("rightsContact", &self.rights_contact, CONTACT_CHARS_MAX)
    }

    /// Checks that the purchase was made before it is complained of, and that the data may be kept for a time that can
    /// be meant.
    ///
    /// # Errors
    /// [`BodyError`] about the first thing that is wrong.
    pub fn check_days(&self, written: DateTime<Utc>) -> Result<(), BodyError> {
        self.purchase.date.map_or(Ok(()), |date| check_past_day("purchase.date", date, written))?;
        check_retention(self.retention_to, written)
    }

    fn check_renditions(&self) -> Result<(), BodyError> {
        let rendered: Vec<_> = self.renditions.iter().map(|rendition| (&rendition.of, rendition.lang)).collect();
        check_list("renditions", &rendered, RENDITIONS_MAX)?;
        for rendition in &self.renditions {
            rendition.check()?;
            let original = if rendition.of == "facts" { &self.facts } else { &self.request };
            if original.as_ref().is_none_or(|original| original.lang == rendition.lang) {
                return Err(BodyError::RenditionOfNothing);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{item, moment, submission};
    use super::*;
    use crate::partner::Language;

    #[test]
    fn the_fields_are_those_that_are_there() {
        let whole = submission();
        let listed: Vec<DataField> = whole.fields();
        assert_eq!(listed.len(), 14, "every listed field is in the sample");
        let few = Submission {
            consumer: Consumer { name: whole.consumer.name.clone(), ..Consumer::default() },
            trader: Trader::default(),
            purchase: Purchase::default(),
            facts: None,
            renditions: Vec::new(),
            evidence: Vec::new(),
            ..whole
        };
        assert_eq!(few.fields(), [DataField::ConsumerName, DataField::Request]);
        assert_eq!(few.check(), Ok(()));
    }

    #[test]
    fn nothing_is_passed_on() {
        let passed_on = Submission { onward_transfer: true, ..submission() };
        assert_eq!(passed_on.check(), Err(BodyError::OnwardTransfer));
    }

    #[test]
    fn the_days_it_names_can_be_meant() {
        let kept = |to: &str| Submission { retention_to: to.parse().unwrap(), ..submission() }.check_days(moment());
        assert_eq!(kept("2026-05-19"), Ok(()));
        for to in ["2001-05-18", "2026-05-18", "9999-05-18"] {
            assert!(matches!(kept(to), Err(BodyError::Retention { .. })), "{to}");
        }
        let bought = |date: &str| {
            let purchase = Purchase { date: Some(date.parse().unwrap()), ..submission().purchase };
            Submission { purchase, ..submission() }.check_days(moment())
        };
        assert_eq!(bought("2026-05-18"), Ok(()));
        assert_eq!(bought("2026-05-19"), Err(BodyError::Future { field: "purchase.date" }));
    }

    #[test]
    fn texts_hold_their_limits() {
        let facts = |chars: usize| {
            let text = LangText { lang: Language::SimplifiedChinese, text: "事".repeat(chars) };
            Submission { facts: Some(text), ..submission() }.check()
        };
        assert_eq!(facts(TEXT_CHARS_MAX), Ok(()));
        let refused = BodyError::TooLong { field: "facts", chars: TEXT_CHARS_MAX + 1, max: TEXT_CHARS_MAX };
        assert_eq!(facts(TEXT_CHARS_MAX + 1), Err(refused));
        assert_eq!(facts(0), Err(BodyError::Empty { field: "facts" }));
        for (chars, fits) in [(0, false), (REFERENCE_CHARS_MAX, true), (REFERENCE_CHARS_MAX + 1, false)] {
            let code = "c".repeat(chars);
            let consent = Submission { consent: code.clone(), ..submission() };
            let version = Submission { consent_text_version: code.clone(), ..submission() };
            let contract = Submission { contract: Some(code), ..submission() };
            for made in [consent, version, contract] {
                assert_eq!(made.check().is_ok(), fits, "{chars}");
            }
        }
        for (chars, fits) in [(0, false), (CONTACT_CHARS_MAX, true), (CONTACT_CHARS_MAX + 1, false)] {
            assert_eq!(Submission { rights_contact: "c".repeat(chars), ..submission() }.check().is_ok(), fits);
        }
        assert_eq!(Submission { contract: None, ..submission() }.check(), Ok(()), "an exempt transfer has none");
    }

    #[test]
    fn evidence_is_announced_once_and_not_without_end() {
        let with = |count: usize| {
            let evidence = (0..count).map(|n| item(u8::try_from(n).unwrap())).collect();
            Submission { evidence, ..submission() }.check()
        };
        assert_eq!(with(EVIDENCE_ITEMS_MAX), Ok(()));
        let refused = BodyError::TooMany { field: "evidence", count: EVIDENCE_ITEMS_MAX + 1, max: EVIDENCE_ITEMS_MAX };
        assert_eq!(with(EVIDENCE_ITEMS_MAX + 1), Err(refused));
        let renamed = EvidenceItem { name: "again.pdf".to_owned(), ..item(1) };
        let twice = Submission { evidence: vec![item(1), renamed], ..submission() };
        assert_eq!(twice.check(), Err(BodyError::Twice { field: "evidence" }));
    }

    #[test]
    fn renditions_belong_to_a_text_in_another_language() {
        let whole = submission();
        let rendition = whole.renditions[0].clone();
        assert_eq!((rendition.of.as_str(), whole.check()), ("facts", Ok(())));
        let orphan = Submission { facts: None, ..whole.clone() };
        assert_eq!(orphan.check(), Err(BodyError::RenditionOfNothing));
        let same = Rendition { lang: whole.facts.as_ref().unwrap().lang, ..rendition.clone() };
        let same = Submission { renditions: vec![same], ..whole.clone() };
        assert_eq!(same.check(), Err(BodyError::RenditionOfNothing));
        let twice = Submission { renditions: vec![rendition.clone(), rendition.clone()], ..whole.clone() };
        assert_eq!(twice.check(), Err(BodyError::Twice { field: "renditions" }));
        let most = |count: usize| {
            // The two texts have eight renditions between them: each in the four languages it is not written in.
            let all = Language::ALL.iter().flat_map(|lang| ["facts", "request"].map(|of| (of, *lang)));
            let renditions = all
                .filter(|(_, lang)| count > RENDITIONS_MAX || *lang != Language::SimplifiedChinese)
                .take(count)
                .map(|(of, lang)| Rendition { of: of.to_owned(), lang, ..rendition.clone() })
                .collect::<Vec<_>>();
            assert_eq!(renditions.len(), count);
            Submission { renditions, ..whole.clone() }.check()
        };
        assert_eq!(most(RENDITIONS_MAX), Ok(()));
        let refused = BodyError::TooMany { field: "renditions", count: RENDITIONS_MAX + 1, max: RENDITIONS_MAX };
        assert_eq!(most(RENDITIONS_MAX + 1), Err(refused));
    }
}
