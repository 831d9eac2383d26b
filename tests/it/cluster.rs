//! Three nodes of one council over one log, a vault node and a partner council, in a storm that kills all but the last.
//!
//! Every node is a process of its own; the log lies on a protocol double of EventStoreDB (never "tested on
//! EventStoreDB"), which is killed as well. Clients send their commands to any node, and to another when one does not
//! answer, with the same command id. In the end the log is read apart from all nodes: everything acknowledged stands in
//! it once and nothing that nobody asked for; all nodes answer the same, a newcomer and a rebuild among them.
//!
//! `BAYCASE_TEST_CLUSTER_SECONDS` says how long the storm lasts, and `BAYCASE_TEST_SEED` repeats its draws.
//! `BAYCASE_TEST_OTHER_PROGRAM` names another build of the program: then the nodes are brought to it one by one.

mod answers;
mod client;
mod ledger;
mod misfortunes;
mod newer;
mod program;
mod questions;
mod stories;
mod witness;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::sleep;

use self::answers::Asking;
use self::client::Client;
use self::ledger::{Ledger, lease_changes};
use self::misfortunes::{of_nodes, of_servers};
use self::program::other_program;
use self::stories::tell;
use self::witness::Witness;
use self::world::{NODES, PATIENCE, World, baycase};

/// How long a storm lasts where the environment says nothing, in seconds.
const SECONDS: u64 = 20;
/// Clients at work at a time.
const CLIENTS: u64 = 8;
/// Stories that are told while a node is away to become another version.
const STORIES_WHILE_AWAY: u64 = 4;
/// How long a node may take to stop when nothing else is wrong.
const STOPS_IN: Duration = Duration::from_secs(20);

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::vars().find(|(key, _)| key == name);
    given.map_or(otherwise, |(_, text)| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_lose_and_invent_nothing_whatever_dies() {
    let seed = number("BAYCASE_TEST_SEED", 20_261_122);
    let seconds = number("BAYCASE_TEST_CLUSTER_SECONDS", SECONDS);
    println!(
        "seed {seed}: BAYCASE_TEST_SEED={seed} BAYCASE_TEST_CLUSTER_SECONDS={seconds} cargo test -p tests --test it \
         cluster:: repeats it; the log lies on a protocol double"
    );
    let began = Instant::now();
    let world = Box::pin(World::start(seed)).await;
    println!("{NODES} nodes, the vault node and the partner run after {:.1?}", began.elapsed());
    let witness = Witness::default();
    let client = Client::new(&world, &witness, seed);

    let told = Box::pin(storm(&client, Duration::from_secs(seconds))).await;
    let told = Box::pin(roll(&client, told)).await;
    println!("{}", witness.summary());
    Box::pin(compare(&client)).await;
    Box::pin(rebuild(&world)).await;
    println!("{told} stories in all; everything took {:.1?}", began.elapsed());
}

/// Officers work while nodes, servers and the vault node die. How many stories were begun.
async fn storm(client: &Client<'_>, length: Duration) -> u64 {
    let (over, next) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let (world, seed) = (client.world, client.seed);
    let officers = join_all((0..CLIENTS).map(|_| async move {
        while !over.load(Ordering::Relaxed) {
            tell(client, next.fetch_add(1, Ordering::Relaxed)).await;
        }
    }));
    let clock = async {
        sleep(length).await;
        over.store(true, Ordering::Relaxed);
    };
    let misfortunes = async { tokio::join!(of_nodes(world, seed, over), of_servers(world, seed, over)) };
    let (_, (), (of_nodes, of_servers)) = tokio::join!(Box::pin(officers), clock, Box::pin(misfortunes));
    println!("{of_nodes:?}\n{of_servers:?}");
    assert!(of_nodes.killed > 0 && of_servers.restarted > 0, "nothing died: it proves nothing");
    assert!(client.witness.acknowledged() > 0, "nothing was acknowledged: it proves nothing");
    next.load(Ordering::Relaxed)
}

/// Brings the nodes to another version one by one, while the others serve. How many stories there are by now.
async fn roll(client: &Client<'_>, told: u64) -> u64 {
    let world = client.world;
    let other = other_program();
    let named = other.as_deref().unwrap_or("the same build; BAYCASE_TEST_OTHER_PROGRAM names another");
    println!("one node after the other is stopped and started as {named}");
    let mut next = told;
    for node in &world.nodes {
        let before = client.witness.acknowledged();
        let ended = node.stop(STOPS_IN).await;
        assert!(ended.is_some_and(|status| status.success()), "{} did not stop well: {ended:?}", node.name());
        world.steer(next);
        // All at once: what they do is seen by the nodes that are left.
        join_all((next..next + STORIES_WHILE_AWAY).map(|number| tell(client, number))).await;
        next += STORIES_WHILE_AWAY;
        assert!(client.witness.acknowledged() > before, "nothing was acknowledged without {}", node.name());
        if let Some(other) = &other {
            node.become_build(other);
        }
        node.start();
        node.listening(PATIENCE).await;
    }
    next
}

/// What stands in the log is what the witness knows, and every node tells the same of it.
async fn compare(client: &Client<'_>) {
    let Client { world, witness, .. } = client;
    let asking = Asking::new(client);
    let at = asking.at_the_end(witness.referred().len()).await;
    let ledger = Box::pin(Ledger::read(&world.double)).await;
    let tally = ledger.check(witness);
    println!(
        "the log holds {} events of {} commands in {} streams, {} complaints among them; {} commands were carried out \
         although nobody was answered",
        tally.events, tally.commands, tally.streams, tally.complaints, tally.unanswered
    );
    let changes = lease_changes(&world.double);
    assert!(changes > 0, "no lease ever went to another node: it proves nothing");

    let newcomer = world.newcomer();
    newcomer.start();
    newcomer.listening(PATIENCE).await;
    let nodes: Vec<_> = world.nodes.iter().chain([&newcomer]).collect();
    let questions = asking.questions(&at).await;
    asking.all_the_same(&nodes, &questions).await;
    asking.as_filed(witness).await;
    let referrals = asking.partner_agrees().await;
    println!(
        "{} questions answered alike by {} nodes at position {at}; {referrals} referrals alike at both councils; \
         leases went to another node {changes} times",
        questions.len(),
        nodes.len(),
    );
    // Nobody asked for anything meanwhile, so nothing may have come to the log by itself.
    let again = asking.at_the_end(0).await;
    assert_eq!(again, at, "something was appended although nobody asked for anything");
}

/// Every node stops as it should, and its read models are those that its log gives.
async fn rebuild(world: &World) {
    for node in &world.nodes {
        let ended = node.stop(STOPS_IN).await;
        assert!(ended.is_some_and(|status| status.success()), "{} did not stop well: {ended:?}", node.name());
    }
    let checks = world.nodes.iter().map(|node| baycase(&["rebuild", "--check", "--quiet"], node.folder()));
    for (node, (went_well, said)) in world.nodes.iter().zip(join_all(checks).await) {
        assert!(went_well && said.contains("say the same"), "{}: {said}", node.name());
    }
    let (is_sound, said) = baycase(&["verify", "--quiet"], world.nodes[0].folder()).await;
    assert!(is_sound, "{said}");
}
