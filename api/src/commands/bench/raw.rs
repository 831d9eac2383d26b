//! The bare loop that the store is compared with: the same tables, indexes, settings and bytes, nothing else.
//!
//! Nobody waits in a queue, nothing is looked up or checked, no digest is computed, no caller is answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::envelope::NewEvent;
use rusqlite::{Connection, Statement};

use super::appends::{Counted, Ids, STREAM_EVENTS, Shape};
use crate::commands::Failure;

/// Stands where the store writes the digest of a command, and of an event.
pub(super) const DIGEST: [u8; 32] = [0x5a; 32];
/// The store's own defaults.
const CACHE_KIB: i64 = 64 * 1024;
const CHECKPOINT_PAGES: i64 = 4_096;

/// The tables' next keys.
#[derive(Debug, Default)]
struct Next {
    position: i64,
    stream: i64,
}

struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    stream: Statement<'c>,
    event: Statement<'c>,
    command: Statement<'c>,
}

/// One writer's stream.
struct Place {
    ids: Ids,
    template: usize,
    key: i64,
    revision: u64,
}

/// Commits until the time is over; as many appends at a time as the shape has writers.
pub(super) fn run(
    path: &Path,
    templates: &[NewEvent],
    shape: Shape,
    lasting: Duration,
    seed: u64,
) -> Result<Counted, Failure> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let kinds = kinds(&conn, templates)?;
    let mut sql = Statements {
        begin: conn.prepare("BEGIN IMMEDIATE")?,
        commit: conn.prepare("COMMIT")?,
        stream: conn.prepare("INSERT INTO stream (key, name) VALUES (?1, ?2)")?,
        event: conn.prepare(
            "INSERT INTO event (position, stream, revision, id, kind, schema, occurred_at, recorded_at, digest, \
             metadata, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?,
        command: conn.prepare(
            "INSERT INTO command (id, digest, stream, first_revision, count, last_position) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?,
    };
    let mut next = Next::default();
    let mut places: Vec<Place> = (0..shape.writers).map(|writer| Place::new(seed, writer, templates.len())).collect();
    let began = Instant::now();
    let mut events = 0_u64;
    while began.elapsed() < lasting {
        sql.begin.execute([])?;
        for place in &mut places {
            append(&mut sql, &mut next, place, templates, shape.batch, &kinds)?;
        }
        sql.commit.execute([])?;
        events += u64::try_from(shape.batch.saturating_mul(shape.writers)).unwrap_or(0);
    }
    Ok(Counted { events, took: began.elapsed() })
}

impl Place {
    fn new(seed: u64, writer: usize, templates: usize) -> Self {
        let mut ids = Ids::new(seed, writer);
        // A revision that is no stream's: the first append begins one.
        Self { template: ids.start(templates), ids, key: 0, revision: u64::MAX }
    }
}

fn append(
    sql: &mut Statements<'_>,
    next: &mut Next,
    place: &mut Place,
    templates: &[NewEvent],
    batch: usize,
    kinds: &BTreeMap<&'static str, i64>,
) -> Result<(), Failure> {
    if place.revision >= STREAM_EVENTS {
        next.stream += 1;
        place.key = next.stream;
        place.revision = 0;
        sql.stream.execute((place.key, place.ids.stream().as_str()))?;
    }
    let first = place.revision;
    for _ in 0..batch {
        let Some(event) = templates.get(place.template) else { return Err("there is nothing to append".into()) };
        place.template = (place.template + 1).checked_rem(templates.len()).unwrap_or(0);
        next.position += 1;
        sql.event.execute((
            next.position,
            place.key,
            i64::try_from(place.revision)?,
            place.ids.uuid().as_bytes().as_slice(),
            kinds.get(event.kind).copied().unwrap_or(0),
            event.schema,
            event.occurred_at.timestamp_micros(),
            event.occurred_at.timestamp_micros(),
            DIGEST.as_slice(),
            &*event.metadata,
            &*event.payload,
        ))?;
        place.revision += 1;
    }
    sql.command.execute((
        place.ids.uuid().as_bytes().as_slice(),
        DIGEST.as_slice(),
        place.key,
        i64::try_from(first)?,
        i64::try_from(batch)?,
        next.position,
    ))?;
    Ok(())
}

/// Writes the names of the kinds, as the store does on their first use.
fn kinds(conn: &Connection, templates: &[NewEvent]) -> Result<BTreeMap<&'static str, i64>, Failure> {
    let mut kinds = BTreeMap::new();
    for event in templates {
        if let Entry::Vacant(free) = kinds.entry(event.kind) {
            free.insert(conn.prepare_cached("INSERT INTO kind (name) VALUES (?1)")?.insert([event.kind])?);
        }
    }
    Ok(kinds)
}
