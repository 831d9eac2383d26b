//! From the cluster into a new file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::envelope::Position;
use event_log::durable;
use event_log::eventstore::EventStoreLog;
use event_log::port::AppendError;
use event_log::sqlite::{SqliteLog, SqliteOptions};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use uuid::Uuid;

use super::checkpoint::Checkpoint;
use super::compare::{self, Compared, Ends};
use super::digests::DigestsPlace;
use super::error::CopyError;
use super::report::{Ran, Report};
use super::sorting::{Batch, Sorting};
use super::{CopyLogArgs, Manner, To, bookmark, cluster, servers};
use crate::commands::Failure;
use crate::commands::import::progress;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The name of the file until it is complete.
const UNFINISHED: &str = "log.sqlite.copying";
/// What SQLite keeps beside a file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// Memory for the indexes of the new file.
const WRITER_CACHE_KIB: u32 = 512 * 1024;
/// Pages of 8 KiB that are gathered before they are moved into the file: a page of an index that is changed a hundred
/// times need not be written a hundred times.
const CHECKPOINT_PAGES: u32 = 65_536;

/// Copies, unless that is not wanted, and compares.
pub(super) async fn run(data: &Path, config: &Config, args: &CopyLogArgs, manner: &Manner) -> Result<Report, Failure> {
    let folder = args.into.as_deref().unwrap_or(data);
    let file = DataDir::new(folder).log_path();
    let store = cluster::open(config, |options| options).await?;
    let installation = store.installation();
    let place = cluster::place(config);
    let (compared, ran) = if args.verify_only {
        let _digests = DigestsPlace::prepare(args.case_digests.as_deref())?;
        let ends = Ends { file: &file, store: &store, to: To::Sqlite, folder };
        (Box::pin(compare::compare(&ends, args.case_digests.as_deref(), manner)).await?, Ran::Check)
    } else {
        fs::create_dir_all(folder).map_err(|source| CopyError::Output { path: folder.to_owned(), source })?;
        let checkpoint = Checkpoint::new(To::Sqlite, installation, place.clone());
        let digests = args.case_digests.as_deref();
        // Here and not before: it may be wanted in the folder that was made just now.
        let _digests = DigestsPlace::prepare(digests)?;
        let job = Job { store: &store, installation, folder, file: &file, digests, manner };
        let watching = async {
            servers::warn(&*store, config.node.lease_ttl()).await;
            Ok::<(), Failure>(())
        };
        // Boxed: a large future.
        let (done, ()) = tokio::try_join!(Box::pin(job.run(checkpoint)), watching)?;
        done
    };
    store.close().await;
    Ok(Report { from: place, to: file.display().to_string(), installation, compared, into: To::Sqlite, ran })
}

struct Job<'a> {
    store: &'a Arc<EventStoreLog>,
    installation: Uuid,
    folder: &'a Path,
    /// The name that the copy gets when it is complete.
    file: &'a Path,
    digests: Option<&'a Path>,
    manner: &'a Manner,
}

