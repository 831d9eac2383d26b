//! From the file of a data folder into the cluster.

use std::path::{Path, PathBuf};

use domain::envelope::{Position, Revision};
use domain::id::StreamId;
use event_log::copy::{Chain, Copied, Page, Pages, Totals, expected};
use event_log::digest::{event_digest, hex};
use event_log::eventstore::{CopyState, CopyTotals, EventStoreLog, EventStoreOptions};
use event_log::port::{AppendError, EventLog as _, Expected};
use event_log::sqlite::LogReader;
use futures_util::{TryStreamExt as _, stream};
use indicatif::ProgressBar;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::checkpoint::Checkpoint;
use super::compare::{self, Ends};
use super::digests::DigestsPlace;
use super::error::CopyError;
use super::report::{Ran, Report};
use super::{CopyLogArgs, Manner, READ_EVENTS, READER, To, bookmark, cluster, listed, servers};
use crate::commands::Failure;
use crate::commands::import::progress;
use crate::config::Config;
use crate::data_dir::DataDir;

/// What the source is called in the record of the copy.
const SOURCE: &str = "sqlite";
/// Appends under way at a time: each waits for its own journey to the servers and back.
pub(super) const APPENDS_AT_ONCE: usize = 64;

/// Copies, unless that was done before or is not wanted, and compares.
pub(super) async fn run(data: &Path, config: &Config, args: &CopyLogArgs, manner: &Manner) -> Result<Report, Failure> {
    let dir = DataDir::new(data);
    let _digests = DigestsPlace::prepare(args.case_digests.as_deref())?;
    // Held to the end, so that nobody serves the file and nothing is added to it.
    let held = if args.verify_only { None } else { Some(dir.open_log(config, false)?) };
    let file = dir.log_path();
    let installation = LogReader::open(&file, READER)?.info()?.installation;
    let configured = config.log.eventstore.installation;
    if let Some(configured) = configured.filter(|configured| *configured != installation) {
        return Err(CopyError::OtherInstallation { configured, found: installation }.into());
    }
    let create = !args.verify_only;
    let store = cluster::open(config, |options| EventStoreOptions {
        create,
        installation: Some(installation),
        for_copy: true,
        ..options
    })
    .await?;
    let job = Job { file: &file, folder: dir.root(), store: &store, manner };
    let checkpoint = Checkpoint::new(To::EventStoreDb, installation, cluster::place(config));
    // Boxed: large futures.
    let copied = if args.verify_only { false } else { Box::pin(job.copy(checkpoint)).await? };
    let done = if args.verify_only { None } else { bookmark::done_in_file(data, &file, &store, manner).await? };
    let ends = Ends { file: &file, store: &store, to: To::EventStoreDb, folder: data };
    let compared = Box::pin(compare::compare(&ends, args.case_digests.as_deref(), manner)).await?;
    if copied && compared.is_equal() {
        Box::pin(job.finish(&compared.comparison.source)).await?;
    }
    if !args.verify_only && compared.is_equal() {
        // Also where the copy was finished before: it may have been killed just then.
        if let Some(end) = done {
            bookmark::hand_over(&store, end, manner).await?;
        }
        Checkpoint::remove(data)?;
    }
    let ran = match (args.verify_only, copied) {
        (true, _) => Ran::Check,
        (false, true) => Ran::Copy,
        (false, false) if compared.is_equal() => Ran::FinishedBefore { holders: Vec::new() },
        (false, false) => Ran::FinishedBefore { holders: servers::holders(&*store).await },
    };
    store.close().await;
    if let Some(held) = held {
        spawn_blocking(move || held.close()).await?;
    }
    let (from, to) = (file.display().to_string(), cluster::place(config));
    Ok(Report { from, to, installation, compared, into: To::EventStoreDb, ran })
}

struct Job<'a> {
    file: &'a Path,
    folder: &'a Path,
    store: &'a EventStoreLog,
    manner: &'a Manner,
}

