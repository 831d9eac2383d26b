//! While nodes are brought to a newer version one by one, the older ones meet what only the newer one knows.

use api::auth::Role;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{Metadata, NewEvent};
use domain::id::{CommandId, ComplaintId, UnitId};
use event_log::digest::command_digest;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::port::{Append, CommandRef, EventLog as _, Expected};
use serde_json::{Value, json};
use tests::TestServer;
use tests::double::DoubleProcess;
use tests::engine::Engine;
use tests::flows::{BUREAU, Flow, REGISTER, filing};
use tokio::time::sleep;

/// How often a condition is looked at that nothing announces.
const CITY: &str = "{ cityDashboard(city: \"440100\") { received } }";
const AGAIN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes what a newer program would: an event of a kind that this one does not know.
async fn write_newer(double: &DoubleProcess, complaint: ComplaintId) {
    let options = EventStoreOptions::new(double.connection(), Arc::new(api::clock::now));
    let log = Box::pin(EventStoreLog::open(options)).await.unwrap();
    let stream = complaint.stream();
    let last = log.read_stream(&stream, None, 100).await.unwrap().last().unwrap().revision;
    let command = CommandId::derived(&["newer", stream.as_str()]);
    let meta = Metadata {
        actor: "newer".into(),
        unit: UnitId::parse(BUREAU).unwrap(),
        on_behalf_of: None,
        command,
        causation: None,
        correlation: None,
        traceparent: None,
    };
    let event = NewEvent {
        id: command.event(&stream, 0),
        kind: "complaint.beamed-up",
        schema: 1,
        occurred_at: api::clock::now(),
        metadata: serde_json::to_string(&meta).unwrap().into(),
        payload: "{}".into(),
    };
    let command = CommandRef { id: command, digest: command_digest(b"newer") };
    log.append(Append { stream, expected: Expected::At(last), command, events: vec![event] }).await.unwrap();
    log.close().await;
}

/// What `/readyz` says, once the node is not ready.
async fn unready(server: &TestServer) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = server.http().get(format!("{}/readyz", server.admin_url())).send().await.unwrap();
        if answer.status().as_u16() == 503 {
            return answer.json().await.unwrap();
        }
        assert!(Instant::now() < until, "the node is still ready");
        sleep(AGAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_before_what_only_a_newer_program_knows_and_skips_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = tests::config();
    Engine::EventStoreDb.prepare(dir.path(), &config).await;
    let server = Box::pin(TestServer::over_on(Engine::EventStoreDb, dir, config)).await;
    let flow = Flow::filed(&server, "NEWER-1").await.received().await;
    write_newer(server.double().unwrap(), ComplaintId::parse(&flow.id).unwrap()).await;

    let told = unready(&server).await;
    let why = told["conditions"]["projections"].as_str().unwrap();
    assert!(why.starts_with("halted at position "), "{told:#}");
    // What it showed before it still shows.
    let viewer = server.token(&[Role::Viewer], "gd-440100");
    let shown = server.data(&viewer, CITY, json!({})).await;
    assert_eq!(shown["cityDashboard"]["received"], json!(1), "{shown:#}");
    // On what it cannot read it decides nothing; a node of the newer version will.
    let note = json!({"kind": "CALL", "text": "联系商家。"});
    let station = flow.station.clone();
    let refused = flow.try_act(&station, "noteWork", "NoteWorkInput", note).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{refused:#}");
    // Everything else is decided on the log as before; it is shown by those who read on.
    let input = filing("NEWER-2", "要求退款。");
    let filed = server.data(&flow.clerk, REGISTER, json!({"input": input})).await;
    let position = &filed["registerFiling"]["position"];
    let query = "query($at: Position) { cases(atLeast: $at) { totalCount } }";
    assert_eq!(server.code(&flow.clerk, query, json!({"at": position})).await, "NOT_YET");
    server.stop().await;
}
