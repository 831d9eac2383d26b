//! How far the process manager came, carried over, so that it does not read the whole copy again.
//!
//! Positions are others in the copy, so nothing but *everything is done* has a meaning there: the process manager stood
//! at the very end of the source. In every other case nothing is carried over, and it reads all and finds done what is.
//! A place beyond the end counts as another case too: it was reached in a log that went on, and was restored since.
//!
//! Whether everything is done is asked before both logs are compared. Where they are found equal then, the copy holds
//! nothing that was appended after the question.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;

use domain::envelope::Position;
use event_log::eventstore::EventStoreLog;
use event_log::lease::{LeaseError, LeaseName, LeaseRecord, Leases};
use event_log::sqlite::LogReader;

use super::error::CopyError;
use super::{Manner, READER, cluster};
use crate::leases::PROCESS_MANAGER;
use crate::process::Bookmark;

/// Who is named as the holder of the lease, which is given back already.
const HOLDER: &str = "copy-log";

/// The end of the log on the cluster, when the bookmark of the folder tells that everything in the file is done; `None`
/// when it does not.
pub(super) async fn done_in_file(
    folder: &Path,
    file: &Path,
    store: &EventStoreLog,
    manner: &Manner,
) -> Result<Option<Position>, CopyError> {
    let is_done = is_everything(Bookmark::new(folder).read(), end_of(file)?);
    if is_done { cluster::head(store, manner).await } else { Ok(None) }
}

/// Whether everything is done that stands on the cluster, as the lease of the process manager tells.
pub(super) async fn is_done_on_cluster(store: &EventStoreLog, manner: &Manner) -> Result<bool, CopyError> {
    // First of all: what is done by now stands in the log, with all that it led to.
    let progress = match manner.patience.with(async || reached(store).await).await? {
        Ok(progress) => progress,
        Err(error) => {
            warn(&error);
            None
        }
    };
    Ok(is_everything(progress, cluster::head(store, manner).await?))
}

/// Hands `end` over to whoever first holds the lease. Where somebody has held it, it knows better.
pub(super) async fn hand_over(store: &EventStoreLog, end: Position, manner: &Manner) -> Result<(), CopyError> {
    if let Err(error) = manner.patience.with(async || release(store, end).await).await? {
        warn(&error);
    }
    Ok(())
}

/// No reason to refuse a copy that is equal: all that is lost is time.
fn warn(error: &dyn Display) {
    eprintln!("warning: how far the process manager came is not carried over ({error}): it reads the whole copy once");
}

/// Notes in a folder that everything in the file there is done. Where that fails it is told, and the copy is complete.
pub(super) fn note(folder: &Path, file: &Path) {
    match end_of(file) {
        Ok(None) => {}
        Ok(Some(end)) => {
            // The error names the file of the bookmark.
            if let Err(error) = Bookmark::new(folder).write(end) {
                warn(&error);
            }
        }
        Err(error) => warn(&format_args!("{}: {error}", file.display())),
    }
}

/// Takes away what a folder tells of a log that lay there before: in the new one it would be another place.
pub(super) fn forget(folder: &Path) -> Result<(), CopyError> {
    let Bookmark::File(path) = Bookmark::new(folder) else { return Ok(()) };
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CopyError::Output { path, source }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_everything(reached: Option<Position>, end: Option<Position>) -> bool {
    end.is_some() && reached == end
}

fn end_of(file: &Path) -> Result<Option<Position>, CopyError> {
    LogReader::open(file, READER).map_err(CopyError::OpenFile)?.head_blocking().map_err(CopyError::ReadFile)
}

/// How far the newest record tells; `None` without one.
async fn reached(leases: &dyn Leases) -> Result<Option<Position>, LeaseError> {
    Ok(leases.read(&lease()).await?.and_then(|newest| newest.progress))
}

/// Writes the first record of the lease; `false` when there is one.
async fn release(leases: &dyn Leases, end: Position) -> Result<bool, LeaseError> {
    let record = LeaseRecord { holder: HOLDER.into(), term: 0, progress: Some(end), released: true, version: 0 };
    leases.write(&lease(), None, record).await
}

fn lease() -> LeaseName {
    LeaseName::parse(PROCESS_MANAGER).expect("the names of leases are lower-case words with hyphens")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use event_log::contract::fixture::{Scene, ticking_stamp};
    use event_log::lease::{LeaseKeeper, MemoryLeases, Standing};
    use event_log::port::{EventLog as _, Expected};
    use event_log::sqlite::{SqliteLog, SqliteOptions};
    use tokio::time::Instant;

    use super::*;

    fn at(position: u64) -> Option<Position> {
        Some(Position::new(position))
    }

    #[test]
    fn everything_is_done_at_the_very_end_and_nowhere_else() {
        assert!(is_everything(at(7), at(7)));
        for (reached, end) in [(at(6), at(7)), (at(8), at(7)), (None, at(7)), (at(7), None), (None, None)] {
            assert!(!is_everything(reached, end), "{reached:?} of {end:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_holds_the_lease_first_goes_on_from_there_without_waiting() {
        let leases = Arc::new(MemoryLeases::new());
        assert_eq!(reached(&*leases).await.unwrap(), None);
        assert!(release(&*leases, Position::new(7)).await.unwrap());
        assert_eq!(reached(&*leases).await.unwrap(), at(7));

        let mut keeper = LeaseKeeper::new(leases, lease(), "gz-1/7f".into(), Duration::from_secs(15));
        let standing = keeper.step(Instant::now(), None).await.unwrap();
        assert!(matches!(standing, Standing::Holding { term: 1, progress, .. } if progress == at(7)), "{standing:?}");
    }

    #[tokio::test]
    async fn a_lease_that_somebody_has_held_is_left_as_it_is() {
        let leases = MemoryLeases::new();
        let theirs = LeaseRecord { holder: "gz-1/7f".into(), term: 3, progress: at(90), released: false, version: 0 };
        assert!(leases.write(&lease(), None, theirs).await.unwrap());
        assert!(!release(&leases, Position::new(7)).await.unwrap());
        assert_eq!(reached(&leases).await.unwrap(), at(90));
    }

    #[tokio::test]
    async fn a_bookmark_that_cannot_be_written_fails_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.sqlite");
        let options = SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) };
        let log = SqliteLog::open(&file, options).unwrap();
        let scene = Scene::new(&log, "noted").await;
        let appended = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();

        let Bookmark::File(path) = Bookmark::new(folder.path()) else { panic!("it is a file") };
        fs::create_dir(&path).unwrap();
        fs::write(path.join("something"), "").unwrap();
        let named = Bookmark::new(folder.path()).write(Position::new(7)).unwrap_err().to_string();
        assert!(named.contains(&path.display().to_string()), "{named}");
        note(folder.path(), &file);
        assert!(path.is_dir());
        note(folder.path(), &folder.path().join("no such log"));

        fs::remove_dir_all(&path).unwrap();
        note(folder.path(), &file);
        assert_eq!(Bookmark::new(folder.path()).read(), Some(appended.last_position));
    }

    #[test]
    fn what_a_folder_tells_of_an_older_log_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        forget(folder.path()).unwrap();
        Bookmark::new(folder.path()).write(Position::new(7)).unwrap();
        forget(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
