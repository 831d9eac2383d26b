//! The register of partner councils: who they are, what they promise, and under which agreements we work with them.

use std::sync::LazyLock;

use chrono::NaiveDate;
use domain::calendar::WorkingCalendar;
use domain::clock::{Basis, ClockError, Due, PeriodUnit, reckon};
use domain::id::{ParseIdError, UnitId};
use domain::money::Currency;
use domain::vocabulary::vocabulary;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

vocabulary! {
    /// Where a partner council is.
    Place {
        HongKong = "HK", "香港";
        Macao = "MO", "澳門";
    }
}

impl Place {
    /// The working days there. A year that its edition does not cover gives provisional days, as in any calendar.
    #[must_use]
    pub fn calendar(self) -> &'static WorkingCalendar {
        match self {
            Self::HongKong => &HONG_KONG,
            Self::Macao => &MACAO,
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

/// One partner council of the register.
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

/// What a partner promises its own consumers, and what we therefore expect of it; see the data file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standards {
    pub acknowledge_working_days: u16,
    /// From the acknowledgement.
    pub feedback_working_days: u16,
    pub arbitration_working_days: Option<u16>,
    /// Natural days.
    pub closing_days: u16,
}

/// An agreement under which councils refer disputes to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    pub title: String,
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
    pub standards: Standards,
    #[serde(rename = "agreement")]
    pub agreements: Vec<Agreement>,
}

impl Partner {
    /// An agreement that is in force on the day, the newest first.
    #[must_use]
    pub fn agreement_on(&self, day: NaiveDate) -> Option<&Agreement> {
        self.agreements.iter().filter(|agreement| agreement.in_force(day)).max_by_key(|agreement| agreement.valid_from)
    }

    /// The last of `days` working days after `started_on`, by the calendar of the partner's place.
    ///
    /// # Errors
    /// [`ClockError`] if the end is too far away to be reckoned.
    pub fn working_days_after(&self, started_on: NaiveDate, days: u16) -> Result<Due, ClockError> {
        let basis = Basis { started_on, length: days, unit: PeriodUnit::WorkingDays, extended_by: 0 };
        reckon(basis, &[], self.place.calendar())
    }

