//! The one writer of the read models: rows and checkpoint in one transaction, or neither.

use std::sync::Arc;

use domain::complaint::ComplaintEvent;
use domain::envelope::{Position, RecordedEvent};
use domain::id::SubjectId;
use rusqlite::{Connection, TransactionBehavior};

use crate::assembler::{Assembler, Depth, TextJob};
use crate::case_table;
use crate::cell::Sums;
use crate::cube::Cube;
use crate::error::{ApplyError, OpenError};
use crate::facts::FactsReader;
use crate::feed::{self, Feed, Matter};
use crate::last::{self, LastEvent};
use crate::models::ReadModelOptions;
use crate::register::Register;
use crate::schema::{self, Purpose};
use crate::search::{self, SearchWriter, TextRow};

/// The one kind of event that the search index is made of.
const REGISTERED: &str = "complaint.registered";

/// What questions are answered from without touching a file.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) cube: Arc<Cube>,
    pub(crate) register: Arc<Register>,
    /// Matters of filings that led to no complaint.
    pub(crate) unregistered: u64,
}

/// Follows the log.
pub(crate) struct Writer {
    conn: Connection,
    search: SearchWriter,
    /// What is in memory; gone after a failure, and then read from the file again.
    assembler: Option<Assembler>,
    facts: Arc<dyn FactsReader>,
}

impl Writer {
    /// Opens or creates the files.
    ///
    /// # Errors
    /// A file is of another version, damaged, or cannot be used.
    pub(crate) fn open(options: &ReadModelOptions) -> Result<(Self, View), OpenError> {
        let path = &options.path;
        let failed = |source| OpenError::of(path, source);
        let conn = schema::open_main(path, options.cache_kib, Purpose::Live)?;
        let search = schema::open_search(&schema::search_path(path), options.cache_kib, Purpose::Live)?;
        let search = SearchWriter::load(search).map_err(failed)?;
        let assembler = Assembler::load(&conn).map_err(|error| {
            if let ApplyError::Store(source) = error {
                return failed(source);
            }
            OpenError::Damaged { path: path.clone(), what: "the register of units" }
        })?;
        let mut cube = Cube::load(&conn).map_err(failed)?;
        cube.position = assembler.mark.position;
        cube.known = assembler.mark.known;
        let view = View {
            cube: Arc::new(cube),
            register: Arc::clone(&assembler.register),
            unregistered: assembler.unregistered_count(),
        };
        let facts = Arc::clone(&options.facts);
        Ok((Self { conn, search, assembler: Some(assembler), facts }, view))
    }

    /// Up to where both the rows and the search index have come.
    pub(crate) fn position(&self) -> Option<Position> {
        self.assembler.as_ref().and_then(|assembler| assembler.mark.position).min(self.search.position)
    }

    /// Takes in events in log order; what was taken in before is passed over. `publish` gets the new numbers once the
    /// rows are on the disk, and the new register just before: no row may name a unit that a reader cannot find.
    ///
    /// # Errors
    /// Rows and checkpoint are as they were. Only a failure of the search index alone leaves the rows ahead of it; the
    /// same events again then fill the gap.
    pub(crate) fn apply(
        &mut self,
        events: &[RecordedEvent],
        view: &View,
        publish: &dyn Fn(View),
    ) -> Result<(), ApplyError> {
        let mut assembler = match self.assembler.take() {
            Some(assembler) => assembler,
            None => Assembler::load(&self.conn)?,
        };
        let before = assembler.mark.position;
        let (sums, texts) = self.commit(&mut assembler, events, view, publish)?;
        if assembler.mark.position > before {
            let mark = assembler.mark;
            publish(View {
                cube: Arc::new(view.cube.with(&sums, mark.position, mark.known)),
                register: Arc::clone(&assembler.register),
                unregistered: assembler.unregistered_count(),
            });
        }
        self.assembler = Some(assembler);
        let last = events.last().map(|event| event.position);
        if last > self.search.position {
            self.search.write(&texts, last)?;
        }
        Ok(())
    }

    /// Takes the facts of an erased person out of the search index.
    ///
    /// # Errors
    /// The store refused; nothing has changed.
    pub(crate) fn forget(&mut self, subject: SubjectId) -> Result<usize, ApplyError> {
        let rows = search::rows_without_facts(&self.conn, subject)?;
        self.search.replace(&rows)?;
        Ok(rows.len())
    }

    /// See [`SearchWriter::compact`].
    ///
    /// # Errors
    /// The store refused; nothing has changed.
    pub(crate) fn compact_search(&self) -> Result<(), ApplyError> {
        Ok(self.search.compact()?)
    }

    /// One transaction; everything that can fail for other reasons than the store is done before the first row is
    /// written.
    fn commit(
        &mut self,
        assembler: &mut Assembler,
        events: &[RecordedEvent],
        view: &View,
        publish: &dyn Fn(View),
    ) -> Result<(Sums, Vec<TextRow>), ApplyError> {
        let mut jobs = self.overdue_texts(events, assembler.mark.position)?;
        let fresh = feed::behind(events, assembler.mark.position);
        let feeds: Vec<Feed> = fresh.iter().map(feed::read).collect::<Result<_, _>>()?;
        if feeds.is_empty() && jobs.is_empty() {
            return Ok((Sums::default(), Vec::new()));
        }
        // Before the transaction: asking for keys may take its time.
        search::announce(self.facts.as_ref(), &subjects_of(&jobs, &feeds))?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for feed in feeds {
            assembler.absorb(&tx, feed)?;
        }
        jobs.extend(assembler.take_texts());
        let facts = self.facts.as_ref();
        let texts: Vec<TextRow> = jobs.iter().map(|job| TextRow::prepare(job, facts)).collect::<Result<_, _>>()?;
        let sums = assembler.write(&tx, Depth::Everything)?;
        if let Some(event) = fresh.last() {
            last::set(&tx, &LastEvent::of(event))?;
        }
        if !Arc::ptr_eq(&assembler.register, &view.register) {
            Arc::make_mut(&mut assembler.register).relink();
            publish(View { register: Arc::clone(&assembler.register), ..view.clone() });
        }
        tx.commit()?;
        Ok((sums, texts))
    }

    /// What the search index lacks of events whose rows are stored: the gap that a crash between the two leaves.
    fn overdue_texts(&self, events: &[RecordedEvent], stored: Option<Position>) -> Result<Vec<TextJob>, ApplyError> {
        let mut jobs = Vec::new();
        for event in feed::behind(events, self.search.position) {
            if Some(event.position) > stored {
                break;
            }
            if *event.kind == *REGISTERED
                && let Matter::Case(id, ComplaintEvent::Registered(registered)) = feed::read(event)?.matter
                && let Some(key) = case_table::key_of(&self.conn, id)?
            {
                jobs.push(TextJob::new(key, event.position, &registered));
            }
        }
        Ok(jobs)
    }
}

/// Whose facts are opened for the search index, each with the position of its case.
fn subjects_of(jobs: &[TextJob], feeds: &[Feed]) -> Vec<(Position, SubjectId)> {
    let fresh = feeds.iter().filter_map(|feed| {
        let Matter::Case(_, ComplaintEvent::Registered(registered)) = &feed.matter else { return None };
        registered.facts.as_ref().map(|sealed| (Position::new(feed.stamp.position), sealed.subject))
    });
    search::subjects_of(jobs).into_iter().chain(fresh).collect()
}
