//! What messages are made of: texts with their language, the parties, what was bought, what shows it.

use std::fmt;
use std::sync::LazyLock;

use chrono::NaiveDate;
use domain::money::Money;
use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use serde::{Deserialize, Serialize};

use super::check::{
    ADDRESS_CHARS_MAX, BodyError, CONTACT_CHARS_MAX, EVIDENCE_ITEM_BYTES_MAX, ITEM_CHARS_MAX, LINK_CHARS_MAX,
    NAME_CHARS_MAX, REFERENCE_CHARS_MAX, TEXT_CHARS_MAX, check_line, check_link, check_media, check_optional,
    check_text,
};
use super::id::Digest;
use crate::partner::Language;

/// What a rendition may be of: the name of the text in a submission.
pub const RENDERED: [&str; 2] = ["facts", "request"];

static TO_TRADITIONAL: LazyLock<OpenCC> = LazyLock::new(|| {
    OpenCC::from_config(BuiltinConfig::S2hk).expect("the configuration is compiled in: the tests use it")
});

static TO_SIMPLIFIED: LazyLock<OpenCC> = LazyLock::new(|| {
    OpenCC::from_config(BuiltinConfig::Hk2s).expect("the configuration is compiled in: the tests use it")
});

/// A text in the language it was written in; it stays as it was, whatever renditions stand beside it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LangText {
    pub lang: Language,
    pub text: String,
}

impl LangText {
    /// Checks that something stands in it, all of it visible, in at most `max` characters.
    ///
    /// # Errors
    /// [`BodyError`] about `field`.
    pub fn check(&self, field: &'static str, max: usize) -> Result<(), BodyError> {
        check_text(field, &self.text, max)
    }
}

impl fmt::Debug for LangText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LangText({}, {} bytes)", self.lang, self.text.len())
    }
}

/// A text converted by a machine into another script: a help for the reader, never the evidence.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rendition {
    /// Which text of the message it renders, one of [`RENDERED`].
    pub of: String,
    pub lang: Language,
    pub text: String,
    /// The converter and its setting.
    pub derived_by: String,
}

impl Rendition {
    /// Checks the rendition by itself.
    ///
    /// # Errors
    /// [`BodyError`] about what is wrong with it.
    pub fn check(&self) -> Result<(), BodyError> {
        if !RENDERED.contains(&self.of.as_str()) {
            return Err(BodyError::RenditionOfNothing);
        }
        check_text("renditions.text", &self.text, TEXT_CHARS_MAX)?;
        check_line("renditions.derivedBy", &self.derived_by, NAME_CHARS_MAX)
    }
}

impl fmt::Debug for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendition({} in {}, {} bytes, {})", self.of, self.lang, self.text.len(), self.derived_by)
    }
}

/// The conversion (`OpenCC`) between two scripts of Chinese, and its name.
fn converter(from: Language, to: Language) -> Option<(&'static OpenCC, &'static str)> {
    match (from, to) {
        // Macao's council writes by the forms of Hong Kong; OpenCC has no table of its own for it.
        (Language::SimplifiedChinese, Language::TraditionalHongKong | Language::TraditionalMacao) => {
            Some((LazyLock::force(&TO_TRADITIONAL), "opencc s2hk"))
        }
        (Language::TraditionalHongKong | Language::TraditionalMacao, Language::SimplifiedChinese) => {
            Some((LazyLock::force(&TO_SIMPLIFIED), "opencc hk2s"))
        }
        _ => None,
    }
}

/// Renditions of a text into the scripts that a reader wants, one for each.
///
/// Only between Simplified and Traditional Chinese: anything else is a translation, which a person makes. A rendition
/// that would be too long for a message is not made.
#[must_use]
pub fn renditions(of: &str, original: &LangText, wanted: &[Language]) -> Vec<Rendition> {
    let mut made: Vec<Rendition> = Vec::new();
    for lang in wanted {
        let Some((converter, derived_by)) = converter(original.lang, *lang) else { continue };
        if made.iter().any(|rendition| rendition.lang == *lang) {
            continue;
        }
        let text = converter.convert(&original.text);
        if text.chars().count() <= TEXT_CHARS_MAX {
            made.push(Rendition { of: of.to_owned(), lang: *lang, text, derived_by: derived_by.to_owned() });
        }
    }
    made
}

