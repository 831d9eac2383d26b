//! A data folder: where the log, the vault, the read models and the keys lie, and how each is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cross_border::index::{IndexOptions, ReferralIndex};
use domain::id::SubjectId;
use domain::privacy::Sealed;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::sqlite::{LogReader, ReaderSettings, SqliteLog, SqliteOptions};
use event_log::vault::{MasterKey, Opened, SubjectVault, VaultOptions};
use projections::{FactsError, FactsReader, OpenError, ReadModelOptions, ReadModels};
use secrecy::ExposeSecret as _;

use crate::commands::Failure;
use crate::commands::path_error::at;
use crate::config::{Config, ConfigError, Environment, LogEngine};
use crate::log::{AnyReader, Cluster, FolderLock, OpenedLog, eventstore_options};
use crate::vault_node;

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

    /// The sealed files of evidence, where the configuration names no other folder. They stand nowhere else: the log
    /// holds their digests alone.
    #[must_use]
    pub fn evidence_path(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// The folder of the sealed files of evidence as configured: nodes of one log share it.
    #[must_use]
    pub fn evidence_dir(&self, config: &Config) -> PathBuf {
        config.node.evidence_dir.clone().unwrap_or_else(|| self.evidence_path())
    }

    /// Which log the read models and the index were built from.
    #[must_use]
    pub fn origin_path(&self) -> PathBuf {
        self.root.join("read-models.origin.json")
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

    /// Opens the log of the configured engine for writing, stamped by the wall clock, and keeps other processes from
    /// this folder meanwhile.
    ///
    /// # Errors
    /// There is no log and none may be made, it cannot be opened, or another process works on the folder; the text says
    /// what to do.
    pub async fn open(&self, config: &Config, create: bool) -> Result<OpenedLog, Failure> {
        match config.log.engine {
            LogEngine::Sqlite => Ok(OpenedLog::Sqlite(self.open_log(config, create)?)),
            LogEngine::EventStoreDb => {
                let folder = FolderLock::take(&self.root)?;
                let store = self.connect(config, create).await?;
                Ok(OpenedLog::EventStore(Arc::new(Cluster::new(store, Some(folder)))))
            }
        }
    }

    /// A reader of the log of the configured engine, beside a running server too.
    ///
    /// # Errors
    /// There is no log, or it cannot be read.
    pub async fn read_log(&self, config: &Config) -> Result<AnyReader, Failure> {
        match config.log.engine {
            LogEngine::Sqlite => Ok(self.reader()?.into()),
            LogEngine::EventStoreDb => {
                let store = self.connect(config, false).await?;
                Ok(OpenedLog::EventStore(Arc::new(Cluster::new(store, None))).reader()?)
            }
        }
    }

    /// The log on the configured cluster, without a lock on this folder.
    ///
    /// # Errors
    /// No cluster is configured, it cannot be reached, or there is no log and none may be made.
    pub(crate) async fn connect(&self, config: &Config, create: bool) -> Result<EventStoreLog, Failure> {
        let options = eventstore_options(config, Arc::new(crate::clock::now))?;
        // Boxed: a large future.
        Ok(Box::pin(EventStoreLog::open(EventStoreOptions { create, ..options })).await?)
    }

    /// Opens the log in the folder for writing, stamped by the wall clock.
    ///
    /// # Errors
    /// There is no log and none may be made, or it cannot be opened; the text says what to do.
    pub fn open_log(&self, config: &Config, create: bool) -> Result<Arc<SqliteLog>, Failure> {
        self.open_log_with(config, create, Arc::new(crate::clock::now))
    }

    /// Opens the log in the folder for writing, stamped by the clock given.
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

    /// A reader of the log in the folder that needs no lock, beside a running server too.
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

    /// Opens the vault: over the vault node at `vault.url`, or in the folder. Where there is none and `create` says so,
    /// one is made in the folder, and a vault node learns the master key.
    ///
    /// # Errors
    /// There is no master key, it is not the vault's, or the vault cannot be opened.
    pub fn open_vault_with(&self, config: &Config, create: bool) -> Result<Arc<SubjectVault>, Failure> {
        let key = self.master_key(config)?;
        if let Some(url) = &config.vault.url {
            if self.vault_path().exists() {
                return Err(format!(
                    "there are keys in {} although vault.url names a vault node: a key that is destroyed there would \
                     live on here. Move the file into that node's folder while nothing runs, or take vault.url out",
                    self.vault_path().display()
                )
                .into());
            }
            return Ok(Arc::new(vault_node::open(&config.vault, url, key, create)?));
        }
        let options = VaultOptions { create, ..VaultOptions::new(Arc::new(crate::clock::now)) };
        Ok(Arc::new(SubjectVault::open(&self.vault_path(), key, options)?))
    }

    /// Whether there is a vault, here or on a vault node. A log without one has nothing sealed in it.
    #[must_use]
    pub fn has_vault(&self, config: &Config) -> bool {
        config.vault.url.is_some() || self.vault_path().exists()
    }

    /// The master key of the environment, the configuration or the folder, in that order.
    ///
    /// # Errors
    /// There is none, or it is not one.
    pub(crate) fn master_key(&self, config: &Config) -> Result<MasterKey, Failure> {
        match self.find_master_key(config, &Environment::of_process()?) {
            Some(key) => Ok(key?),
            None => Err("there is no master key for the vault: set `vault.master_key_file` in the configuration or \
                         BAYCASE_MASTER_KEY in the environment (32 bytes in base64)"
                .into()),
        }
    }

    /// The same; `None` while there is none.
    ///
    /// # Errors
    /// It is not one. The key itself is never told.
    pub(crate) fn find_master_key(
        &self,
        config: &Config,
        environment: &Environment,
    ) -> Option<Result<MasterKey, ConfigError>> {
        if let Some(value) = environment.master_key() {
            let key = MasterKey::from_env_value(value.expose_secret());
            return Some(key.map_err(|error| ConfigError::Invalid {
                key: "BAYCASE_MASTER_KEY".to_owned(),
                place: "the environment".to_owned(),
                reason: format!("cannot be used: {error}"),
            }));
        }
        if let Some(path) = &config.vault.master_key_file {
            let key = MasterKey::from_file(path);
            return Some(key.map_err(|error| config.unusable("vault.master_key_file", path, error)));
        }
        let path = self.master_key_path();
        let key = path.exists().then(|| MasterKey::from_file(&path))?;
        Some(key.map_err(|source| ConfigError::MasterKey { path, source }))
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

    /// Opens the read models, building them from the log when they are of another version. Blocks.
    ///
    /// # Errors
    /// They can neither be opened nor built.
    pub fn open_models(
        &self,
        config: &Config,
        vault: Option<Arc<SubjectVault>>,
        log: &OpenedLog,
    ) -> Result<ReadModels, Failure> {
        let options = self.model_options(config, vault);
        match ReadModels::open(options.clone()) {
            Err(OpenError::OtherVersion { .. }) => {
                tracing::warn!("The read models are of another version; building them anew");
                crate::commands::rebuild::build_and_swap(self, &options, log.reader()?)?;
                Ok(ReadModels::open(options)?)
            }
            // Not by itself: what lies there may be another program's file.
            Err(error @ OpenError::Damaged { .. }) => {
                Err(format!("{error}; stop whatever runs with them, and `baycase rebuild --force` does so").into())
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
    fn prepare(&self, subjects: &[SubjectId]) -> Result<(), FactsError> {
        match &self.0 {
            Some(vault) => vault.prefetch(subjects).map_err(FactsError::new),
            None => Ok(()),
        }
    }

    fn open(&self, sealed: &Sealed) -> Result<Option<String>, FactsError> {
        let Some(vault) = &self.0 else { return Ok(None) };
        match vault.open_sealed(sealed.subject, "facts", sealed) {
            Ok(Opened::Plain(text)) => Ok(Some(text)),
            Ok(Opened::Erased) => Ok(None),
            Err(error) => Err(FactsError::new(error)),
        }
    }
}
