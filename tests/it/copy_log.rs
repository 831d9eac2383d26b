//! `baycase copy-log`: there and back over the real client, against a protocol double of EventStoreDB.
//!
//! `BAYCASE_TEST_COPY_CASES` says how many cases are copied, `BAYCASE_TEST_SEED` when the program is killed.

mod carried;
mod kit;
mod refusals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::data_dir::DataDir;
use domain::day::local_day;
use domain::envelope::{CommandDigest, NewEvent, RecordedEvent, Revision};
use domain::id::{CommandId, StreamId};
use event_log::contract::fixture::{metadata, read_behind};
use event_log::digest::command_digest;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::port::{Append, AppendError, CommandRef, EventLog as _, Expected, LogFault};
use serde_json::{Value, json};
use tests::double::{Fault, Kind};
use uuid::Uuid;

use self::kit::{Dice, World, cases, commands_of, digests_of, rows_of};

/// How often each direction is killed.
const KILLS: usize = 5;
/// A log that is compared event by event; of a larger one the digests must do.
const CASES_LISTED: u64 = 20_000;

const THERE: [&str; 2] = ["--to", "eventstoredb"];

async fn opened(world: &World) -> Result<EventStoreLog, LogFault> {
    EventStoreLog::open(EventStoreOptions::new(world.double.connection(), Arc::new(api::clock::now))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_there_and_back_and_nothing_is_lost() {
    let world = World::new(cases()).await;
    let began = Instant::now();
    let there = world.copied(&THERE);
    println!("there: {} events in {} ms", there["source"]["events"], began.elapsed().as_millis());
    assert_eq!((&there["equal"], &there["source"]), (&json!(true), &there["target"]), "{there:#}");
    assert_eq!(there["source"]["commands"], json!(commands_of(&world.file()).len()));
    assert!(!world.source.path().join("copy-log.json").exists(), "nothing is left to go on from");
    assert!(!world.source.path().join("copy-log.verify.sqlite").exists());
    is_served_like_the_source(&world).await;

    // The same again changes nothing, and neither does a comparison.
    let head = opened(&world).await.unwrap().head().await.unwrap();
    assert_eq!(world.copied(&THERE)["source"], there["source"]);
    assert_eq!(world.copied(&["--to", "eventstoredb", "--verify-only"])["target"], there["source"]);
    assert_eq!(opened(&world).await.unwrap().head().await.unwrap(), head);

    let began = Instant::now();
    let digests = world.elsewhere.path().join("digests.ndjson");
    let back = world.copied(&["--to", "sqlite", "--into", world.target(), "--case-digests", digests.to_str().unwrap()]);
    println!("back: {} events in {} ms", back["source"]["events"], began.elapsed().as_millis());
    assert_eq!(back["source"], there["source"]);
    assert_eq!(back["target"], there["source"]);
    assert_eq!(back["installation"], there["installation"]);
    let copy = world.copy();
    if cases() <= CASES_LISTED {
        assert_eq!(rows_of(&copy), rows_of(&world.file()));
        let lines: Vec<Value> = std::fs::read_to_string(&digests)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines, digests_of(&copy));
        assert_eq!(commands_of(&copy), commands_of(&world.file()));
    }
    let verified = world.run(world.target(), &["verify"]);
    assert!(verified.status.success(), "{verified:?}");
    for gone in ["copy-log.json", "copy-log.verify.sqlite", "log.sqlite.copying", "log.sqlite.copying-wal"] {
        assert!(!copy.with_file_name(gone).exists(), "{gone}");
    }
    let compared = world.copied(&["--to", "sqlite", "--into", world.target(), "--verify-only"]);
    assert_eq!((&compared["equal"], &compared["target"]), (&json!(true), &there["source"]));
}

/// The log on the cluster opens, its days of recording stand in order, and it knows every command.
async fn is_served_like_the_source(world: &World) {
    let log = opened(world).await.unwrap();
    if cases() <= CASES_LISTED {
        let events = read_behind(&log, None, 4_096).await;
        let days: Vec<_> = events.iter().map(|event| local_day(event.recorded_at)).collect();
        assert!(days.is_sorted(), "what was known at the end of a day would change");
        let mut seen: BTreeMap<&StreamId, &RecordedEvent> = BTreeMap::new();
        for event in &events {
            let before = seen.insert(&event.stream, event);
            assert!(before.is_none_or(|before| before.revision.next() == event.revision));
        }
    }
    let commands = commands_of(&world.file());
    let step = (commands.len() / 20).max(1);
    for (id, digest, stream, first, count) in commands.into_iter().step_by(step) {
        let id = CommandId::from_uuid(Uuid::from_slice(&id).unwrap());
        let digest = CommandDigest(digest.try_into().unwrap());
        let (found, appended) = log.find_command(id).await.unwrap().expect("a copied command is known");
        assert_eq!((found, appended.stream.as_str()), (digest, stream.as_str()));
        assert_eq!((appended.first_revision.get(), appended.last_revision.get()), (first, first + count - 1));
        // Sent once more it is answered, with another body it is refused.
        let again = |digest| append(&stream, Expected::NoStream, CommandRef { id, digest });
        assert!(log.append(again(digest)).await.unwrap().repeated);
        let other = log.append(again(CommandDigest([7; 32]))).await;
        assert!(matches!(other, Err(AppendError::CommandReused { .. })), "{other:?}");
    }
}

fn append(stream: &str, expected: Expected, command: CommandRef) -> Append {
    let stream = StreamId::parse(stream).unwrap();
    let event = NewEvent {
        id: command.id.event(&stream, 0),
        kind: "complaint.noted",
        schema: 1,
        occurred_at: api::clock::now(),
        metadata: metadata(command.id),
        payload: "{}".into(),
    };
    Append { stream, expected, command, events: vec![event] }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_five_times_each_way_a_copy_is_still_equal() {
    let mut dice = Dice::of_environment();
    let world = World::new(cases()).await;
    let (expected, whole) = unhurried(&world);
    // A long copy is killed on its way, not after it.
    let spell = if cases() <= CASES_LISTED { whole } else { whole / 4 };

    for _ in 0..KILLS {
        let killed = world.killed(&THERE, dice.below(spell)).await;
        match opened(&world).await {
            Err(LogFault::NotInstalled | LogFault::UnfinishedCopy) => {}
            Ok(log) => assert!(!killed || log.head().await.unwrap().is_none() || world.is_finished()),
            Err(other) => panic!("{other}"),
        }
    }
    let there = world.copied(&THERE);
    assert_eq!((&there["equal"], &there["target"]), (&json!(true), &expected), "{there:#}");

    let back = ["--to", "sqlite", "--into", world.target()];
    for _ in 0..KILLS {
        world.killed(&back, dice.below(spell)).await;
    }
    if !world.copy().exists() {
        assert_eq!(world.copied(&back)["equal"], json!(true));
    }
    let compared = world.copied(&["--to", "sqlite", "--into", world.target(), "--verify-only"]);
    assert_eq!((&compared["equal"], &compared["target"]), (&json!(true), &expected), "{compared:#}");
    if cases() <= CASES_LISTED {
        assert_eq!(rows_of(&world.copy()), rows_of(&world.file()));
    }
    assert_eq!(commands_of(&world.copy()), commands_of(&world.file()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_served_again_before_its_copy_was_finished_is_still_copied_whole() {
    let world = World::new(40).await;
    // So that the copy lasts until it is interrupted.
    world.double.fault(Fault::always(Kind::Delay).lasting(Duration::from_millis(30)));
    let mut interrupted = world.start(&THERE);
    world.until_listed().await;
    interrupted.kill().await.unwrap();
    assert!(!world.is_finished());

    // The node is started once more: a stream goes on, and another one begins.
    let rows = rows_of(&world.file());
    let (grown, last, ..) = rows.iter().rev().find(|(stream, ..)| stream.starts_with("complaint-")).unwrap();
    let last = Expected::At(Revision::new(u64::try_from(*last).unwrap()));
    let command = |name: &str| CommandRef { id: CommandId::derived(&[name]), digest: command_digest(b"") };
    let log = DataDir::new(world.source.path()).open_log(&tests::config(), false).unwrap();
    log.append(append(grown, last, command("more"))).await.unwrap();
    log.append(append("complaint-new", Expected::NoStream, command("new"))).await.unwrap();
    log.close();

    let there = world.copied(&THERE);
    assert_eq!((&there["equal"], &there["source"]), (&json!(true), &there["target"]), "{there:#}");
    assert_eq!(there["source"]["commands"], json!(commands_of(&world.file()).len()));
    assert_eq!(there["source"]["events"], json!(rows.len() + 2));
    let log = opened(&world).await.unwrap();
    for name in ["more", "new"] {
        let (digest, _) = log.find_command(command(name).id).await.unwrap().expect("a copied command is known");
        assert_eq!(digest, command(name).digest);
    }
}

/// What a copy that nobody kills says of its source, into a cluster that is gone again, and how long it took.
fn unhurried(world: &World) -> (Value, Duration) {
    let other = World::over(world.source.path());
    let began = Instant::now();
    let mut there = other.copied(&THERE);
    println!("undisturbed: {} events in {} ms", there["source"]["events"], began.elapsed().as_millis());
    (there["source"].take(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_through_what_servers_and_networks_do() {
    let world = World::new(40).await;
    for fault in [Fault::every(Kind::CutAfter, 61), Fault::every(Kind::BreakReads, 37), Fault::every(Kind::Twice, 23)] {
        world.double.fault(fault);
    }
    let there = world.copied(&THERE);
    assert_eq!(there["equal"], json!(true), "{there:#}");
    let back = world.copied(&["--to", "sqlite", "--into", world.target()]);
    assert_eq!(back["equal"], json!(true), "{back:#}");
    assert_eq!(rows_of(&world.copy()), rows_of(&world.file()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_goes_away_is_waited_for_and_then_given_up() {
    let world = World::new(40).await;
    // So that the copy lasts until it is interrupted.
    world.double.fault(Fault::always(Kind::Delay).lasting(Duration::from_millis(30)));
    let impatient = world.start(&["--to", "eventstoredb", "--patience", "1s"]);
    world.until_appends(60).await;
    world.double.kill();
    let given_up = impatient.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&given_up.stderr).into_owned();
    assert!(!given_up.status.success() && said.contains("run the same command again"), "{said}");

    world.double.restart();
    world.double.fault(Fault::always(Kind::Delay).lasting(Duration::from_millis(30)));
    let patient = world.start(&["--to", "eventstoredb", "--patience", "60s", "--json"]);
    world.until_appends(60).await;
    world.double.kill();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.double.restart();
    let done = patient.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    assert_eq!(world.copied(&["--to", "eventstoredb", "--verify-only"])["equal"], json!(true));
}
