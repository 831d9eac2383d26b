//! Questions about files and transfers.

use domain::id::UnitId;
use rusqlite::Row;

use super::{all, at_most};
use crate::exchange::{Digest, SharedId};
use crate::index::ReferralIndex;
use crate::index::column::Columns;
use crate::index::error::IndexError;
use crate::index::row::{CounterRow, EvidenceRow};
use crate::partner::PartnerId;

/// A statement about files, with the columns that `file` reads, in its order.
macro_rules! select_evidence {
    ($rest:literal) => {
        concat!(
            "SELECT e.referral, r.shared, r.partner, e.digest FROM evidence AS e \
             JOIN referral AS r ON r.id = e.referral WHERE e.partner = ?1 ",
            $rest
        )
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

    /// The files that we owe a partner: the message that tells of them has reached it, and the bytes are here. They
    /// came later than that message, or could not be brought with it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn evidence_owed_to(&self, partner: &PartnerId, limit: u32) -> Result<Vec<EvidenceRow>, IndexError> {
        let sql = select_evidence!(
            "AND e.owed = 1 AND EXISTS (SELECT 1 FROM outbox AS o WHERE o.referral = e.referral \
             AND o.sequence = e.announced AND o.state = 'delivered') ORDER BY e.referral, e.digest LIMIT ?2"
        );
        self.files(sql, partner, limit)
    }

    /// The files that a partner has told of and whose bytes are not here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn evidence_missing(&self, partner: &PartnerId, limit: u32) -> Result<Vec<EvidenceRow>, IndexError> {
        self.files(select_evidence!("AND e.owed = 0 ORDER BY e.referral, e.digest LIMIT ?2"), partner, limit)
    }

    fn files(&self, sql: &str, partner: &PartnerId, limit: u32) -> Result<Vec<EvidenceRow>, IndexError> {
        self.ask(|conn| all(conn, sql, (partner.as_str(), at_most(limit)), file))
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
        digest: row.coded(|digits| Digest::parse(digits).ok())?,
    })
}
