//! What falls due without anybody acting: reminders, escalations, recalls, and erasing what was recalled or may not be
//! kept any longer.
//!
//! A sweep may run as often as it likes and on several nodes: every command of it is derived from what it does, so the
//! same threshold is passed once.

mod erasure;
mod nudge;

use chrono::NaiveDate;
use domain::day::local_day;
use event_log::causes::with_causes;
use event_log::execute::Issue;

use self::nudge::{Nudge, is_working_time};
use super::receipts::system;
use super::{Caller, Council, CouncilError, SYSTEM_ACTOR, own_command};
use crate::delivery::DeliveryState;
use crate::exchange::MessageKind;
use crate::exchange::body::{Recall, Reminder};
use crate::index::{Duty, ReferralRow, StepRow};
use crate::referral::escalate::Escalate;
use crate::referral::remind::Remind;
use crate::referral::vocabulary::RecallReason;
use crate::referral::{Act, ReferralId};

pub use self::erasure::{ERASURE_WAITS_DAYS_MAX, INDEX_WAIT_MAX};
pub use self::nudge::{ESCALATE_AFTER_WORKING_DAYS, OFFICE_HOURS, REMIND_AFTER_WORKING_DAYS};

/// Rows that are read of the index at a time.
const PAGE_ROWS: u32 = 200;
/// Duties of one kind that one sweep carries out; the next one goes on.
const DUTIES_MAX: u32 = 1_000;

/// Whom a step of ours that stays late is put before.
pub const ESCALATE_OWN_TO: &str = "council-head";
/// Whom a step of a partner's that stays late is put before: whoever of ours speaks with that council.
pub const ESCALATE_PARTNER_TO: &str = "partner-liaison";

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Reminders told to partners.
    pub reminded: u32,
    /// Reminders of steps of our own.
    pub noted: u32,
    pub escalated: u32,
    /// Referrals recalled because the consumer withdrew the consent.
    pub recalled: u32,
    /// Recalls of partners answered, the data being erased.
    pub erased: u32,
    /// Referrals whose last day of keeping is over, their data being erased.
    pub expired: u32,
    /// Erasures that are due and wait for messages to be brought first, or for the index to show who else needs a file.
    pub waiting: u32,
    /// Erasures that are due and wait for a person: the referral has not ended, or its messages do not get through.
    pub held: u32,
    /// Deliveries of submissions that the referral did not know of.
    pub delivered: u32,
    /// What could not be done now; the log says why, and the next sweep tries again.
    pub failed: u32,
}

/// What became of an erasure that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Erasure {
    Done,
    /// For messages that have to be brought first, for the index to show who else needs a file, or for others to end
    /// what they do with the referral.
    Waits,
    /// For a person.
    Held,
    NotOwed,
}

impl Council {
    /// Carries out everything that is due. Reminders and escalations wait for the office hours of our place; what the
    /// law wants at once does not.
    ///
    /// # Errors
    /// The index cannot be read. What fails for one referral is counted and holds up no other.
    pub async fn sweep(&self) -> Result<SweepReport, CouncilError> {
        let mut report = SweepReport::default();
        for row in self.ask_index(|index| index.duties(Duty::RecordDelivery, DUTIES_MAX)).await? {
            count(&mut report.failed, &mut report.delivered, &row.id, self.sweep_delivery(&row).await);
        }
        for row in self.ask_index(|index| index.duties(Duty::Recall, DUTIES_MAX)).await? {
            count(&mut report.failed, &mut report.recalled, &row.id, self.sweep_recall(&row).await);
        }
        for row in self.ask_index(|index| index.duties(Duty::AnswerRecall, DUTIES_MAX)).await? {
            let erasure = self.sweep_recalled(&row).await;
            count_erasure(&mut report, &row.id, erasure, |report| &mut report.erased);
        }
        let now = self.moment();
        let today = local_day(now);
        // For all of them together: an index that stands still holds the sweep up once.
        let mut patience = INDEX_WAIT_MAX;
        for row in self.ask_index(move |index| index.kept_too_long(today, DUTIES_MAX)).await? {
            let erasure = self.sweep_retention(&row, &mut patience).await;
            count_erasure(&mut report, &row.id, erasure, |report| &mut report.expired);
        }
        if is_working_time(self.place(), now) {
            self.sweep_steps(today, &mut report).await?;
        }
        self.journal.settle().await;
        Ok(report)
    }

