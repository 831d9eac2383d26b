//! What a vault node takes, what it refuses, and what it tells.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_log::vault::keys::{KEYS_PER_CALL_MAX, WRAPPED_BYTES_MAX};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::kit::{config, standby_config, subject};
use crate::config::VaultNodeConfig;
use crate::shutdown::Shutdown;
use crate::vault_node::gate::Gate;
use crate::vault_node::server::{open, router};
use crate::vault_node::wire::{
    BODY_BYTES_MAX, DESTROY, DESTROYED_SINCE, FIND, INSERT_MISSING, MIRROR_CHECK_VALUE, MIRROR_MERGE, MIRROR_ROWS,
};

fn routes(folder: &Path, config: &VaultNodeConfig) -> Router {
    routes_behind(folder, config, Gate::ThisMachine)
}

fn routes_behind(folder: &Path, config: &VaultNodeConfig, gate: Gate) -> Router {
    router(open(&Shutdown::new(), &folder.join("vault.sqlite"), config, true).unwrap(), gate)
}

async fn ask(routes: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let request = Request::post(path).body(body.into()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn code(routes: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let (status, body) = ask(routes, path, body).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn key() -> String {
    STANDARD.encode([0x5a_u8; 60])
}

#[tokio::test]
async fn the_words_on_the_wire_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let routes = routes(folder.path(), &config());
    let id = subject("a").to_string();
    let insert = json!({ "at": 7, "keys": [{ "subject": id, "wrapped": key() }] });
    let (status, inserted) = ask(&routes, INSERT_MISSING, insert.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{inserted}");
    assert_eq!(inserted["given"], json!([{ "wrapped": key() }]));
    assert_eq!((&inserted["standbyInStep"], &inserted["asOf"]["number"]), (&json!(false), &json!(0)));
    let (_, destroyed) = ask(&routes, DESTROY, json!({ "subject": id, "at": 9 }).to_string()).await;
    assert_eq!(destroyed["given"], json!(9));
    let find = json!({ "subjects": [id, subject("b")] }).to_string();
    let (_, found) = ask(&routes, FIND, find).await;
    assert_eq!(found["given"], json!([{ "destroyedAt": 9 }, null]));
    let (_, news) = ask(&routes, DESTROYED_SINCE, json!({ "since": inserted["asOf"] }).to_string()).await;
    assert_eq!((&news["given"], &news["asOf"]), (&json!([id]), &destroyed["asOf"]));
    let (_, lost) = ask(&routes, DESTROYED_SINCE, json!({ "since": null }).to_string()).await;
    assert_eq!(lost["given"], Value::Null);
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let routes = routes(folder.path(), &config());
    let invalid = (StatusCode::BAD_REQUEST, "INVALID".to_owned());
    let subjects = |count: usize| json!({ "subjects": vec![subject("a"); count] }).to_string();
    assert_eq!(ask(&routes, FIND, subjects(KEYS_PER_CALL_MAX)).await.0, StatusCode::OK);
    assert_eq!(code(&routes, FIND, subjects(KEYS_PER_CALL_MAX + 1)).await, invalid);
    for body in ["", "{}", "not json", r#"{"subjects":[],"more":1}"#, r#"{"subjects":["x"]}"#] {
        assert_eq!(code(&routes, FIND, body).await, invalid, "{body}");
    }
    let spaces = |bytes: usize| format!("{}{}", r#"{"subjects":[]}"#, " ".repeat(bytes - 15));
    assert_eq!(ask(&routes, FIND, spaces(BODY_BYTES_MAX)).await.0, StatusCode::OK);
    assert_eq!(code(&routes, FIND, spaces(BODY_BYTES_MAX + 1)).await, invalid);
    let long = STANDARD.encode([7_u8; WRAPPED_BYTES_MAX + 1]);
    for wrapped in ["", "no base64!", long.as_str()] {
        let insert = json!({ "at": 7, "keys": [{ "subject": subject("a"), "wrapped": wrapped }] });
        assert_eq!(code(&routes, INSERT_MISSING, insert.to_string()).await, invalid, "{wrapped}");
    }
    let get = Request::get(FIND).body(Body::empty()).unwrap();
    assert_eq!(routes.clone().oneshot(get).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_primary_is_no_copy_and_a_standby_takes_no_keys_of_nodes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (primary, standby) = (routes(one.path(), &config()), routes(two.path(), &standby_config()));
    let merge = || json!({ "rows": [], "inStepWith": null }).to_string();
    assert_eq!(code(&primary, MIRROR_MERGE, merge()).await.1, "NOT_STANDBY");
    assert_eq!(code(&primary, MIRROR_ROWS, r#"{"after":null}"#).await.1, "NOT_STANDBY");
    assert_eq!(code(&standby, INSERT_MISSING, r#"{"at":7,"keys":[]}"#).await.1, "NOT_PRIMARY");
    let destroy = json!({ "subject": subject("a"), "at": 9 }).to_string();
    assert_eq!(code(&standby, DESTROY, destroy).await.1, "NOT_PRIMARY");
    assert_eq!(code(&standby, FIND, r#"{"subjects":[]}"#).await.1, "NOT_IN_STEP");
    assert_eq!(ask(&standby, MIRROR_MERGE, merge()).await.0, StatusCode::OK);
    assert_eq!(code(&standby, FIND, r#"{"subjects":[]}"#).await.1, "NOT_IN_STEP", "its primary must say so");
}

#[tokio::test]
async fn a_standby_tells_of_every_key_or_of_those_that_are_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let standby = routes(folder.path(), &standby_config());
    let dead = json!({ "subject": subject("a"), "createdAt": 7, "key": { "destroyedAt": 9 } });
    let live = json!({ "subject": subject("b"), "createdAt": 7, "key": { "wrapped": key() } });
    let merge = json!({ "rows": [dead, live], "inStepWith": null }).to_string();
    assert_eq!(ask(&standby, MIRROR_MERGE, merge).await.0, StatusCode::OK);
    let (_, all) = ask(&standby, MIRROR_ROWS, r#"{"after":null}"#).await;
    assert_eq!(all["given"].as_array().unwrap().len(), 2, "as a primary of an earlier release asks: {all}");
    let (_, destroyed) = ask(&standby, MIRROR_ROWS, r#"{"after":null,"destroyedOnly":true}"#).await;
    assert_eq!(destroyed["given"], json!([dead]));
}

#[tokio::test]
async fn whoever_is_not_known_gets_nothing_at_the_mirror_and_the_rest_as_ever() {
    for gate in [Gate::Closed, Gate::Named] {
        let folder = tempfile::tempdir().unwrap();
        let standby = routes_behind(folder.path(), &standby_config(), gate);
        let forbidden = (StatusCode::FORBIDDEN, "MIRROR_FORBIDDEN".to_owned());
        let row = json!({ "subject": subject("a"), "createdAt": 7, "key": { "wrapped": key() } });
        let merge = json!({ "rows": [row], "inStepWith": null }).to_string();
        assert_eq!(code(&standby, MIRROR_MERGE, merge).await, forbidden);
        assert_eq!(code(&standby, MIRROR_ROWS, r#"{"after":null}"#).await, forbidden);
        assert_eq!(code(&standby, MIRROR_CHECK_VALUE, r#"{"value":null}"#).await, forbidden);
        let (_, body) = ask(&standby, MIRROR_ROWS, "").await;
        let words = body["message"].as_str().unwrap();
        assert!(words.contains("`vault_node.mirror_clients`"), "it says what to set: {words}");
        assert_eq!(code(&standby, FIND, r#"{"subjects":[]}"#).await.1, "NOT_IN_STEP", "as ever");
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// Keeps what this thread logs for as long as the guard lives.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(log.with_writer(move || writer.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn keys_that_a_standby_destroys_at_its_primarys_word_are_counted_in_the_log_and_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let standby = routes(folder.path(), &standby_config());
    let kept = Kept::default();
    let listening = kept.listen();
    let dead = |which: &str| json!({ "subject": subject(which), "createdAt": 7, "key": { "destroyedAt": 9 } });
    let live = json!({ "subject": subject("c"), "createdAt": 7, "key": { "wrapped": key() } });
    let merge = json!({ "rows": [dead("a"), live, dead("b")], "inStepWith": null }).to_string();
    assert_eq!(ask(&standby, MIRROR_MERGE, merge.clone()).await.0, StatusCode::OK);
    let once = kept.text();
    assert!(once.contains("Destroyed 2 keys here") && once.contains("of 3 it has sent"), "{once}");
    ask(&standby, MIRROR_MERGE, merge).await;
    assert_eq!(kept.text().matches("Destroyed").count(), 1, "what was destroyed before is none");
    drop(listening);
    for which in ["a", "b", "c"] {
        assert!(!kept.text().contains(&subject(which).to_string()), "{which}");
    }
}

#[tokio::test]
async fn no_key_is_in_the_log_nor_in_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let routes = routes(folder.path(), &config());
    let kept = Kept::default();
    let listening = kept.listen();
    let insert = |subject: &str| json!({ "at": 7, "keys": [{ "subject": subject, "wrapped": key() }] }).to_string();
    ask(&routes, INSERT_MISSING, insert(&subject("a").to_string())).await;
    ask(&routes, FIND, json!({ "subjects": [subject("a")] }).to_string()).await;
    let (_, refused) = ask(&routes, INSERT_MISSING, insert("not a subject")).await;
    let (_, cut) = ask(&routes, INSERT_MISSING, insert(&subject("b").to_string()).replace("}]}", "")).await;
    ask(&routes, DESTROY, json!({ "subject": subject("a"), "at": 9 }).to_string()).await;
    drop(listening);
    let logged = kept.text();
    assert!(logged.contains("Destroyed the key") && logged.contains("Refused"), "{logged}");
    for text in [logged, refused.to_string(), cut.to_string()] {
        assert!(!text.contains(&key()) && !text.contains("5a5a") && !text.contains("90, 90"), "{text}");
    }
}