impl Job<'_> {
    async fn run(&self, fresh: Checkpoint) -> Result<(Compared, Ran), Failure> {
        let unfinished = self.folder.join(UNFINISHED);
        let before = Checkpoint::read(self.folder)?;
        let is_ours = before.as_ref().is_some_and(|before| before.is_of(&fresh));
        if self.file.exists() {
            // A run that ended between the last two steps has moved it into its place already.
            if !is_ours || unfinished.exists() || !before.is_some_and(|before| before.equal) {
                return Err(CopyError::TargetExists(self.file.to_owned()).into());
            }
            let is_done = bookmark::is_done_on_cluster(self.store, self.manner).await?;
            let compared = self.compare(self.file).await?;
            if is_done && compared.is_equal() {
                bookmark::note(self.folder, self.file);
            }
            Checkpoint::remove(self.folder)?;
            // Whoever uses the cluster is watched for and named beside.
            return Ok((compared, Ran::FinishedBefore { holders: Vec::new() }));
        }
        let mut checkpoint = match before {
            None => fresh,
            Some(_) if !is_ours => return Err(Checkpoint::refused(self.folder, "it tells of another copy").into()),
            Some(_) if !unfinished.exists() => {
                return Err(Checkpoint::refused(self.folder, "it tells of a copy that is not there any more").into());
            }
            Some(before) => before,
        };
        let log = self.open(unfinished.clone()).await?;
        let began = Instant::now();
        let events = self.copy(&log, &mut checkpoint).await?;
        self.manner.tell("events", events, began);
        let is_done = bookmark::is_done_on_cluster(self.store, self.manner).await?;
        // The file stays open, and with it its lock.
        let compared = self.compare(&unfinished).await?;
        if compared.is_equal() {
            checkpoint.equal = true;
            checkpoint.write(self.folder)?;
        }
        spawn_blocking(move || log.close()).await?;
        if compared.is_equal() {
            bookmark::forget(self.folder)?;
            let moved = put_in_place(&unfinished, self.file);
            moved.map_err(|source| CopyError::Output { path: self.file.to_owned(), source })?;
            if is_done {
                bookmark::note(self.folder, self.file);
            }
            Checkpoint::remove(self.folder)?;
        }
        Ok((compared, Ran::Copy))
    }

    async fn compare(&self, file: &Path) -> Result<Compared, CopyError> {
        let ends = Ends { file, store: self.store, to: To::Sqlite, folder: self.folder };
        Box::pin(compare::compare(&ends, self.digests, self.manner)).await
    }

    async fn open(&self, path: PathBuf) -> Result<SqliteLog, Failure> {
        let options = SqliteOptions {
            create: true,
            installation: Some(self.installation),
            writer_cache_kib: WRITER_CACHE_KIB,
            checkpoint_pages: CHECKPOINT_PAGES,
            ..SqliteOptions::new(Arc::new(crate::clock::now))
        };
        Ok(spawn_blocking(move || SqliteLog::open(&path, options)).await??)
    }

    /// Copies what stands behind the checkpoint; how many events were read.
    async fn copy(&self, log: &SqliteLog, checkpoint: &mut Checkpoint) -> Result<u64, CopyError> {
        let after = checkpoint.position;
        let head = cluster::head(self.store, self.manner).await?;
        // Positions on servers are places in their files.
        let bar = progress::bytes("copying", head.map_or(0, Position::get), self.manner.quiet);
        bar.set_position(after.map_or(0, Position::get));
        bar.reset_eta();
        let (out, fed) = mpsc::channel(2);
        let (sorted, batches) = mpsc::channel(1);
        let sorting = Sorting::new(self.manner.window, after);
        let sorting = spawn_blocking(move || sorting.run(fed, &sorted));
        let feeding = Box::pin(cluster::feed(self.store, after, head, out, self.manner, &bar));
        let writing = self.write(log, batches, checkpoint);
        let (fed, written) = tokio::join!(feeding, writing);
        // What failed first is the cause of the others.
        let sorted = sorting.await.map_err(CopyError::Broke)?;
        let events = written?;
        sorted?;
        fed?;
        bar.finish_and_clear();
        Ok(events)
    }

    async fn write(
        &self,
        log: &SqliteLog,
        mut batches: mpsc::Receiver<Batch>,
        checkpoint: &mut Checkpoint,
    ) -> Result<u64, CopyError> {
        let mut events = 0_u64;
        while let Some(batch) = batches.recv().await {
            let answers = log.append_copies(batch.appends).await.map_err(CopyError::Bulk)?;
            for ((stream, last), answer) in batch.places.into_iter().zip(answers) {
                match answer {
                    Ok(appended) if appended.last_revision == last && appended.stream == stream => {}
                    Ok(_) | Err(AppendError::Conflict { .. }) => {
                        return Err(CopyError::Otherwise { stream, revision: last });
                    }
                    Err(AppendError::DiskFull) => return Err(CopyError::DiskFull(self.folder.to_owned())),
                    Err(source) => return Err(CopyError::Append { stream, source }),
                }
            }
            events = events.saturating_add(u64::try_from(batch.events).unwrap_or(u64::MAX));
            checkpoint.position = batch.reached;
            checkpoint.write(self.folder)?;
        }
        Ok(events)
    }
}

/// Gives a complete copy its name. Nobody has it open any more, so that all of it lies in the one file.
fn put_in_place(unfinished: &Path, file: &Path) -> io::Result<()> {
    for companion in COMPANIONS {
        let mut path = unfinished.as_os_str().to_owned();
        path.push(companion);
        match fs::metadata(&path) {
            Ok(about) if companion == "-wal" && about.len() > 0 => {
                return Err(io::Error::other("the copy is open elsewhere; close it and run the same command again"));
            }
            Ok(_) => fs::remove_file(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    durable::put_in_place(unfinished, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_copy_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (unfinished, file) = (folder.path().join(UNFINISHED), folder.path().join("log.sqlite"));
        let wal = folder.path().join(format!("{UNFINISHED}-wal"));
        fs::write(&unfinished, "log").unwrap();
        fs::write(&wal, "something").unwrap();
        assert!(put_in_place(&unfinished, &file).is_err(), "what stands in the write-ahead file would be lost");
        fs::write(&wal, "").unwrap();
        put_in_place(&unfinished, &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"log");
        assert!(!wal.exists() && !unfinished.exists());
    }
}