    async fn sweep_steps(&self, today: NaiveDate, report: &mut SweepReport) -> Result<(), CouncilError> {
        let mut after = None;
        loop {
            let rows = self.ask_index(move |index| index.overdue_steps_after(today, after.as_ref(), PAGE_ROWS)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.key());
            for row in &rows {
                for nudge in nudge::due(row, today) {
                    let counted = match nudge {
                        Nudge::Escalate => &mut report.escalated,
                        Nudge::Remind if row.council == self.place() => &mut report.noted,
                        Nudge::Remind => &mut report.reminded,
                    };
                    count(&mut report.failed, counted, &row.referral, self.nudge(row, nudge, today).await);
                }
            }
        }
    }

    /// One reminder or escalation of one step; at most one of each in a day.
    async fn nudge(&self, row: &StepRow, nudge: Nudge, today: NaiveDate) -> Result<bool, CouncilError> {
        let step = row.step;
        let (referral, on) = (row.referral.to_string(), today.to_string());
        let command = own_command(&[nudge.code(), &referral, step.code(), &on]);
        let caller = Caller { unit: &row.our_council, actor: SYSTEM_ACTOR, issue: Issue::default() };
        let ours = row.council == self.place();
        let done = match nudge {
            Nudge::Remind if ours => {
                self.act(row.referral, command, caller, None, None, Act::Remind(Remind { step })).await
            }
            Nudge::Remind => self.tell(row.referral, command, caller, None, None, Reminder { step }.into()).await,
            Nudge::Escalate => {
                let to = if ours { ESCALATE_OWN_TO } else { ESCALATE_PARTNER_TO }.to_owned();
                self.act(row.referral, command, caller, None, None, Act::Escalate(Escalate { step, to })).await
            }
        };
        match done {
            Ok(done) => Ok(!done.repeated),
            // The index was behind: the step was done meanwhile.
            Err(CouncilError::Rejected(_) | CouncilError::NothingToDo) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A submission was delivered, and a crash kept the referral from learning of it.
    async fn sweep_delivery(&self, row: &ReferralRow) -> Result<bool, CouncilError> {
        let loaded = self.load(row.id).await?;
        let Some(transfer) = loaded.state.transfer().filter(|transfer| !transfer.delivered) else { return Ok(false) };
        let id = row.id;
        let deliveries = self.ask_index(move |index| index.deliveries_of(id)).await?;
        let submission = deliveries.iter().find(|delivery| delivery.kind == MessageKind::Submission);
        let Some(submission) = submission.filter(|delivery| delivery.state == DeliveryState::Delivered) else {
            return Ok(false);
        };
        self.record_delivery(row.id, &system(transfer), submission.delivery).await?;
        Ok(true)
    }

    /// The consumer withdrew the consent after the data had left: the partner is asked to erase it (PIPL Art. 47). What
    /// was called back before they had left goes nowhere.
    async fn sweep_recall(&self, row: &ReferralRow) -> Result<bool, CouncilError> {
        if self.withhold(row.id).await? {
            return Ok(true);
        }
        let loaded = self.load(row.id).await?;
        let Some(transfer) = loaded.state.transfer().filter(|transfer| transfer.recall_is_due()) else {
            return Ok(false);
        };
        let command = own_command(&["recall", &row.id.to_string(), RecallReason::ConsentWithdrawn.code()]);
        let body = Recall { reason: RecallReason::ConsentWithdrawn }.into();
        self.tell(row.id, command, system(transfer), None, None, body).await?;
        Ok(true)
    }
}

fn count(failed: &mut u32, done: &mut u32, referral: &ReferralId, result: Result<bool, CouncilError>) {
    match result {
        Ok(true) => *done = done.saturating_add(1),
        Ok(false) => {}
        Err(error) => {
            *failed = failed.saturating_add(1);
            let error = with_causes(&error);
            tracing::error!(referral.id = %referral, error, "What is due for referral `{referral}` could not be done");
        }
    }
}

fn count_erasure(
    report: &mut SweepReport,
    referral: &ReferralId,
    erasure: Result<Erasure, CouncilError>,
    done: fn(&mut SweepReport) -> &mut u32,
) {
    let (counted, erasure) = match erasure {
        Ok(Erasure::Waits) => (&mut report.waiting, Ok(true)),
        Ok(Erasure::Held) => (&mut report.held, Ok(true)),
        Ok(Erasure::Done) => (done(report), Ok(true)),
        Ok(Erasure::NotOwed) => return,
        Err(error) => (done(report), Err(error)),
    };
    let mut failed = 0;
    count(&mut failed, counted, referral, erasure);
    report.failed = report.failed.saturating_add(failed);
}
