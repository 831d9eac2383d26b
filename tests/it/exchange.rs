//! Councils exchange referrals over links that fail, with nodes that are killed: in the end both sides hold the same.
//!
//! Every node is a process of its own over its own log, vault and keys; they speak HTTP over loopback through links that
//! cut, hold back, double and slow what goes over them. `BAYCASE_TEST_SEED` reproduces the weather, and
//! `BAYCASE_TEST_REFERRALS` says how many referrals cross.

mod driver;
mod ledger;
mod node;
mod world;

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::engine::on_sqlite;
use tests::link::{Weather, mix};
use tokio::time::sleep;

use self::driver::{disputes, person, refer_all, work};
use self::ledger::{Account, View, accounts, open_deliveries, views};
use self::world::{GUANGDONG, HONG_KONG, MACAO, Plan, World};

/// What these tests are about, where they do not run.
const NODES: &str = "councils whose nodes have a log in a file each";
/// Referrals of one run where the environment names no number.
const REFERRALS: u64 = 60;
/// The longest that a run may take, by hundred referrals.
const LIMIT_PER_HUNDRED: Duration = Duration::from_secs(300);
/// Events of a referral's life that happen at most once.
const ONCE: [&str; 9] = [
    "referral.drafted",
    "referral.sent",
    "referral.delivered",
    "referral.acknowledged",
    "referral.returned",
    "referral.outcome-reported",
    "referral.outcome-acknowledged",
    "referral.recalled",
    "referral.recall-answered",
];

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::vars().find(|(key, _)| key == name);
    given.map_or(otherwise, |(_, text)| text.parse().unwrap())
}

