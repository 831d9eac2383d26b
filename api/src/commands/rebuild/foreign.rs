//! Whether the models in use are of this log at all, found out beside a running server and without a lock.
//!
//! Models of another log, or of this one before it was restored, differ in everything: no table of digests says so, and
//! no server catches up on it.

use std::sync::Arc;

use projections::{OpenError, ReadModelOptions, ReadModels};

use super::RebuildFailure;
use crate::commands::Failure;
use crate::config::{Config, LogEngine};
use crate::data_dir::DataDir;
use crate::log::{AnyReader, Cluster, OpenedLog};
use crate::origin::{self, Estranged, Origin};

/// A log that nobody is kept from: what it is, and two readers of it.
pub(super) struct Beside {
    pub(super) origin: Origin,
    pub(super) reader: AnyReader,
    pub(super) again: AnyReader,
}

impl Beside {
    /// Opens the log of the configuration.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(super) async fn open(dir: &DataDir, config: &Config) -> Result<Self, Failure> {
        match config.log.engine {
            LogEngine::Sqlite => {
                let (reader, again) = (dir.reader()?, dir.reader()?);
                let origin = Origin { engine: LogEngine::Sqlite, installation: reader.info()?.installation };
                Ok(Self { origin, reader: reader.into(), again: again.into() })
            }
            LogEngine::EventStoreDb => {
                let store = dir.connect(config, false).await?;
                let log = OpenedLog::EventStore(Arc::new(Cluster::new(store, None)));
                Ok(Self { origin: Origin::of(&log), reader: log.reader()?, again: log.reader()? })
            }
        }
    }
}

/// Opens the models in use, which a server may have open too. Blocks.
///
/// # Errors
/// They are of another version of the program or damaged, and the text says what helps; or they cannot be read.
pub(super) fn open_live(options: &ReadModelOptions) -> Result<ReadModels, Failure> {
    match ReadModels::open(options.clone()) {
        Err(why @ (OpenError::OtherVersion { .. } | OpenError::Damaged { .. })) => {
            Err(RebuildFailure::Incomparable { why }.into())
        }
        opened => Ok(opened?),
    }
}

/// Whether the models in use belong to a log, by the rules of [`origin`]. Blocks.
///
/// # Errors
/// The log, the models or the note of their origin cannot be read.
pub(super) fn check(
    dir: &DataDir,
    found: Origin,
    models: &ReadModels,
    reader: &mut AnyReader,
) -> Result<Result<(), Estranged>, Failure> {
    let Some(reached) = models.position() else { return Ok(Ok(())) };
    let last = models.last_event()?;
    if let Err(estranged) = origin::is_of(dir.root(), Origin::read(dir)?, found, false) {
        return Ok(Err(estranged));
    }
    if let Err(estranged) = origin::reaches(reader.head_blocking()?, "read models", Some(reached)) {
        return Ok(Err(estranged));
    }
    match last {
        Some(last) => Ok(origin::is_there(&last, reader.read_stream_blocking(&last.stream, origin::before(&last), 1))?),
        None => Ok(Ok(())),
    }
}
