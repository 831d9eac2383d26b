//! Two times on every event: as it happened, and as it was known.

use api::auth::Role;
use chrono::Duration;
use domain::day::local_day;
use serde_json::json;
use tests::TestServer;
use tests::flows::{BUREAU, Flow, REGISTER, filing};

#[tokio::test(flavor = "multi_thread")]
async fn a_late_entry_shows_as_of_its_day_but_not_as_known_then() {
    let server = TestServer::new().await;
    let first = Flow::filed(&server, "TIME-1").await;
    let auditor = server.token(&[Role::Auditor], BUREAU);
    let viewer = server.token(&[Role::Viewer], "gd-440100");
    let info = server.data(&auditor, "{ serverInfo { readPosition today } }", json!({})).await;
    let before = info["serverInfo"]["readPosition"].clone();
    let yesterday = local_day(api::clock::now()) - Duration::days(1);
    let mut late = filing("TIME-2", "要求退款");
    late["at"] = json!((api::clock::now() - Duration::days(2)).to_rfc3339());
    let data = server.data(&first.clerk, REGISTER, json!({"input": late})).await;
    let query = "query($d: Date, $p: Position, $at: Position) { cityDashboard(city: \"440100\", asOf: $d, \
                 asKnownAtPosition: $p, atLeast: $at) { received open } }";
    let at = data["registerFiling"]["position"].clone();
    let now = server.data(&viewer, query, json!({"d": yesterday.to_string(), "at": at})).await;
    assert_eq!(now["cityDashboard"], json!({"received": 1, "open": 1}), "as of yesterday, as known now");
    let then = server.data(&viewer, query, json!({"d": yesterday.to_string(), "p": before})).await;
    assert_eq!(then["cityDashboard"], json!({"received": 0, "open": 0}), "as of yesterday, as known before");
    let today = server.data(&viewer, query, json!({"p": before})).await;
    assert_eq!(today["cityDashboard"], json!({"received": 1, "open": 1}), "as of today, as known before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_shown_as_it_was_known_at_a_position() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "TIME-3").await.accepted().await;
    let auditor = server.token(&[Role::Auditor], BUREAU);
    let query = "query($id: UUID!) { caseHistory(id: $id) { edges { node { position kind } } } }";
    let history = server.data(&auditor, query, json!({"id": flow.id})).await;
    let edges = history["caseHistory"]["edges"].as_array().unwrap();
    let dispatched = edges.iter().find(|edge| edge["node"]["kind"] == "complaint.dispatched").unwrap();
    let query = "query($id: UUID!, $p: Position) { case(id: $id, asKnownAtPosition: $p) { stage clocks { clock } } }";
    let data = server.data(&auditor, query, json!({"id": flow.id, "p": dispatched["node"]["position"]})).await;
    assert_eq!(data["case"], json!({"stage": "DISPATCHED", "clocks": []}));
    let data = server.data(&auditor, query, json!({"id": flow.id, "p": null})).await;
    assert_eq!(data["case"]["stage"], "ACCEPTED");
}
