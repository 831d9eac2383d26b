//! `baycase rebuild`: the read models built anew from the log, compared with those in use, and put in their place.
//!
//! The new files lie beside the old ones until the end, so a rebuild that breaks off changes nothing. The index of
//! referrals is filled again behind them.

mod compare;
mod foreign;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use event_log::vault::OpenError as VaultOpenError;
use projections::{OpenError, ReadModelOptions, RebuildReport};
use thiserror::Error;
use tokio::task::spawn_blocking;

use self::compare::{Verdict, against_live, against_moving};
use self::foreign::Beside;
use super::import::progress;
use super::path_error::at;
use super::{Failure, Global};
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;
use crate::log::{AnyReader, FOLDER_LOCK, OpenedLog, is_in_use};
use crate::origin::{self, Origin};

/// The files of a rebuild under way.
const FRESH_FILE: &str = "read-models-fresh.sqlite";

/// Build the read models anew.
#[derive(Debug, Clone, Copy, Args)]
#[command(
    after_help = "Examples:\n  baycase rebuild --data /var/lib/baycase\n  baycase rebuild --check\n\nThe new models are compared with those in use, table by table, before they take their place. If the two differ, nothing\nis changed: tell the people who maintain this program, then use --force. With --check a server may run meanwhile.\nModels of another log, or of this one before it was restored, are told as that and not compared; --force replaces them."
)]
pub struct RebuildArgs {
    /// Compare only: the models in use stay.
    #[arg(long, conflicts_with = "force")]
    check: bool,
    /// Put the new models in place although they differ from those in use.
    #[arg(long)]
    force: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Why the models in use were left as they are.
#[derive(Debug, Error)]
pub(super) enum RebuildFailure {
    #[error(
        "another process, most likely a server, works on the data folder {folder}: it holds the lock `{}`. Stop that \
         process first, which gives the lock back while the file stays; or compare only, with `baycase rebuild \
         --check`",
        .lock.display()
    )]
    InUse { folder: String, lock: PathBuf },
    #[error("the rebuilt models say something else than those in use, in: {}; nothing was changed", .tables.join(", "))]
    Differs { tables: Vec<&'static str> },
    #[error("there are no read models to compare with: `baycase rebuild`, without --check, builds them")]
    Nothing,
    #[error(
        "the models in use cannot be compared: {why}. Stop the server, if one runs with them, and use `baycase \
         rebuild` without --check, which puts new ones in their place; or use the program that wrote them"
    )]
    Incomparable { why: OpenError },
    #[error(
        "the models in use stand at position {live}, behind position {fresh} of the log: let a server catch up first, \
         or use `baycase rebuild` without --check"
    )]
    Behind { live: u64, fresh: u64 },
}

/// Builds, compares, and unless told otherwise exchanges.
///
/// # Errors
/// A server runs, the log cannot be read, or the new models differ from those in use.
pub async fn run(global: &Global, config: &Config, args: &RebuildArgs) -> Result<(), Failure> {
    let dir = DataDir::new(&global.data);
    if args.check { check(&dir, config, args.quiet).await } else { replace(&dir, config, args).await }
}

/// Builds the models from the log and puts them in the place of whatever is there, without comparing: for models that
/// are missing or of another version. Nobody may have them open. Blocks.
///
/// # Errors
/// The log cannot be read, or the files cannot be written.
pub fn build_and_swap(
    dir: &DataDir,
    options: &ReadModelOptions,
    reader: impl Into<AnyReader>,
) -> Result<RebuildReport, Failure> {
    let fresh = fresh(dir, options);
    let report = build(reader.into(), &fresh, false)?;
    projections::swap_in(&fresh.path, &options.path)?;
    Ok(report)
}

async fn replace(dir: &DataDir, config: &Config, args: &RebuildArgs) -> Result<(), Failure> {
    // Held to the end, so that no server begins to follow meanwhile.
    let log = match dir.open(config, false).await {
        Ok(log) => log,
        Err(error) if is_in_use(&error) => {
            let lock = lock(dir, config);
            return Err(RebuildFailure::InUse { folder: dir.root().display().to_string(), lock }.into());
        }
        Err(error) => return Err(error),
    };
    if !args.force {
        belongs(dir, config, &log).await?;
    }
    let (of_dir, of_config, of_log, args) = (dir.clone(), config.clone(), log.clone(), *args);
    spawn_blocking(move || exchange(&of_dir, &of_config, args, &of_log)).await??;
    log.close().await;
    Ok(())
}

/// The file whose lock keeps others from the models: that of the log, or that of the folder where the log has none.
fn lock(dir: &DataDir, config: &Config) -> PathBuf {
    match config.log.engine {
        LogEngine::Sqlite => {
            let mut lock = dir.log_path().into_os_string();
            lock.push(".lock");
            PathBuf::from(lock)
        }
        LogEngine::EventStoreDb => dir.root().join(FOLDER_LOCK),
    }
}

