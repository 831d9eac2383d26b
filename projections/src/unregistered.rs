//! Matters of filings that led to no complaint and wait for somebody to look at them (登记未成). There are few, if any.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::envelope::{Position, RecordedEvent};
use domain::filing::{FilingEvent, RegistrationFailed, RegistrationObstacle};
use domain::id::{FilingId, UnitId};
use domain::wire::Stored as _;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::error::{ApplyError, QueryError};
use crate::models::ReadModels;
use crate::query::PAGE_ROWS_MAX;
use crate::scope::Scope;

/// The table and its index. Files of an older program lack them, and get them when they are opened: that program halts
/// at the first such event, so none is missing.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS unregistered (
    filing BLOB NOT NULL, item INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL,
    unit TEXT NOT NULL, number TEXT NOT NULL, obstacle TEXT NOT NULL, PRIMARY KEY (filing, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unregistered_position ON unregistered (position)";

/// All that the table says, for comparing two builds of it.
pub(crate) const EVERYTHING: &str = "SELECT filing, item, position, at, unit, number, obstacle FROM unregistered";

const SET: &str = "INSERT OR REPLACE INTO unregistered (filing, item, position, at, unit, number, obstacle)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const FORGET: &str = "DELETE FROM unregistered WHERE filing = ?1 AND item = ?2";
const BEHIND: &str = "SELECT filing, item, position, at, unit, number, obstacle FROM unregistered
    WHERE position > ?1 ORDER BY position";

/// Most rows that are looked at for a page, those of units elsewhere among them.
const LOOKED_AT_MAX: usize = 10_000;

/// A matter that led to no complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnregisteredRow {
    pub filing: FilingId,
    /// Its number within the filing.
    pub item: u16,
    /// The number that the complaint would have had.
    pub number: String,
    /// The unit that took the filing in.
    pub unit: UnitId,
    pub obstacle: RegistrationObstacle,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Where the log says so.
    pub position: Position,
}

/// A page of the matters that led to no complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnregisteredPage {
    pub rows: Vec<UnregisteredRow>,
    /// There may be more behind [`Self::end`].
    pub has_more: bool,
    /// How far was looked, which is where the next page begins: at the last row, or behind it where matters of units
    /// elsewhere follow. `None` when nothing was looked at.
    pub end: Option<Position>,
}

/// What an event of a filing changes here.
#[derive(Debug)]
pub(crate) enum Change {
    Failed(Box<UnregisteredRow>),
    /// It is tried again, or it needs no complaint.
    Over(FilingId, u16),
}

impl Change {
    /// Whose row it changes.
    pub(crate) fn key(&self) -> (FilingId, u16) {
        match self {
            Self::Failed(row) => (row.filing, row.item),
            Self::Over(filing, item) => (*filing, *item),
        }
    }

    /// Keeps the set of those that wait.
    pub(crate) fn count(&self, waiting: &mut HashSet<(FilingId, u16)>) {
        match self {
            Self::Failed(_) => waiting.insert(self.key()),
            Self::Over(..) => waiting.remove(&self.key()),
        };
    }

    /// Changes the table.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let (filing, item) = self.key();
        let filing = filing.as_uuid().into_bytes();
        let written = match self {
            Self::Failed(row) => conn.prepare_cached(SET)?.execute((
                filing,
                item,
                row.position.get().cast_signed(),
                row.at.timestamp_micros(),
                row.unit.as_str(),
                row.number.as_str(),
                row.obstacle.code(),
            )),
            Self::Over(..) => conn.prepare_cached(FORGET)?.execute((filing, item)),
        };
        written.map(|_rows| ())
    }
}

/// Reads an event of a filing; `None` for one that says nothing of this.
///
/// # Errors
/// It cannot be read, or its stream is no filing's.
pub(crate) fn change(event: &RecordedEvent) -> Result<Option<Change>, ApplyError> {
    let unreadable = |source| ApplyError::Unreadable { position: event.position, source };
    match FilingEvent::decode(&event.kind, event.schema, &event.payload).map_err(unreadable)? {
        FilingEvent::Received(_) | FilingEvent::Split(_) => Ok(None),
        FilingEvent::RegistrationRetried(retried) => Ok(Some(Change::Over(filing_of(event)?, retried.item))),
        FilingEvent::RegistrationSettled(settled) => Ok(Some(Change::Over(filing_of(event)?, settled.item))),
        FilingEvent::RegistrationFailed(failed) => {
            let RegistrationFailed { item, number, unit, obstacle } = failed;
            let (filing, at, position) = (filing_of(event)?, event.occurred_at, event.position);
            Ok(Some(Change::Failed(Box::new(UnregisteredRow { filing, item, number, unit, obstacle, at, position }))))
        }
    }
}

