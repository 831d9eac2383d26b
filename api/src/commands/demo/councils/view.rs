//! What one council sees of a referral, and how that is told to people.

use async_graphql::resolver_utils::EnumType;
use chrono::NaiveDate;
use cross_border::exchange::Step;
use cross_border::referral::vocabulary;
use serde::de::{Deserialize, Deserializer, Error as _};
use uuid::Uuid;

use super::place::entry_of;
use crate::graphql::referral::enums::{
    Place, ProgressKind, ReferralOutcome, ReferralStage, ReferralStepName, ReturnCode,
};

/// The question that a [`View`] is the answer to.
pub(super) const VIEW: &str = "query($id: UUID!) { referral(id: $id) { \
    stage progress returnCode outcome erased allowedActions \
    steps { name awaited by calendar provisional metOn } \
    sessions { id } evidence { digest stored } \
    segment { digest origin { count } target { count } } } }";

/// One council's sight of one referral.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    #[serde(deserialize_with = "named")]
    pub(super) stage: ReferralStage,
    #[serde(deserialize_with = "named_or_none")]
    progress: Option<ProgressKind>,
    #[serde(deserialize_with = "named_or_none")]
    return_code: Option<ReturnCode>,
    #[serde(deserialize_with = "named_or_none")]
    outcome: Option<ReferralOutcome>,
    /// After a recall: whether the data could be erased.
    erased: Option<bool>,
    pub(super) allowed_actions: Vec<String>,
    steps: Vec<Awaited>,
    pub(super) sessions: Vec<Session>,
    pub(super) evidence: Vec<File>,
    segment: Segment,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Awaited {
    #[serde(deserialize_with = "named")]
    name: ReferralStepName,
    #[serde(deserialize_with = "named")]
    awaited: Place,
    by: NaiveDate,
    calendar: String,
    provisional: bool,
    met_on: Option<NaiveDate>,
}

/// A session that was offered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Session {
    pub(super) id: Uuid,
}

/// A file of the referral.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct File {
    pub(super) digest: String,
    /// Its bytes are here.
    pub(super) stored: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
struct Segment {
    digest: String,
    origin: Lane,
    target: Lane,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
struct Lane {
    count: u32,
}

fn named<'de, D: Deserializer<'de>, E: EnumType>(deserializer: D) -> Result<E, D::Error> {
    let name = String::deserialize(deserializer)?;
    entry_of(&name).ok_or_else(|| D::Error::custom(format!("`{name}` is not an entry of its list")))
}

fn named_or_none<'de, D: Deserializer<'de>, E: EnumType>(deserializer: D) -> Result<Option<E>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let entry = entry_of(&name).ok_or_else(|| D::Error::custom(format!("`{name}` is not an entry of its list")))?;
    Ok(Some(entry))
}

impl View {
    /// Whether nothing more is to happen to it.
    pub(super) fn is_over(&self) -> bool {
        match self.stage {
            ReferralStage::Closed | ReferralStage::Returned => true,
            ReferralStage::Recalled => self.erased.is_some(),
            _ => false,
        }
    }

    /// Whether both councils say the same and hold the same messages.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.stage, self.progress, self.return_code) == (other.stage, other.progress, other.return_code)
            && (self.outcome, self.erased) == (other.outcome, other.erased)
            && self.segment == other.segment
    }

    /// The stored code of the result, once there is one.
    pub(super) fn outcome_code(&self) -> Option<&'static str> {
        self.outcome.map(|outcome| vocabulary::ReferralOutcome::from(outcome).code())
    }

    /// The digest of what both councils hold in common.
    pub(super) fn digest(&self) -> &str {
        &self.segment.digest
    }

    /// Messages in both lanes.
    pub(super) const fn messages(&self) -> u32 {
        self.segment.origin.count.saturating_add(self.segment.target.count)
    }

    /// The stage with its detail, in Chinese and by its code.
    pub(super) fn stage_text(&self) -> String {
        let stage = format!("{} {}", term(self.stage), self.stage.code());
        match self.detail() {
            Some(detail) => format!("{stage}: {detail}"),
            None => stage,
        }
    }

    fn detail(&self) -> Option<String> {
        macro_rules! told {
            ($list:ident, $entry:expr) => {
                $entry.map(|entry| {
                    let entry = vocabulary::$list::from(entry);
                    format!("{} {}", entry.term(), entry.code())
                })
            };
        }
        match self.stage {
            ReferralStage::InProgress => told!(ProgressKind, self.progress),
            ReferralStage::Returned => told!(ReturnCode, self.return_code),
            ReferralStage::OutcomeReported | ReferralStage::Closed => told!(ReferralOutcome, self.outcome),
            ReferralStage::Recalled => Some(
                match self.erased {
                    Some(true) => "已删除 erased",
                    Some(false) => "未能删除 not erased",
                    None => "待删除 to be erased",
                }
                .to_owned(),
            ),
            _ => None,
        }
    }

    /// What is awaited next, of whom, by which day of whose calendar.
    pub(super) fn awaited_text(&self) -> String {
        let running = self.steps.iter().filter(|step| step.met_on.is_none());
        let Some(next) = running.min_by_key(|step| step.by) else { return "nothing awaited".to_owned() };
        let step = Step::from(next.name);
        let place = cross_border::partner::Place::from(next.awaited);
        let mark = if next.provisional { ", provisional" } else { "" };
        format!("{place} {} {step} by {} ({}{mark})", step.term(), next.by, next.calendar)
    }

    /// Messages of the origin and of the target.
    pub(super) fn counts_text(&self) -> String {
        format!("{}/{}", self.segment.origin.count, self.segment.target.count)
    }
}

