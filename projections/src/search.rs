//! The search index: a file of its own with its own checkpoint, so that a rebuild can fill it beside the ledger.
//!
//! It is written after the rows are, in a second transaction. What lies between the two checkpoints after a crash is
//! read from the log once more; a case is indexed under its key, so indexing it twice changes nothing.

use domain::envelope::Position;
use domain::id::SubjectId;
use rusqlite::{Connection, OptionalExtension};

use crate::VERSION;
use crate::assembler::TextJob;
use crate::error::ApplyError;
use crate::facts::FactsReader;
use crate::text;

const CHECKPOINT: &str = "search";

/// Cases whose facts are announced to the reader at once: no more keys than anybody keeps in memory.
const PREPARED_MAX: usize = 1_024;

const REPLACE: &str = "INSERT OR REPLACE INTO case_text (rowid, number, respondent, facts) VALUES (?1, ?2, ?3, ?4)";
/// For a fresh index, where there is nothing to replace.
const INSERT: &str = "INSERT INTO case_text (rowid, number, respondent, facts) VALUES (?1, ?2, ?3, ?4)";
const SET_CHECKPOINT: &str = "INSERT INTO checkpoint (name, version, position) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = excluded.position";

/// Bytes of tokens that a bulk load gathers before it writes a segment of the index.
const BULK_HASH_BYTES: i64 = 64 * 1024 * 1024;
/// The default of FTS5, for following the log.
const LIVE_HASH_BYTES: i64 = 1024 * 1024;

/// The tokens of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRow {
    key: u32,
    number: String,
    respondent: String,
    facts: String,
}

impl TextRow {
    /// Opens and cuts the texts of a case.
    ///
    /// # Errors
    /// The facts cannot be opened.
    pub(crate) fn prepare(job: &TextJob, facts: &dyn FactsReader) -> Result<Self, ApplyError> {
        let failed = |source| ApplyError::Facts { position: job.position, source };
        let opened = match &job.facts {
            Some(sealed) => facts.open(sealed).map_err(failed)?,
            None => None,
        };
        let business = [job.respondent.as_deref(), job.uscc.as_deref()].map(Option::unwrap_or_default).join(" ");
        Ok(Self {
            key: job.key,
            number: text::index_form(&job.number),
            respondent: text::index_form(&business),
            facts: opened.map(|facts| text::index_form(&facts)).unwrap_or_default(),
        })
    }

    /// [`TextRow::prepare`] for many, telling the reader part by part whose facts come.
    ///
    /// # Errors
    /// The facts of one of them cannot be opened, or nobody answers for their keys.
    pub(crate) fn prepare_all(jobs: &[TextJob], facts: &dyn FactsReader) -> Result<Vec<Self>, ApplyError> {
        let mut rows = Vec::with_capacity(jobs.len());
        for part in jobs.chunks(PREPARED_MAX) {
            announce(facts, &subjects_of(part))?;
            for job in part {
                rows.push(Self::prepare(job, facts)?);
            }
        }
        Ok(rows)
    }
}

/// Whose facts these jobs open, each with the position of its case.
pub(crate) fn subjects_of(jobs: &[TextJob]) -> Vec<(Position, SubjectId)> {
    jobs.iter().filter_map(|job| job.facts.as_ref().map(|sealed| (job.position, sealed.subject))).collect()
}

/// Tells the reader whose facts come; nothing where there are none.
///
/// # Errors
/// Nobody answers for the keys now: it is told of the first case, which would fail for the same.
pub(crate) fn announce(facts: &dyn FactsReader, whose: &[(Position, SubjectId)]) -> Result<(), ApplyError> {
    let Some((position, _)) = whose.first().copied() else { return Ok(()) };
    let subjects: Vec<SubjectId> = whose.iter().map(|(_, subject)| *subject).collect();
    facts.prepare(&subjects).map_err(|source| ApplyError::Facts { position, source })
}

/// Writes the search index.
#[derive(Debug)]
pub(crate) struct SearchWriter {
    conn: Connection,
    /// What has been indexed.
    pub(crate) position: Option<Position>,
}