fn filing_of(event: &RecordedEvent) -> Result<FilingId, ApplyError> {
    let stream = &event.stream;
    let id = if stream.category() == "filing" { FilingId::parse(stream.name()).ok() } else { None };
    id.ok_or_else(|| ApplyError::Stream { position: event.position, stream: stream.clone() })
}

/// Those that wait, as they are stored.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn load(conn: &Connection) -> rusqlite::Result<HashSet<(FilingId, u16)>> {
    let mut statement = conn.prepare("SELECT filing, item FROM unregistered")?;
    let rows = statement.query_map([], |row| {
        let filing: [u8; 16] = row.get(0)?;
        Ok((FilingId::from_uuid(Uuid::from_bytes(filing)), row.get(1)?))
    })?;
    rows.collect()
}

impl ReadModels {
    /// A page of the matters that led to no complaint and are neither tried again nor settled.
    ///
    /// They are those that units of the scope took in, the longest waiting first; `after` is the end of the page
    /// before. A page ends early, even empty, when 10,000 rows were looked at.
    ///
    /// # Errors
    /// The page is too large, or the read models cannot be read.
    pub fn unregistered(
        &self,
        scope: &Scope,
        after: Option<Position>,
        limit: u32,
    ) -> Result<UnregisteredPage, QueryError> {
        self.unregistered_among(scope, after, limit, LOOKED_AT_MAX)
    }

    /// The same, looking at `most` rows.
    pub(crate) fn unregistered_among(
        &self,
        scope: &Scope,
        after: Option<Position>,
        limit: u32,
        most: usize,
    ) -> Result<UnregisteredPage, QueryError> {
        if limit == 0 || limit > PAGE_ROWS_MAX {
            return Err(QueryError::PageSize { limit, max: PAGE_ROWS_MAX });
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.ask(|conn, view| {
            let reach = view.register.resolve(scope);
            let mut statement = conn.prepare_cached(BEHIND)?;
            let mut found = statement.query([after.map_or(-1, |after| after.get().cast_signed())])?;
            let mut page = UnregisteredPage { rows: Vec::new(), has_more: false, end: after };
            let mut looked_at = 0;
            while let Some(row) = found.next()? {
                if looked_at == most {
                    page.has_more = true;
                    break;
                }
                looked_at += 1;
                let row = stored(row)?;
                let (inside, is_full) =
                    (view.register.find(&row.unit).is_some_and(|unit| reach.contains(unit)), page.rows.len() == limit);
                if inside && is_full {
                    page.has_more = true;
                    break;
                }
                // The end of a full page is its last row, whatever lies behind.
                if !is_full {
                    page.end = Some(row.position);
                }
                if inside {
                    page.rows.push(row);
                }
            }
            Ok(page)
        })
    }

    /// How many matters led to no complaint and are neither tried again nor settled; from memory.
    #[must_use]
    pub fn unregistered_count(&self) -> u64 {
        self.view().map_or(0, |view| view.unregistered)
    }
}

fn stored(row: &Row<'_>) -> Result<UnregisteredRow, QueryError> {
    let damaged = || QueryError::Damaged { what: "a matter without a complaint" };
    let filing: [u8; 16] = row.get(0)?;
    let position: i64 = row.get(2)?;
    let at: i64 = row.get(3)?;
    let unit: String = row.get(4)?;
    let obstacle: String = row.get(6)?;
    Ok(UnregisteredRow {
        filing: FilingId::from_uuid(Uuid::from_bytes(filing)),
        item: row.get(1)?,
        number: row.get(5)?,
        unit: UnitId::parse(&unit).map_err(|_error| damaged())?,
        obstacle: RegistrationObstacle::from_code(&obstacle).ok_or_else(damaged)?,
        at: DateTime::from_timestamp_micros(at).ok_or_else(damaged)?,
        position: Position::new(position.cast_unsigned()),
    })
}
