//! What the two councils say to each other once the submission is there.

use chrono::{DateTime, Utc};
use domain::money::Money;
use serde::{Deserialize, Serialize};

use super::super::check::{
    BodyError, NOTE_CHARS_MAX, REFERENCE_CHARS_MAX, TEXT_CHARS_MAX, check_line, check_list, check_moment, check_past,
    check_proposed,
};
use super::super::content::{EvidenceItem, LangText};
use super::super::id::{Digest, SessionId};
use super::super::vocabulary::{SessionForm, SessionResult, Step};
use crate::partner::Language;
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome, ReturnCode};

fn check_note(note: Option<&LangText>) -> Result<(), BodyError> {
    note.map_or(Ok(()), |note| note.check("note", NOTE_CHARS_MAX))
}

/// 已提取: somebody at the receiving council has opened the submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retrieved {}

/// 签收: the receiving council has the case, under its own number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgement {
    pub reference: String,
}

impl Acknowledgement {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_line("reference", &self.reference, REFERENCE_CHARS_MAX)
    }
}

/// 退回: the receiving council does not take the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Return {
    pub code: ReturnCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl Return {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_note(self.note.as_ref())
    }
}

/// 进展. Offers and sessions are messages of their own, so only two kinds of progress remain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    /// Handling or the trader's reply.
    pub progress: ProgressKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl Progress {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        match self.progress {
            ProgressKind::Handling | ProgressKind::TraderReplied => check_note(self.note.as_ref()),
            ProgressKind::MediationOffered | ProgressKind::VideoMediation | ProgressKind::ArbitrationOffered => {
                Err(BodyError::ProgressElsewhere { progress: self.progress })
            }
        }
    }
}

/// 建议调解或者仲裁.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offer {
    pub session: SessionId,
    pub form: SessionForm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_at: Option<DateTime<Utc>>,
    /// The languages in which it can be held, at least one.
    pub languages: Vec<Language>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl Offer {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        if self.languages.is_empty() {
            return Err(BodyError::Empty { field: "languages" });
        }
        check_list("languages", &self.languages, Language::ALL.len())?;
        self.proposed_at.map_or(Ok(()), |at| check_moment("proposedAt", at))?;
        check_note(self.note.as_ref())
    }

    pub(crate) fn check_days(&self, written: DateTime<Utc>) -> Result<(), BodyError> {
        self.proposed_at.map_or(Ok(()), |at| check_proposed("proposedAt", at, written))
    }
}

/// 答复建议: what the consumer says to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferAnswer {
    pub session: SessionId,
    pub accepted: bool,
    /// Whether the consumer agrees that the session is recorded.
    pub recording_consent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl OfferAnswer {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_note(self.note.as_ref())
    }
}

/// 调解或者仲裁情况: that a session was held, and with what result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionReport {
    pub session: SessionId,
    pub held_at: DateTime<Utc>,
    /// Whether a recording was made.
    pub recorded: bool,
    pub result: SessionResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The recording or the minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Digest>,
    /// The settlement agreement (和解协议), the award, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<LangText>,
}

impl SessionReport {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_moment("heldAt", self.held_at)?;
        self.text.as_ref().map_or(Ok(()), |text| text.check("text", TEXT_CHARS_MAX))
    }

    pub(crate) fn check_days(&self, written: DateTime<Utc>) -> Result<(), BodyError> {
        check_past("heldAt", self.held_at, written)
    }
}

/// 结果通报.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    pub outcome: ReferralOutcome,
    /// What the consumer got back, in the currency it was paid in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl Outcome {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_note(self.note.as_ref())
    }
}

/// 结果已转告: the sending council has told the consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutcomeAcknowledgement {}

/// 撤回转办: the recipient is asked to erase what it has (PIPL Art. 47).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recall {
    pub reason: RecallReason,
}

/// 撤回答复: whether it could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecallAnswer {
    pub erased: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LangText>,
}

impl RecallAnswer {
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        check_note(self.note.as_ref())
    }
}