impl SearchWriter {
    /// Takes up where the stored index ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn load(conn: Connection) -> rusqlite::Result<Self> {
        let position: Option<Option<i64>> = conn
            .query_row("SELECT position FROM checkpoint WHERE name = ?1", [CHECKPOINT], |row| row.get(0))
            .optional()?;
        let position = position.flatten().map(|position| Position::new(position.cast_unsigned()));
        Ok(Self { conn, position })
    }

    /// Indexes cases and moves the checkpoint, in one transaction.
    ///
    /// # Errors
    /// The store refused; nothing has changed.
    pub(crate) fn write(&mut self, rows: &[TextRow], position: Option<Position>) -> rusqlite::Result<()> {
        let tx = self.conn.transaction()?;
        index(&tx, REPLACE, rows)?;
        set_checkpoint(&tx, position)?;
        tx.commit()?;
        self.position = position;
        Ok(())
    }

    /// Begins a bulk load: one transaction, large segments, no merging on the way.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn begin_bulk(&self) -> rusqlite::Result<()> {
        configure(&self.conn, "hashsize", BULK_HASH_BYTES)?;
        configure(&self.conn, "automerge", 0)?;
        self.conn.execute_batch("BEGIN")
    }

    /// Adds to a bulk load.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn add_bulk(&self, rows: &[TextRow]) -> rusqlite::Result<()> {
        index(&self.conn, INSERT, rows)
    }

    /// Ends a bulk load.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) fn end_bulk(&mut self, position: Option<Position>) -> rusqlite::Result<()> {
        set_checkpoint(&self.conn, position)?;
        self.conn.execute_batch("COMMIT")?;
        configure(&self.conn, "hashsize", LIVE_HASH_BYTES)?;
        configure(&self.conn, "automerge", 4)?;
        self.position = position;
        Ok(())
    }

    /// Indexes cases anew; the checkpoint stays.
    ///
    /// # Errors
    /// The store refused; nothing has changed.
    pub(crate) fn replace(&mut self, rows: &[TextRow]) -> rusqlite::Result<()> {
        let tx = self.conn.transaction()?;
        index(&tx, REPLACE, rows)?;
        tx.commit()
    }

    /// Merges the whole index into one segment, which takes the tokens that were replaced off the disk.
    ///
    /// # Errors
    /// The store refused; nothing has changed.
    pub(crate) fn compact(&self) -> rusqlite::Result<()> {
        self.conn.execute_batch("INSERT INTO case_text (case_text) VALUES ('optimize')")
    }
}

/// The cases whose facts are sealed under a person's key, without those facts.
///
/// # Errors
/// The table cannot be read.
pub(crate) fn rows_without_facts(conn: &Connection, subject: SubjectId) -> rusqlite::Result<Vec<TextRow>> {
    let mut statement = conn.prepare_cached("SELECT key, number, respondent, uscc FROM case_row WHERE subject = ?1")?;
    let rows = statement.query_map([subject.as_uuid().as_bytes()], |row| {
        let (number, respondent, uscc): (String, Option<String>, Option<String>) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        let business = [respondent, uscc].map(Option::unwrap_or_default).join(" ");
        Ok(TextRow {
            key: row.get(0)?,
            number: text::index_form(&number),
            respondent: text::index_form(&business),
            facts: String::new(),
        })
    })?;
    rows.collect()
}

fn index(conn: &Connection, sql: &str, rows: &[TextRow]) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    for row in rows {
        statement.execute((row.key, &row.number, &row.respondent, &row.facts))?;
    }
    Ok(())
}

fn set_checkpoint(conn: &Connection, position: Option<Position>) -> rusqlite::Result<()> {
    let position = position.map(|position| position.get().cast_signed());
    conn.prepare_cached(SET_CHECKPOINT)?.execute((CHECKPOINT, VERSION, position))?;
    Ok(())
}

fn configure(conn: &Connection, option: &str, value: i64) -> rusqlite::Result<()> {
    conn.execute("INSERT INTO case_text (case_text, rank) VALUES (?1, ?2)", (option, value))?;
    Ok(())
}