/// The stage in Chinese.
const fn term(stage: ReferralStage) -> &'static str {
    match stage {
        ReferralStage::Drafted => "拟转办",
        ReferralStage::ConsentCaptured => "已取得同意",
        ReferralStage::Assessed => "已评估",
        ReferralStage::Sealed => "已封装",
        ReferralStage::Sent => "已发出",
        ReferralStage::Delivered => "已送达",
        ReferralStage::Acknowledged => "已签收",
        ReferralStage::InProgress => "办理中",
        ReferralStage::OutcomeReported => "结果已通报",
        ReferralStage::Closed => "已转告当事人",
        ReferralStage::Returned => "被退回",
        ReferralStage::Recalled => "已撤回",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::graphql::sdl;

    fn told(change: Value) -> View {
        let mut view = json!({
            "stage": "IN_PROGRESS", "progress": "TRADER_REPLIED", "returnCode": null, "outcome": null, "erased": null,
            "allowedActions": ["reportOutcome"],
            "steps": [
                {"name": "OUTCOME", "awaited": "HONG_KONG", "by": "2026-12-28", "calendar": "HK-2026/1",
                 "provisional": false, "metOn": null},
                {"name": "ACKNOWLEDGEMENT", "awaited": "HONG_KONG", "by": "2026-11-27", "calendar": "HK-2026/1",
                 "provisional": false, "metOn": "2026-11-23"},
                {"name": "FEEDBACK", "awaited": "HONG_KONG", "by": "2026-12-04", "calendar": "HK-2026/1",
                 "provisional": true, "metOn": null},
            ],
            "sessions": [], "evidence": [{"digest": "ab", "stored": true}],
            "segment": {"digest": "d", "origin": {"count": 1}, "target": {"count": 3}},
        });
        if let (Value::Object(view), Value::Object(change)) = (&mut view, change) {
            view.extend(change);
        }
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_view_is_told_in_both_languages_with_what_is_awaited_first() {
        let view = told(json!({}));
        assert_eq!(view.stage_text(), "办理中 in-progress: 经营者已答复 trader-replied");
        assert_eq!(view.awaited_text(), "HK 反馈 feedback by 2026-12-04 (HK-2026/1, provisional)");
        assert_eq!((view.counts_text().as_str(), view.messages()), ("1/3", 4));
        let returned = told(json!({"stage": "RETURNED", "progress": null, "returnCode": "NOT_LOCAL", "steps": []}));
        assert_eq!(returned.stage_text(), "被退回 returned: 不在本地 NOT_LOCAL");
        assert_eq!(returned.awaited_text(), "nothing awaited");
        let recalled = told(json!({"stage": "RECALLED", "progress": null}));
        assert_eq!(recalled.stage_text(), "已撤回 recalled: 待删除 to be erased");
        assert_eq!(told(json!({"stage": "SENT", "progress": null})).stage_text(), "已发出 sent");
    }

    #[test]
    fn it_is_over_when_nothing_more_is_to_happen() {
        let over = |stage: &str, erased: Value| told(json!({"stage": stage, "erased": erased})).is_over();
        assert!(over("CLOSED", Value::Null) && over("RETURNED", Value::Null) && over("RECALLED", json!(true)));
        assert!(!over("RECALLED", Value::Null) && !over("OUTCOME_REPORTED", Value::Null));
        let closed = told(json!({"stage": "CLOSED", "progress": null, "outcome": "SETTLED"}));
        assert_eq!(closed.outcome_code(), Some("settled"));
        assert!(closed.is_same(&closed.clone()));
        let other = told(json!({"stage": "CLOSED", "progress": null, "outcome": "AWARD"}));
        assert!(!closed.is_same(&other));
    }

    #[test]
    fn a_name_that_no_list_has_is_refused() {
        assert!(serde_json::from_value::<Session>(json!({"id": "x"})).is_err());
        assert!(entry_of::<ReferralStage>("LOST").is_none());
    }

    #[test]
    fn the_terms_are_those_of_the_schema() {
        let sdl = sdl();
        for item in ReferralStage::items() {
            assert!(sdl.contains(term(item.value)), "{}", item.name);
        }
    }
}
