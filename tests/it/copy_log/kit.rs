//! A log to copy, a double to copy it into, and what stands in files afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use api::commands::init;
use api::data_dir::DataDir;
use api::generator::{Generator, Plan, write};
use api::units;
use event_log::digest::{LogDigest, hex};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::double::{DoubleOptions, DoubleProcess};
use tokio::process::Child;

const PROGRAM: &str = env!("CARGO_BIN_EXE_baycase-under-test");
const CASES: u64 = 60;
/// Units of a small log; a larger one has all of the province.
const UNITS: usize = 60;
const CASES_LARGE: u64 = 5_000;
/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(3);
const PATIENCE: Duration = Duration::from_secs(60);

fn variable(name: &str) -> Option<String> {
    std::env::vars().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// How many cases are copied.
pub(super) fn cases() -> u64 {
    variable("BAYCASE_TEST_COPY_CASES").map_or(CASES, |cases| cases.parse().unwrap())
}

/// A small generator with a seed that is printed: splitmix64.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of_environment() -> Self {
        let seed = variable("BAYCASE_TEST_SEED").map_or(0x00ba_9ca5, |seed| seed.parse().unwrap());
        println!("BAYCASE_TEST_SEED={seed}");
        Self(seed)
    }

    /// A length of time up to the one given.
    pub(super) fn below(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_micros((z ^ (z >> 31)) % u64::try_from(most.as_micros()).unwrap().max(1))
    }
}

/// A data folder with a log, an empty cluster, and a folder for what comes back.
pub(super) struct World {
    pub(super) source: Source,
    pub(super) double: DoubleProcess,
    pub(super) elsewhere: TempDir,
    target: String,
}

/// A data folder of this world, or of another.
pub(super) enum Source {
    Own(TempDir),
    Borrowed(PathBuf),
}

impl Source {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Borrowed(path) => path,
        }
    }
}