/// A file that shows something, named by its digest. The bytes go another way and are taken only if they are these.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceItem {
    pub digest: Digest,
    pub name: String,
    /// Length in bytes, at most [`EVIDENCE_ITEM_BYTES_MAX`].
    pub bytes: u64,
    /// Media type without parameters (RFC 6838), in lower case; one of those that [`crate::evidence::sniff`] takes.
    pub media: String,
}

impl EvidenceItem {
    /// Checks name, length and kind.
    ///
    /// # Errors
    /// [`BodyError`] about what is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        check_line("evidence.name", &self.name, NAME_CHARS_MAX)?;
        if self.bytes == 0 || self.bytes > EVIDENCE_ITEM_BYTES_MAX {
            return Err(BodyError::EvidenceBytes { bytes: self.bytes });
        }
        check_media("evidence.media", &self.media)
    }
}

impl fmt::Debug for EvidenceItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceItem({}, {} bytes, {})", self.digest, self.bytes, self.media)
    }
}

/// Who complains: what a council needs to write to the person, and nothing more.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One way to reach the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl Consumer {
    /// Checks what is there.
    ///
    /// # Errors
    /// [`BodyError`] about what is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        check_optional("consumer.name", self.name.as_ref(), NAME_CHARS_MAX)?;
        check_optional("consumer.contact", self.contact.as_ref(), CONTACT_CHARS_MAX)
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name.is_some())
            .field("contact", &self.contact.is_some())
            .field("language", &self.language)
            .finish()
    }
}

/// Whom the complaint is about (被投诉人).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trader {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The shop on a platform: an `https` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The number of its registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Trader {
    /// Checks what is there.
    ///
    /// # Errors
    /// [`BodyError`] about what is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        check_optional("trader.name", self.name.as_ref(), NAME_CHARS_MAX)?;
        check_optional("trader.address", self.address.as_ref(), ADDRESS_CHARS_MAX)?;
        self.link.as_ref().map_or(Ok(()), |link| check_link("trader.link", link, LINK_CHARS_MAX))?;
        check_optional("trader.licence", self.licence.as_ref(), REFERENCE_CHARS_MAX)
    }
}

/// What was bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Purchase {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// In the currency it was paid in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

