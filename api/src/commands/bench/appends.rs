//! Durable appends: through the store, and beside it a bare loop over the same tables in the same run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{CommandDigest, NewEvent, Revision};
use domain::id::{CommandId, ComplaintId, EventId, StreamId, SubjectId};
use domain::privacy::Sealed;
use event_log::port::{Append, AppendError, CommandRef, EventLog, Expected};
use event_log::sqlite::SqliteLog;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use serde::Serialize;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::figures::{per_second, percent};
use super::raw;
use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::generator::{Generator, Plan, Sealer};

/// Writers at a time, and events in each of their appends.
pub(super) const SHAPES: [Shape; 5] = [
    Shape { writers: 1, batch: 1 },
    Shape { writers: 16, batch: 1 },
    Shape { writers: 64, batch: 1 },
    Shape { writers: 1, batch: 128 },
    Shape { writers: 1, batch: 1_024 },
];
/// Each side of a shape is measured this often, in turn, so that a slow moment of the disk meets both.
const ROUNDS: usize = 2;
const ROUND: Duration = Duration::from_millis(1_500);
/// A stream is left for a new one once it has as many events as a case has on average.
pub(super) const STREAM_EVENTS: u64 = 12;
/// Cases that the events to append are taken from.
const TEMPLATE_CASES: u64 = 400;
/// The ciphertext of some sixty Chinese characters has this length in base64.
const CIPHERTEXT_CHARS: usize = 284;
const NONCE_CHARS: usize = 16;

/// How appends come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) writers: usize,
    pub(super) batch: usize,
}

/// What one shape reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppendFigures {
    pub(super) writers: usize,
    pub(super) batch: usize,
    pub(super) events_per_second: u64,
    /// The bare loop, which commits as many rows at a time as the writers can have under way together.
    pub(super) raw_events_per_second: u64,
    pub(super) percent_of_raw: u64,
}

/// How many events were written in how long.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) events: u64,
    pub(super) took: Duration,
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.took += other.took;
    }
}

/// Measures every shape in folders below `folder`, which are removed again.
pub(super) async fn measure(
    folder: &Path,
    config: &Config,
    mut each: impl FnMut(&AppendFigures),
) -> Result<Vec<AppendFigures>, Failure> {
    let templates: Arc<[NewEvent]> = templates()?.into();
    let mut all = Vec::new();
    for shape in SHAPES {
        let (mut stored, mut bare) = (Counted::default(), Counted::default());
        for round in 0..ROUNDS {
            let seed = u64::try_from(round).unwrap_or(0);
            let place = empty_folder(folder, "appends-store")?;
            stored.add(through_the_store(&place, config, shape, &templates, seed).await?);
            std::fs::remove_dir_all(place.root()).map_err(at(place.root(), "cannot be removed"))?;

            let place = empty_folder(folder, "appends-raw")?;
            place.open_log(config, true)?.close();
            let (path, of_shape) = (place.log_path(), Arc::clone(&templates));
            bare.add(tokio::task::spawn_blocking(move || raw::run(&path, &of_shape, shape, ROUND, seed)).await??);
            std::fs::remove_dir_all(place.root()).map_err(at(place.root(), "cannot be removed"))?;
        }
        let events_per_second = per_second(stored.events, stored.took);
        let raw_events_per_second = per_second(bare.events, bare.took);
        let figures = AppendFigures {
            writers: shape.writers,
            batch: shape.batch,
            events_per_second,
            raw_events_per_second,
            percent_of_raw: percent(events_per_second, raw_events_per_second),
        };
        each(&figures);
        all.push(figures);
    }
    Ok(all)
}

/// An empty folder of this name, without what an interrupted run left in it.
fn empty_folder(folder: &Path, name: &str) -> Result<DataDir, Failure> {
    let path = folder.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).map_err(at(&path, "cannot be removed"))?;
    }
    std::fs::create_dir_all(&path).map_err(at(&path, "cannot be made"))?;
    Ok(DataDir::new(&path))
}

