//! What holds for the log of either engine.

use std::ops::ControlFlow;

use domain::envelope::Revision;
use event_log::contract::fixture::{Scene, ticking_stamp};
use event_log::memory::MemoryLog;
use event_log::port::Expected;
use event_log::sqlite::SqliteOptions;

use super::*;

fn sqlite(folder: &Path) -> OpenedLog {
    let options = SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) };
    OpenedLog::Sqlite(Arc::new(SqliteLog::open(&folder.join("log.sqlite"), options).unwrap()))
}

fn cluster() -> Config {
    let mut config = Config::default();
    config.log.engine = LogEngine::EventStoreDb;
    config.log.eventstore.connection = Some("esdb://127.0.0.1:2113".to_owned());
    config
}

/// Appends on streams of their own, the second of them refused.
fn appends(scene: &Scene, count: usize) -> Vec<Append> {
    let mut appends: Vec<Append> = (0..count)
        .map(|number| scene.append(&format!("s{number}"), Expected::NoStream, &format!("c{number}"), &["{}"]))
        .collect();
    appends[1].expected = Expected::At(Revision::new(7));
    appends
}

#[tokio::test]
async fn many_appends_are_answered_in_order_and_a_refused_one_holds_back_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let opened = sqlite(folder.path());
    let memory = MemoryLog::new(ticking_stamp());
    let count = APPENDS_AT_ONCE + 3;
    let scene = Scene::new(&memory, "many").await;
    let of_file = opened.append_many(appends(&scene, count)).await.unwrap();
    let of_port = in_waves(&memory, appends(&scene, count)).await;
    for answers in [of_file, of_port] {
        assert_eq!(answers.len(), count);
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.is_err(), number == 1, "{number}");
            match answer {
                Ok(appended) => assert_eq!(appended.stream, scene.stream(&format!("s{number}"))),
                Err(error) => assert!(matches!(error, AppendError::Conflict { .. }), "{error}"),
            }
        }
    }
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_readers_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let opened = sqlite(folder.path());
    let scene = Scene::new(opened.port().as_ref(), "read").await;
    opened.append_many(appends(&scene, 5)).await.unwrap();
    let mut readers =
        [opened.reader().unwrap(), AnyReader::Port(BlockingReader::new(opened.port(), Handle::current()))];
    tokio::task::spawn_blocking(move || {
        let [one, two] = readers.each_mut().map(|reader| {
            let mut seen = Vec::new();
            let given = reader.scan(None, u64::MAX, &mut |event| {
                seen.push(event);
                ControlFlow::Continue(())
            });
            let stream = reader.read_stream_blocking(&scene.stream("s0"), None, 9).unwrap();
            (given.unwrap(), seen, stream, reader.head_blocking().unwrap(), reader.read_all_blocking(None, 2).unwrap())
        });
        assert_eq!(one, two);
        assert_eq!(one.0, 4);
    })
    .await
    .unwrap();
    opened.close().await;
}

#[tokio::test]
async fn a_file_is_of_one_process_which_holds_every_lease() {
    let folder = tempfile::tempdir().unwrap();
    let opened = sqlite(folder.path());
    assert!(opened.nonces().is_none());
    assert_eq!(opened.engine(), LogEngine::Sqlite);
    let lease = event_log::lease::LeaseName::parse(crate::leases::PROCESS_MANAGER).unwrap();
    assert_eq!(opened.leases().read(&lease).await.unwrap(), None);
    opened.close().await;
    assert!(matches!(opened.port().head().await, Err(ReadError::Closed)));
}

#[test]
fn a_folder_has_one_process_that_writes_its_models() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made when needed");
    let held = FolderLock::take(&path).unwrap();
    let refused = FolderLock::take(&path).unwrap_err();
    assert!(is_in_use(&refused) && refused.to_string().contains("--data"), "{refused}");
    drop(held);
    FolderLock::take(&path).unwrap();
    assert!(!is_in_use(&"something else".into()));
}

#[test]
fn the_password_stands_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let mut config = cluster();
    let options = |config: &Config| eventstore_options(config, ticking_stamp());
    assert_eq!(options(&config).unwrap().user, None);

    config.log.eventstore.user = Some("baycase".to_owned());
    let missing = options(&config).err().unwrap().to_string();
    assert!(missing.contains("BAYCASE_EVENTSTORE_PASSWORD"), "{missing}");
    config.log.eventstore.password_file = Some(file.clone());
    let unreadable = options(&config).err().unwrap().to_string();
    assert!(unreadable.contains("cannot be read"), "{unreadable}");
    fs::write(&file, "\n").unwrap();
    assert!(options(&config).err().unwrap().to_string().contains("is empty"));
    fs::write(&file, "change it\r\n").unwrap();
    let user = options(&config).unwrap().user;
    assert_eq!(user, Some(("baycase".to_owned(), "change it".to_owned())));

    let none = options(&Config::default()).err().unwrap().to_string();
    assert!(none.contains("log.eventstore.connection"), "{none}");
}

#[test]
fn the_settings_reach_the_store() {
    let mut config = cluster();
    let settings = &mut config.log.eventstore;
    settings.timeout_ms = 3_000;
    settings.installation = Some(Uuid::from_u128(7));
    settings.client_cert_file = Some("c.pem".into());
    settings.client_key_file = Some("k.pem".into());
    let options = eventstore_options(&config, ticking_stamp()).unwrap();
    assert_eq!(options.attempt_timeout.as_secs(), 1);
    assert_eq!(options.total_timeout.as_secs(), 3);
    assert_eq!(options.installation, Some(Uuid::from_u128(7)));
    assert_eq!(options.client_cert, Some(("c.pem".into(), "k.pem".into())));
    assert!(!options.create && !options.for_copy);
}

#[test]
fn what_needs_a_file_says_what_to_do_instead() {
    needs_file(&Config::default(), "demo", "x").unwrap();
    let refused = needs_file(&cluster(), "demo", "set log.engine to sqlite").unwrap_err().to_string();
    assert!(refused.contains("`baycase demo`") && refused.ends_with("set log.engine to sqlite"), "{refused}");
}
