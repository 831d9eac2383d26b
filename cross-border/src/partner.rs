//! The register of the councils that refer disputes to each other: who they are, what they promise, what they agreed.
//!
//! Our own council stands in it like the others: whoever runs this program is one of them, the rest are its partners.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use chrono::NaiveDate;
use domain::calendar::WorkingCalendar;
use domain::id::{ParseIdError, UnitId};
use domain::money::Currency;
use domain::region::{RegionCode, RegionTable};
use domain::vocabulary::vocabulary;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::referral::vocabulary::{DataField, FieldClass};

static BUILTIN: LazyLock<PartnerRegister> = LazyLock::new(|| {
    PartnerRegister::parse(include_str!("../data/partners.toml"))
        .expect("the built-in register is valid: the tests parse it")
});

static HONG_KONG: LazyLock<WorkingCalendar> = LazyLock::new(|| {
    WorkingCalendar::parse(include_str!("../data/calendar-hk-2026.toml"))
        .expect("the built-in calendar is valid: the tests parse it")
});

static MACAO: LazyLock<WorkingCalendar> = LazyLock::new(|| {
    WorkingCalendar::parse(include_str!("../data/calendar-mo-2026.toml"))
        .expect("the built-in calendar is valid: the tests parse it")
});

/// Longest standard of a partner in days; a longer one is a mistake in the file.
pub const STANDARD_DAYS_MAX: u16 = 366;

/// The code of the Hong Kong Special Administrative Region (GB/T 2260).
const HONG_KONG_CODE: u32 = 810_000;
/// The code of the Macao Special Administrative Region (GB/T 2260).
const MACAO_CODE: u32 = 820_000;

vocabulary! {
    /// Where a council is.
    Place {
        Guangdong = "GD", "广东";
        HongKong = "HK", "香港";
        Macao = "MO", "澳門";
    }
}

impl Place {
    /// The working days there. A year that its edition does not cover gives provisional days, as in any calendar.
    #[must_use]
    pub fn calendar(self) -> &'static WorkingCalendar {
        match self {
            Self::Guangdong => WorkingCalendar::mainland(),
            Self::HongKong => &HONG_KONG,
            Self::Macao => &MACAO,
        }
    }

    /// The place of a council by where it is registered: one of the two regions, or any division of Guangdong.
    #[must_use]
    pub fn of_seat(seat: RegionCode) -> Option<Self> {
        match seat.number() {
            HONG_KONG_CODE => Some(Self::HongKong),
            MACAO_CODE => Some(Self::Macao),
            _ => RegionTable::builtin().get(seat).map(|_| Self::Guangdong),
        }
    }
}

vocabulary! {
    /// A language and script in which a text is written or a partner works (BCP 47).
    Language {
        SimplifiedChinese = "zh-Hans-CN", "简体中文";
        TraditionalHongKong = "zh-Hant-HK", "繁體中文（香港）";
        TraditionalMacao = "zh-Hant-MO", "繁體中文（澳門）";
        English = "en", "英文";
        Portuguese = "pt", "葡萄牙文";
    }
}

/// One council of the register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartnerId(UnitId);

impl PartnerId {
    /// Parses a partner's id, which has the form of a unit's.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(raw: &str) -> Result<Self, ParseIdError> {
        UnitId::parse(raw).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for PartnerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A partner's name in the languages of the three places.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    pub zh_hant: String,
    pub en: String,
    pub pt: String,
}

/// What a council promises its own consumers, and what is therefore expected of it in a referral; see the data file.
///
/// Working days are those of its own place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standards {
    pub acknowledge_working_days: u16,
    /// From the acknowledgement.
    pub feedback_working_days: u16,
    pub arbitration_working_days: Option<u16>,
    /// Natural days.
    pub closing_days: u16,
    /// Until an officer has fetched what arrived.
    #[serde(default = "retrieval_working_days")]
    pub retrieval_working_days: u16,
    /// Until what it sends has reached the other side.
    #[serde(default = "delivery_working_days")]
    pub delivery_working_days: u16,
    /// Until it has answered an offer of mediation or arbitration.
    #[serde(default = "answer_working_days")]
    pub offer_answer_working_days: u16,
    /// Until it has told its consumer the result.
    #[serde(default = "answer_working_days")]
    pub outcome_acknowledgement_working_days: u16,
    /// Until it has said whether it could erase what was called back.
    #[serde(default = "answer_working_days")]
    pub recall_answer_working_days: u16,
}

// What no council has promised in public: defaults of this system, the same for every partner.
const fn retrieval_working_days() -> u16 {
    2
}

const fn delivery_working_days() -> u16 {
    1
}

const fn answer_working_days() -> u16 {
    5
}

impl Standards {
    fn all(&self) -> impl Iterator<Item = u16> + use<> {
        let fixed = [
            self.acknowledge_working_days,
            self.feedback_working_days,
            self.closing_days,
            self.retrieval_working_days,
            self.delivery_working_days,
            self.offer_answer_working_days,
            self.outcome_acknowledgement_working_days,
            self.recall_answer_working_days,
        ];
        fixed.into_iter().chain(self.arbitration_working_days)
    }
}

