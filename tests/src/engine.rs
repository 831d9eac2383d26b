//! On which engine the log of a test server lies: in a file of its folder, or on a protocol double of EventStoreDB.

use std::path::Path;

use api::commands::init;
use api::config::{Config, LogEngine};
use api::data_dir::DataDir;
use tokio::sync::OnceCell;

use crate::double::{DoubleOptions, DoubleProcess};

/// Names the engine of a whole run.
const VARIABLE: &str = "BAYCASE_TEST_ENGINE";
/// The double's log, in the folder of the node that it is for. It stays there when the node is started again.
const DOUBLE_FILE: &str = "double.log";

/// What a prepared folder of Guangdong's council holds beside its double. Registering two thousand units over a network
/// takes seconds, so it is done once in a run, and every folder after that is a copy.
static PREPARED: OnceCell<Vec<(String, Vec<u8>)>> = OnceCell::const_new();

/// Where the log of a node lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data folder.
    Sqlite,
    /// A protocol double of EventStoreDB over a file in the data folder, spoken to by the real client.
    EventStoreDb,
}

impl Engine {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::EventStoreDb];

    /// The engine of this run: the file, unless `BAYCASE_TEST_ENGINE` is `eventstoredb`.
    ///
    /// # Panics
    /// The variable names something else.
    #[must_use]
    pub fn of_run() -> Self {
        let named = std::env::vars().find(|(key, _)| key == VARIABLE).map(|(_, value)| value);
        match named.as_deref() {
            None | Some("" | "sqlite") => Self::Sqlite,
            Some("eventstoredb") => Self::EventStoreDb,
            Some(other) => panic!("{VARIABLE} is `sqlite` or `eventstoredb`, and not `{other}`"),
        }
    }

    /// Makes the folder of a node: its log, its vault, and the units that its council begins with.
    pub async fn prepare(self, dir: &Path, config: &Config) {
        match self {
            Self::Sqlite => make(dir, config.clone()).await,
            // What is made depends on the council alone.
            Self::EventStoreDb if config.council == Config::default().council => {
                std::fs::create_dir_all(dir).unwrap();
                for (name, bytes) in PREPARED.get_or_init(|| Box::pin(template())).await {
                    std::fs::write(dir.join(name), bytes).unwrap();
                }
            }
            Self::EventStoreDb => drop(made_over_double(dir, config).await),
        }
    }

    /// Starts what a server over the folder needs beside it, and points the configuration there.
    pub(crate) fn begin(self, dir: &Path, config: &mut Config) -> Option<DoubleProcess> {
        match self {
            Self::Sqlite => None,
            Self::EventStoreDb => {
                let data = Some(dir.join(DOUBLE_FILE));
                let double = DoubleProcess::start_with(DoubleOptions { data, ..DoubleOptions::default() });
                config.log.engine = LogEngine::EventStoreDb;
                config.log.eventstore.connection = Some(double.connection());
                Some(double)
            }
        }
    }
}

/// Says that a test looks into files of one engine and is left out on the other; true where it is to run.
#[must_use]
#[expect(clippy::print_stderr, reason = "what did not run is said")]
pub fn on_sqlite(what: &str) -> bool {
    let runs = Engine::of_run() == Engine::Sqlite;
    if !runs {
        eprintln!("NOT RUN on eventstoredb, sqlite only: {what}");
    }
    runs
}

async fn make(dir: &Path, config: Config) {
    Box::pin(init::prepare(&DataDir::new(dir), &config, true, true)).await.unwrap();
}

async fn made_over_double(dir: &Path, config: &Config) -> DoubleProcess {
    std::fs::create_dir_all(dir).unwrap();
    let mut config = config.clone();
    let double = Engine::EventStoreDb.begin(dir, &mut config);
    make(dir, config).await;
    double.unwrap()
}

/// Every file of a folder that was prepared, after its double has ended.
async fn template() -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    drop(made_over_double(dir.path(), &crate::config()).await);
    let entries = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}
