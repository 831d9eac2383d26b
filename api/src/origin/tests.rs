//! Read models are shown beside the log that they were built from, and beside no other.

use std::sync::Arc;

use cross_border::index::IndexOptions;
use event_log::contract::fixture::{Scene, ticking_stamp};
use event_log::memory::MemoryLog;
use event_log::port::{Append, Expected};
use event_log::sqlite::{SqliteLog, SqliteOptions};
use projections::{NoFacts, ReadModelOptions};
use tempfile::TempDir;

use super::*;

/// A folder with read models and an index that nothing stands in.
struct House {
    folder: TempDir,
    models: ReadModels,
    index: ReferralIndex,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let models = ReadModels::open(ReadModelOptions {
            path: folder.path().join("m.sqlite"),
            cache_kib: 1_024,
            readers: 1,
            facts: Arc::new(NoFacts),
        });
        let index = ReferralIndex::open(IndexOptions::new(folder.path().join("r.sqlite")));
        Self { models: models.unwrap(), index: index.unwrap(), folder }
    }

    fn dir(&self) -> DataDir {
        DataDir::new(self.folder.path())
    }

    /// A log in a file of its own, of a new installation.
    fn log(&self, name: &str) -> OpenedLog {
        let options = SqliteOptions { create: true, ..SqliteOptions::new(ticking_stamp()) };
        OpenedLog::Sqlite(Arc::new(SqliteLog::open(&self.folder.path().join(name), options).unwrap()))
    }

    async fn take_in(&self, log: &dyn EventLog) {
        let page = log.read_all(self.models.position(), 1_000).await.unwrap();
        self.models.apply(&page.events).unwrap();
    }

    async fn check(&self, log: &OpenedLog) -> Result<(), Estranged> {
        check(&self.dir(), log, &self.models, &self.index).await.unwrap()
    }

    async fn still_holds(&self, log: &dyn EventLog) -> Result<(), Estranged> {
        still_holds(log, &self.models, &self.index).await.unwrap()
    }
}

/// Events of a life that the read models pass by, one stream for each payload.
async fn fill(log: &dyn EventLog, payloads: &[&str]) {
    let scene = Scene::new(log, "origin").await;
    for payload in payloads.iter().copied() {
        let append = scene.append(payload, Expected::NoStream, payload, &[payload]);
        let stream = StreamId::parse(&format!("subject-{}", append.stream.name())).unwrap();
        log.append(Append { stream, ..append }).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_remembers_the_log_it_was_built_from() {
    let house = House::new();
    let (first, second) = (house.log("one.sqlite"), house.log("two.sqlite"));
    assert_eq!(Origin::read(&house.dir()).unwrap(), None);
    house.check(&first).await.unwrap();
    assert_eq!(Origin::read(&house.dir()).unwrap(), Some(Origin::of(&first)));
    // Nothing stands in them yet, so they may become another's.
    house.check(&second).await.unwrap();
    house.check(&first).await.unwrap();

    fill(first.port().as_ref(), &["a", "b"]).await;
    fill(second.port().as_ref(), &["a", "b", "c"]).await;
    house.take_in(first.port().as_ref()).await;
    house.check(&first).await.unwrap();
    let estranged = house.check(&second).await.unwrap_err();
    assert!(matches!(&estranged, Estranged::OtherLog { built_from, .. } if *built_from == Origin::of(&first)));
    assert!(estranged.to_string().contains("rebuild --force") && estranged.short().contains("rebuild --force"));
    assert_eq!(Origin::read(&house.dir()).unwrap(), Some(Origin::of(&first)), "refusing changes nothing");
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_noticed() {
    let house = House::new();
    let (whole, restored) = (MemoryLog::new(ticking_stamp()), MemoryLog::new(ticking_stamp()));
    fill(&whole, &["a", "b", "c"]).await;
    fill(&restored, &["a", "b"]).await;
    house.take_in(&whole).await;
    house.still_holds(&whole).await.unwrap();
    let estranged = house.still_holds(&restored).await.unwrap_err();
    assert!(matches!(estranged, Estranged::BeyondEnd { head: 2, .. }), "{estranged}");

    // It goes on, and is as long as it was, and longer.
    for payload in ["x", "y"] {
        fill(&restored, &[payload]).await;
        let estranged = house.still_holds(&restored).await.unwrap_err();
        assert!(matches!(&estranged, Estranged::Gone { position, .. } if position.get() == 3), "{estranged}");
    }
}

#[tokio::test]
async fn an_index_ahead_of_the_log_is_noticed_too() {
    let house = House::new();
    let log = house.log("log.sqlite");
    fill(log.port().as_ref(), &["a"]).await;
    house.index.catch_up(&mut log.reader().unwrap()).unwrap();
    house.check(&log).await.unwrap();
    let empty = MemoryLog::new(ticking_stamp());
    let estranged = house.still_holds(&empty).await.unwrap_err();
    assert!(matches!(estranged, Estranged::BeyondEnd { head: 0, .. }), "{estranged}");
}

#[test]
fn models_without_a_note_are_of_the_file_beside_them() {
    let installation = Uuid::from_u128(1);
    let of = |engine| Origin { engine, installation };
    let (file, cluster) = (of(LogEngine::Sqlite), of(LogEngine::EventStoreDb));
    let folder = Path::new("data");
    assert!(is_of(folder, None, file, false).is_ok());
    assert!(matches!(is_of(folder, None, cluster, false), Err(Estranged::Unknown { .. })));
    // A copy has the installation of its source, and other positions.
    assert!(matches!(is_of(folder, Some(file), cluster, false), Err(Estranged::OtherLog { .. })));
    assert!(is_of(folder, Some(file), cluster, true).is_ok());
}

#[test]
fn a_note_that_is_none_says_what_to_do() {
    let house = House::new();
    fs::write(house.dir().origin_path(), b"{").unwrap();
    let error = Origin::read(&house.dir()).unwrap_err().to_string();
    assert!(error.contains("rebuild --force"), "{error}");
}
