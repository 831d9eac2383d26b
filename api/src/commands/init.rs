//! `baycase init`: a new data folder.

use clap::Args;
use domain::org::UnitRegistered;
use event_log::vault::MasterKey;
use uuid::Uuid;

use super::path_error::at;
use super::{Failure, Global};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::log::OpenedLog;
use crate::units;

/// Make a data folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  BAYCASE_MASTER_KEY=$(openssl rand -base64 32) baycase init --data /var/lib/baycase\n  baycase init --data ./try --create-master-key\n\nWhere the log lies on a cluster (log.engine = \"eventstoredb\"), run it once with the data folder of one node: it makes the\nlog there. The other nodes need no more than `baycase serve`."
)]
pub struct InitArgs {
    /// Make a master key in the data folder, for trying things out; in production it lies elsewhere.
    #[arg(long)]
    create_master_key: bool,
    /// Do not register the units of the table of divisions, nor the council that this node is.
    #[arg(long)]
    no_units: bool,
}

/// Makes the folder; running it again changes nothing.
///
/// # Errors
/// The configuration is one that no server starts with, there is no master key, or the folder cannot be written.
pub async fn run(global: &Global, config: &Config, args: &InitArgs) -> Result<(), Failure> {
    // First of all: in clear, whoever answers at the address of a vault node would be believed.
    super::config::check(config)?;
    let dir = DataDir::new(&global.data);
    let Prepared { registered, installation } = make(&dir, config, args.create_master_key, !args.no_units).await?;
    if args.create_master_key && !dir.master_key_path().exists() {
        eprintln!(
            "note: no master key was made here: the vault has the one that the environment or the configuration gives"
        );
    }
    println!("data folder {} is ready; {registered} units registered", dir.root().display());
    println!("the log is of installation {installation}");
    Ok(())
}

/// What was made.
struct Prepared {
    registered: u64,
    installation: Uuid,
}

/// Makes the log, the vault and, unless told otherwise, the register of units; answers how many were registered.
///
/// # Errors
/// There is no master key, or the folder cannot be written.
pub async fn prepare(
    dir: &DataDir,
    config: &Config,
    create_master_key: bool,
    with_units: bool,
) -> Result<u64, Failure> {
    Ok(make(dir, config, create_master_key, with_units).await?.registered)
}

async fn make(dir: &DataDir, config: &Config, create_master_key: bool, with_units: bool) -> Result<Prepared, Failure> {
    let council = config.own_council()?;
    let units = if with_units { units::of_node(council) } else { Vec::new() };
    // One that is given elsewhere is the vault's: one made beside it would open nothing.
    let makes_key = create_master_key && dir.find_master_key(config, &Environment::of_process()?).is_none();
    if !makes_key {
        // Before anything is made: a log whose vault cannot be made is of no use.
        dir.master_key(config)?;
    }
    std::fs::create_dir_all(dir.root()).map_err(at(dir.root(), "cannot be made"))?;
    // So with a vault that is there: it may have another master key. A vault node is asked once there is a key.
    if dir.vault_path().exists() || (!makes_key && dir.has_vault(config)) {
        drop(dir.open_vault_with(config, true)?);
    }
    // First of what is made here: beside a log that is refused, key and vault would be left behind.
    let log = dir.open(config, true).await?;
    let filled = Box::pin(fill(dir, config, makes_key, &units, &log)).await;
    log.close().await;
    Ok(Prepared { registered: filled?, installation: log.installation() })
}

/// Makes what stands beside a log that is open; answers how many units were registered.
async fn fill(
    dir: &DataDir,
    config: &Config,
    makes_key: bool,
    units: &[UnitRegistered],
    log: &OpenedLog,
) -> Result<u64, Failure> {
    if makes_key {
        MasterKey::generate_file(&dir.master_key_path())?;
    }
    drop(dir.open_vault_with(config, true)?);
    units::register(log, units, crate::clock::now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn beside_a_log_that_is_refused_neither_key_nor_vault_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        std::fs::write(dir.log_path(), "something else that has the name of a log").unwrap();
        Box::pin(prepare(&dir, &Config::default(), true, false)).await.unwrap_err();
        assert!(!dir.master_key_path().exists() && !dir.vault_path().exists());
        std::fs::remove_file(dir.log_path()).unwrap();
        Box::pin(prepare(&dir, &Config::default(), true, false)).await.unwrap();
        assert!(dir.master_key_path().exists() && dir.vault_path().exists() && dir.log_path().exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn beside_a_vault_with_another_master_key_no_log_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        MasterKey::generate_file(&dir.master_key_path()).unwrap();
        drop(dir.open_vault_with(&Config::default(), true).unwrap());
        std::fs::remove_file(dir.master_key_path()).unwrap();
        // Whether there is no key at all, or another one.
        Box::pin(prepare(&dir, &Config::default(), true, false)).await.unwrap_err();
        assert!(!dir.master_key_path().exists() && !dir.log_path().exists());
        MasterKey::generate_file(&dir.master_key_path()).unwrap();
        for create_master_key in [false, true] {
            Box::pin(prepare(&dir, &Config::default(), create_master_key, false)).await.unwrap_err();
            assert!(!dir.log_path().exists());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_master_key_is_not_told_to_an_address_that_a_server_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let global = Global { data: folder.path().join("data"), config: None };
        let mut config = Config::default();
        config.vault.url = Some("http://vault-1:8460".to_owned());
        let args = InitArgs { create_master_key: true, no_units: true };
        let refused = Box::pin(run(&global, &config, &args)).await.unwrap_err().to_string();
        assert!(refused.contains("`vault.url`") && refused.contains("must be https"), "{refused}");
        assert!(!global.data.exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_master_key_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(&folder.path().join("data"));
        let mut config = Config::default();
        config.vault.master_key_file = Some(folder.path().join("no such key"));
        for create_master_key in [false, true] {
            // One that is configured is used, so that none is made.
            Box::pin(prepare(&dir, &config, create_master_key, false)).await.unwrap_err();
            assert!(!dir.root().exists());
        }
    }
}
