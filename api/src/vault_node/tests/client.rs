//! A node of the API and its vault node.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use event_log::vault::contract::run_all;
use event_log::vault::keys::{KeyStore, KeyStoreError};
use event_log::vault::{OpenError, Opened, VaultError};
use tokio::net::TcpListener;

use super::kit::{MASTER, OTHER_MASTER, PATIENCE, Served, at, config, made, remote, subject, vault, wrapped};
use crate::config::VaultNodeConfig;
use crate::vault_node::wire::BODY_BYTES_MAX;

#[test]
fn keys_on_a_vault_node_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let store: Arc<dyn KeyStore> = Arc::new(remote(&served.url(), None, None));
    run_all("vault node", || Arc::clone(&store));
    served.stop();
}

#[test]
fn several_nodes_share_one_vault_and_a_destroyed_key_is_gone_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let node = |create| vault(remote(&served.url(), None, None), MASTER, create).unwrap();
    let (one, two) = (node(true), node(false));
    let sealed = one.seal(subject("a"), "name", "陈大文").unwrap();
    assert_eq!(two.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
    one.destroy(subject("a")).unwrap();
    two.refresh().unwrap();
    for vault in [&one, &two] {
        assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    }
    served.stop();
}

#[test]
fn only_the_master_key_that_is_registered_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let node = |master, create| vault(remote(&served.url(), None, None), master, create);
    let refused = node(MASTER, false);
    assert!(matches!(refused, Err(OpenError::Unregistered { .. })), "{refused:?}");
    node(MASTER, true).unwrap();
    node(MASTER, false).unwrap();
    for create in [false, true] {
        let refused = node(OTHER_MASTER, create);
        assert!(matches!(refused, Err(OpenError::WrongMasterKey { .. })), "{refused:?}");
    }
    served.stop();
}

#[test]
fn a_vault_node_that_is_down_is_unavailable_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let vault = vault(remote(&served.url(), None, None), MASTER, true).unwrap();
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    let addr = served.stop();

    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
    for refused in [
        vault.seal(subject("b"), "name", "李小明").map(drop),
        vault.open_sealed(subject("c"), "name", &sealed).map(drop),
        vault.destroy(subject("a")).map(drop),
    ] {
        assert!(matches!(&refused, Err(VaultError::Unavailable { .. })), "{refused:?}");
    }

    let served = Served::start(folder.path(), &VaultNodeConfig { listen: addr, ..config() });
    vault.seal(subject("b"), "name", "李小明").unwrap();
    vault.refresh().unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
    vault.destroy(subject("a")).unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
    served.stop();
}

#[test]
fn a_vault_may_be_called_from_any_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let url = served.url();
    let callers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Made, asked and dropped within a runtime that is not the vault's.
    callers.block_on(async move {
        let vault = vault(remote(&url, None, None), MASTER, true).unwrap();
        vault.seal(subject("a"), "name", "陈大文").unwrap();
    });
    served.stop();
}

#[test]
fn what_is_no_vault_node_is_told_from_one_that_is_away() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let serve = |router: Router| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        url
    };
    let long = "1".repeat(BODY_BYTES_MAX + 1);
    for (what, router) in [
        ("not JSON", Router::new().fallback(|| async { "<html>" })),
        ("another form", Router::new().fallback(|| async { r#"{"asOf":1}"# })),
        ("a page of a proxy", Router::new().fallback(|| async { (StatusCode::BAD_GATEWAY, "<html>") })),
        ("nothing there", Router::new()),
        ("too long", Router::new().fallback(move || async move { long })),
    ] {
        let error = remote(&serve(router), None, None).find(&[subject("a")]).unwrap_err();
        assert!(matches!(error, KeyStoreError::Protocol { .. }), "{what}: {error:?}");
    }
    let elsewhere = [("location", "http://127.0.0.1:9/")];
    let redirect = Router::new().fallback(move || async move { (StatusCode::TEMPORARY_REDIRECT, elsewhere) });
    let error = remote(&serve(redirect), None, None).insert_missing(&[made("a", 1)], at(0)).unwrap_err();
    assert!(matches!(error, KeyStoreError::Protocol { .. }), "keys go where they are sent: {error:?}");
    runtime.shutdown_timeout(PATIENCE);
}

#[test]
fn an_answer_to_fewer_questions_is_no_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = r#"{"asOf":{"run":"000000000000000000000000000000ab","number":7},"standbyInStep":false,"given":[]}"#;
    let router = Router::new().fallback(move || async move { answer });
    runtime.spawn(async move { axum::serve(listener, router).await });
    let keys = remote(&url, None, None);
    assert!(keys.find(&[]).unwrap().given.is_empty());
    let error = keys.find(&[subject("a")]).unwrap_err();
    assert!(matches!(error, KeyStoreError::Protocol { .. }), "{error:?}");
    runtime.shutdown_timeout(PATIENCE);
}

#[test]
fn who_made_a_key_is_told_which_one_stands() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &config());
    let (one, two) = (remote(&served.url(), None, None), remote(&served.url(), None, None));
    one.insert_missing(&[made("a", 1)], at(0)).unwrap();
    let standing = two.insert_missing(&[made("a", 2), made("b", 2)], at(1)).unwrap();
    assert_eq!(standing.given, [wrapped(1), wrapped(2)]);
    served.stop();
}
