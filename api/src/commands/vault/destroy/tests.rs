//! One key destroyed by hand, over a file and over a vault node.

use std::net::SocketAddr;
use std::path::Path;

use clap::Parser as _;
use clap::error::ErrorKind;
use domain::id::FilingId;
use event_log::vault::{MasterKey, Opened};
use tempfile::TempDir;

use super::*;
use crate::commands::vault::{VaultAction, start};
use crate::commands::{Cli, Command};

fn subject(which: &str) -> SubjectId {
    SubjectId::in_filing(FilingId::derived("destroy", which), "complainant")
}

fn args(which: &str) -> DestroyArgs {
    DestroyArgs { subject: subject(which), reason: None, yes: true }
}

fn global(data: &Path) -> Global {
    Global { data: data.to_owned(), config: None }
}

/// A data folder with a vault in a file.
fn folder() -> (TempDir, DataDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let (dir, config) = (DataDir::new(folder.path()), Config::default());
    MasterKey::generate_file(&dir.master_key_path()).unwrap();
    drop(dir.open_vault_with(&config, true).unwrap());
    (folder, dir, config)
}

fn parsed(words: &[&str]) -> Result<DestroyArgs, ErrorKind> {
    let cli = Cli::try_parse_from([&["baycase", "vault", "destroy"][..], words].concat());
    match cli.map_err(|error| error.kind())?.command {
        Command::Vault(args) => match args.action {
            Some(VaultAction::Destroy(args)) => Ok(args),
            None => panic!("it would serve"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_words_of_the_command_are_read_strictly() {
    let id = subject("a").to_string();
    let id = id.as_str();
    let read = parsed(&["--subject", id, "--reason", " restored vault ", "--yes", "--data", "/srv"]).unwrap();
    assert_eq!((read.subject, read.reason.as_deref(), read.yes), (subject("a"), Some("restored vault"), true));
    let read = parsed(&["--subject", id]).unwrap();
    assert_eq!((read.reason, read.yes), (None, false));
    assert_eq!(parsed(&["--yes"]).unwrap_err(), ErrorKind::MissingRequiredArgument);
    let long = "字".repeat(REASON_CHARS_MAX + 1);
    for wrong in [
        &["--subject", "somebody"][..],
        &["--subject", "00000000-0000-0000-0000-000000000000"][..],
        &["--subject", id, "--reason", " "][..],
        &["--subject", id, "--reason", "two\nlines"][..],
        &["--subject", id, "--reason", long.as_str()][..],
    ] {
        assert_eq!(parsed(wrong).unwrap_err(), ErrorKind::ValueValidation, "{wrong:?}");
    }
    let longest = "字".repeat(REASON_CHARS_MAX);
    assert!(parsed(&["--subject", id, "--reason", longest.as_str()]).is_ok());
}

#[test]
fn nothing_is_destroyed_unless_somebody_says_so() {
    let id = subject("a").to_string();
    let mut asked: Vec<u8> = Vec::new();
    let unasked = confirm(subject("a"), false, &mut id.as_bytes(), &mut asked).unwrap_err();
    assert!(matches!(unasked, DestroyError::Unconfirmed) && asked.is_empty(), "{unasked:?}");
    assert!(unasked.to_string().contains("--yes"), "{unasked}");
    let another = format!("{}\n", subject("b"));
    for wrong in ["", "\n", "yes\n", another.as_str()] {
        let other = confirm(subject("a"), true, &mut wrong.as_bytes(), &mut asked).unwrap_err();
        assert!(matches!(other, DestroyError::OtherSubject { .. }), "{wrong:?}: {other:?}");
    }
    let mut asked: Vec<u8> = Vec::new();
    confirm(subject("a"), true, &mut format!(" {id}\r\n").as_bytes(), &mut asked).unwrap();
    let asked = String::from_utf8(asked).unwrap();
    assert!(asked.contains(&id) && asked.contains("for good"), "{asked}");
}

#[test]
fn a_key_in_the_file_is_destroyed_once_and_the_first_time_is_told_ever_after() {
    let (folder, dir, config) = folder();
    let vault = dir.open_vault(&config).unwrap();
    let sealed = ["a", "b"].map(|which| vault.seal(subject(which), "name", "陈大文").unwrap());
    drop(vault);
    run(&global(folder.path()), &config, &args("a")).unwrap();

    let vault = dir.open_vault(&config).unwrap();
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed[0]).unwrap(), Opened::Erased);
    assert_eq!(vault.open_sealed(subject("b"), "name", &sealed[1]).unwrap(), Opened::Plain("陈大文".to_owned()));
    let first = vault.destroy(subject("a")).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true);
    let later = crate::clock::now() + chrono::TimeDelta::seconds(1);
    let told = destroy(&vault, &DestroyArgs { reason: Some("asked twice".to_owned()), ..args("a") }, later).unwrap();
    assert!(told.contains("before") && told.contains(&first) && told.ends_with("; reason: asked twice"), "{told}");
    let told = destroy(&vault, &args("b"), DateTime::UNIX_EPOCH).unwrap();
    assert!(told.starts_with(&format!("destroyed the key of subject {} at 2", subject("b"))), "{told}");
    // A mistyped id is no record of an erasure.
    let told = destroy(&vault, &args("nobody"), DateTime::UNIX_EPOCH).unwrap();
    assert!(told.starts_with("there was no key") && !told.contains("destroyed"), "{told}");
}

#[test]
fn a_file_that_a_server_has_open_is_left_alone() {
    let (folder, dir, config) = folder();
    let vault = dir.open_vault(&config).unwrap();
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    let refused = run(&global(folder.path()), &config, &args("a")).unwrap_err();
    let in_use = refused.downcast_ref::<DestroyError>();
    assert!(matches!(in_use, Some(DestroyError::InUse { path }) if *path == dir.vault_path()), "{refused:?}");
    assert!(refused.to_string().contains("running server"), "{refused}");
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
}

#[test]
fn without_a_vault_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::new(folder.path());
    MasterKey::generate_file(&dir.master_key_path()).unwrap();
    let refused = run(&global(folder.path()), &Config::default(), &args("a")).unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(OpenError::Missing { .. })), "{refused:?}");
    assert!(!dir.vault_path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_a_vault_node_is_destroyed_for_every_node() {
    let served = tempfile::tempdir().unwrap();
    let mut of_node = Config::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    (of_node.vault_node.listen, of_node.vault_node.admin_listen) = (any, any);
    let server = Box::pin(start(&global(served.path()), &of_node, true)).await.unwrap();

    let node = tempfile::tempdir().unwrap();
    let dir = DataDir::new(node.path());
    MasterKey::generate_file(&dir.master_key_path()).unwrap();
    let mut config = Config::default();
    config.vault.url = Some(format!("http://{}", server.addr));
    let data = node.path().to_owned();
    let stopped = tokio::task::spawn_blocking(move || {
        let vault = dir.open_vault_with(&config, true).unwrap();
        let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
        run(&global(&data), &config, &args("a")).unwrap();
        vault.refresh().unwrap();
        assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
        (data, config)
    });
    let (data, config) = stopped.await.unwrap();
    server.stop().await;
    let refused = tokio::task::spawn_blocking(move || run(&global(&data), &config, &args("a"))).await.unwrap();
    assert!(refused.unwrap_err().to_string().contains("could not be asked"), "and a node that is away is told of");
}