/// Refuses to exchange models of another log, or of one that was restored from a backup since, without being told to:
/// the log that is configured may be the wrong one.
async fn belongs(dir: &DataDir, config: &Config, log: &OpenedLog) -> Result<(), Failure> {
    if !dir.models_path().exists() {
        return Ok(());
    }
    // Models that cannot be opened are a matter of the comparison, which says so.
    let Ok(models) = dir.open_models(config, None, log) else { return Ok(()) };
    match origin::check(dir, log, &models, &dir.open_index(config)?).await? {
        Ok(()) => Ok(()),
        Err(estranged) => Err(estranged.into()),
    }
}

/// Builds from the open log, compares, and exchanges. Blocks.
fn exchange(dir: &DataDir, config: &Config, args: RebuildArgs, log: &OpenedLog) -> Result<(), Failure> {
    // A log without a vault has nothing sealed in it.
    let vault = if dir.has_vault(config) { Some(dir.open_vault(config)?) } else { None };
    let options = dir.model_options(config, vault);
    let fresh = fresh(dir, &options);
    build(log.reader()?, &fresh, args.quiet)?;
    let verdict = match against_live(&options, &fresh) {
        // What cannot even be opened cannot be compared, and is worth nothing: the log is the truth.
        Err(error) if args.force => {
            projections::remove(&options.path)?;
            Verdict::Unknown { why: format!("the models in use could not be read ({error}) and were removed") }
        }
        Err(error) => {
            return Err(format!("{error}; `rebuild --force` puts the new ones in place without comparing").into());
        }
        Ok(verdict) => verdict,
    };
    match verdict {
        Verdict::Same => println!("the rebuilt models say the same as those in use"),
        Verdict::Unknown { why } => println!("not compared: {why}"),
        Verdict::Differs { tables } if args.force => println!("differs in {}; swapped in by force", tables.join(", ")),
        Verdict::Differs { tables } => {
            projections::remove(&fresh.path)?;
            return Err(RebuildFailure::Differs { tables }.into());
        }
    }
    projections::swap_in(&fresh.path, &options.path)?;
    println!("the rebuilt models are in place");
    referrals(dir, config, log)?;
    println!("the index of referrals is filled again");
    Origin::of(log).write(dir)
}

/// Deletes the index of referrals and fills it from the log. Nobody compares: nothing is decided on it, and where a
/// rebuild breaks off, the next server goes on.
fn referrals(dir: &DataDir, config: &Config, log: &OpenedLog) -> Result<(), Failure> {
    let path = dir.index_path();
    for companion in ["-wal", "-shm", ""] {
        let mut file = path.clone().into_os_string();
        file.push(companion);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(at(Path::new(&file), "cannot be removed")(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    dir.open_index(config)?.catch_up(&mut log.reader()?)?;
    Ok(())
}

async fn check(dir: &DataDir, config: &Config, quiet: bool) -> Result<(), Failure> {
    let log = Beside::open(dir, config).await?;
    let (dir, config) = (dir.clone(), config.clone());
    spawn_blocking(move || build_and_compare(&dir, &config, quiet, log)).await?
}

/// Builds from one reader and compares with the help of the other, unless the models are of another log. Blocks.
fn build_and_compare(dir: &DataDir, config: &Config, quiet: bool, log: Beside) -> Result<(), Failure> {
    let Beside { origin, reader, mut again } = log;
    let vault = match dir.has_vault(config).then(|| dir.open_vault(config)).transpose() {
        Ok(vault) => vault,
        Err(error) if matches!(error.downcast_ref::<VaultOpenError>(), Some(VaultOpenError::Locked { .. })) => {
            let vault = dir.vault_path();
            eprintln!(
                "the vault at `{}` is open in another process, as it is while a server runs: the search index, which \
                 holds sealed texts, is not compared; stop that process to have it compared as well",
                vault.display()
            );
            None
        }
        Err(error) => return Err(error),
    };
    let with_texts = vault.is_some() || !dir.has_vault(config);
    let options = dir.model_options(config, vault);
    if !options.path.exists() {
        return Err(RebuildFailure::Nothing.into());
    }
    if let Err(estranged) = foreign::check(dir, origin, &foreign::open_live(&options)?, &mut again)? {
        return Err(estranged.into());
    }
    let fresh = fresh(dir, &options);
    build(reader, &fresh, quiet)?;
    let compared = against_moving(&mut again, &options, &fresh, with_texts);
    projections::remove(&fresh.path)?;
    let tables = compared?;
    if !tables.is_empty() {
        return Err(RebuildFailure::Differs { tables }.into());
    }
    let besides = if with_texts { "" } else { "; the search index was not compared" };
    println!("the rebuilt models say the same as those in use{besides}");
    Ok(())
}

/// The same options, for the files beside.
fn fresh(dir: &DataDir, options: &ReadModelOptions) -> ReadModelOptions {
    ReadModelOptions { path: dir.root().join(FRESH_FILE), readers: 1, ..options.clone() }
}

/// Builds the files beside; what an earlier rebuild left there is removed first.
fn build(reader: AnyReader, fresh: &ReadModelOptions, quiet: bool) -> Result<RebuildReport, Failure> {
    projections::remove(&fresh.path)?;
    let bar = progress::bar("rebuilding", 0, quiet);
    let began = Instant::now();
    let report = projections::rebuild(reader, fresh, &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    eprintln!(
        "rebuilt from {} events in {millis} ms, {} events a second",
        report.events,
        report.events.saturating_mul(1_000) / millis
    );
    Ok(report)
}
