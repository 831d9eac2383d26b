//! Rebuilt models take the place of others only when they say the same.

use std::path::Path;

use domain::envelope::Position;
use projections::ReadModels;
use rusqlite::Connection;

use super::*;

/// A data folder with the units of the province and no models.
async fn folder() -> (tempfile::TempDir, Option<Position>) {
    let folder = tempfile::tempdir().unwrap();
    let log = DataDir::new(folder.path()).open_log(&Config::default(), true).unwrap();
    crate::units::register(&log, &crate::units::of_divisions(), crate::clock::now()).await.unwrap();
    let head = log.reader().unwrap().head_blocking().unwrap();
    log.close();
    (folder, head)
}

async fn rebuild(folder: &Path, check: bool, force: bool) -> Result<(), Failure> {
    let global = Global { data: folder.to_owned(), config: None };
    run(&global, &Config::default(), &RebuildArgs { check, force, quiet: true }).await
}

fn position(folder: &Path) -> Option<Position> {
    let options = DataDir::new(folder).model_options(&Config::default(), None);
    ReadModels::open(options).unwrap().position()
}

/// Spoils one row of the models in use.
fn spoil(folder: &Path) {
    let models = Connection::open(DataDir::new(folder).models_path()).unwrap();
    models.execute("UPDATE unit SET name = 'spoilt' WHERE id = 'gd-440106'", []).unwrap();
}

#[tokio::test]
async fn models_are_built_where_there_are_none_and_are_the_same_again() {
    let (folder, head) = folder().await;
    rebuild(folder.path(), false, false).await.unwrap();
    assert_eq!(position(folder.path()), head);
    rebuild(folder.path(), true, false).await.unwrap();
    rebuild(folder.path(), false, false).await.unwrap();
    assert_eq!(position(folder.path()), head);
    assert!(!folder.path().join(FRESH_FILE).exists());
}

#[tokio::test]
async fn models_that_differ_are_told_and_replaced_only_by_force() {
    let (folder, _) = folder().await;
    rebuild(folder.path(), false, false).await.unwrap();
    spoil(folder.path());
    for check in [true, false] {
        let error = rebuild(folder.path(), check, false).await.unwrap_err().to_string();
        assert!(error.contains("in: units"), "{error}");
    }
    rebuild(folder.path(), false, true).await.unwrap();
    rebuild(folder.path(), true, false).await.unwrap();
}

#[tokio::test]
async fn a_running_server_is_not_disturbed() {
    let (folder, _) = folder().await;
    rebuild(folder.path(), false, false).await.unwrap();
    let log = DataDir::new(folder.path()).open_log(&Config::default(), false).unwrap();
    let error = rebuild(folder.path(), false, false).await.unwrap_err().to_string();
    assert!(error.contains("--check") && error.contains("log.sqlite.lock`"), "{error}");
    rebuild(folder.path(), true, false).await.unwrap();
    log.close();
}

#[tokio::test]
async fn there_must_be_something_to_compare_with() {
    let (folder, _) = folder().await;
    assert!(rebuild(folder.path(), true, false).await.unwrap_err().to_string().contains("no read models"));
}

#[tokio::test]
async fn models_of_another_log_are_told_as_that_and_replaced_only_by_force() {
    let (folder, _) = folder().await;
    let dir = DataDir::new(folder.path());
    rebuild(folder.path(), false, false).await.unwrap();
    let ours = Origin::read(&dir).unwrap().unwrap();
    // Of another installation, by the note.
    Origin { installation: uuid::Uuid::from_u128(7), ..ours }.write(&dir).unwrap();
    for check in [true, false] {
        let error = rebuild(folder.path(), check, false).await.unwrap_err().to_string();
        assert!(error.contains("were built from the log of") && error.contains("rebuild --force"), "{error}");
    }
    rebuild(folder.path(), false, true).await.unwrap();
    rebuild(folder.path(), true, false).await.unwrap();
    // Without a note, by where they stand: this log has nothing in it.
    std::fs::remove_file(dir.origin_path()).unwrap();
    for file in ["log.sqlite", "log.sqlite-wal", "log.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    dir.open_log(&Config::default(), true).unwrap().close();
    let error = rebuild(folder.path(), true, false).await.unwrap_err().to_string();
    assert!(error.contains("the log ends at 0") && error.contains("rebuild --force"), "{error}");
    assert!(!folder.path().join(FRESH_FILE).exists(), "nothing was built to find that out");
}

#[tokio::test]
async fn garbage_instead_of_the_models_or_the_index_is_named_and_built_anew_by_force() {
    let (folder, head) = folder().await;
    let (dir, config) = (DataDir::new(folder.path()), Config::default());
    rebuild(folder.path(), false, false).await.unwrap();
    for name in ["read-models.sqlite", "read-models-search.sqlite", "referrals.sqlite"] {
        std::fs::write(folder.path().join(name), "no database at all ".repeat(1_000)).unwrap();
        let log = dir.open(&config, false).await.unwrap();
        let models = dir.open_models(&config, None, &log).map(drop);
        let refused = models.and_then(|()| dir.open_index(&config).map(drop)).unwrap_err().to_string();
        log.close().await;
        assert!(refused.contains(&format!("{name}`")) && refused.contains("`baycase rebuild --force`"), "{refused}");
        rebuild(folder.path(), false, true).await.unwrap();
        assert_eq!(position(folder.path()), head);
        dir.open_index(&config).unwrap();
    }
}

#[tokio::test]
async fn models_of_another_version_are_told_with_what_replaces_them() {
    let (folder, head) = folder().await;
    rebuild(folder.path(), false, false).await.unwrap();
    let models = Connection::open(DataDir::new(folder.path()).models_path()).unwrap();
    models.pragma_update(None, "user_version", i64::from(projections::VERSION) + 1).unwrap();
    drop(models);
    let error = rebuild(folder.path(), true, false).await.unwrap_err().to_string();
    assert!(error.contains("are of version") && error.contains("without --check"), "{error}");
    rebuild(folder.path(), false, false).await.unwrap();
    assert_eq!(position(folder.path()), head);
}
