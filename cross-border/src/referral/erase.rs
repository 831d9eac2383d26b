//! 到期删除: what was received for a referral, or kept for it alone, is gone.
//!
//! A submission says until which day its recipient may keep it; a recall ends that at once. Whoever erases destroys the
//! keys and takes the files away first and records it here afterwards, so a crash in between leaves an erasure that is
//! still due and is carried out again. The lanes stay as they were: entries and digests tell nothing of the person, and
//! both councils still compare them.
//!
//! A referral that has not ended is not erased by itself, nor one of which something is still on its way: a person is
//! told, and may order it.

use chrono::NaiveDate;
use domain::day::local_day;
use domain::vocabulary::vocabulary;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::ReferralEvent;
use super::rejection::Rejection;
use super::state::{Stage, Transfer};
use super::{Moment, check_code};
use crate::exchange::Digest;

vocabulary! {
    /// Why what was kept for a referral is erased.
    ErasureReason {
        /// The last day on which it might be kept is over.
        RetentionEnded = "retention-ended", "保存期限届满";
        /// The other council calls back what it sent, or ours did before it left.
        Recalled = "recalled", "转出方撤回";
    }
}

vocabulary! {
    /// Why what is due is not erased by itself.
    HeldFor {
        NotEnded = "not-ended", "转办尚未办结";
        /// Messages of ours are not delivered, or such of the other council wait for one that comes before them.
        Outstanding = "outstanding", "消息尚未送达";
    }
}

/// 已删除.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Erased {
    pub reason: ErasureReason,
    /// The texts of both lanes went too: at the receiving council, where their key seals nothing else. At the sending
    /// one they are sealed with the complaint and go with it.
    pub texts: bool,
    /// The files that lay here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Digest>,
    /// A person ordered it, whatever held it back.
    pub ordered: bool,
}

/// 到期未删: it is due, and a person was told why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureHeld {
    pub why: HeldFor,
    /// A unit or a person, by id.
    pub to: String,
}

/// What became of the data of a transfer when they were not to be kept any longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    pub done: Option<Erased>,
    /// Why it is not done although it is due, as a person was told last.
    pub held: Option<HeldFor>,
}

/// Why nothing is erased.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotErased {
    #[error("nothing is kept that was sent or received for the referral")]
    NothingKept,
    #[error("the data may be kept until {to}; before that they are erased by a recall")]
    KeptUntil { to: NaiveDate },
    #[error("the referral is `{stage}`: end it first, or order the erasure")]
    NotEnded { stage: Stage },
}

/// Records that what was kept is gone; a second time changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// The files that were taken away.
    pub files: Vec<Digest>,
    /// A person ordered it.
    pub ordered: bool,
}

/// Records that a person was told; for the same reason once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldErasure {
    pub why: HeldFor,
    /// A unit or a person, by id.
    pub to: String,
}

impl Erase {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { files, ordered } = self;
        if transfer.erasure.done.is_some() {
            return Ok(Vec::new());
        }
        let reason = transfer.erasure_reason(moment.day())?;
        if !ordered && !transfer.has_ended() {
            return Err(NotErased::NotEnded { stage: transfer.stage }.into());
        }
        if let Some(unknown) = files.iter().find(|file| !transfer.files().any(|known| known == *file)) {
            return Err(Rejection::UnknownEvidence(unknown.clone()));
        }
        Ok(vec![ReferralEvent::Erased(Erased { reason, texts: !transfer.is_outbound(), files, ordered })])
    }
}

impl HoldErasure {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { why, to } = self;
        check_code("to", &to)?;
        if transfer.erasure.done.is_some() || transfer.erasure.held == Some(why) {
            return Ok(Vec::new());
        }
        transfer.erasure_reason(moment.day())?;
        Ok(vec![ReferralEvent::ErasureHeld(ErasureHeld { why, to })])
    }
}

impl Transfer {
    /// The last day on which what was sent may be kept: as it was approved, or as its sender says.
    #[must_use]
    pub fn retention_to(&self) -> Option<NaiveDate> {
        self.sent.as_ref().map(|sent| sent.retention_to).or(self.drafted.retention_to)
    }

    /// That day, as long as anything is kept for the transfer: nothing is of a draft, nor once it was erased. What was
    /// called back before it left was to be kept until the day before: its files serve nothing any more (PIPL Art. 47).
    #[must_use]
    pub fn kept_to(&self) -> Option<NaiveDate> {
        if self.is_erased() {
            return None;
        }
        if self.never_left() {
            return local_day(self.last_act_at).pred_opt().filter(|_| self.files().next().is_some());
        }
        self.retention_to().filter(|_| self.stage.has_left())
    }

    /// Every file of the referral that may lie here.
    pub fn files(&self) -> impl Iterator<Item = &Digest> {
        self.evidence.keys().chain(&self.unshared)
    }

    /// Whether what was kept for the transfer is gone: at the end of its time or, where it was received, called back.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        let by_recall = !self.is_outbound() && matches!(self.stage, Stage::Recalled { erased: Some(true), .. });
        self.erasure.done.is_some() || by_recall
    }

    /// Whether neither council has anything left to do. What a law kept us from erasing when it was called back is for
    /// a person to look at.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self.stage {
            Stage::Closed(_) | Stage::Returned(_) => true,
            Stage::Recalled { after_sending, erased } => {
                !after_sending || erased == Some(true) || (self.is_outbound() && erased.is_some())
            }
            Stage::Drafted
            | Stage::ConsentCaptured
            | Stage::Assessed
            | Stage::Sealed
            | Stage::Sent
            | Stage::Delivered
            | Stage::Acknowledged
            | Stage::InProgress(_)
            | Stage::OutcomeReported(_) => false,
        }
    }

    /// Whether the other council calls back what it sent us and has no answer yet.
    #[must_use]
    pub fn owes_recall_answer(&self) -> bool {
        !self.is_outbound() && self.stage == Stage::Recalled { after_sending: true, erased: None }
    }

    /// Whether what we received was called back and is still here: messages are waited for, a person has to decide, or
    /// a law forbids to erase it. Until it is gone it may only be kept and protected (PIPL Art. 47).
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        !self.is_outbound() && self.stage.is_recalled() && !self.is_erased()
    }

    fn erasure_reason(&self, on: NaiveDate) -> Result<ErasureReason, NotErased> {
        if self.owes_recall_answer() {
            return Ok(ErasureReason::Recalled);
        }
        match self.kept_to() {
            Some(to) if on > to && self.never_left() => Ok(ErasureReason::Recalled),
            Some(to) if on > to => Ok(ErasureReason::RetentionEnded),
            Some(to) => Err(NotErased::KeptUntil { to }),
            None => Err(NotErased::NothingKept),
        }
    }
}

#[cfg(test)]
mod tests;