async fn through_the_store(
    place: &DataDir,
    config: &Config,
    shape: Shape,
    templates: &Arc<[NewEvent]>,
    seed: u64,
) -> Result<Counted, Failure> {
    let log = place.open_log(config, true)?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..shape.writers {
        let log = Arc::clone(&log);
        let ids = Ids::new(seed, writer);
        writers.spawn(write(log, Arc::clone(templates), shape.batch, ids, began + ROUND));
    }
    let mut counted = Counted::default();
    while let Some(written) = writers.join_next().await {
        counted.events += written??;
    }
    counted.took = began.elapsed();
    tokio::task::spawn_blocking(move || log.close()).await?;
    Ok(counted)
}

/// Appends one batch after the other until the deadline, each once the one before is durable.
async fn write(
    log: Arc<SqliteLog>,
    templates: Arc<[NewEvent]>,
    batch: usize,
    mut ids: Ids,
    deadline: Instant,
) -> Result<u64, AppendError> {
    let mut source = templates.iter().cycle().skip(ids.start(templates.len()));
    let (mut stream, mut next, mut written) = (ids.stream(), 0_u64, 0_u64);
    let size = u64::try_from(batch).unwrap_or(0);
    while Instant::now() < deadline {
        if next >= STREAM_EVENTS {
            (stream, next) = (ids.stream(), 0);
        }
        let of_batch = source.by_ref().take(batch);
        let events = of_batch.map(|event| NewEvent { id: EventId::from_uuid(ids.uuid()), ..event.clone() }).collect();
        let expected = match next.checked_sub(1) {
            Some(newest) => Expected::At(Revision::new(newest)),
            None => Expected::NoStream,
        };
        let command = CommandRef { id: CommandId::from_uuid(ids.uuid()), digest: CommandDigest(raw::DIGEST) };
        log.append(Append { stream: stream.clone(), expected, command, events }).await?;
        next += size;
        written += size;
    }
    Ok(written)
}

/// Ids that spread over an index as derived ones do, for less than deriving costs.
#[derive(Debug)]
pub(super) struct Ids(ChaCha8Rng);

impl Ids {
    pub(super) fn new(seed: u64, writer: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::try_from(writer).unwrap_or(0));
        Self(rng)
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.0.next_u64(), self.0.next_u64())
    }

    pub(super) fn stream(&mut self) -> StreamId {
        ComplaintId::from_uuid(self.uuid()).stream()
    }

    /// Where among `length` templates to begin.
    pub(super) fn start(&mut self, length: usize) -> usize {
        usize::try_from(self.0.next_u32()).unwrap_or(0).checked_rem(length).unwrap_or(0)
    }
}

/// Events as a real log has them, in every kind and size.
fn templates() -> Result<Vec<NewEvent>, Failure> {
    let until = crate::commands::demo::folder::yesterday();
    let plan = Plan { cases: TEMPLATE_CASES, days: 60, until, seed: 1, facts: true, personal: true };
    let mut generator = Generator::new(plan, Box::new(Blank))?;
    let mut events = Vec::new();
    while let Some(batch) = generator.next_batch(4_096)? {
        events.extend(batch.appends.into_iter().flat_map(|(append, _)| append.events));
    }
    Ok(events)
}

/// Values of the length that sealing gives, without sealing.
struct Blank;

impl Sealer for Blank {
    fn seal(&mut self, values: &[(SubjectId, &str, &str)]) -> Result<Vec<Sealed>, Failure> {
        let blank =
            |of: &(SubjectId, &str, &str)| Sealed::new(of.0, "A".repeat(NONCE_CHARS), "A".repeat(CIPHERTEXT_CHARS));
        Ok(values.iter().map(blank).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_of_many_kinds_and_fit_an_append() {
        let templates = templates().unwrap();
        let kinds: std::collections::BTreeSet<_> = templates.iter().map(|event| event.kind).collect();
        assert!(templates.len() > 3_000 && kinds.len() > 12, "{} of {}", templates.len(), kinds.len());
    }

    #[test]
    fn ids_of_two_writers_differ() {
        let (mut one, mut two) = (Ids::new(1, 0), Ids::new(1, 1));
        assert_ne!(one.uuid(), two.uuid());
        assert_eq!(Ids::new(1, 0).stream(), Ids::new(1, 0).stream());
        assert_eq!(one.start(0), 0);
    }
}
