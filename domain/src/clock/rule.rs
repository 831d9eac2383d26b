//! The table of the rules that set the clocks, version by version.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{ClockError, ClockKind, Exclusion, PeriodUnit};

static BUILTIN: LazyLock<RuleTable> = LazyLock::new(|| {
    RuleTable::parse(include_str!("../../data/rules.toml")).expect("the built-in rules are valid: the tests parse them")
});

/// One version of what the law says about one clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRule {
    #[serde(rename = "id")]
    pub kind: ClockKind,
    /// The regime it belongs to, such as `order121`; with `kind` it names the rule for ever.
    pub version: String,
    /// Where it is written.
    pub article: String,
    /// The period's Chinese name.
    pub term_zh: String,
    /// In `unit`; at least 1.
    pub length: u16,
    pub unit: PeriodUnit,
    /// The first day in force.
    pub effective_from: NaiveDate,
    /// The last day in force.
    pub effective_to: Option<NaiveDate>,
    /// Warn when no more than this is left, in `unit`.
    pub yellow: u16,
    /// Warn urgently when no more than this is left, in `unit`; not above `yellow`.
    pub red: u16,
    /// The most that an approval may add, in `unit`; without it the period cannot be extended.
    pub extension_max: Option<u16>,
    #[serde(default)]
    pub exclusions: Vec<Exclusion>,
}

impl ClockRule {
    /// Whether the rule is in force on the day.
    #[must_use]
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.effective_from <= on && self.effective_to.is_none_or(|to| on <= to)
    }

    /// Whether extensions of this much altogether, in the rule's unit, are allowed.
    #[must_use]
    pub fn permits_extension(&self, altogether: u16) -> bool {
        self.extension_max.is_some_and(|max| altogether <= max)
    }

    /// Whether the clock may be stopped for this reason.
    #[must_use]
    pub fn excludes(&self, reason: Exclusion) -> bool {
        self.exclusions.contains(&reason)
    }

    fn check(&self) -> Result<(), RuleError> {
        let kind = self.kind;
        let version = || self.version.clone();
        if self.length == 0 {
            return Err(RuleError::EmptyPeriod { kind, version: version() });
        }
        if self.red > self.yellow {
            return Err(RuleError::Thresholds { kind, version: version() });
        }
        if self.effective_to.is_some_and(|to| to < self.effective_from) {
            return Err(RuleError::NeverInForce { kind, version: version() });
        }
        Ok(())
    }
}

/// Why a rule file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    #[error("the rule file cannot be read")]
    Toml(#[from] toml::de::Error),
    #[error("{kind} version {version} gives no day")]
    EmptyPeriod { kind: ClockKind, version: String },
    #[error("{kind} version {version} is red before it is yellow")]
    Thresholds { kind: ClockKind, version: String },
    #[error("{kind} version {version} ends before it begins")]
    NeverInForce { kind: ClockKind, version: String },
    #[error("{kind} version {version} begins while the one before it is in force")]
    Overlap { kind: ClockKind, version: String },
}

/// The rules of all clocks: on any day at most one per clock is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTable {
    /// Ordered by clock, then by the day they came into force.
    rules: Vec<ClockRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    rule: Vec<ClockRule>,
}

impl RuleTable {
    /// The rules that are compiled in.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads a rule file (TOML, see `data/rules.toml`).
    ///
    /// # Errors
    /// [`RuleError`] if the file is malformed, a rule is impossible, or two rules of a clock are in force on one day.
    pub fn parse(raw: &str) -> Result<Self, RuleError> {
        let mut rules = toml::from_str::<RuleFile>(raw)?.rule;
        for rule in &rules {
            rule.check()?;
        }
        rules.sort_by_key(|rule| (rule.kind, rule.effective_from));
        for (earlier, later) in rules.iter().zip(rules.iter().skip(1)) {
            if earlier.kind == later.kind && earlier.effective_to.is_none_or(|to| to >= later.effective_from) {
                return Err(RuleError::Overlap { kind: later.kind, version: later.version.clone() });
            }
        }
        Ok(Self { rules })
    }

    /// The rule for a clock that is started by an act of the day `on`.
    ///
    /// # Errors
    /// [`ClockError::NoRuleInForce`] if the law of that day knows no such period.
    pub fn rule(&self, kind: ClockKind, on: NaiveDate) -> Result<&ClockRule, ClockError> {
        self.rules
            .iter()
            .find(|rule| rule.kind == kind && rule.in_force(on))
            .ok_or(ClockError::NoRuleInForce { kind, on })
    }

