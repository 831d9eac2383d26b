//! How far the process manager came goes along with a log, and only where it has a meaning in the copy.

use std::path::Path;

use api::data_dir::DataDir;
use api::leases::PROCESS_MANAGER;
use api::process::Bookmark;
use domain::envelope::Position;
use event_log::lease::{LeaseName, LeaseRecord, Leases};
use event_log::port::EventLog as _;
use serde_json::json;

use super::kit::World;
use super::{THERE, opened};

/// Where the file in a folder ends.
fn end_of(folder: &Path) -> Position {
    DataDir::new(folder).reader().unwrap().head_blocking().unwrap().unwrap()
}

/// The newest record of the process manager's lease, and where the log on the cluster ends.
async fn on_cluster(world: &World) -> (Option<LeaseRecord>, Option<Position>) {
    let log = opened(world).await.unwrap();
    let newest = Leases::read(&log, &LeaseName::parse(PROCESS_MANAGER).unwrap()).await.unwrap();
    (newest, log.head().await.unwrap())
}

fn records(world: &World) -> usize {
    world.double.read("baycase.lease-process-manager").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_not_read_again_there_or_back() {
    let world = World::new(2).await;
    Bookmark::new(world.source.path()).write(end_of(world.source.path())).unwrap();
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
    let (newest, head) = on_cluster(&world).await;
    let newest = newest.expect("the lease has a first record");
    assert_eq!((newest.progress, newest.released, newest.term), (head, true, 0));
    // Nothing stands in a lease twice, and it is no part of the log.
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
    assert_eq!((records(&world), on_cluster(&world).await.1), (1, head));

    let back = ["--to", "sqlite", "--into", world.target()];
    assert_eq!(world.copied(&back)["equal"], json!(true));
    let target = Path::new(world.target());
    assert_eq!(Bookmark::new(target).read(), Some(end_of(target)));

    // Killed before that was written, the copy is finished by the same command.
    std::fs::remove_file(target.join("process-manager.position")).unwrap();
    let connection = world.double.connection();
    let checkpoint = json!({
        "to": "sqlite", "installation": DataDir::new(target).reader().unwrap().info().unwrap().installation,
        "cluster": connection.split('?').next().unwrap(), "position": 1, "commands": false, "equal": true,
    });
    std::fs::write(target.join("copy-log.json"), checkpoint.to_string()).unwrap();
    assert_eq!(world.copied(&back)["equal"], json!(true));
    assert_eq!(Bookmark::new(target).read(), Some(end_of(target)));
    assert!(!target.join("copy-log.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_finished_and_no_more_gets_it_by_the_same_command() {
    let world = World::new(2).await;
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
    Bookmark::new(world.source.path()).write(end_of(world.source.path())).unwrap();
    assert_eq!(world.copied(&["--to", "eventstoredb", "--verify-only"])["equal"], json!(true));
    assert_eq!(records(&world), 0, "a comparison writes nothing");
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
    let (newest, head) = on_cluster(&world).await;
    assert_eq!(newest.expect("the lease has a first record").progress, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_is_read_again_there_and_back() {
    let world = World::new(2).await;
    let end = end_of(world.source.path()).get();
    // Half-way; and beyond the end, as in a log that was restored from an older backup.
    for position in [end - 1, end + 1] {
        Bookmark::new(world.source.path()).write(Position::new(position)).unwrap();
        assert_eq!(world.copied(&THERE)["equal"], json!(true));
        assert_eq!(records(&world), 0, "{position} of {end}");
    }

    // What the folder tells of the log that lay there before says nothing of this one.
    let target = Path::new(world.target());
    std::fs::create_dir_all(target).unwrap();
    Bookmark::new(target).write(Position::new(1)).unwrap();
    assert_eq!(world.copied(&["--to", "sqlite", "--into", world.target()])["equal"], json!(true));
    assert_eq!(Bookmark::new(target).read(), None);
}
