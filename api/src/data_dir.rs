//! A data folder: where the log, the vault, the read models and the keys lie, and how each is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cross_border::index::{IndexOptions, ReferralIndex};
use domain::privacy::Sealed;
use event_log::sqlite::{LogReader, ReaderSettings, SqliteLog, SqliteOptions};
use event_log::vault::{MasterKey, Opened, SubjectVault, VaultOptions};
use projections::{FactsError, FactsReader, OpenError, ReadModelOptions, ReadModels};
use secrecy::ExposeSecret as _;

use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::config::{Config, Environment};

/// The master key that `demo` and `init --create-master-key` make.
pub const MASTER_KEY_FILE: &str = "master.key";

/// Memory of a bulk writer: the indexes of ten million events.
const BULK_CACHE_KIB: u32 = 1024 * 1024;
/// Pages of 8 KiB a bulk writer gathers before it moves them: half a gigabyte.
const BULK_CHECKPOINT_PAGES: u32 = 65_536;

/// A data folder.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder at `root`; nothing is opened or made yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The event log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.root.join("log.sqlite")
    }

    /// The vault of subject keys.
    #[must_use]
    pub fn vault_path(&self) -> PathBuf {
        self.root.join("vault.sqlite")
    }

    /// The read models.
    #[must_use]
    pub fn models_path(&self) -> PathBuf {
        self.root.join("read-models.sqlite")
    }

    /// The index of referrals; deleted, it is built again from the log.
    #[must_use]
    pub fn index_path(&self) -> PathBuf {
        self.root.join("referrals.sqlite")
    }

    /// The sealed files of evidence. They stand nowhere else: the log holds their digests alone.
    #[must_use]
    pub fn evidence_path(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// When the newest signature of each key of a partner was made, so that none is good once more after a restart.
    #[must_use]
    pub fn signatures_path(&self) -> PathBuf {
        self.root.join("signatures-seen.json")
    }

    /// The master key that was made in the folder, if any.
    #[must_use]
    pub fn master_key_path(&self) -> PathBuf {
        self.root.join(MASTER_KEY_FILE)
    }

    /// Opens the log for writing, stamped by the wall clock.
    ///
    /// # Errors
    /// There is no log and none may be made, or it cannot be opened; the text says what to do.
    pub fn open_log(&self, config: &Config, create: bool) -> Result<Arc<SqliteLog>, Failure> {
        self.open_log_with(config, create, Arc::new(crate::clock::now))
    }

    /// Opens the log for writing, stamped by the clock given.
    ///
    /// # Errors
    /// There is no log and none may be made, or it cannot be opened; the text says what to do.
    pub fn open_log_with(
        &self,
        config: &Config,
        create: bool,
        stamp: event_log::memory::Stamp,
    ) -> Result<Arc<SqliteLog>, Failure> {
        if create {
            std::fs::create_dir_all(&self.root).map_err(at(&self.root, "cannot be made"))?;
        }
        let options = SqliteOptions { create, ..log_options(config, stamp) };
        Ok(Arc::new(SqliteLog::open(&self.log_path(), options)?))
    }

    /// Opens the log to write very much at once: more pages are kept in memory and gathered before they are moved into
    /// the database, because a page of an index that is changed a hundred times need not be written a hundred times.
    ///
    /// # Errors
    /// There is no log, or it cannot be opened; the text says what to do.
    pub fn open_log_for_bulk(
        &self,
        config: &Config,
        stamp: event_log::memory::Stamp,
    ) -> Result<Arc<SqliteLog>, Failure> {
        let options = SqliteOptions {
            writer_cache_kib: BULK_CACHE_KIB,
            checkpoint_pages: BULK_CHECKPOINT_PAGES,
            ..log_options(config, stamp)
        };
        Ok(Arc::new(SqliteLog::open(&self.log_path(), options)?))
    }

    /// A reader of the log that needs no lock, beside a running server too.
    ///
    /// # Errors
    /// There is no log, or it cannot be read.
    pub fn reader(&self) -> Result<LogReader, Failure> {
        Ok(LogReader::open(&self.log_path(), ReaderSettings::default())?)
    }

    /// Opens the vault with the master key of the environment, the configuration or the folder, in that order.
    ///
    /// # Errors
    /// There is no master key, it is not the vault's, or the vault cannot be opened.
    pub fn open_vault(&self, config: &Config) -> Result<Arc<SubjectVault>, Failure> {
        self.open_vault_with(config, false)
    }

    /// Opens the vault, or makes one where there is none and `create` says so.
    ///
    /// # Errors
    /// There is no master key, it is not the vault's, or the vault cannot be opened.
    pub fn open_vault_with(&self, config: &Config, create: bool) -> Result<Arc<SubjectVault>, Failure> {
        let key = self.master_key(config)?;
        let options = VaultOptions { create, ..VaultOptions::new(Arc::new(crate::clock::now)) };
        Ok(Arc::new(SubjectVault::open(&self.vault_path(), key, options)?))
    }

    fn master_key(&self, config: &Config) -> Result<MasterKey, Failure> {
        if let Some(value) = Environment::of_process()?.master_key() {
            let key = MasterKey::from_env_value(value.expose_secret());
            return key.map_err(|error| format!("BAYCASE_MASTER_KEY in the environment: {error}").into());
        }
        if let Some(path) = &config.vault.master_key_file {
            let key = MasterKey::from_file(path);
            return key.map_err(|error| config.unusable("vault.master_key_file", path, error).into());
        }
        let path = self.master_key_path();
        if path.exists() {
            return MasterKey::from_file(&path).map_err(at(&path, "cannot be used as the master key"));
        }
        Err("there is no master key for the vault: set `vault.master_key_file` in the configuration or \
             BAYCASE_MASTER_KEY in the environment (32 bytes in base64)"
            .into())
    }

    /// How the read models are opened.
    #[must_use]
    pub fn model_options(&self, config: &Config, vault: Option<Arc<SubjectVault>>) -> ReadModelOptions {
        ReadModelOptions {
            path: self.models_path(),
            cache_kib: config.projections.cache_mib.saturating_mul(1024),
            readers: config.log.readers,
            facts: Arc::new(VaultFacts(vault)),
        }
    }

    /// Opens the read models, building them from the log when they are of another version.
    ///
    /// # Errors
    /// They can neither be opened nor built.
    pub fn open_models(&self, config: &Config, vault: Option<Arc<SubjectVault>>) -> Result<ReadModels, Failure> {
        let options = self.model_options(config, vault);
        match ReadModels::open(options.clone()) {
            Err(OpenError::OtherVersion { .. }) => {
                tracing::warn!("The read models are of another version; building them anew");
                crate::commands::rebuild::build_and_swap(self, &options)?;
                Ok(ReadModels::open(options)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Opens the index of referrals, empty where there is none or one of another version: whoever follows the log fills
    /// it.
    ///
    /// # Errors
    /// The file is another program's, or cannot be used.
    pub fn open_index(&self, config: &Config) -> Result<ReferralIndex, Failure> {
        let options = IndexOptions { readers: config.log.readers, ..IndexOptions::new(self.index_path()) };
        Ok(ReferralIndex::open(options)?)
    }
}

fn log_options(config: &Config, stamp: event_log::memory::Stamp) -> SqliteOptions {
    SqliteOptions {
        queue_max: config.log.queue_max,
        batch_events_max: config.log.batch_events_max,
        batch_bytes_max: config.log.batch_bytes_max,
        readers: config.log.readers,
        ..SqliteOptions::new(stamp)
    }
}

/// Opens facts for the search index; without a vault there is nothing to index.
struct VaultFacts(Option<Arc<SubjectVault>>);

impl FactsReader for VaultFacts {
    fn open(&self, sealed: &Sealed) -> Result<Option<String>, FactsError> {
        let Some(vault) = &self.0 else { return Ok(None) };
        match vault.open_sealed(sealed.subject, "facts", sealed) {
            Ok(Opened::Plain(text)) => Ok(Some(text)),
            Ok(Opened::Erased) => Ok(None),
            Err(error) => Err(FactsError::new(error)),
        }
    }
}