    /// Every version of every rule, by clock and by the day it came into force.
    #[must_use]
    pub fn rules(&self) -> &[ClockRule] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Version, length and unit of the built-in rule.
    fn on(kind: ClockKind, text: &str) -> (&'static str, u16, PeriodUnit) {
        let rule = RuleTable::builtin().rule(kind, day(text)).unwrap();
        (rule.version.as_str(), rule.length, rule.unit)
    }

    fn entry(version: &str, from: &str, rest: &str) -> String {
        format!(
            "[[rule]]\nid = \"CLK-ACCEPT\"\nversion = \"{version}\"\narticle = \"a\"\nterm_zh = \"b\"\n\
             unit = \"working-days\"\neffective_from = \"{from}\"\n{rest}\n"
        )
    }

    const PLAIN: &str = "length = 7\nyellow = 2\nred = 1";

    #[test]
    fn the_rule_is_the_one_of_the_day_of_the_act() {
        use ClockKind::{Accept, Mediate};
        use PeriodUnit::{NaturalDays, WorkingDays};
        assert_eq!(on(Accept, "2020-01-01"), ("order20", 7, WorkingDays));
        assert_eq!(on(Accept, "2026-04-14"), ("order20", 7, WorkingDays));
        assert_eq!(on(Accept, "2026-04-15"), ("order121", 7, WorkingDays));
        assert_eq!(on(Mediate, "2024-06-30"), ("order20", 45, WorkingDays));
        assert_eq!(on(Mediate, "2024-07-01"), ("crr2024", 60, NaturalDays));
        assert_eq!(on(Mediate, "2026-04-14"), ("crr2024", 60, NaturalDays));
        assert_eq!(on(Mediate, "2026-04-15"), ("order121", 60, NaturalDays));
    }

    #[test]
    fn every_clock_but_the_notice_to_the_reporter_has_a_rule_today() {
        let table = RuleTable::builtin();
        let today = day("2026-11-22");
        for kind in ClockKind::ALL {
            assert_eq!(table.rule(kind, today).is_ok(), kind != ClockKind::ReporterFiveDays, "{kind}");
            assert!(table.rule(kind, day("2020-01-01")).is_ok(), "{kind}");
        }
    }

    #[test]
    fn a_day_without_law_has_no_rule() {
        let table = RuleTable::builtin();
        for (kind, on) in [(ClockKind::Accept, day("2019-12-31")), (ClockKind::ReporterFiveDays, day("2026-04-15"))] {
            assert_eq!(table.rule(kind, on), Err(ClockError::NoRuleInForce { kind, on }));
        }
    }

    #[test]
    fn extensions_and_exclusions_follow_the_rule() {
        let table = RuleTable::builtin();
        let today = day("2026-11-22");
        let verify = table.rule(ClockKind::ReportVerify, today).unwrap();
        assert!(verify.permits_extension(15));
        assert!(!verify.permits_extension(16));
        assert!(verify.excludes(Exclusion::Quarantine));
        let mediate = table.rule(ClockKind::Mediate, today).unwrap();
        assert!(!mediate.permits_extension(1));
        assert!(mediate.excludes(Exclusion::Appraisal));
        assert!(!mediate.excludes(Exclusion::Hearing));
    }

    #[test]
    fn the_table_is_in_order() {
        let rules = RuleTable::builtin().rules();
        assert_eq!(rules.len(), 16);
        assert!(rules.is_sorted_by_key(|rule| (rule.kind, rule.effective_from)));
    }

    #[test]
    fn versions_of_a_clock_may_touch_but_not_overlap() {
        let until = format!("{PLAIN}\neffective_to = \"2020-12-31\"");
        let old = entry("old", "2020-01-01", &until);
        assert!(RuleTable::parse(&(entry("new", "2021-01-01", PLAIN) + &old)).is_ok());
        assert_eq!(
            RuleTable::parse(&(entry("new", "2020-12-31", PLAIN) + &old)),
            Err(RuleError::Overlap { kind: ClockKind::Accept, version: "new".to_owned() })
        );
    }

    #[test]
    fn an_impossible_rule_is_refused() {
        let refused = |rest: &str| RuleTable::parse(&entry("v", "2020-01-01", rest)).unwrap_err();
        let empty = refused("length = 0\nyellow = 2\nred = 1");
        assert!(matches!(empty, RuleError::EmptyPeriod { .. }));
        let colours = refused("length = 7\nyellow = 1\nred = 2");
        assert!(matches!(colours, RuleError::Thresholds { .. }));
        let reversed = refused(&format!("{PLAIN}\neffective_to = \"2019-12-31\""));
        assert!(matches!(reversed, RuleError::NeverInForce { .. }));
        let unknown = refused(&format!("{PLAIN}\ncolour = 1"));
        assert!(matches!(unknown, RuleError::Toml(_)));
    }
}