impl World {
    /// A world whose log holds so many cases.
    pub(super) async fn new(cases: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), cases).await;
        Self::of(Source::Own(folder))
    }

    /// Another cluster for the same log.
    pub(super) fn over(source: &Path) -> Self {
        Self::of(Source::Borrowed(source.to_owned()))
    }

    fn of(source: Source) -> Self {
        let double = DoubleProcess::start_with(DoubleOptions::default());
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("copy").to_str().unwrap().to_owned();
        let world = Self { source, double, elsewhere, target };
        let connection = world.double.connection();
        let text = format!("[log.eventstore]\nconnection = \"{connection}\"\ntimeout_ms = 3000\n");
        std::fs::write(world.config(), text).unwrap();
        world
    }

    /// The configuration that names the cluster.
    pub(super) fn config(&self) -> PathBuf {
        self.elsewhere.path().join("cluster.toml")
    }

    /// The log that is copied.
    pub(super) fn file(&self) -> PathBuf {
        DataDir::new(self.source.path()).log_path()
    }

    /// The folder for what comes back.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// The log that came back.
    pub(super) fn copy(&self) -> PathBuf {
        Path::new(&self.target).join("log.sqlite")
    }

    fn command(&self, data: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--config").arg(self.config()).arg("--data").arg(data);
        command
    }

    /// Runs the program on a data folder.
    pub(super) fn run(&self, data: impl AsRef<Path>, args: &[&str]) -> Output {
        self.command(data.as_ref(), args).output().unwrap()
    }

    /// Runs `copy-log`, which must succeed, and gives what it tells.
    pub(super) fn copied(&self, args: &[&str]) -> Value {
        let output = self.run(self.source.path(), &[&["copy-log"][..], args, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs `copy-log`, which must be refused, and gives what it says.
    pub(super) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(self.source.path(), &[&["copy-log"][..], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
        assert!(said.contains("error: "), "{args:?}: {said}");
        said
    }

    /// Starts `copy-log`.
    pub(super) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(self.source.path(), &[&["copy-log"][..], args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap()
    }

    /// Starts `copy-log` and kills it after a while; whether it had not ended by itself.
    pub(super) async fn killed(&self, args: &[&str], after: Duration) -> bool {
        let mut child = self.start(args);
        if tokio::time::timeout(after, child.wait()).await.is_ok() {
            return false;
        }
        child.kill().await.unwrap();
        true
    }

    /// Whether the copy into the cluster was finished.
    pub(super) fn is_finished(&self) -> bool {
        self.double.read("baycase.installation").iter().any(|event| event.kind == "baycase.copied")
    }

    /// Waits until `copy-log` has first said how far it came: the commands are listed, and no event was copied.
    pub(super) async fn until_listed(&self) {
        let checkpoint = self.source.path().join("copy-log.json");
        let waiting = async {
            while !checkpoint.exists() {
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
    }

    /// Waits until the double has taken so many appends.
    pub(super) async fn until_appends(&self, appends: u64) {
        let waiting = async {
            while self.double.stats().appends < appends {
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
    }
}

/// Makes a log as `demo` does.
async fn fill(folder: &Path, cases: u64) {
    let (dir, config) = (DataDir::new(folder), tests::config());
    let days = u32::try_from(cases / 11_400).unwrap().clamp(6, 2_000);
    let until = "2026-05-31".parse().unwrap();
    let plan = Plan { cases, days, until, seed: 42, facts: true, personal: true };
    Box::pin(init::prepare(&dir, &config, true, false)).await.unwrap();
    let starts_at = plan.starts_at();
    let log = dir.open_log_for_bulk(&config, Arc::new(move || starts_at)).unwrap();
    let mut of_province = units::of_divisions();
    if cases < CASES_LARGE {
        of_province.truncate(UNITS);
    }
    units::register(&log, &of_province, starts_at).await.unwrap();
    let generator = Generator::new(plan, Box::new(dir.open_vault(&config).unwrap())).unwrap();
    write(&log, generator, |_| {}).await.unwrap();
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

type Row = (String, i64, Vec<u8>, String, i64, i64, i64, Vec<u8>, String, String);

/// Every event of a file, by stream: all but its position.
pub(super) fn rows_of(path: &Path) -> Vec<Row> {
    let conn = open(path);
    let mut rows = conn
        .prepare(
            "SELECT s.name, e.revision, e.id, k.name, e.schema, e.occurred_at, e.recorded_at, e.digest, e.metadata, \
             e.payload FROM event e JOIN stream s ON s.key = e.stream JOIN kind k ON k.key = e.kind \
             ORDER BY s.name, e.revision",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| Row::try_from(row);
    rows.query_map([], row).unwrap().map(Result::unwrap).collect()
}

type Listed = (Vec<u8>, Vec<u8>, String, u64, u64);

/// The list of commands of a file: all but their positions.
pub(super) fn commands_of(path: &Path) -> Vec<Listed> {
    let conn = open(path);
    let mut rows = conn
        .prepare(
            "SELECT c.id, c.digest, s.name, c.first_revision, c.count FROM command c JOIN stream s ON s.key = c.stream \
             ORDER BY c.id",
        )
        .unwrap();
    let number = |row: &rusqlite::Row<'_>, index: usize| u64::try_from(row.get::<_, i64>(index).unwrap()).unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, number(row, 3), number(row, 4))))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// What the file of digests must say, worked out from the digests that stand in the file of the log.
pub(super) fn digests_of(path: &Path) -> Vec<Value> {
    let mut lines: Vec<(String, LogDigest)> = Vec::new();
    for (stream, _, _, _, _, _, _, digest, _, _) in rows_of(path) {
        if lines.last().is_none_or(|(last, _)| *last != stream) {
            lines.push((stream, LogDigest::new()));
        }
        lines.last_mut().unwrap().1.push(&digest.try_into().unwrap());
    }
    let line = |(stream, digest): &(String, LogDigest)| json!({"stream": stream, "events": digest.events(), "digest": hex(&digest.value())});
    lines.iter().map(line).collect()
}
