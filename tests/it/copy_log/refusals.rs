//! What must not be copied, or not like this: each is told with what to do, and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use api::data_dir::DataDir;
use domain::envelope::NewEvent;
use domain::id::{CommandId, StreamId};
use event_log::contract::fixture::{SOME_MICROS, Scene, moment};
use event_log::digest::command_digest;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::memory::Stamp;
use event_log::port::{Append, CommandRef, EventLog as _, Expected, READ_EVENTS_MAX};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{World, rows_of};
use super::{THERE, append};

/// A clock that goes on by a second whenever it is asked, so many seconds ahead of the usual one.
fn stamp(ahead: i64) -> Stamp {
    let micros = AtomicI64::new(SOME_MICROS + ahead * 1_000_000);
    Arc::new(move || moment(micros.fetch_add(1_000_000, Ordering::Relaxed)))
}

/// A node of the cluster, which makes the log where there is none.
async fn node(world: &World, installation: Option<Uuid>, ahead: i64) -> EventStoreLog {
    let options = EventStoreOptions::new(world.double.connection(), stamp(ahead));
    EventStoreLog::open(EventStoreOptions { create: true, installation, for_copy: true, ..options }).await.unwrap()
}

fn installation(world: &World) -> Uuid {
    DataDir::new(world.source.path()).reader().unwrap().info().unwrap().installation
}