impl Job<'_> {
    /// Whether a copy was under way, which is to be finished then; `false` when it had been finished before.
    async fn copy(&self, fresh: Checkpoint) -> Result<bool, CopyError> {
        let begin = async || self.store.begin_copy(SOURCE, fresh.installation).await;
        let state = self.manner.patience.with(begin).await?.map_err(CopyError::Begin)?;
        if state == CopyState::Finished {
            eprintln!("the copy was finished before; comparing");
            return Ok(false);
        }
        let mut checkpoint = match (Checkpoint::read(self.folder)?, state) {
            (None, _) => fresh,
            (Some(before), CopyState::Resumed) if before.is_of(&fresh) => before,
            (Some(_), CopyState::Begun) => {
                let what = "it tells of a copy that the cluster knows nothing of";
                return Err(Checkpoint::refused(self.folder, what));
            }
            (Some(_), _) => return Err(Checkpoint::refused(self.folder, "it tells of another copy")),
        };
        let head = LogReader::open(self.file, READER)
            .map_err(CopyError::OpenFile)?
            .head_blocking()
            .map_err(CopyError::ReadFile)?;
        // The source may have been served since an earlier run listed its commands: the new ones are added then.
        if !checkpoint.lists_up_to(head) {
            // First of all: behind the events they would be the end of the log, and whoever looks for its newest event
            // would have to read them all.
            let began = Instant::now();
            let commands = listed::write(self.file, self.store, self.manner).await?;
            self.manner.tell("commands", commands, began);
            (checkpoint.commands, checkpoint.commands_to) = (true, head);
            checkpoint.write(self.folder)?;
        }
        let began = Instant::now();
        let events = self.events(&mut checkpoint, head).await?;
        self.manner.tell("events", events, began);
        Ok(true)
    }

    /// Copies the events behind the checkpoint up to the source's `head`, page by page; how many they were.
    async fn events(&self, checkpoint: &mut Checkpoint, head: Option<Position>) -> Result<u64, CopyError> {
        let after = checkpoint.position;
        let (sender, mut pages) = mpsc::channel(1);
        let reading = Reading { file: self.file.to_owned(), after, window: self.manner.window };
        let bar = progress::bar("copying", head.map_or(0, Position::get), self.manner.quiet);
        bar.set_position(after.map_or(0, Position::get));
        bar.reset_eta();
        let runtime = Handle::current();
        let read = spawn_blocking(move || reading.run(&runtime, &sender));
        let mut copied = 0_u64;
        while let Some(Page { waves, last, events }) = pages.recv().await {
            for wave in waves {
                stream::iter(wave.into_iter().map(Ok::<Chain, CopyError>))
                    .try_for_each_concurrent(APPENDS_AT_ONCE, |chain| self.chain(chain, &bar))
                    .await?;
            }
            copied = copied.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
            checkpoint.position = Some(last);
            checkpoint.write(self.folder)?;
        }
        read.await.map_err(CopyError::Broke)??;
        bar.finish_and_clear();
        Ok(copied)
    }

    async fn chain(&self, chain: Chain, bar: &ProgressBar) -> Result<(), CopyError> {
        for events in &chain.appends {
            self.append(&chain.stream, events).await?;
            bar.inc(u64::try_from(events.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    async fn append(&self, stream: &StreamId, events: &[Copied]) -> Result<(), CopyError> {
        let expected = expected(events);
        let send = async || self.store.append_copy(stream, expected, events).await;
        match self.manner.patience.with(send).await? {
            Ok(_) => Ok(()),
            Err(AppendError::Conflict { .. }) => self.catch_up(stream, expected, events).await,
            Err(source) => Err(CopyError::Append { stream: stream.clone(), source }),
        }
    }

    /// The stream does not stand where its copy goes on. An earlier run may have cut its events otherwise: what stands
    /// there must be the beginning of these, and the rest is appended.
    async fn catch_up(&self, stream: &StreamId, place: Expected, events: &[Copied]) -> Result<(), CopyError> {
        let after = match place {
            Expected::NoStream => None,
            Expected::At(revision) => Some(revision),
        };
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let read = async || self.store.read_stream(stream, after, count).await;
        let there = self.manner.patience.with(read).await?.map_err(CopyError::ReadCluster)?;
        if there.is_empty() {
            return Err(CopyError::Behind { stream: stream.clone() });
        }
        for (found, (event, ..)) in there.iter().zip(events) {
            if event_digest(found) != event_digest(event) {
                return Err(CopyError::Otherwise { stream: stream.clone(), revision: event.revision });
            }
        }
        let rest = events.get(there.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let send = async || self.store.append_copy(stream, expected(rest), rest).await;
        match self.manner.patience.with(send).await? {
            Ok(_) => Ok(()),
            Err(AppendError::Conflict { .. }) => {
                let revision = rest.first().map_or(Revision::FIRST, |(event, ..)| event.revision);
                Err(CopyError::Otherwise { stream: stream.clone(), revision })
            }
            Err(source) => Err(CopyError::Append { stream: stream.clone(), source }),
        }
    }

    /// Says that the copy is complete: from now on the cluster may be served.
    async fn finish(&self, totals: &Totals) -> Result<(), CopyError> {
        let (events, commands, digest) = (totals.events, totals.commands, hex(&totals.digest));
        let totals = CopyTotals { events, commands, digest };
        let finish = async || self.store.finish_copy(&totals).await;
        self.manner.patience.with(finish).await?.map_err(CopyError::Finish)
    }
}

/// Reads the file and cuts it into pages, on a thread of its own.
struct Reading {
    file: PathBuf,
    after: Option<Position>,
    window: usize,
}

impl Reading {
    /// Hands out page after page, until the log ends or nobody takes them. A place for a page is taken before it is
    /// read, so that no more than two of them are in memory: the one that is copied, and the next.
    fn run(self, runtime: &Handle, out: &mpsc::Sender<Page>) -> Result<(), CopyError> {
        let Self { file, mut after, window } = self;
        let mut reader = LogReader::open(&file, READER).map_err(CopyError::OpenFile)?;
        let mut pages = Pages::new(window);
        let Ok(mut place) = runtime.block_on(out.reserve()) else { return Ok(()) };
        loop {
            let (events, at_end) =
                reader.read_with_commands_blocking(after, READ_EVENTS).map_err(CopyError::ReadFile)?;
            after = events.last().map(|(event, ..)| event.position).or(after);
            for copied in events {
                let Some(page) = pages.push(copied) else { continue };
                place.send(page);
                place = match runtime.block_on(out.reserve()) {
                    Ok(place) => place,
                    Err(_) => return Ok(()),
                };
            }
            if at_end {
                break;
            }
        }
        if let Some(page) = pages.rest() {
            place.send(page);
        }
        Ok(())
    }
}