fn seed(otherwise: u64) -> u64 {
    let seed = number("BAYCASE_TEST_SEED", otherwise);
    println!("seed {seed}: BAYCASE_TEST_SEED={seed} reproduces it");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn two_councils_hold_the_same_after_everything_that_can_befall_a_link_and_a_node() {
    if !on_sqlite(NODES) {
        return;
    }
    let seed = seed(12_315);
    let count = number("BAYCASE_TEST_REFERRALS", REFERRALS);
    let world = World::start(&[GUANGDONG, HONG_KONG], Plan { seed, ..Plan::default() }).await;
    storm(&world, seed, count, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_councils_hold_the_same_after_everything_that_can_befall_a_link_and_a_node() {
    if !on_sqlite(NODES) {
        return;
    }
    let seed = seed(96_315);
    let count = number("BAYCASE_TEST_REFERRALS", REFERRALS);
    let world = World::start(&[GUANGDONG, HONG_KONG, MACAO], Plan { seed, ..Plan::default() }).await;
    storm(&world, seed, count, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_council_that_only_polls_stays_in_step() {
    if !on_sqlite(NODES) {
        return;
    }
    let seed = seed(82);
    let plan = Plan { seed, polls: Some(MACAO.id), ..Plan::default() };
    let world = World::start(&[GUANGDONG, MACAO], plan).await;
    storm(&world, seed, REFERRALS / 2, false).await;
    let called = &world.links[&(GUANGDONG.id, MACAO.id)];
    assert_eq!(called.exchanges(), 0, "a council behind a wall was called");
    assert!(world.links[&(MACAO.id, GUANGDONG.id)].exchanges() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_that_was_not_consented_to_is_on_the_wire_or_in_clear_in_a_log() {
    if !on_sqlite(NODES) {
        return;
    }
    let seed = seed(37);
    let plan = Plan { seed, capture: true, ..Plan::default() };
    let world = World::start(&[GUANGDONG, HONG_KONG], plan).await;
    let count = 12;
    storm(&world, seed, count, false).await;
    let wire: Vec<u8> = world.links.values().flat_map(tests::link::Link::captured).collect();
    let on_wire = |text: &str| holds(&wire, text);
    assert!(on_wire("submitReferral"), "the capture holds no message: it proves nothing");
    for dispute in disputes(&world, count, seed) {
        let number = dispute.number;
        let (name, phone) = person(number);
        // Consented to, so it crosses, unless it was called back before; what the person gave beside it does not.
        assert!(dispute.recalled || (on_wire(&name) && on_wire(&phone)), "referral {number} did not cross");
        let address = format!("秘密路{number}号");
        assert!(!on_wire(&address), "the address of {number} is on the wire");
        for node in world.nodes.values() {
            for file in ["log.sqlite", "log.sqlite-wal", "referrals.sqlite", "referrals.sqlite-wal", "stderr.txt"] {
                let Ok(bytes) = std::fs::read(node.folder().join(file)) else { continue };
                for secret in [&name, &phone, &address] {
                    assert!(!holds(&bytes, secret), "{secret} stands in clear in {file} of {}", node.council);
                }
            }
        }
    }
}

/// Whether the text occurs, as it is or as JSON escapes it.
fn holds(bytes: &[u8], text: &str) -> bool {
    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    [text.as_bytes(), escaped.as_bytes()].iter().any(|needle| bytes.windows(needle.len()).any(|found| found == *needle))
}

/// Lets disputes cross in bad weather and with nodes that die, then waits in fair weather until all has come to an end,
/// and compares.
async fn storm(world: &World, seed: u64, count: u64, deadly: bool) {
    let disputes = disputes(world, count, seed);
    let over = AtomicBool::new(false);
    let done = Mutex::new(HashSet::new());
    let limit = LIMIT_PER_HUNDRED * u32::try_from(count.div_ceil(100)).unwrap();
    let began = Instant::now();
    let kills = tokio::join!(misfortunes(world, seed, count, &over, deadly), async {
        tokio::join!(refer_all(world, &disputes), async {
            // Work begins while the others still refer.
            settle(world, count, &done, began + limit, false).await;
        });
        over.store(true, Ordering::Relaxed);
        world.weather(Weather::default());
        settle(world, count, &done, began + limit, true).await;
    })
    .0;
    assert_eq!(deadly, kills > 0, "no node was killed: it proves nothing");
    println!("{count} referrals came to their end in {:.1?}; nodes were killed {kills} times", began.elapsed());
    compare(world, count).await;
}

/// Changes the weather and kills nodes, by the seed, until it is over.
async fn misfortunes(world: &World, seed: u64, count: u64, over: &AtomicBool, deadly: bool) -> u32 {
    let cut = Weather { cut_before: 1_000, ..Weather::default() };
    let mut kills = 0;
    // A node that has more to do is given longer to do some of it.
    let apart = 1 + count / 1_000;
    for turn in 0.. {
        let draw = mix(seed ^ mix(turn + 1_000));
        world.weather(match draw % 4 {
            0 => cut,
            1 => Weather::default(),
            _ => Weather::rough(),
        });
        sleep(Duration::from_millis((200 + draw % 800) * apart)).await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        if deadly {
            let place = usize::try_from((draw >> 16) % world.nodes.len() as u64).unwrap();
            let node = world.nodes.values().nth(place).unwrap();
            tokio::task::block_in_place(|| node.kill_and_start());
            world.lead();
            kills += 1;
        }
    }
    kills
}

/// Officers work until every referral has come to its end; with `delivered`, until all that was said has been heard.
async fn settle(world: &World, count: u64, done: &Mutex<HashSet<String>>, until: Instant, delivered: bool) {
    loop {
        assert!(Instant::now() < until, "the councils did not come to an end in time, or gave deliveries up");
        let mut acts = 0;
        for council in &world.councils {
            acts += work(world, *council, done).await;
        }
        if acts > 0 {
            continue;
        }
        let mut ended = BTreeMap::new();
        let (mut open, mut given_up) = (0, 0);
        for council in &world.councils {
            let node = world.node(*council);
            for (shared, view) in views(node, *council).await {
                if matches!(view.stage.as_str(), "CLOSED" | "RETURNED" | "RECALLED") {
                    *ended.entry(shared).or_insert(0) += if view.stayed { 2 } else { 1 };
                }
            }
            let (undelivered, dead) = open_deliveries(node, *council).await;
            // What a recall overtook is given up for a moment, until it is seen that nothing had left.
            given_up += dead;
            open += undelivered;
        }
        let all = ended.values().filter(|sides| **sides == 2).count() as u64 == count;
        if all && given_up == 0 && (!delivered || (open == 0 && answered(world).await)) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether every recall has been answered and both sides of every referral count the same messages.
async fn answered(world: &World) -> bool {
    let mut sides: BTreeMap<String, Vec<View>> = BTreeMap::new();
    for council in &world.councils {
        for (shared, view) in views(world.node(*council), *council).await {
            sides.entry(shared).or_default().push(view);
        }
    }
    sides.values().all(|views| views.windows(2).all(|pair| pair[0].digest == pair[1].digest))
        && sides.values().flatten().all(|view| view.stage != "RECALLED" || view.stayed || view.messages.1 > 0)
}

/// Both sides say the same, their logs say so too, nothing happened twice, nothing is missing.
async fn compare(world: &World, count: u64) {
    let mut said: BTreeMap<String, Vec<View>> = BTreeMap::new();
    for council in &world.councils {
        for (shared, view) in views(world.node(*council), *council).await {
            said.entry(shared).or_default().push(view);
        }
    }
    assert_eq!(said.len() as u64, count);
    let mut ends: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (shared, views) in &said {
        if let [View { stayed: true, .. }] = views.as_slice() {
            *ends.entry(("RECALLED".to_owned(), "never left".to_owned())).or_default() += 1;
            continue;
        }
        assert_eq!(views.len(), 2, "{shared} is known to one side only");
        assert_eq!(views[0], views[1], "{shared}: the two sides differ");
        *ends.entry((views[0].stage.clone(), views[0].outcome.clone())).or_default() += 1;
    }
    println!("ends: {ends:?}");
    for node in world.nodes.values() {
        node.end();
    }
    let mut kept: BTreeMap<_, Vec<Account>> = BTreeMap::new();
    for node in world.nodes.values() {
        for (shared, account) in accounts(node) {
            kept.entry(shared).or_default().push(account);
        }
    }
    assert_eq!(kept.len() as u64, count, "the logs hold another number of referrals");
    for (shared, sides) in &kept {
        if let [Account { stayed: true, kinds, .. }] = sides.as_slice() {
            for kind in ["referral.delivered", "referral.given-out", "referral.message-received"] {
                assert!(!kinds.contains_key(kind), "{shared} never left, and {kind} happened");
            }
            continue;
        }
        let [one, other] = sides.as_slice() else { panic!("{shared} stands in {} logs", sides.len()) };
        assert_eq!((&one.digest, &one.stage), (&other.digest, &other.stage), "{shared}: the two logs differ");
        for side in [one, other] {
            for kind in ONCE {
                assert!(side.kinds.get(kind).is_none_or(|times| *times == 1), "{shared}: {kind} happened twice");
            }
        }
        let said = |account: &Account, kind: &str| account.kinds.get(kind).copied().unwrap_or(0);
        assert_eq!(said(one, "referral.message-issued"), said(other, "referral.message-received"), "{shared}");
        assert_eq!(said(other, "referral.message-issued"), said(one, "referral.message-received"), "{shared}");
        assert_eq!(said(one, "referral.recalled"), said(other, "referral.recalled"), "{shared}");
        // What crosses a recall is heard, and has no effect where the recall was first.
        if one.stage != "recalled" {
            for kind in
                ["referral.acknowledged", "referral.returned", "referral.progressed", "referral.outcome-reported"]
            {
                assert_eq!(said(one, kind), said(other, kind), "{shared}: {kind} is on one side only");
            }
        }
    }
}