/// An agreement under which councils refer disputes to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    pub title: String,
    /// The places whose councils it binds.
    pub between: Vec<Place>,
    /// The first day.
    pub valid_from: NaiveDate,
    /// The last day; without it no end is known.
    pub valid_to: Option<NaiveDate>,
    pub source: String,
}

impl Agreement {
    /// Whether it is in force on the day.
    #[must_use]
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.valid_from <= on && self.valid_to.is_none_or(|to| on <= to)
    }

    /// Whether it binds the councils of both places, which are not the same.
    #[must_use]
    pub fn binds(&self, one: Place, other: Place) -> bool {
        one != other && self.between.contains(&one) && self.between.contains(&other)
    }
}

/// A partner council.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    pub id: PartnerId,
    pub place: Place,
    pub languages: Vec<Language>,
    pub currencies: Vec<Currency>,
    pub name: Names,
    /// Where a consumer reaches it, to use the rights that a law gives against it (PIPL Art. 39).
    pub contact: String,
    /// What it takes of a message; everything on the list of a referral unless the file says less.
    #[serde(default = "listed")]
    pub fields: Vec<DataField>,
    pub standards: Standards,
    #[serde(rename = "agreement")]
    pub agreements: Vec<Agreement>,
}

fn listed() -> Vec<DataField> {
    DataField::ALL.iter().copied().filter(|field| field.class() == FieldClass::Listed).collect()
}

impl Partner {
    /// The newest agreement that is in force on the day between `our` place and the partner's.
    #[must_use]
    pub fn agreement_on(&self, day: NaiveDate, our: Place) -> Option<&Agreement> {
        self.agreements
            .iter()
            .filter(|agreement| agreement.in_force(day) && agreement.binds(our, self.place))
            .max_by_key(|agreement| agreement.valid_from)
    }

    /// Whether it takes the field; what it has no use for is taken out before a message is sealed.
    #[must_use]
    pub fn takes(&self, field: DataField) -> bool {
        self.fields.contains(&field)
    }

    fn check(&self) -> Result<(), PartnerError> {
        let id = || self.id.clone();
        if self.languages.is_empty() || self.currencies.is_empty() || self.fields.is_empty() {
            return Err(PartnerError::Lists { id: id() });
        }
        if let Some(field) = self.fields.iter().find(|field| field.class() != FieldClass::Listed) {
            return Err(PartnerError::Field { id: id(), field: *field });
        }
        if let Some(days) = self.standards.all().find(|days| *days == 0 || *days > STANDARD_DAYS_MAX) {
            return Err(PartnerError::Standard { id: id(), days });
        }
        let elsewhere =
            |agreement: &&Agreement| !agreement.between.contains(&self.place) || agreement.between.len() < 2;
        if let Some(agreement) = self.agreements.iter().find(elsewhere) {
            return Err(PartnerError::Elsewhere { id: id(), title: agreement.title.clone() });
        }
        match self.agreements.iter().find(|agreement| agreement.valid_to.is_some_and(|to| to < agreement.valid_from)) {
            Some(agreement) => Err(PartnerError::NeverInForce { id: id(), title: agreement.title.clone() }),
            None => Ok(()),
        }
    }
}

/// Why a register is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PartnerError {
    #[error("the register of partners cannot be read")]
    Toml(#[from] toml::de::Error),
    #[error("partner `{id}` stands in the register twice")]
    Twice { id: PartnerId },
    #[error("partner `{id}` has no language, no currency or no field")]
    Lists { id: PartnerId },
    #[error("partner `{id}` would take `{field}`, which no referral holds")]
    Field { id: PartnerId, field: DataField },
    #[error("a standard of partner `{id}` has {days} days, not 1 to {STANDARD_DAYS_MAX}")]
    Standard { id: PartnerId, days: u16 },
    #[error("agreement `{title}` of partner `{id}` ends before it begins")]
    NeverInForce { id: PartnerId, title: String },
    #[error("agreement `{title}` of partner `{id}` does not bind its place and another")]
    Elsewhere { id: PartnerId, title: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartnerFile {
    partner: Vec<Partner>,
}

/// The partners we work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerRegister {
    /// By id.
    partners: Vec<Partner>,
}

impl PartnerRegister {
    /// The register that is compiled in.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads a register (TOML, see `data/partners.toml`).
    ///
    /// # Errors
    /// [`PartnerError`] if the file is malformed or contradicts itself.
    pub fn parse(raw: &str) -> Result<Self, PartnerError> {
        let mut partners = toml::from_str::<PartnerFile>(raw)?.partner;
        partners.sort_by(|one, other| one.id.cmp(&other.id));
        for (one, next) in partners.iter().zip(partners.iter().skip(1)) {
            if one.id == next.id {
                return Err(PartnerError::Twice { id: next.id.clone() });
            }
        }
        for partner in &partners {
            partner.check()?;
        }
        Ok(Self { partners })
    }

    /// The partner with this id.
    #[must_use]
    pub fn get(&self, id: &PartnerId) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == *id)
    }

    /// The council of a place; the first by id, should a file hold several.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.place == place)
    }

    /// Every partner, by id.
    #[must_use]
    pub fn partners(&self) -> &[Partner] {
        &self.partners
    }
}
