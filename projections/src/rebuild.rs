//! Builds the read models from the log into fresh files, beside whatever is in use.
//!
//! Three threads share the work: one reads and decodes, one folds and writes rows and ledger, one opens and indexes
//! texts. Nothing is safe until the end: no journal, no `fsync`, one transaction. A rebuild that fails leaves files
//! behind that open as empty or not at all, and is begun again.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use domain::envelope::Position;
use event_log::port::{READ_EVENTS_MAX, ReadError};
use event_log::source::LogSource;
use thiserror::Error;

use crate::assembler::{Assembler, Depth, TextJob};
use crate::error::{ApplyError, OpenError};
use crate::facts::FactsReader;
use crate::feed::{self, Feed};
use crate::last::{self, LastEvent};
use crate::models::ReadModelOptions;
use crate::schema::{self, Purpose};
use crate::search::{SearchWriter, TextRow};

/// Pages that are decoded ahead.
const PAGES_AHEAD: usize = 3;
/// Lists of new cases that wait for the search index.
const TEXTS_AHEAD: usize = 8;
/// Pages of the new files kept in memory, at least, in KiB: a page that must be read again costs more than the rest.
const CACHE_KIB_MIN: u32 = 256 * 1024;

/// Why the read models could not be built.
#[derive(Debug, Error)]
pub enum RebuildError {
    #[error("there is something at `{}` already; a rebuild fills fresh files", .0.display())]
    Exists(PathBuf),
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error("an event could not be applied")]
    Apply(#[from] ApplyError),
    #[error("the new files could not be opened")]
    Open(#[from] OpenError),
    #[error("the new files could not be written")]
    Store(#[from] rusqlite::Error),
    #[error("the new files could not be put on the disk")]
    Sync(#[source] io::Error),
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildReport {
    pub events: u64,
    pub position: Option<Position>,
}

/// Builds the read models in fresh files at `options.path`. Blocks until everything is on the disk.
///
/// `progress` is called with the position that is done, and the one at which the log ended when this began: the numbers
/// of events where positions are contiguous.
///
/// # Errors
/// There is a file already, an event cannot be read, or the store refused.
pub fn rebuild<S: LogSource + Send>(
    mut source: S,
    options: &ReadModelOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<RebuildReport, RebuildError> {
    let path = options.path.as_path();
    let search_path = schema::search_path(path);
    for file in [path, search_path.as_path()] {
        if file.exists() {
            return Err(RebuildError::Exists(file.to_owned()));
        }
    }
    let total = source.head()?.map_or(0, Position::get);
    let search = schema::open_search(&search_path, CACHE_KIB_MIN / 4, Purpose::Bulk)?;
    let search = SearchWriter::load(search)?;
    let facts = options.facts.as_ref();
    let report = thread::scope(|scope| {
        let (pages_in, pages) = sync_channel(PAGES_AHEAD);
        let (texts, texts_out) = sync_channel(TEXTS_AHEAD);
        let reading = scope.spawn(move || read_ahead(&mut source, &pages_in));
        let indexing = scope.spawn(move || index(search, &texts_out, facts));
        let assembled = assemble(path, options.cache_kib, &pages, texts, &mut |done| progress(done, total.max(done)));
        // A thread that waits to hand over its work ends once nobody listens.
        drop(pages);
        let read = joined(reading);
        let indexed = joined(indexing);
        // The first cause: the assembler only notices that another thread is gone.
        read?;
        let mut search = indexed?;
        let report = assembled?;
        search.end_bulk(report.position)?;
        Ok::<_, RebuildError>(report)
    })?;
    for file in [path, search_path.as_path()] {
        File::open(file).and_then(|file| file.sync_all()).map_err(RebuildError::Sync)?;
    }
    sync_folder(path).map_err(RebuildError::Sync)?;
    Ok(report)
}

/// Makes sure that the names in the folder of a file are on the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    match handle.join() {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}

/// A page of the log, read.
struct Decoded {
    feeds: Vec<Feed>,
    last: LastEvent,
}

/// Reads and decodes until the log ends or nobody listens.
fn read_ahead<S: LogSource>(source: &mut S, pages: &SyncSender<Decoded>) -> Result<(), RebuildError> {
    let mut after = None;
    loop {
        let page = source.page(after, READ_EVENTS_MAX)?;
        let Some(last) = page.events.last() else { return Ok(()) };
        after = Some(last.position);
        let last = LastEvent::of(last);
        let feeds = page.events.iter().map(feed::read).collect::<Result<Vec<_>, _>>()?;
        if pages.send(Decoded { feeds, last }).is_err() || page.at_end {
            return Ok(());
        }
    }
}

/// Opens and indexes the texts of new cases until there are no more.
fn index(
    search: SearchWriter,
    texts: &Receiver<Vec<TextJob>>,
    facts: &dyn FactsReader,
) -> Result<SearchWriter, RebuildError> {
    search.begin_bulk()?;
    for jobs in texts {
        search.add_bulk(&TextRow::prepare_all(&jobs, facts)?)?;
    }
    Ok(search)
}

/// Folds and writes everything that is read.
fn assemble(
    path: &Path,
    cache_kib: u32,
    pages: &Receiver<Decoded>,
    texts: SyncSender<Vec<TextJob>>,
    progress: &mut dyn FnMut(u64),
) -> Result<RebuildReport, RebuildError> {
    let conn = schema::open_main(path, cache_kib.max(CACHE_KIB_MIN), Purpose::Bulk)?;
    let mut assembler = Assembler::load(&conn)?;
    conn.execute_batch("BEGIN")?;
    let mut newest = None;
    for Decoded { feeds, last } in pages {
        newest = Some(last);
        for feed in feeds {
            assembler.absorb(&conn, feed)?;
        }
        if texts.send(assembler.take_texts()).is_err() {
            break;
        }
        assembler.write(&conn, Depth::Overflow)?;
        progress(reached(&assembler));
    }
    drop(texts);
    assembler.write(&conn, Depth::Everything)?;
    assembler.write_all_cases(&conn)?;
    if let Some(newest) = newest {
        last::set(&conn, &newest)?;
    }
    conn.execute_batch("COMMIT")?;
    schema::create_indices(&conn)?;
    let mark = assembler.mark;
    progress(reached(&assembler));
    Ok(RebuildReport { events: mark.events, position: mark.position })
}

fn reached(assembler: &Assembler) -> u64 {
    assembler.mark.position.map_or(0, Position::get)
}
