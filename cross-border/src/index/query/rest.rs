//! Questions about files, transfers and refused attempts.

use domain::envelope::Position;
use domain::id::UnitId;
use rusqlite::{Params, Row};

use super::{all, at_most};
use crate::exchange::{Digest, ScanState, SharedId, Side};
use crate::index::ReferralIndex;
use crate::index::column::{Columns, signed};
use crate::index::error::IndexError;
use crate::index::row::{CounterRow, EvidenceRow, SecurityRow};
use crate::partner::PartnerId;
use crate::referral::ReferralId;

/// A statement about files, with the columns that [`file`] reads, in its order.
macro_rules! select_evidence {
    ($rest:literal) => {
        concat!(
            "SELECT e.referral, r.shared, r.partner, r.council, e.digest, e.name, e.bytes, e.media, e.side, e.stored, \
             e.scan FROM evidence AS e JOIN referral AS r ON r.id = e.referral ",
            $rest
        )
    };
}

/// A statement about refused attempts, with the columns that [`refusal`] reads, in its order.
macro_rules! select_security {
    ($rest:literal) => {
        concat!("SELECT position, at, code, partner, key, what, digest, request_id, suppressed FROM security ", $rest)
    };
}

const COUNTERS: &str = "
SELECT council, partner, count(*), count(DISTINCT subject), count(DISTINCT CASE WHEN sensitive THEN subject END)
FROM transfer WHERE year = ?1 GROUP BY council, partner ORDER BY council, partner";

impl ReferralIndex {
    /// What each of our councils sent to each partner in a year of UTC+8.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn counters(&self, year: i32) -> Result<Vec<CounterRow>, IndexError> {
        self.ask(|conn| all(conn, COUNTERS, [year], counter))
    }

    /// The files of a referral, by their digest.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn evidence(&self, referral: ReferralId) -> Result<Vec<EvidenceRow>, IndexError> {
        let sql = select_evidence!("WHERE e.referral = ?1 ORDER BY e.digest");
        self.files(sql, [referral.as_uuid().as_bytes()])
    }

    /// A file wherever it belongs to a referral: the same bytes may be evidence of several.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn evidence_by_digest(&self, digest: &Digest) -> Result<Vec<EvidenceRow>, IndexError> {
        self.files(select_evidence!("WHERE e.digest = ?1 ORDER BY r.number"), [digest.as_str()])
    }

    /// The files that a partner has announced and whose bytes are not here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn evidence_missing(&self, partner: &PartnerId, limit: u32) -> Result<Vec<EvidenceRow>, IndexError> {
        // The plus keeps the store from going through all referrals of the partner: there are few such files.
        let sql = select_evidence!(
            "WHERE e.stored = 0 AND e.ours = 0 AND +r.partner = ?1 ORDER BY +r.number, e.digest LIMIT ?2"
        );
        self.files(sql, (partner.as_str(), at_most(limit)))
    }

    /// The refused attempts behind a position, the oldest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn security(&self, after: Option<Position>, limit: u32) -> Result<Vec<SecurityRow>, IndexError> {
        let after = after.map_or(-1, |after| signed(after.get()));
        let sql = select_security!("WHERE position > ?1 ORDER BY position LIMIT ?2");
        self.ask(|conn| all(conn, sql, (after, at_most(limit)), refusal))
    }

    /// The refused attempts before a position, the newest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn security_before(&self, before: Option<Position>, limit: u32) -> Result<Vec<SecurityRow>, IndexError> {
        let before = before.map_or(i64::MAX, |before| signed(before.get()));
        let sql = select_security!("WHERE position < ?1 ORDER BY position DESC LIMIT ?2");
        self.ask(|conn| all(conn, sql, (before, at_most(limit)), refusal))
    }

    fn files(&self, sql: &str, params: impl Params) -> Result<Vec<EvidenceRow>, IndexError> {
        self.ask(|conn| all(conn, sql, params, file))
    }
}

fn counter(row: &Row<'_>) -> Result<CounterRow, IndexError> {
    let mut row = Columns::of(row, "transfer");
    Ok(CounterRow {
        council: row.coded(|id| UnitId::parse(id).ok())?,
        partner: row.coded(|id| PartnerId::parse(id).ok())?,
        transfers: row.count()?,
        persons: row.count()?,
        sensitive: row.count()?,
    })
}

fn file(row: &Row<'_>) -> Result<EvidenceRow, IndexError> {
    let mut row = Columns::of(row, "evidence");
    Ok(EvidenceRow {
        referral: row.referral()?,
        shared: row.uuid().map(SharedId::from_uuid)?,
        partner: row.coded(|id| PartnerId::parse(id).ok())?,
        council: row.coded(|id| UnitId::parse(id).ok())?,
        digest: row.coded(|digits| Digest::parse(digits).ok())?,
        name: row.coded(|sealed| serde_json::from_str(sealed).ok())?,
        bytes: row.count()?,
        media: row.get()?,
        side: row.coded(Side::from_code)?,
        stored: row.get()?,
        scan: row.coded(ScanState::from_code)?,
    })
}

fn refusal(row: &Row<'_>) -> Result<SecurityRow, IndexError> {
    let mut row = Columns::of(row, "security");
    Ok(SecurityRow {
        position: row.position()?,
        at: row.moment()?,
        code: row.get()?,
        partner: row.maybe_coded(|id| PartnerId::parse(id).ok())?,
        key: row.get()?,
        what: row.get()?,
        digest: row.maybe_coded(|digits| Digest::parse(digits).ok())?,
        request_id: row.get()?,
        suppressed: row.count()?,
    })
}
