//! The executable contract over the stores of this crate.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::Path;
use std::sync::Arc;

use event_log::contract::fixture::ticking_stamp;
use event_log::contract::run_all;
use event_log::memory::MemoryLog;
use event_log::port::EventLog;
use event_log::sqlite::{SqliteLog, SqliteOptions};

fn open(path: &Path) -> Arc<dyn EventLog> {
    let options = SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) };
    Arc::new(SqliteLog::open(path, options).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    run_all("memory", || async { Arc::new(MemoryLog::new(ticking_stamp())) as Arc<dyn EventLog> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    run_all("sqlite", || {
        number += 1;
        let log = open(&folder.path().join(format!("{number}.sqlite")));
        async move { log }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract_on_a_log_that_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log.sqlite"));
    run_all("sqlite, one log", || {
        let log = Arc::clone(&log);
        async move { log }
    })
    .await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract_on_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log.sqlite"));
    run_all("sqlite, one thread", || {
        let log = Arc::clone(&log);
        async move { log }
    })
    .await;
}
