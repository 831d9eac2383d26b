//! Questions about referrals.

use chrono::NaiveDate;
use domain::envelope::Revision;
use domain::id::{ComplaintId, SubjectId, UnitId};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::conditions::Conditions;
use super::{all, at_most, number};
use crate::exchange::{Digest, SharedId, Step};
use crate::index::ReferralIndex;
use crate::index::column::{Columns, days, signed};
use crate::index::error::IndexError;
use crate::index::row::{Cursor, Duty, ReferralFilter, ReferralRow};
use crate::partner::PartnerId;
use crate::referral::vocabulary::{Direction, Purpose, ReferralOutcome};

/// A statement about referrals, with the columns that [`referral`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.shared, r.direction, r.partner, r.council, r.complaint, r.subject, r.purpose, r.stage, \
             r.detail, r.reference, r.drafted_at, r.sent_at, r.last_act_at, r.outcome, r.next_step, r.next_due, \
             r.revision, r.position, r.number, r.segment, r.origin_count, r.target_count FROM referral AS r ",
            $rest
        )
    };
}

impl ReferralIndex {
    /// The referrals that a filter lets through, the newest draft first, from behind a row on.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn referrals(
        &self,
        filter: &ReferralFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<ReferralRow>, IndexError> {
        let mut conditions = conditions(filter);
        conditions.maybe("number < ?", after.map(|after| signed(after.position().get())));
        let sql = conditions.sql(select!(""), "ORDER BY number DESC LIMIT ?");
        let values = conditions.values([Value::from(at_most(limit))]);
        self.ask(|conn| all(conn, &sql, params_from_iter(&values), referral))
    }

    /// How many referrals a filter lets through.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn count(&self, filter: &ReferralFilter) -> Result<u64, IndexError> {
        let conditions = conditions(filter);
        let sql = conditions.sql("SELECT count(*) FROM referral AS r", "");
        let values = conditions.values([]);
        self.ask(|conn| number(conn, &sql, params_from_iter(&values)))
    }

    /// The referrals to which this council owes something, the oldest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn duties(&self, duty: Duty, limit: u32) -> Result<Vec<ReferralRow>, IndexError> {
        let sql = match duty {
            Duty::Recall => select!("WHERE owes_recall = 1 ORDER BY number LIMIT ?1"),
            Duty::AnswerRecall => select!("WHERE owes_answer = 1 ORDER BY number LIMIT ?1"),
            // The submission is the first message of our lane.
            Duty::RecordDelivery => select!(
                "WHERE awaits_receipt = 1 AND EXISTS (SELECT 1 FROM outbox WHERE outbox.referral = r.id \
                 AND outbox.sequence = 1 AND outbox.state = 'delivered') ORDER BY number LIMIT ?1"
            ),
        };
        self.ask(|conn| all(conn, sql, [at_most(limit)], referral))
    }

    /// The referrals whose data lie here although the last day on which they might be kept lies before `on`: those of
    /// which nobody was told first, and of them the oldest.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn kept_too_long(&self, on: NaiveDate, limit: u32) -> Result<Vec<ReferralRow>, IndexError> {
        let sql = select!("WHERE kept_to < ?1 ORDER BY held, kept_to, number LIMIT ?2");
        self.ask(|conn| all(conn, sql, (days(on), at_most(limit)), referral))
    }
}

fn conditions(filter: &ReferralFilter) -> Conditions {
    let ReferralFilter { partner, direction, councils, stage, complaint, subject, overdue_on } = filter;
    let mut conditions = Conditions::default();
    conditions.maybe("partner = ?", partner.as_ref().map(|partner| partner.as_str().to_owned()));
    conditions.maybe("direction = ?", direction.map(|direction| direction.code().to_owned()));
    conditions.councils(councils.as_ref());
    conditions.maybe("stage = ?", stage.clone());
    conditions.maybe("complaint = ?", complaint.map(|complaint| complaint.as_uuid().as_bytes().to_vec()));
    conditions.maybe("subject = ?", subject.map(|subject| subject.as_uuid().as_bytes().to_vec()));
    conditions.maybe("next_due < ?", overdue_on.map(days));
    conditions
}

fn referral(row: &Row<'_>) -> Result<ReferralRow, IndexError> {
    let mut row = Columns::of(row, "referral");
    Ok(ReferralRow {
        id: row.referral()?,
        shared: row.uuid().map(SharedId::from_uuid)?,
        direction: row.coded(Direction::from_code)?,
        partner: row.coded(|id| PartnerId::parse(id).ok())?,
        council: row.coded(|id| UnitId::parse(id).ok())?,
        complaint: row.maybe_uuid()?.map(ComplaintId::from_uuid),
        subject: row.maybe_uuid()?.map(SubjectId::from_uuid),
        purpose: row.coded(Purpose::from_code)?,
        stage: row.get()?,
        detail: row.get()?,
        reference: row.get()?,
        drafted_at: row.moment()?,
        sent_at: row.maybe_moment()?,
        last_act_at: row.moment()?,
        outcome: row.maybe_coded(ReferralOutcome::from_code)?,
        next_step: row.maybe_coded(Step::from_code)?,
        next_due: row.maybe_day()?,
        revision: row.count().map(Revision::new)?,
        position: row.position()?,
        drafted_position: row.position()?,
        segment: row.coded(|digits| Digest::parse(digits).ok())?,
        origin_count: row.get()?,
        target_count: row.get()?,
    })
}