fn of_kind(append: Append, kind: &'static str) -> Append {
    let events = append.events.into_iter().map(|event| NewEvent { kind, ..event }).collect();
    Append { events, ..append }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_needs_both_ends() {
    let world = World::new(2).await;
    let nowhere = tempfile::tempdir().unwrap();
    let output = world.run(nowhere.path(), &["copy-log", "--to", "eventstoredb"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("there is no log"), "{said}");
    let missing = world.refused(&["--to", "sqlite", "--into", world.target()]);
    assert!(missing.contains("there is no log of Baycase on these servers"), "{missing}");
    let nothing = world.refused(&["--to", "eventstoredb", "--verify-only"]);
    assert!(nothing.contains("there is no log of Baycase on these servers"), "a comparison makes nothing: {nothing}");
    std::fs::write(world.config(), "").unwrap();
    for to in ["eventstoredb", "sqlite"] {
        let said = world.refused(&["--to", to]);
        assert!(said.contains("set `log.eventstore.connection`"), "{said}");
    }
    assert!(!world.copy().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_that_cannot_be_written_are_told_before_the_cluster_is_claimed() {
    let world = World::new(2).await;
    let digests = world.elsewhere.path().join("no/such/digests.ndjson");
    let digests = digests.to_str().unwrap();
    let said = world.refused(&["--to", "eventstoredb", "--case-digests", digests]);
    assert!(said.contains(digests) && said.contains("--case-digests"), "{said}");
    assert_eq!(world.double.stats().appends, 0, "the cluster is as empty as before");
    let good = world.elsewhere.path().join("digests.ndjson");
    let copied = world.copied(&["--to", "eventstoredb", "--case-digests", good.to_str().unwrap()]);
    assert_eq!(copied["equal"], json!(true));
    assert!(good.exists() && !good.with_extension("ndjson.new").exists());
    let said = world.refused(&["--to", "sqlite", "--into", world.target(), "--case-digests", digests]);
    assert!(said.contains(digests) && !world.copy().exists(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_served_is_not_copied() {
    let world = World::new(2).await;
    let log = DataDir::new(world.source.path()).open_log(&tests::config(), false).unwrap();
    let said = world.refused(&THERE);
    assert!(said.contains("open in another process"), "{said}");
    log.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_another_log_is_no_target() {
    let world = World::new(2).await;
    let other = node(&world, None, 0).await;
    let said = world.refused(&THERE);
    assert!(said.contains(&format!("the log to {}", other.installation())), "{said}");
    // Nor is one that has events of its own under the same name.
    let world = World::over(world.source.path());
    let same = node(&world, Some(installation(&world)), 0).await;
    let scene = Scene::new(&same, "own").await;
    same.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let said = world.refused(&THERE);
    assert!(said.contains("does not take this copy") && said.contains("has events already"), "{said}");
    std::fs::write(
        world.config(),
        format!(
            "[log.eventstore]\nconnection = \"{}\"\ninstallation = \"{}\"\n",
            world.double.connection(),
            Uuid::from_u128(7)
        ),
    )
    .unwrap();
    let said = world.refused(&THERE);
    assert!(said.contains("log.eventstore.installation"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_never_overwritten_and_an_unfinished_copy_never_copied() {
    let world = World::new(2).await;
    let begun = node(&world, Some(installation(&world)), 0).await;
    begun.begin_copy("sqlite", installation(&world)).await.unwrap();
    let said = world.refused(&["--to", "sqlite", "--into", world.target()]);
    assert!(said.contains("not complete"), "{said}");
    assert_eq!(world.copied(&THERE)["equal"], json!(true), "somebody else goes on with it");
    let before = rows_of(&world.file());
    let said = world.refused(&["--to", "sqlite"]);
    assert!(said.contains("move it away") && said.contains("--into"), "{said}");
    assert_eq!(rows_of(&world.file()), before);
    let said = world.refused(&["--to", "eventstoredb", "--into", world.target()]);
    assert!(said.contains("--to sqlite"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_copy_is_not_gone_on_from() {
    let world = World::new(2).await;
    let checkpoint = world.source.path().join("copy-log.json");
    let text = |installation: Uuid, cluster: &str, position: u64| {
        json!({
            "to": "eventstoredb", "installation": installation, "cluster": cluster,
            "position": position, "commands": true, "equal": false,
        })
    };
    let own = world.double.connection();
    let own = own.split('?').next().unwrap();
    // The cluster knows nothing of this one.
    std::fs::write(&checkpoint, text(installation(&world), own, 9).to_string()).unwrap();
    let said = world.refused(&THERE);
    assert!(said.contains("the cluster knows nothing of") && said.contains("copy-log.json"), "{said}");
    // By now a copy is under way there, and these are of others.
    for other in [text(Uuid::from_u128(7), own, 9), text(installation(&world), "esdb://elsewhere", 9)] {
        std::fs::write(&checkpoint, other.to_string()).unwrap();
        let said = world.refused(&THERE);
        assert!(said.contains("another copy") && said.contains("delete that file"), "{said}");
    }
    // This one is of this copy and tells of more than is there.
    let events = u64::try_from(rows_of(&world.file()).len()).unwrap();
    std::fs::write(&checkpoint, text(installation(&world), own, events - 1).to_string()).unwrap();
    let output = world.run(world.source.path(), &["copy-log", "--to", "eventstoredb"]);
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    let is_told = said.contains("NOT EQUAL") || said.contains("delete copy-log.json");
    assert!(!output.status.success() && is_told, "{said}");
    std::fs::write(&checkpoint, "{").unwrap();
    assert!(world.refused(&THERE).contains("cannot be read"));
    std::fs::remove_file(&checkpoint).unwrap();
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_wrote_since_makes_a_difference_that_is_named() {
    let world = World::new(5).await;
    assert_eq!(world.copied(&THERE)["equal"], json!(true));
    let log = node(&world, None, 0).await;
    let rows = rows_of(&world.file());
    let (grown, ..) = rows.iter().find(|(stream, ..)| stream.starts_with("complaint-")).unwrap();
    let grown = StreamId::parse(grown).unwrap();
    let last = log.read_stream(&grown, None, READ_EVENTS_MAX).await.unwrap().last().unwrap().revision;
    let command = |name: &str| CommandRef { id: CommandId::derived(&[name]), digest: command_digest(b"") };
    log.append(append(grown.as_str(), Expected::At(last), command("more"))).await.unwrap();
    log.append(append("complaint-new", Expected::NoStream, command("new"))).await.unwrap();

    let output = world.run(world.source.path(), &["copy-log", "--to", "eventstoredb", "--verify-only", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["equal"], &told["differencesTotal"]), (&json!(false), &json!(2)), "{told:#}");
    let differences = told["differences"].as_array().unwrap();
    let of = |stream: &str| differences.iter().find(|difference| difference["stream"] == stream).unwrap().clone();
    assert_eq!(of(grown.as_str())["revision"], json!(last.next().get()));
    assert!(of("complaint-new")["what"].as_str().unwrap().contains("in the target alone"));
    let output = world.run(world.source.path(), &["copy-log", "--to", "eventstoredb", "--verify-only"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("NOT EQUAL\n") && text.contains(grown.as_str()), "{text}");
    let output = world.run(world.source.path(), &["copy-log", "--to", "eventstoredb"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("the copy was finished earlier, and the cluster has been written to since"), "{text}");
    assert!(text.contains("Do not discard the cluster") && !text.contains("begin anew"), "{text}");
    // The other way round it is the newer log, and comes back whole.
    assert_eq!(world.copied(&["--to", "sqlite", "--into", world.target()])["equal"], json!(true));
    assert_eq!(rows_of(&world.copy()).len(), rows.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_are_put_into_order_as_far_as_the_window_goes() {
    let world = World::new(2).await;
    let (ahead, behind) = (node(&world, None, 3_600).await, node(&world, None, 0).await);
    let (one, other) = (Scene::new(&ahead, "ahead").await, Scene::new(&behind, "behind").await);
    for number in 0..20 {
        for (log, scene) in [(&ahead, &one), (&behind, &other)] {
            let name = number.to_string();
            let append = scene.append(&name, Expected::NoStream, &name, &["{}", "{}"]);
            log.append(of_kind(append, "filing.received")).await.unwrap();
        }
    }
    let said = world.refused(&["--to", "sqlite", "--into", world.target(), "--window", "4"]);
    assert!(said.contains("a larger --window"), "{said}");
    assert!(!world.copy().exists());
    std::fs::remove_dir_all(world.target()).unwrap();
    let back = world.copied(&["--to", "sqlite", "--into", world.target()]);
    assert_eq!((&back["equal"], &back["target"]["events"]), (&json!(true), &json!(80)), "{back:#}");
    let page = DataDir::new(world.target().as_ref()).reader().unwrap().read_all_blocking(None, 100).unwrap();
    assert!(page.events.len() == 80 && page.events.iter().map(|event| event.recorded_at).is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_this_program_does_not_know_stops_the_copy() {
    let world = World::new(2).await;
    let log = node(&world, None, 0).await;
    let scene = Scene::new(&log, "strange").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let said = world.refused(&["--to", "sqlite", "--into", world.target()]);
    assert!(said.contains("`contract.happened`") && said.contains("newer one"), "{said}");
    assert!(!world.copy().exists());
    // What another program wrote there is refused by the store.
    world.double.append("somebody-else", "made.up", "{}", "{}");
    let said = world.refused(&["--to", "sqlite", "--into", world.target()]);
    assert!(said.contains("was not written by Baycase") || said.contains("contract.happened"), "{said}");
}
