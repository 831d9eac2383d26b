//! What a server opens before it serves.

use std::sync::Arc;
use std::time::Duration;

use cross_border::index::ReferralIndex;
use event_log::port::{EventLog, LogFault, ReadError};
use event_log::vault::SubjectVault;
use projections::ReadModels;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::guarded;
use crate::commands::Failure;
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;
use crate::log::OpenedLog;
use crate::origin::bar::Bar;
use crate::origin::{self, CheckError, Estranged};

/// How long a start waits for the read models to catch up before it serves anyway.
const CATCH_UP_WAIT: Duration = Duration::from_secs(60);
/// How long a start waits for the servers of the log, which may start at the same time, before it gives up.
const OPEN_WAIT: Duration = Duration::from_secs(60);
/// How long it waits before it asks them again.
const OPEN_AGAIN: Duration = Duration::from_secs(1);
/// How often the servers of the log are asked before it is believed that they lack what the read models show.
const LOOKS: u32 = 3;

/// What a server works with.
pub(super) struct Opened {
    pub(super) log: OpenedLog,
    /// Between the log and everybody who works with it.
    pub(super) bar: Bar,
    pub(super) vault: Arc<SubjectVault>,
    pub(super) models: ReadModels,
    pub(super) index: ReferralIndex,
}

impl Opened {
    /// The log as everybody works with it.
    pub(super) fn port(&self) -> Arc<dyn EventLog> {
        guarded::log(&self.log, &self.bar)
    }
}

/// Refuses a folder without the log that belongs in it.
///
/// # Errors
/// There is none; the text says what to do.
pub(super) fn find_log(dir: &DataDir, config: &Config) -> Result<(), Failure> {
    if config.log.engine == LogEngine::Sqlite && !dir.log_path().exists() {
        return Err(format!(
            "there is no log in {}: run `baycase init --data {0}` first, or `baycase demo` to look around",
            dir.root().display()
        )
        .into());
    }
    Ok(())
}

/// Opens the log, the vault, the read models and the index.
pub(super) async fn open(dir: &DataDir, config: &Config) -> Result<Opened, Failure> {
    let log = open_log(dir, config).await?;
    let (dir, config, of_task) = (dir.clone(), config.clone(), log.clone());
    // Building read models of another version takes a while.
    let opened = spawn_blocking(move || -> Result<_, Failure> {
        let vault = dir.open_vault(&config)?;
        let models = dir.open_models(&config, Some(Arc::clone(&vault)), &of_task)?;
        Ok((vault, models, dir.open_index(&config)?))
    });
    let (vault, models, index) = opened.await??;
    Ok(Opened { log, bar: Bar::default(), vault, models, index })
}

/// Opens the log; servers that are not there yet are waited for.
async fn open_log(dir: &DataDir, config: &Config) -> Result<OpenedLog, Failure> {
    let began = Instant::now();
    loop {
        match dir.open(config, false).await {
            Err(error) if may_come(&error) && began.elapsed() < OPEN_WAIT => {
                tracing::warn!("The log cannot be opened yet, trying again: {error}");
                sleep(OPEN_AGAIN).await;
            }
            opened => return opened,
        }
    }
}

/// Whether a log that could not be opened may be there in a moment without anybody doing anything.
fn may_come(error: &Failure) -> bool {
    matches!(error.downcast_ref(), Some(LogFault::Unreachable { .. } | LogFault::NoLeader { .. } | LogFault::TimedOut))
}

/// Whether the read models and the index belong to the log.
///
/// That the servers of a log lack something is looked at more than once: those that have just come back may for a moment
/// not show all that they have.
pub(super) async fn check(dir: &DataDir, opened: &Opened) -> Result<Result<(), Estranged>, CheckError> {
    let Opened { log, models, index, .. } = opened;
    let mut looks = match log.engine() {
        LogEngine::Sqlite => 1,
        LogEngine::EventStoreDb => LOOKS,
    };
    loop {
        let checked = origin::check(dir, log, models, index).await?;
        looks -= 1;
        let lacks = matches!(checked, Err(Estranged::BeyondEnd { .. } | Estranged::Gone { .. }));
        if !lacks || looks == 0 {
            return Ok(checked);
        }
        sleep(OPEN_AGAIN).await;
    }
}

/// Lets the read models show what the log held at the start, for a while: until then nobody's unit is known.
pub(super) async fn catch_up(opened: &Opened) -> Result<(), Failure> {
    let head = match opened.log.port().head().await {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(()),
        Err(ReadError::Fault(fault)) if fault.passes_by_itself() => {
            tracing::warn!("Serving without knowing how far the log goes: {fault}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let (models, index) = (&opened.models, &opened.index);
    let (models, index) = tokio::join!(models.wait_for(head, CATCH_UP_WAIT), index.wait_for(head, CATCH_UP_WAIT));
    if let Err(late) = models {
        tracing::warn!("Serving while the read models catch up: {late}; `baycase rebuild` is faster for a large log");
    }
    if let Err(late) = index {
        tracing::warn!("Serving while the index of referrals catches up: {late}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Global;

    #[tokio::test]
    async fn nothing_is_made_in_a_folder_without_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("typo");
        let global = Global { data: data.clone(), config: None };
        let started = Box::pin(crate::commands::serve::start(&global, Config::default(), true)).await;
        let refused = started.unwrap_err().to_string();
        assert!(refused.contains("there is no log in"), "{refused}");
        assert!(!data.exists(), "not even a development key");
    }

    #[test]
    fn only_servers_that_may_still_come_are_waited_for() {
        let last = || "refused".to_owned();
        for fault in [LogFault::Unreachable { last: last() }, LogFault::NoLeader { last: last() }, LogFault::TimedOut] {
            assert!(may_come(&fault.into()));
        }
        for fault in [LogFault::Credentials, LogFault::NotInstalled, LogFault::UnfinishedCopy] {
            assert!(!may_come(&fault.into()));
        }
        assert!(!may_come(&"something else".into()));
    }
}
