//! A node whose log was exchanged shows nothing of what it had built from the other one, and says why.

use std::path::Path;
use std::process::Command;

use api::commands::init;
use api::commands::serve::{Server, start};
use api::data_dir::DataDir;
use event_log::sqlite::backup;
use serde_json::{Value, json};
use tests::engine::on_sqlite;
use tests::{config, global};

/// Makes log and vault in a folder, and its units where they are asked for.
async fn made(dir: &Path, with_units: bool) -> DataDir {
    let data = DataDir::new(dir);
    Box::pin(init::prepare(&data, &config(), true, with_units)).await.unwrap();
    data
}

async fn served(dir: &Path) -> Server {
    Box::pin(start(&global(dir), config(), true)).await.unwrap()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// What `/readyz` of the admin port answers.
async fn readiness(server: &Server) -> (u16, Value) {
    let answer = http().get(format!("http://{}/readyz", server.admin_addr)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Puts another log in the place of a folder's own.
fn exchange(data: &DataDir, with: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut companion = data.log_path().into_os_string();
        companion.push(suffix);
        let _ = std::fs::remove_file(companion);
    }
    std::fs::copy(with, data.log_path()).unwrap();
}

fn rebuild(dir: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baycase-under-test"));
    let done = command.args(["rebuild", "--force", "--quiet", "--data"]).arg(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Every request is refused with what to do, and nothing in the folder is touched; after it was done all is well.
async fn assert_nothing_is_shown(data: &DataDir, words: &str) {
    let server = served(data.root()).await;
    let (status, told) = readiness(&server).await;
    assert_eq!((status, &told["ready"]), (503, &json!(false)), "{told:#}");
    let why = told["conditions"]["projections"].as_str().unwrap();
    assert!(why.contains(words) && why.contains("rebuild --force"), "{why}");
    let url = format!("http://{}/graphql", server.addr);
    let asked = http().post(&url).json(&json!({"query": "{ serverInfo { version } }"})).send();
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    server.stop().await.unwrap();

    rebuild(data.root());
    let server = served(data.root()).await;
    assert_eq!(readiness(&server).await.0, 200);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_restored_from_an_older_backup_is_not_shown_with_newer_read_models() {
    if !on_sqlite("files of logs are exchanged") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = made(dir.path(), false).await;
    let older = dir.path().join("older.sqlite");
    backup(&data.log_path(), &older).unwrap();
    made(dir.path(), true).await;
    let server = served(dir.path()).await;
    assert_eq!(readiness(&server).await.0, 200);
    server.stop().await.unwrap();
    exchange(&data, &older);
    assert_nothing_is_shown(&data, "older backup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_another_installation_is_not_shown_with_our_read_models() {
    if !on_sqlite("files of logs are exchanged") {
        return;
    }
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, stranger) = (made(dir.path(), true).await, made(other.path(), true).await);
    let server = served(dir.path()).await;
    assert_eq!(readiness(&server).await.0, 200);
    server.stop().await.unwrap();
    let copy = other.path().join("copy.sqlite");
    backup(&stranger.log_path(), &copy).unwrap();
    exchange(&data, &copy);
    assert_nothing_is_shown(&data, "another log").await;
}
