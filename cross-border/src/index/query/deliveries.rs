//! Questions about the outbox.

use chrono::{DateTime, Utc};
use domain::envelope::Position;
use domain::id::UnitId;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params_from_iter};

use super::conditions::Conditions;
use super::{all, at_most, first, number};
use crate::delivery::{DeliveredBy, DeliveryState, FailureCode};
use crate::exchange::{DeliveryId, Digest, MessageKind, SharedId};
use crate::index::ReferralIndex;
use crate::index::column::{Columns, micros, signed};
use crate::index::error::IndexError;
use crate::index::row::{Cursor, DeliveryFilter, OutboxRow};
use crate::partner::PartnerId;
use crate::referral::ReferralId;

/// A statement about the outbox, with the columns that [`message`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT delivery, referral, shared, partner, council, sequence, kind, digest, issued_at, since, position, \
             state, attempts, next_at, lease_until, holder, last_code, last_status, last_detail, alarms, alarmed_at, \
             ended_at, delivered_by, waits FROM outbox ",
            $rest
        )
    };
}

impl ReferralIndex {
    /// The messages to a partner that may be tried now, those that have waited longest first: of each referral at most
    /// one, the first that is not delivered. One that was given up holds back those behind it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn due_deliveries_to(
        &self,
        partner: &PartnerId,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, IndexError> {
        let sql = select!("WHERE partner = ?1 AND due_at <= ?2 ORDER BY due_at, position LIMIT ?3");
        self.messages(sql, (partner.as_str(), micros(now), at_most(limit)))
    }

    /// Of the messages to a partner that may be tried now, those that were set going again and not tried since.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn redriven_to(
        &self,
        partner: &PartnerId,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, IndexError> {
        let sql = select!(
            "WHERE partner = ?1 AND due_at <= ?2 AND attempts = 0 AND since > issued_at \
             ORDER BY due_at, position LIMIT ?3"
        );
        self.messages(sql, (partner.as_str(), micros(now), at_most(limit)))
    }

    /// When the next message to a partner may be tried, in the past if one waits.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn next_due_to(&self, partner: &PartnerId) -> Result<Option<DateTime<Utc>>, IndexError> {
        let sql = "SELECT min(due_at) FROM outbox WHERE partner = ?1 AND due_at IS NOT NULL";
        self.ask(|conn| moment(conn, sql, [partner.as_str()]))
    }

    /// The delivery with this id.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<OutboxRow>, IndexError> {
        let sql = select!("WHERE delivery = ?1 ORDER BY position LIMIT 1");
        self.ask(|conn| first(conn, sql, [id.as_uuid().as_bytes()], message))
    }

    /// The deliveries that a filter lets through, the newest message first, from behind a row on.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, IndexError> {
        let DeliveryFilter { partner, state, councils } = filter;
        let mut conditions = Conditions::default();
        conditions.maybe("partner = ?", partner.as_ref().map(|partner| partner.as_str().to_owned()));
        conditions.maybe("state = ?", state.map(|state| state.code().to_owned()));
        conditions.councils(councils.as_ref());
        conditions.maybe("position < ?", after.map(|after| signed(after.position().get())));
        let sql = conditions.sql(select!(""), "ORDER BY position DESC LIMIT ?");
        let values = conditions.values([Value::from(at_most(limit))]);
        self.messages(&sql, params_from_iter(&values))
    }

    /// Every message of ours of one referral, in order.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn deliveries_of(&self, referral: ReferralId) -> Result<Vec<OutboxRow>, IndexError> {
        self.messages(select!("WHERE referral = ?1 ORDER BY sequence"), [referral.as_uuid().as_bytes()])
    }

    /// Every message of ours to a partner, delivered or not, in the order of the log: what a partner that fetches is
    /// given.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn outgoing_after(
        &self,
        partner: &PartnerId,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, IndexError> {
        let after = after.map_or(-1, |after| signed(after.get()));
        let sql = select!("WHERE partner = ?1 AND position > ?2 ORDER BY position LIMIT ?3");
        self.messages(sql, (partner.as_str(), after, at_most(limit)))
    }

    /// How many deliveries were given up.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn dead_letters(&self) -> Result<u64, IndexError> {
        self.ask(|conn| number(conn, "SELECT count(*) FROM outbox WHERE state = 'dead'", []))
    }

    /// The deliveries that were given up and of which nobody was told since `before`, never told ones first. Of those
    /// whose text is erased it is told once: nobody can set them going again.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn alarms_due(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<OutboxRow>, IndexError> {
        let sql = select!(
            "WHERE state = 'dead' AND (alarmed_at IS NULL OR (alarmed_at <= ?1 AND last_code <> 'erased')) \
             ORDER BY alarmed_at, position LIMIT ?2"
        );
        self.messages(sql, (micros(before), at_most(limit)))
    }

    /// The deliveries to a partner that were given up for this reason.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn given_up_for(
        &self,
        code: FailureCode,
        partner: &PartnerId,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, IndexError> {
        let sql = select!("WHERE state = 'dead' AND last_code = ?1 AND partner = ?2 ORDER BY position LIMIT ?3");
        self.messages(sql, (code.code(), partner.as_str(), at_most(limit)))
    }

    fn messages(&self, sql: &str, params: impl Params) -> Result<Vec<OutboxRow>, IndexError> {
        self.ask(|conn| all(conn, sql, params, message))
    }
}

fn moment(conn: &Connection, sql: &str, params: impl Params) -> Result<Option<DateTime<Utc>>, IndexError> {
    Ok(first(conn, sql, params, |row| Columns::of(row, "outbox").maybe_moment())?.flatten())
}

fn message(row: &Row<'_>) -> Result<OutboxRow, IndexError> {
    let mut row = Columns::of(row, "outbox");
    Ok(OutboxRow {
        delivery: row.uuid().map(DeliveryId::from_uuid)?,
        referral: row.referral()?,
        shared: row.uuid().map(SharedId::from_uuid)?,
        partner: row.coded(|id| PartnerId::parse(id).ok())?,
        council: row.coded(|id| UnitId::parse(id).ok())?,
        sequence: row.get()?,
        kind: row.coded(MessageKind::from_code)?,
        digest: row.coded(|digits| Digest::parse(digits).ok())?,
        issued_at: row.moment()?,
        since: row.moment()?,
        position: row.position()?,
        state: row.coded(DeliveryState::from_code)?,
        attempts: row.get()?,
        next_at: row.moment()?,
        lease_until: row.maybe_moment()?,
        holder: row.get()?,
        last_code: row.get()?,
        last_status: row.get()?,
        last_detail: row.get()?,
        alarms: row.get()?,
        alarmed_at: row.maybe_moment()?,
        ended_at: row.maybe_moment()?,
        delivered_by: row.maybe_coded(DeliveredBy::from_code)?,
        waits: row.get()?,
    })
}
