//! The SQLite store against the reference model: the same operations get the same answers.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::envelope::{Position, Revision};
use domain::id::CommandId;
use event_log::contract::fixture::{SOME_MICROS, Scene, moment};
use event_log::digest::command_digest;
use event_log::memory::{MemoryLog, Stamp};
use event_log::port::{Append, EventLog, Expected};
use event_log::sqlite::{SqliteLog, SqliteOptions};
use event_log::verify::verify;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Used when the environment names no other (`PROPTEST_RNG_SEED`), so that a run can be repeated.
const SEED: u64 = 20_260_424;
const CASES: u32 = 48;

#[derive(Debug, Clone)]
enum Operation {
    Append(Spec),
    /// Many at once, where the store can do that; the model takes them one by one.
    Bulk(Vec<Spec>),
    ReadStream {
        stream: u8,
        after: Option<u8>,
        limit: u8,
    },
    ReadAll {
        after: Option<u8>,
        limit: u8,
    },
    FindCommand(u8),
    Head,
    Reopen,
}

#[derive(Debug, Clone)]
struct Spec {
    stream: u8,
    expected: Guess,
    command: u8,
    body: u8,
    events: usize,
}

#[derive(Debug, Clone)]
enum Guess {
    NoStream,
    At(u8),
    /// What the stream stands at.
    Right,
}

fn spec() -> impl Strategy<Value = Spec> {
    let guess = prop_oneof![
        1 => Just(Guess::NoStream),
        1 => (0..8_u8).prop_map(Guess::At),
        4 => Just(Guess::Right),
    ];
    // Few streams and commands, so that they meet each other often; now and then another body, or no events.
    (0..4_u8, guess, 0..24_u8, prop_oneof![5 => Just(0_u8), 1 => Just(1)], 0..4_usize)
        .prop_map(|(stream, expected, command, body, events)| Spec { stream, expected, command, body, events })
}

fn operation() -> impl Strategy<Value = Operation> {
    let window = || (proptest::option::of(0..40_u8), 0..12_u8);
    prop_oneof![
        8 => spec().prop_map(Operation::Append),
        2 => vec(spec(), 0..6).prop_map(Operation::Bulk),
        2 => (0..5_u8, window()).prop_map(|(stream, (after, limit))| Operation::ReadStream { stream, after, limit }),
        2 => window().prop_map(|(after, limit)| Operation::ReadAll { after, limit }),
        1 => (0..26_u8).prop_map(Operation::FindCommand),
        1 => Just(Operation::Head),
        1 => Just(Operation::Reopen),
    ]
}

/// A clock that runs forwards and backwards, the same way for everybody who gets one.
fn restless_stamp(asked: &Arc<AtomicUsize>) -> Stamp {
    const STEPS: [i64; 5] = [0, 7, 3, 3, 20];
    let asked = Arc::clone(asked);
    Arc::new(move || {
        let turn = asked.fetch_add(1, Ordering::Relaxed);
        let step = STEPS.get(turn % STEPS.len()).unwrap();
        moment(SOME_MICROS + step + i64::try_from(turn / STEPS.len()).unwrap() * 10)
    })
}

fn open(path: &Path, asked: &Arc<AtomicUsize>) -> SqliteLog {
    let options = SqliteOptions {
        create: true,
        // Small caches and batches, so that their edges are met.
        batch_events_max: 2,
        readers: 1,
        ..SqliteOptions::new(restless_stamp(asked))
    };
    SqliteLog::open(path, options).unwrap()
}

/// What is compared: the whole answer, or the whole refusal.
fn told(answer: &impl Debug) -> String {
    format!("{answer:?}")
}

struct Pair {
    scene: Scene,
    model: MemoryLog,
    store: Option<SqliteLog>,
}

impl Pair {
    async fn batch(&self, spec: &Spec) -> Append {
        let stream = spec.stream.to_string();
        let newest = self.model.read_stream(&self.scene.stream(&stream), None, 1_000).await.unwrap();
        let expected = match spec.expected {
            Guess::NoStream => Expected::NoStream,
            Guess::At(revision) => Expected::At(Revision::new(u64::from(revision))),
            Guess::Right => newest.last().map_or(Expected::NoStream, |event| Expected::At(event.revision)),
        };
        let mut batch = self.scene.append(&stream, expected, &spec.command.to_string(), &vec!["{}"; spec.events]);
        if spec.body > 0 {
            batch.command.digest = command_digest(b"another body");
        }
        batch
    }

    fn command(&self, number: u8) -> CommandId {
        self.scene.command(&number.to_string()).id
    }

    /// Both answers to an operation.
    async fn both(&self, operation: &Operation) -> (String, String) {
        let (model, store) = (&self.model, self.store.as_ref().unwrap());
        match operation {
            Operation::Append(spec) => {
                let batch = self.batch(spec).await;
                (told(&model.append(batch.clone()).await), told(&store.append(batch).await))
            }
            Operation::Bulk(specs) => {
                let (mut batches, mut answers) = (Vec::new(), Vec::new());
                for spec in specs {
                    let batch = self.batch(spec).await;
                    answers.push(model.append(batch.clone()).await);
                    batches.push(batch);
                }
                (told(&answers), told(&store.append_bulk(batches).await.unwrap()))
            }
            Operation::ReadStream { stream, after, limit } => {
                let stream = self.scene.stream(&stream.to_string());
                let after = after.map(|after| Revision::new(u64::from(after)));
                let limit = u32::from(*limit);
                let read = model.read_stream(&stream, after, limit).await;
                (told(&read), told(&store.read_stream(&stream, after, limit).await))
            }
            Operation::ReadAll { after, limit } => {
                let after = after.map(|after| Position::new(u64::from(after)));
                let limit = u32::from(*limit);
                (told(&model.read_all(after, limit).await), told(&store.read_all(after, limit).await))
            }
            Operation::FindCommand(command) => {
                let command = self.command(*command);
                (told(&model.find_command(command).await), told(&store.find_command(command).await))
            }
            Operation::Head | Operation::Reopen => (told(&model.head().await), told(&store.head().await)),
        }
    }
}

async fn compare(operations: &[Operation]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let (of_model, of_store) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let store = open(&path, &of_store);
    // Making the log has asked for the time once.
    of_store.store(0, Ordering::Relaxed);
    let model = MemoryLog::new(restless_stamp(&of_model));
    let scene = Scene::new(&model, "model").await;
    let mut pair = Pair { scene, model, store: Some(store) };
    for (step, operation) in operations.iter().enumerate() {
        if matches!(operation, Operation::Reopen) {
            drop(pair.store.take());
            pair.store = Some(open(&path, &of_store));
        }
        let (model, store) = pair.both(operation).await;
        proptest::prop_assert_eq!(model, store, "step {}: {:?}", step, operation);
    }
    let all = (pair.model.read_all(None, 10_000).await, pair.store.as_ref().unwrap().read_all(None, 10_000).await);
    proptest::prop_assert_eq!(told(&all.0), told(&all.1));
    drop(pair);
    let report = verify(&path, &|_| Ok(()), &mut |_, _| {}).unwrap();
    proptest::prop_assert!(report.is_sound(), "{report:?}");
    Ok(())
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed must be known to repeat a failure")]
fn the_store_answers_like_the_model() {
    let mut config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    println!("seed: {}, cases: {}", config.rng_seed, config.cases);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome =
        TestRunner::new(config).run(&vec(operation(), 1..60), |operations| runtime.block_on(compare(&operations)));
    outcome.unwrap();
}
