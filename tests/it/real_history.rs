//! A real municipal log, imported: its numbers on three days, the lists behind them, and the same again.

use std::path::{Path, PathBuf};
use std::process::Command;

use api::auth::Role;
use serde_json::{Value, json};
use tests::TestServer;
use tests::engine::on_sqlite;

const PROGRAM: &str = env!("CARGO_BIN_EXE_baycase-under-test");

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn run(dir: &Path, args: &[&str]) -> (bool, String, String) {
    let output = Command::new(PROGRAM).args(args).arg("--data").arg(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The last line of an import: its summary.
fn import(dir: &Path, mapping: &Path, file: &Path) -> Value {
    let (success, out, err) = run(dir, &["import", "--mapping", mapping.to_str().unwrap(), file.to_str().unwrap()]);
    assert!(success, "{err}");
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (success, _, err) = run(dir.path(), &["init", "--create-master-key"]);
    assert!(success, "{err}");
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_municipal_log_gives_its_known_numbers() {
    if !on_sqlite("a log that `baycase import` fills by itself") {
        return;
    }
    let Some((_, folder)) = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_DATA") else {
        eprintln!("NOT RUN: BAYCASE_TEST_DATA is not set, so the real municipal log is not at hand");
        return;
    };
    let dir = prepared();
    let mapping = fixtures().join("receipt-mapping.toml");
    let file = PathBuf::from(folder).join("receipt.csv");
    let first = import(dir.path(), &mapping, &file);
    assert_eq!((&first["cases"], &first["rejected"]), (&json!(1434), &json!(0)), "{first}");
    let again = import(dir.path(), &mapping, &file);
    assert_eq!((&again["cases"], &again["events"]), (&json!(1434), &json!(0)), "{again}");
    let server = TestServer::over(dir).await;
    check(&server).await;
    // A rebuild gives the same.
    let dir = server.stop().await;
    let (success, out, err) = run(dir.path(), &["rebuild"]);
    assert!(success, "{out}{err}");
    let server = TestServer::over(dir).await;
    check(&server).await;
    let dir = server.stop().await;
    let (success, out, err) = run(dir.path(), &["verify"]);
    assert!(success, "{out}{err}");
}

async fn check(server: &TestServer) {
    let token = server.token(&[Role::Auditor], "gd");
    let query = "query($d: Date!) { provinceDashboard(asOf: $d) { open overdue closed closedLate } }";
    for (day, open, overdue, closed, late) in
        [("2010-12-31", 215, 19, 114, 17), ("2011-06-30", 228, 44, 711, 200), ("2012-01-31", 105, 46, 1_329, 377)]
    {
        let data = server.data(&token, query, json!({"d": day})).await;
        let expected = json!({"open": open, "overdue": overdue, "closed": closed, "closedLate": late});
        assert_eq!(data["provinceDashboard"], expected, "{day}");
        for (measure, number) in [("OPEN", open), ("OVERDUE", overdue), ("CLOSED", closed), ("CLOSED_LATE", late)] {
            assert_eq!(rows(server, &token, measure, day).await, number, "{measure} {day}");
        }
    }
    let query = "{ provinceDashboard(asOf: \"2011-06-30\") { byHandler(first: 3) { key open } } }";
    let expected = json!([
        {"key": "Resource11", "open": 45}, {"key": "Resource04", "open": 23}, {"key": "Resource12", "open": 21},
    ]);
    assert_eq!(server.data(&token, query, json!({})).await["provinceDashboard"]["byHandler"], expected);
}

/// Walks the list behind a number to its end and counts its rows.
async fn rows(server: &TestServer, token: &str, measure: &str, day: &str) -> i32 {
    let query = "query($m: MeasureName!, $d: Date!, $after: String) { cases(first: 200, after: $after, filter: \
                 {measure: $m, moment: {asOf: $d}}) { edges { node { number } } pageInfo { hasNextPage endCursor } } }";
    let mut numbers = std::collections::BTreeSet::new();
    let mut count = 0;
    let mut after = Value::Null;
    loop {
        let data = server.data(token, query, json!({"m": measure, "d": day, "after": after})).await;
        for edge in data["cases"]["edges"].as_array().unwrap() {
            numbers.insert(edge["node"]["number"].as_str().unwrap().to_owned());
            count += 1;
        }
        if data["cases"]["pageInfo"]["hasNextPage"] == json!(false) {
            assert_eq!(numbers.len(), usize::try_from(count).unwrap(), "no case twice");
            return count;
        }
        after = data["cases"]["pageInfo"]["endCursor"].clone();
    }
}

#[test]
fn a_small_history_of_our_own_imports_once() {
    if !on_sqlite("a log that `baycase import` fills by itself") {
        return;
    }
    let dir = prepared();
    let mapping = fixtures().join("import-small.toml");
    let first = import(dir.path(), &mapping, &fixtures().join("import-small.csv"));
    assert!(first["cases"].as_u64().unwrap() > 0 && first["events"].as_u64().unwrap() > 0, "{first}");
    assert_eq!(first["rejected"], json!(0));
    let again = import(dir.path(), &mapping, &fixtures().join("import-small.csv"));
    assert_eq!((&again["cases"], &again["events"]), (&first["cases"], &json!(0)));
}
