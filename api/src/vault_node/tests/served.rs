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
use crate::vault_node::server::{open, router};
use crate::vault_node::wire::{
    BODY_BYTES_MAX, DESTROY, DESTROYED_SINCE, FIND, INSERT_MISSING, MIRROR_MERGE, MIRROR_ROWS,
};

fn routes(folder: &Path, config: &VaultNodeConfig) -> Router {
    router(open(&folder.join("vault.sqlite"), config, true).unwrap())
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

#[tokio::test]
async fn no_key_is_in_the_log_nor_in_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let routes = routes(folder.path(), &config());
    let kept = Kept::default();
    let writer = kept.clone();
    let log =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let listening = tracing::subscriber::set_default(log);
    let insert = |subject: &str| json!({ "at": 7, "keys": [{ "subject": subject, "wrapped": key() }] }).to_string();
    ask(&routes, INSERT_MISSING, insert(&subject("a").to_string())).await;
    ask(&routes, FIND, json!({ "subjects": [subject("a")] }).to_string()).await;
    let (_, refused) = ask(&routes, INSERT_MISSING, insert("not a subject")).await;
    let (_, cut) = ask(&routes, INSERT_MISSING, insert(&subject("b").to_string()).replace("}]}", "")).await;
    ask(&routes, DESTROY, json!({ "subject": subject("a"), "at": 9 }).to_string()).await;
    drop(listening);
    let logged = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("Destroyed the key") && logged.contains("Refused"), "{logged}");
    for text in [logged, refused.to_string(), cut.to_string()] {
        assert!(!text.contains(&key()) && !text.contains("5a5a") && !text.contains("90, 90"), "{text}");
    }
}
