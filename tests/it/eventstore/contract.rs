//! The contract of the log, clause by clause: on fresh logs, on one log, under every fault, and on a real server.

use std::sync::Arc;
use std::time::Duration;

use event_log::contract::fixture::ticking_stamp;
use event_log::contract::run_all;
use event_log::eventstore::EventStoreOptions;
use event_log::port::EventLog;
use tests::double::{DoubleOptions, DoubleProcess, Fault, Kind};

use super::kit::{open, options};

/// Every clause has a double of its own. Starting a process costs less than a double that could forget would cost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fresh_logs_keep_it() {
    let mut double: Option<DoubleProcess> = None;
    run_all("eventstoredb: protocol double", || {
        let options = options(double.insert(DoubleProcess::start()));
        async move {
            let log: Arc<dyn EventLog> = open(options).await;
            log
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_in_use_keeps_it() {
    let double = DoubleProcess::start();
    hold("eventstoredb: protocol double, one log", options(&double)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_real_server_keeps_it() {
    let given = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_EVENTSTORE");
    let Some((_, connection)) = given else {
        println!(
            "eventstoredb: the contract did NOT run against a real server, only against a protocol double; \
             set BAYCASE_TEST_EVENTSTORE to the connection string of a server whose content may be thrown away"
        );
        return;
    };
    let options = EventStoreOptions { create: true, ..EventStoreOptions::new(connection, ticking_stamp()) };
    hold("eventstoredb: real server", options).await;
}

/// Holds one log to every clause.
async fn hold(engine: &str, options: EventStoreOptions) {
    let log: Arc<dyn EventLog> = open(options).await;
    run_all(engine, || {
        let log = Arc::clone(&log);
        async move { log }
    })
    .await;
}

/// Holds a log to every clause while faults befall it.
async fn hold_under(name: &str, nodes: usize, faults: Vec<Fault>) {
    let double = DoubleProcess::start_with(DoubleOptions { nodes, faults, ..DoubleOptions::default() });
    hold(&format!("eventstoredb: protocol double, {name}"), options(&double)).await;
    let stats = double.stats();
    assert!(stats.strikes > 0, "{name}: nothing befell the log");
    println!("eventstoredb: protocol double, {name}: {} strikes, {} appends", stats.strikes, stats.appends);
}

macro_rules! under {
    ($($name:ident: $nodes:literal, [$($fault:expr),+ $(,)?]);+ $(;)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                hold_under(stringify!($name), $nodes, vec![$($fault),+]).await;
            }
        )+
    };
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

under! {
    kept_when_connections_are_refused: 1, [Fault::times(Kind::RefuseConnections, 4), Fault::every(Kind::CutBefore, 40)];
    kept_when_another_node_is_named_leader: 1, [Fault::every(Kind::NotLeader, 5)];
    kept_when_connections_are_cut_before_the_append: 1, [Fault::every(Kind::CutBefore, 11)];
    kept_when_connections_are_cut_behind_the_append: 1, [Fault::every(Kind::CutAfter, 11)];
    kept_when_appends_are_lost: 1, [Fault::every(Kind::HangBefore, 31)];
    kept_when_answers_are_lost: 1, [Fault::every(Kind::HangAfter, 31)];
    kept_when_appends_that_were_made_time_out: 1, [Fault::every(Kind::TimeOutAfter, 6)];
    kept_when_servers_are_busy: 1, [Fault::every(Kind::Unavailable, 6)];
    kept_when_appends_arrive_twice: 1, [Fault::every(Kind::Twice, 2)];
    kept_when_repeated_appends_have_no_position: 1,
        [Fault::every(Kind::Twice, 2), Fault::every(Kind::CutAfter, 23), Fault::always(Kind::NoPosition)];
    kept_when_messages_come_twice: 1, [Fault::always(Kind::RepeatFrames)];
    kept_when_checkpoints_come_late: 1, [Fault::always(Kind::LateCheckpoints)];
    kept_when_checkpoints_come_early: 1,
        [Fault::always(Kind::EarlyCheckpoints), Fault::every(Kind::DropSubscriptions, 7)];
    kept_when_checkpoints_skip_events: 1, [Fault::every(Kind::LossyCheckpoints, 2)];
    kept_when_subscriptions_are_dropped: 1, [Fault::every(Kind::DropSubscriptions, 3)];
    kept_when_subscriptions_end: 1, [Fault::every(Kind::EndSubscriptions, 50)];
    kept_when_subscriptions_are_refused: 1, [Fault::always(Kind::NoSubscriptions)];
    kept_when_reads_break_off: 1, [Fault::every(Kind::BreakReads, 7)];
    kept_when_answers_are_slow: 1, [Fault::every(Kind::Delay, 5).lasting(millis(50))];
    kept_when_quorums_come_and_go: 1, [Fault::every(Kind::NoQuorum, 25).lasting(millis(150))];
    kept_when_the_world_stops: 1, [Fault::every(Kind::Pause, 90).lasting(millis(700))];
    kept_when_leaders_die: 3, [Fault::every(Kind::LeaderDies, 90)];
    kept_when_everything_goes_wrong: 3, [
        Fault::every(Kind::CutAfter, 61),
        Fault::every(Kind::HangAfter, 97),
        Fault::every(Kind::NotLeader, 37),
        Fault::every(Kind::TimeOutAfter, 53),
        Fault::every(Kind::Unavailable, 41),
        Fault::every(Kind::Twice, 7),
        Fault::every(Kind::BreakReads, 43),
        Fault::every(Kind::DropSubscriptions, 29),
        Fault::every(Kind::LeaderDies, 211),
    ];
}
