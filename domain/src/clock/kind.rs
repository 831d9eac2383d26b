//! Which clocks there are, what they count, and what may stop them.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A statutory clock, by the act that starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClockKind {
    /// Receipt by the competent bureau → acceptance or refusal (投诉受理).
    #[serde(rename = "CLK-ACCEPT")]
    Accept,
    /// Acceptance → agreement or termination (调解).
    #[serde(rename = "CLK-MEDIATE")]
    Mediate,
    /// Termination of mediation → both parties told.
    #[serde(rename = "CLK-TERM-NOTICE")]
    TermNotice,
    /// Clue found in mediation → filed or not.
    #[serde(rename = "CLK-CLUE-VERIFY")]
    ClueVerify,
    /// Report received → filed or not (举报核查).
    #[serde(rename = "CLK-REPORT-VERIFY")]
    ReportVerify,
    /// Case filed → decision (立案).
    #[serde(rename = "CLK-CASE")]
    Case,
    /// Dispute over the power to handle → agreed or designated.
    #[serde(rename = "CLK-JURIS")]
    Juris,
    /// Decision to file or not → real-name reporter told; only Order 20 knew it.
    #[serde(rename = "CLK-REPORTER-5WD")]
    ReporterFiveDays,
    /// Sent to an enterprise of the online dispute resolution system → settled or failed.
    #[serde(rename = "CLK-ODR")]
    Odr,
    /// Intake → dispatched to a unit (分送).
    #[serde(rename = "CLK-DISPATCH")]
    Dispatch,
}

/// A text that is the id of no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the id of a statutory clock, such as CLK-ACCEPT")]
pub struct UnknownClock;

impl ClockKind {
    /// Every clock.
    pub const ALL: [Self; 10] = [
        Self::Accept,
        Self::Mediate,
        Self::TermNotice,
        Self::ClueVerify,
        Self::ReportVerify,
        Self::Case,
        Self::Juris,
        Self::ReporterFiveDays,
        Self::Odr,
        Self::Dispatch,
    ];

    /// The id by which rules, events and people name the clock. Frozen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "CLK-ACCEPT",
            Self::Mediate => "CLK-MEDIATE",
            Self::TermNotice => "CLK-TERM-NOTICE",
            Self::ClueVerify => "CLK-CLUE-VERIFY",
            Self::ReportVerify => "CLK-REPORT-VERIFY",
            Self::Case => "CLK-CASE",
            Self::Juris => "CLK-JURIS",
            Self::ReporterFiveDays => "CLK-REPORTER-5WD",
            Self::Odr => "CLK-ODR",
            Self::Dispatch => "CLK-DISPATCH",
        }
    }

    /// The clock with this id.
    ///
    /// # Errors
    /// [`UnknownClock`] if there is none.
    pub fn parse(raw: &str) -> Result<Self, UnknownClock> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == raw).ok_or(UnknownClock)
    }
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a period is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodUnit {
    /// 工作日: as the yearly notices announce them, make-up days included.
    WorkingDays,
    /// 自然日: every day.
    NaturalDays,
}

/// What the law leaves out of a period: while it lasts, the clock may be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// 检测
    Testing,
    /// 检验
    Inspection,
    /// 检疫
    Quarantine,
    /// 鉴定
    Appraisal,
    /// 检定
    MetrologicalVerification,
    /// 权利人辨认或者鉴别
    RightHolderIdentification,
    /// 中止
    Suspension,
    /// 听证
    Hearing,
    /// 公告
    Announcement,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_stored_form_and_parses_back() {
        for kind in ClockKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(ClockKind::parse(kind.as_str()), Ok(kind));
            assert_eq!(kind.to_string(), kind.as_str());
        }
        assert_eq!(ClockKind::parse("CLK-12345"), Err(UnknownClock));
    }
}