impl Purchase {
    /// Checks what is there.
    ///
    /// # Errors
    /// [`BodyError`] about what is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        check_optional("purchase.item", self.item.as_ref(), ITEM_CHARS_MAX)?;
        check_optional("purchase.order", self.order.as_ref(), REFERENCE_CHARS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::item;
    use super::*;

    fn text(lang: Language, text: &str) -> LangText {
        LangText { lang, text: text.to_owned() }
    }

    #[test]
    fn simplified_and_traditional_are_rendered_into_each_other() {
        let original = text(Language::SimplifiedChinese, "在理发店剪头发，没有发票");
        let made = renditions("facts", &original, Language::ALL);
        let told: Vec<(Language, &str)> = made.iter().map(|made| (made.lang, made.text.as_str())).collect();
        let traditional = "在理髮店剪頭髮，沒有發票";
        assert_eq!(
            told,
            [(Language::TraditionalHongKong, traditional), (Language::TraditionalMacao, traditional)],
            "neither the original again nor a translation"
        );
        for rendition in &made {
            assert_eq!((rendition.of.as_str(), rendition.derived_by.as_str()), ("facts", "opencc s2hk"));
            assert_eq!(rendition.check(), Ok(()));
        }
        for lang in [Language::TraditionalHongKong, Language::TraditionalMacao] {
            let back = renditions("request", &text(lang, traditional), Language::ALL);
            assert_eq!(back.len(), 1, "Hong Kong and Macao read the same script");
            assert_eq!((back[0].text.as_str(), back[0].derived_by.as_str()), (original.text.as_str(), "opencc hk2s"));
        }
    }

    #[test]
    fn other_languages_are_not_rendered_and_nothing_is_rendered_twice() {
        assert_eq!(renditions("facts", &text(Language::English, "No refund"), Language::ALL), []);
        assert_eq!(renditions("facts", &text(Language::Portuguese, "Sem reembolso"), Language::ALL), []);
        let wanted = [Language::TraditionalMacao, Language::TraditionalMacao, Language::English];
        assert_eq!(renditions("facts", &text(Language::SimplifiedChinese, "退款"), &wanted).len(), 1);
        let longest = text(Language::SimplifiedChinese, &"票".repeat(TEXT_CHARS_MAX));
        assert_eq!(renditions("facts", &longest, &wanted).len(), 1);
        let past = text(Language::SimplifiedChinese, &"票".repeat(TEXT_CHARS_MAX + 1));
        assert_eq!(renditions("facts", &past, &wanted), []);
    }

    #[test]
    fn a_rendition_is_of_a_text_that_exists_and_says_who_made_it() {
        let original = text(Language::SimplifiedChinese, "退款");
        let whole = renditions("facts", &original, &[Language::TraditionalMacao]).remove(0);
        let other = Rendition { of: "title".to_owned(), ..whole.clone() };
        assert_eq!(other.check(), Err(BodyError::RenditionOfNothing));
        let nobody = Rendition { derived_by: String::new(), ..whole };
        assert_eq!(nobody.check(), Err(BodyError::Empty { field: "renditions.derivedBy" }));
    }

    #[test]
    fn evidence_holds_its_limits() {
        const MAX: u64 = EVIDENCE_ITEM_BYTES_MAX;
        assert_eq!(item(1).check(), Ok(()));
        for (bytes, fits) in [(0, false), (1, true), (MAX, true), (MAX + 1, false)] {
            let expected = if fits { Ok(()) } else { Err(BodyError::EvidenceBytes { bytes }) };
            assert_eq!(EvidenceItem { bytes, ..item(1) }.check(), expected);
        }
        for (media, fits) in [
            ("application/pdf", true),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", true),
            ("text/html", false),
            ("pdf", false),
        ] {
            let expected = if fits { Ok(()) } else { Err(BodyError::NotTaken { field: "evidence.media" }) };
            assert_eq!(EvidenceItem { media: media.to_owned(), ..item(1) }.check(), expected, "{media}");
        }
        let name = "票".repeat(NAME_CHARS_MAX);
        assert_eq!(EvidenceItem { name: name.clone(), ..item(1) }.check(), Ok(()));
        assert!(EvidenceItem { name: name + "据", ..item(1) }.check().is_err());
        assert_eq!(u64::try_from(crate::evidence::EVIDENCE_BYTES_MAX), Ok(MAX), "what is announced can be stored");
    }

    #[test]
    fn the_parties_and_the_purchase_hold_their_limits() {
        let long = |chars: usize| Some("a".repeat(chars));
        let consumer = |name, contact| Consumer { name, contact, language: None }.check();
        assert_eq!(consumer(long(NAME_CHARS_MAX), long(CONTACT_CHARS_MAX)), Ok(()));
        assert!(consumer(long(NAME_CHARS_MAX + 1), None).is_err());
        assert!(consumer(None, long(CONTACT_CHARS_MAX + 1)).is_err());
        let trader = |name, address, link, licence| Trader { name, address, link, licence }.check();
        let link = |chars: usize| Some(format!("{:a<chars$}", "https://shop.example/"));
        assert_eq!(
            trader(long(NAME_CHARS_MAX), long(ADDRESS_CHARS_MAX), link(LINK_CHARS_MAX), long(REFERENCE_CHARS_MAX)),
            Ok(())
        );
        assert!(trader(long(NAME_CHARS_MAX + 1), None, None, None).is_err());
        assert!(trader(None, long(ADDRESS_CHARS_MAX + 1), None, None).is_err());
        assert!(trader(None, None, link(LINK_CHARS_MAX + 1), None).is_err());
        let script = trader(None, None, Some("javascript:alert(1)".to_owned()), None);
        assert_eq!(script, Err(BodyError::Link { field: "trader.link" }));
        assert!(trader(None, None, None, long(REFERENCE_CHARS_MAX + 1)).is_err());
        let purchase = |item, order| Purchase { item, order, ..Purchase::default() }.check();
        assert_eq!(purchase(long(ITEM_CHARS_MAX), long(REFERENCE_CHARS_MAX)), Ok(()));
        assert!(purchase(long(ITEM_CHARS_MAX + 1), None).is_err());
        assert!(purchase(None, long(REFERENCE_CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn debug_output_names_nobody() {
        let consumer =
            Consumer { name: Some("陈大文".to_owned()), contact: Some("91234567".to_owned()), language: None };
        let shown = format!("{consumer:?} {:?} {:?}", text(Language::English, "Chan Tai Man"), item(1));
        for secret in ["陈大文", "91234567", "Chan", item(1).name.as_str()] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
