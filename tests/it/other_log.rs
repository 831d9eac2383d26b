//! A node whose log was exchanged shows nothing of what it had built from the other one, and says why.
//!
//! It does so from its start on, and also when that befalls it while it serves: there the log lies on a protocol double
//! of EventStoreDB, whose file is replaced.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::auth::Role;
use api::commands::init;
use api::commands::serve::{Server, start};
use api::data_dir::DataDir;
use event_log::contract::fixture::ticking_stamp;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::sqlite::backup;
use serde_json::{Value, json};
use tests::double::DoubleProcess;
use tests::engine::{Engine, on_sqlite};
use tests::flows::{BUREAU, Flow, REGISTER, STATION, filing};
use tests::{TestServer, config, global};

/// Long enough for the slowest machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(50);
/// What a node says once it is certain that its log is another one.
const FOR_GOOD: &str = "when the right log is back, restart this node";

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

/// What the metrics of the admin port say of a bar.
async fn bars(admin_url: String) -> Vec<String> {
    let text = http().get(format!("{admin_url}/metrics")).send().await.unwrap().text().await.unwrap();
    text.lines().filter(|line| line.starts_with("baycase_barred")).map(str::to_owned).collect()
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
    let fault = answer["errors"][0]["extensions"]["fault"].as_str().unwrap();
    assert!(why.starts_with(fault), "{fault}: {why}");
    assert_eq!(bars(format!("http://{}", server.admin_addr)).await, [format!("baycase_barred{{code=\"{fault}\"}} 1")]);
    server.stop().await.unwrap();

    rebuild(data.root());
    let server = served(data.root()).await;
    assert_eq!(readiness(&server).await.0, 200);
    assert!(bars(format!("http://{}", server.admin_addr)).await.is_empty());
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

/// A server over the protocol double, with a folder of its own.
async fn over_double() -> TestServer {
    let dir = tempfile::tempdir().unwrap();
    Engine::EventStoreDb.prepare(dir.path(), &config()).await;
    Box::pin(TestServer::over_on(Engine::EventStoreDb, dir, config())).await
}

/// Puts another file under a double, which is away meanwhile.
fn put_under(double: &DoubleProcess, file: &[u8]) {
    double.kill();
    std::fs::write(double.data(), file).unwrap();
    double.restart();
}

/// Asks `/readyz` until its status is this one and its condition `log` has these words in it.
async fn log_told(server: &TestServer, status: u16, words: &str) {
    told(server, status, ("log", words)).await;
}

async fn told(server: &TestServer, status: u16, (condition, words): (&str, &str)) {
    let asking = async {
        loop {
            let answer = server.http().get(format!("{}/readyz", server.admin_url())).send().await.unwrap();
            let found = answer.status().as_u16();
            let report: Value = answer.json().await.unwrap();
            let told = report["conditions"][condition].as_str().unwrap();
            if found == status && told.contains(words) {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_late| panic!("not in time: {status} {condition} {words}"));
}

/// A command, a query, and whatever a partner and a reader of files ask for are refused with the code, and nothing is
/// appended.
async fn assert_barred(server: &TestServer, fault: &str) {
    told(server, 503, ("accepting", "nothing is served")).await;
    let token = server.token(&[Role::IntakeClerk, Role::Dispatcher], BUREAU);
    let before = server.double().unwrap().stats().events;
    let command = json!({"query": REGISTER, "variables": {"input": filing("BARRED-1", "要求退款")}});
    let query = json!({"query": "{ cases(first: 1) { totalCount } }"});
    let graphql = server.url();
    let partner = graphql.replace("/graphql", "/partner/graphql");
    for (url, body) in [(&graphql, &command), (&graphql, &query), (&partner, &query)] {
        let answer = server.http().post(url).bearer_auth(&token).json(body).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{url}");
        assert!(answer.headers().contains_key("retry-after"), "{url}");
        let answer: Value = answer.json().await.unwrap();
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["fault"]), (&json!("UNAVAILABLE"), &json!(fault)), "{url}");
        assert!(!answer["errors"][0]["message"].as_str().unwrap().is_empty(), "{answer:#}");
    }
    assert_eq!(server.double().unwrap().stats().events, before, "something was appended to the wrong log");
    assert_eq!(bars(server.admin_url()).await, [format!("baycase_barred{{code=\"{fault}\"}} 1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_bars_itself_when_its_log_is_restored_from_an_older_backup() {
    let server = over_double().await;
    let double = server.double().unwrap();
    double.kill();
    let older = std::fs::read(double.data()).unwrap();
    double.restart();
    log_told(&server, 200, "ok").await;
    Flow::filed(&server, "RESTORED-1").await;
    double.kill();
    let newer = std::fs::read(double.data()).unwrap();

    put_under(double, &older);
    // And not for long that it cannot be reached: what is told is what is the matter now.
    log_told(&server, 503, "CHECKPOINT_BEYOND_LOG; ").await;
    log_told(&server, 503, FOR_GOOD).await;
    assert_barred(&server, "CHECKPOINT_BEYOND_LOG").await;

    // What this process learned from the restored log is still in it, so it says that it has to be started again.
    put_under(double, &newer);
    assert_barred(&server, "CHECKPOINT_BEYOND_LOG").await;
    log_told(&server, 503, FOR_GOOD).await;
    let dir = server.stop().await;

    let server = Box::pin(TestServer::over_on(Engine::EventStoreDb, dir, config())).await;
    log_told(&server, 200, "ok").await;
    let clerk = server.token(&[Role::IntakeClerk, Role::Dispatcher], BUREAU);
    let data = server.data(&clerk, "{ cases(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(data["cases"]["totalCount"], 1);
    Flow::filed(&server, "RESTORED-2").await;
}

/// The file of a double with the log of another installation.
async fn file_of_a_stranger() -> Vec<u8> {
    let other = DoubleProcess::start();
    let options = EventStoreOptions { create: true, ..EventStoreOptions::new(other.connection(), ticking_stamp()) };
    let log = EventStoreLog::open(options).await.unwrap();
    log.close().await;
    other.kill();
    std::fs::read(other.data()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_bars_itself_beside_another_installation_and_serves_again_with_its_own() {
    let stranger = file_of_a_stranger().await;
    let server = over_double().await;
    let double = server.double().unwrap();
    let flow = Flow::filed(&server, "LED-ASTRAY-1").await;
    double.kill();
    let own = std::fs::read(double.data()).unwrap();
    // Until the old connection is let go: the next one is asked whose log it leads to, before anything else is.
    log_told(&server, 503, "LOG_").await;

    put_under(double, &stranger);
    log_told(&server, 503, "LOG_FOREIGN_INSTALLATION; ").await;
    assert_barred(&server, "LOG_FOREIGN_INSTALLATION").await;

    put_under(double, &own);
    log_told(&server, 200, "ok").await;
    flow.act(&flow.clerk, "dispatchCase", "DispatchCaseInput", json!({"to": STATION})).await;
    Flow::filed(&server, "LED-ASTRAY-2").await;
}
