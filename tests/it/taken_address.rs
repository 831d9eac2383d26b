//! A server that cannot have one of its addresses says which, and has begun nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use api::commands::serve::{ListenError, start};
use api::config::{Config, LogEngine};
use api::data_dir::DataDir;
use tests::double::{DoubleOptions, DoubleProcess};
use tests::engine::Engine;
use tests::{config, global};

/// The name of a listener, and how it is made to want an address.
type Wanted = (&'static str, fn(&mut Config, SocketAddr));

const WANTED: [Wanted; 2] =
    [("api", |config, at| config.server.listen = at), ("admin", |config, at| config.server.admin_listen = at)];

/// Starts a server whose addresses are taken, one after the other. `written` says how much its log holds.
async fn assert_nothing_is_begun(dir: &Path, config: &Config, written: impl Fn() -> u64) {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let before = written();
    for (name, want) in WANTED {
        let mut config = config.clone();
        want(&mut config, taken);
        let refused = Box::pin(start(&global(dir), config, true)).await.unwrap_err();
        let refused = refused.downcast_ref::<ListenError>().unwrap_or_else(|| panic!("{refused}"));
        assert_eq!((refused.name, refused.at), (name, taken));
        assert_eq!(written(), before, "{name}: something was appended, an event or a lease");
    }
    // Nothing is held either: the next start has the folder to itself at once.
    Box::pin(start(&global(dir), config.clone(), true)).await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_over_a_file_begins_nothing_without_its_addresses() {
    let dir = tempfile::tempdir().unwrap();
    Engine::Sqlite.prepare(dir.path(), &config()).await;
    let data = DataDir::new(dir.path());
    let head = || data.reader().unwrap().head_blocking().unwrap().map_or(0, |head| head.get());
    assert_nothing_is_begun(dir.path(), &config(), head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_takes_no_lease_without_its_addresses() {
    let dir = tempfile::tempdir().unwrap();
    Engine::EventStoreDb.prepare(dir.path(), &config()).await;
    let options = DoubleOptions { data: Some(dir.path().join("double.log")), ..DoubleOptions::default() };
    let double = DoubleProcess::start_with(options);
    let mut config = config();
    config.log.engine = LogEngine::EventStoreDb;
    config.log.eventstore.connection = Some(double.connection());
    let events = || u64::try_from(double.stats().events).unwrap();
    assert_nothing_is_begun(dir.path(), &config, events).await;
}
