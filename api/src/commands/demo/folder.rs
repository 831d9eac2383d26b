//! A data folder with generated cases, as `demo` and `bench` make one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use domain::day::local_day;
use event_log::durable::{self, Access};
use event_log::port::EventLog as _;
use event_log::sqlite::OpenError;
use serde::{Deserialize, Serialize};

use crate::commands::import::progress::bar;
use crate::commands::path_error::at;
use crate::commands::{Failure, init};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::generator::{Generator, Plan, Tally, write};
use crate::process::Bookmark;
use crate::units;

/// A database and what SQLite keeps beside it. Its lock file is not among them: it must stay one and the same file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// What a folder was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::commands) struct Marker {
    pub(in crate::commands) cases: u64,
    pub(in crate::commands) days: u32,
    pub(in crate::commands) until: NaiveDate,
    pub(in crate::commands) seed: u64,
    pub(in crate::commands) facts: bool,
    /// Everything was made; without it the folder holds a beginning only.
    pub(in crate::commands) complete: bool,
}

/// What was made, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Made {
    pub(in crate::commands) written: Tally,
    pub(in crate::commands) took: Duration,
}

impl Marker {
    pub(in crate::commands) fn of(plan: &Plan, complete: bool) -> Self {
        let Plan { cases, days, until, seed, facts, personal: _ } = *plan;
        Self { cases, days, until, seed, facts, complete }
    }

    /// The marker of a folder; `None` when it has none.
    pub(in crate::commands) fn read(dir: &DataDir, name: &str) -> Result<Option<Self>, Failure> {
        let path = dir.root().join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(at(&path, "says nothing of its folder"))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "cannot be read")(error)),
        }
    }

    /// Durable when it returns, and never half a marker.
    pub(in crate::commands) fn write(&self, dir: &DataDir, name: &str) -> Result<(), Failure> {
        fs::create_dir_all(dir.root()).map_err(at(dir.root(), "cannot be made"))?;
        let path = dir.root().join(name);
        durable::write(&path, &serde_json::to_vec_pretty(self)?, Access::Usual).map_err(at(&path, "cannot be written"))
    }
}

/// The last day that is over: a plan that ends on it tells nothing of the future.
pub(in crate::commands) fn yesterday() -> NaiveDate {
    let today = local_day(crate::clock::now());
    today.pred_opt().unwrap_or(today)
}

/// Makes master key, vault, log and units where there are none, and writes the cases of the plan.
///
/// The units are recorded at the plan's beginning, before everything that they do.
///
/// # Errors
/// The plan cannot be carried out, or the folder cannot be written.
pub(in crate::commands) async fn make(dir: &DataDir, config: &Config, plan: Plan) -> Result<Made, Failure> {
    let began = Instant::now();
    init::prepare(dir, config, true, false).await?;
    let starts_at = plan.starts_at();
    let log = dir.open_log_for_bulk(config, Arc::new(move || starts_at))?;
    units::register(&log, &units::of_divisions(), starts_at).await?;
    let generator = Generator::new(plan, Box::new(dir.open_vault(config)?))?;
    let bar = bar("cases", plan.cases, false);
    let written = write(&log, generator, |so_far| bar.set_position(so_far.cases)).await?;
    bar.finish_and_clear();
    // The complaints were registered with their filings: a server has nothing to catch up on.
    if let Some(head) = log.head().await? {
        Bookmark::new(dir.root()).write(head)?;
    }
    tokio::task::spawn_blocking(move || log.close()).await?;
    Ok(Made { written, took: began.elapsed() })
}

/// Removes the log, the vault and the read models of a folder whose marker says that they are incomplete.
///
/// # Errors
/// Another process is at work there, or a file cannot be removed.
pub(in crate::commands) fn discard(dir: &DataDir, config: &Config) -> Result<(), Failure> {
    match dir.open_log(config, false) {
        Ok(log) => log.close(),
        Err(error) if matches!(error.downcast_ref(), Some(OpenError::Locked { .. })) => return Err(error),
        // Half a log is what is to be removed.
        Err(_) => {}
    }
    projections::remove(&dir.models_path())?;
    for database in [dir.log_path(), dir.vault_path()] {
        for companion in COMPANIONS {
            remove(&named(&database, companion))?;
        }
    }
    remove(&dir.master_key_path())
}

fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, "cannot be removed")(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { cases: 5, days: 3, until: "2026-05-31".parse().unwrap(), seed: 1, facts: true, personal: true }
    }

    #[test]
    fn a_marker_reads_back_and_its_absence_too() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(&folder.path().join("data"));
        assert_eq!(Marker::read(&dir, "demo.json").unwrap(), None);
        let marker = Marker::of(&plan(), true);
        marker.write(&dir, "demo.json").unwrap();
        assert_eq!(Marker::read(&dir, "demo.json").unwrap(), Some(marker));
        fs::write(dir.root().join("demo.json"), b"{").unwrap();
        assert!(Marker::read(&dir, "demo.json").is_err());
    }

    #[test]
    fn only_what_a_demo_made_is_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        fs::write(dir.log_path(), b"x").unwrap();
        fs::write(named(&dir.log_path(), "-wal"), b"x").unwrap();
        fs::write(folder.path().join("letter.txt"), b"x").unwrap();
        discard(&dir, &Config::default()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["letter.txt"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_made_folder_holds_the_plan_recorded_at_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        let made = make(&dir, &Config::default(), plan()).await.unwrap();
        assert_eq!(made.written.cases, 5);
        let page = dir.reader().unwrap().read_all_blocking(None, 65_536).unwrap();
        let units = u64::try_from(units::of_divisions().len()).unwrap();
        assert_eq!(u64::try_from(page.events.len()).unwrap(), units + made.written.events);
        let days: Vec<_> = page.events.iter().map(|event| local_day(event.recorded_at)).collect();
        assert!(days.iter().all(|day| (plan().first_day()..=plan().until).contains(day)));
    }
}
