//! One history, told to a node on each engine: every act and every question of the schema is answered the same.
//!
//! Ids are derived and acts are given their moments, so almost everything is the same to the letter; what is masked
//! stands in `mask`. The second engine is the real client against a protocol double of EventStoreDB.

mod asking;
mod border;
mod cases;
mod mask;
mod pair;
mod questions;
mod run;

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound as _, Utc};
use domain::day::local_day;
use serde_json::Value;
use tests::engine::Engine;

use self::asking::Asker;
use self::pair::Pair;
use self::run::Run;

/// What was said on one engine, and what was used of the schema.
struct Told {
    said: Vec<(String, Value)>,
    used: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_answer_one_history_the_same() {
    let asker = Asker::new();
    loop {
        let since = api::clock::now().trunc_subsecs(0);
        let [one, two] = Engine::ALL;
        let (one, two) = (Box::pin(tell(one, &asker, since)).await, Box::pin(tell(two, &asker, since)).await);
        // What is due today is not what is due tomorrow: a run over midnight says nothing.
        if local_day(api::clock::now()) == local_day(since) {
            return compare(&asker, &one, &two);
        }
        println!("midnight came in between; the history is told again");
    }
}

fn compare(asker: &Asker, one: &Told, two: &Told) {
    for root in ["Query", "Mutation"] {
        for name in asker.names(root) {
            assert!(one.used.contains(&name), "the history does not use `{name}`: a place for it must be found");
        }
    }
    assert_eq!(one.said.len(), two.said.len());
    for ((what, first), (_, second)) in one.said.iter().zip(&two.said) {
        assert!(first == second, "the engines differ in {what}\nsqlite: {first:#}\neventstoredb: {second:#}");
    }
    println!("{} answers are the same on both engines", one.said.len());
}

/// Tells the history to new nodes on an engine, and asks for everything in the end.
async fn tell(engine: Engine, asker: &Asker, since: DateTime<Utc>) -> Told {
    let pair = Box::pin(Pair::start(engine, since)).await;
    let mut run = Run::new(&pair, asker, since);
    Box::pin(cases::tell(&mut run)).await;
    Box::pin(border::tell(&mut run)).await;
    Box::pin(questions::ask(&mut run)).await;
    let Run { said, used, .. } = run;
    Told { said, used }
}