    fn check(&self) -> Result<(), PartnerError> {
        let id = || self.id.clone();
        if self.languages.is_empty() || self.currencies.is_empty() {
            return Err(PartnerError::Lists { id: id() });
        }
        let Standards { acknowledge_working_days, feedback_working_days, arbitration_working_days, closing_days } =
            self.standards;
        let standards = [Some(acknowledge_working_days), Some(feedback_working_days), arbitration_working_days]
            .into_iter()
            .flatten()
            .chain([closing_days]);
        for days in standards {
            if days == 0 || days > STANDARD_DAYS_MAX {
                return Err(PartnerError::Standard { id: id(), days });
            }
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
    #[error("partner `{id}` has no language or no currency")]
    Lists { id: PartnerId },
    #[error("a standard of partner `{id}` has {days} days, not 1 to {STANDARD_DAYS_MAX}")]
    Standard { id: PartnerId, days: u16 },
    #[error("agreement `{title}` of partner `{id}` ends before it begins")]
    NeverInForce { id: PartnerId, title: String },
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

    /// Every partner, by id.
    #[must_use]
    pub fn partners(&self) -> &[Partner] {
        &self.partners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn partner(id: &str) -> &'static Partner {
        PartnerRegister::builtin().get(&PartnerId::parse(id).unwrap()).unwrap()
    }

    fn entry(id: &str, standard: u16, agreement: &str) -> String {
        format!(
            "[[partner]]\nid = \"{id}\"\nplace = \"HK\"\nlanguages = [\"en\"]\ncurrencies = [\"HKD\"]\n\
             [partner.name]\nzh_hant = \"甲\"\nen = \"A\"\npt = \"A\"\n\
             [partner.standards]\nacknowledge_working_days = {standard}\nfeedback_working_days = 1\nclosing_days = 1\n\
             [[partner.agreement]]\ntitle = \"T\"\nsource = \"S\"\n{agreement}\n"
        )
    }

    const ALWAYS: &str = "valid_from = \"2020-01-01\"";

    #[test]
    fn the_two_councils_stand_in_it_with_what_they_promise() {
        let ids: Vec<&str> = PartnerRegister::builtin().partners().iter().map(|partner| partner.id.as_str()).collect();
        assert_eq!(ids, ["hk-consumer-council", "mo-consumer-council"]);
        let hong_kong = partner("hk-consumer-council");
        assert_eq!((hong_kong.place, hong_kong.name.zh_hant.as_str()), (Place::HongKong, "香港消費者委員會"));
        assert_eq!(hong_kong.standards.acknowledge_working_days, 5);
        assert_eq!(hong_kong.standards.feedback_working_days, 9);
        assert_eq!(hong_kong.currencies, [Currency::Hkd]);
        let macao = partner("mo-consumer-council");
        assert_eq!((macao.place, macao.name.pt.as_str()), (Place::Macao, "Conselho de Consumidores de Macau"));
        assert_eq!(macao.standards.acknowledge_working_days, 3);
        assert_eq!(macao.standards.feedback_working_days, 3);
        assert_eq!(macao.standards.arbitration_working_days, Some(12));
        assert!(macao.languages.contains(&Language::Portuguese));
        assert!(PartnerRegister::builtin().get(&PartnerId::parse("sg-consumer-council").unwrap()).is_none());
    }

    #[test]
    fn an_agreement_holds_from_its_first_day_to_its_last() {
        let hong_kong = partner("hk-consumer-council");
        let title = |on| hong_kong.agreement_on(day(on)).map(|agreement| agreement.title.as_str());
        assert_eq!(title("2018-04-09"), None);
        assert_eq!(title("2018-04-10"), Some("粤港澳大湾区消费维权合作备忘录"));
        assert_eq!(title("2021-04-09"), Some("粤港澳大湾区消费投诉转办平台"));
        assert_eq!(title("2024-04-01"), Some("深化粤港区域市场一体化消费维权合作协议"));
        let memorandum = &hong_kong.agreements[0];
        assert!(memorandum.in_force(day("2021-04-09")));
        assert!(!memorandum.in_force(day("2021-04-10")));
    }

    #[test]
    fn each_place_counts_its_own_working_days() {
        // 2026-04-03 to 04-07 are free in both, 05-25 as well; 09-26 is a Saturday for which only Macao gives the
        // Monday.
        for (id, started_on, days, last) in [
            ("hk-consumer-council", "2026-04-02", 5, "2026-04-14"),
            ("mo-consumer-council", "2026-04-02", 3, "2026-04-10"),
            ("hk-consumer-council", "2026-05-21", 3, "2026-05-27"),
            ("hk-consumer-council", "2026-09-25", 1, "2026-09-28"),
            ("mo-consumer-council", "2026-09-25", 1, "2026-09-29"),
        ] {
            let due = partner(id).working_days_after(day(started_on), days).unwrap();
            assert_eq!((due.strict, due.provisional), (day(last), false), "{id} {started_on}");
        }
        let next_year = partner("hk-consumer-council").working_days_after(day("2026-12-30"), 5).unwrap();
        assert!(next_year.provisional);
    }

    #[test]
    fn a_register_that_contradicts_itself_is_refused() {
        assert!(PartnerRegister::parse(&entry("a", 1, ALWAYS)).is_ok());
        assert!(PartnerRegister::parse(&entry("a", STANDARD_DAYS_MAX, ALWAYS)).is_ok());
        let id = PartnerId::parse("a").unwrap();
        for days in [0, STANDARD_DAYS_MAX + 1] {
            let refused = PartnerRegister::parse(&entry("a", days, ALWAYS));
            assert_eq!(refused, Err(PartnerError::Standard { id: id.clone(), days }));
        }
        let twice = entry("a", 1, ALWAYS) + &entry("a", 2, ALWAYS);
        assert_eq!(PartnerRegister::parse(&twice), Err(PartnerError::Twice { id: id.clone() }));
        let reversed = format!("{ALWAYS}\nvalid_to = \"2019-12-31\"");
        assert_eq!(
            PartnerRegister::parse(&entry("a", 1, &reversed)),
            Err(PartnerError::NeverInForce { id, title: "T".to_owned() })
        );
        let unknown = entry("a", 1, ALWAYS) + "colour = \"red\"\n";
        assert!(matches!(PartnerRegister::parse(&unknown), Err(PartnerError::Toml(_))));
    }
}