/// 催办: a step of the other side is late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reminder {
    pub step: Step,
}

/// 补充证据: one more piece of evidence is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    pub item: EvidenceItem,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::super::testing::{moment, note, session};
    use super::*;

    fn offer(languages: &[Language]) -> Offer {
        let form = SessionForm::VideoMediation;
        Offer { session: session(), form, proposed_at: Some(moment()), languages: languages.to_vec(), note: None }
    }

    fn report(text: Option<LangText>) -> SessionReport {
        let (held_at, result) = (moment(), SessionResult::Settled);
        SessionReport { session: session(), held_at, recorded: false, result, amount: None, record: None, text }
    }

    #[test]
    fn references_hold_their_limits() {
        for (chars, fits) in [(0, false), (1, true), (REFERENCE_CHARS_MAX, true), (REFERENCE_CHARS_MAX + 1, false)] {
            assert_eq!(Acknowledgement { reference: "9".repeat(chars) }.check().is_ok(), fits, "{chars}");
        }
    }

    #[test]
    fn notes_hold_their_limits_in_every_kind() {
        for (chars, fits) in [(0, false), (1, true), (NOTE_CHARS_MAX, true), (NOTE_CHARS_MAX + 1, false)] {
            let note = Some(note(&"注".repeat(chars)));
            let returned = Return { code: ReturnCode::NotLocal, note: note.clone() }.check();
            let progress = Progress { progress: ProgressKind::Handling, note: note.clone() }.check();
            let offered = Offer { note: note.clone(), ..offer(&[Language::English]) }.check();
            let answer =
                OfferAnswer { session: session(), accepted: true, recording_consent: false, note: note.clone() };
            let outcome = Outcome { outcome: ReferralOutcome::Award, recovered: None, note: note.clone() }.check();
            let recalled = RecallAnswer { erased: true, note }.check();
            for checked in [returned, progress, offered, answer.check(), outcome, recalled] {
                assert_eq!(checked.is_ok(), fits, "{chars}: {checked:?}");
            }
        }
    }

    #[test]
    fn progress_is_only_what_has_no_message_of_its_own() {
        let fit: Vec<ProgressKind> = ProgressKind::ALL
            .iter()
            .copied()
            .filter(|progress| Progress { progress: *progress, note: None }.check().is_ok())
            .collect();
        assert_eq!(fit, [ProgressKind::Handling, ProgressKind::TraderReplied]);
    }

    #[test]
    fn an_offer_names_its_languages_once() {
        assert_eq!(offer(Language::ALL).check(), Ok(()));
        assert_eq!(offer(&[]).check(), Err(BodyError::Empty { field: "languages" }));
        let twice = [Language::English, Language::English];
        assert_eq!(offer(&twice).check(), Err(BodyError::Twice { field: "languages" }));
        let unmeant = Offer { proposed_at: Some(moment() + TimeDelta::days(4_000)), ..offer(Language::ALL) };
        assert_eq!(unmeant.check_days(moment()), Err(BodyError::TooFarAhead { field: "proposedAt" }));
        let late = Offer { proposed_at: Some(DateTime::<Utc>::MAX_UTC), ..offer(Language::ALL) };
        assert_eq!(late.check(), Err(BodyError::Moment { field: "proposedAt" }));
    }

    #[test]
    fn a_report_holds_its_limits() {
        assert_eq!(report(Some(note(&"和".repeat(TEXT_CHARS_MAX)))).check(), Ok(()));
        assert!(report(Some(note(&"和".repeat(TEXT_CHARS_MAX + 1)))).check().is_err());
        let to_come = SessionReport { held_at: moment() + TimeDelta::hours(1), ..report(None) };
        assert_eq!(to_come.check_days(moment()), Err(BodyError::Future { field: "heldAt" }));
        let never = SessionReport { held_at: DateTime::<Utc>::MIN_UTC, ..report(None) };
        assert_eq!(never.check(), Err(BodyError::Moment { field: "heldAt" }));
    }
}
