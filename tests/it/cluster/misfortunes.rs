//! What befalls the nodes, the servers of the log and the vault node, drawn by the seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::double::{Fault, Kind};
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::client::Dice;
use super::world::{LEASE, NODES, PATIENCE, World};

/// How long a node that is told to stop may take for it, whatever else is dead.
const STOPS_IN: Duration = Duration::from_secs(30);
/// What goes wrong with the servers for a while.
const FAULTS: [Fault; 14] = [
    Fault::every(Kind::CutAfter, 4),
    Fault::every(Kind::CutBefore, 4),
    Fault::every(Kind::TimeOutAfter, 4),
    Fault::every(Kind::Twice, 3),
    Fault::every(Kind::Unavailable, 3),
    Fault::every(Kind::NoPosition, 2),
    Fault::every(Kind::BreakReads, 6),
    Fault::every(Kind::DropSubscriptions, 2),
    Fault::every(Kind::LossyCheckpoints, 1),
    Fault::times(Kind::HangAfter, 2),
    Fault::times(Kind::HangBefore, 2),
    Fault::times(Kind::NoQuorum, 3).lasting(Duration::from_millis(400)),
    Fault::times(Kind::LeaderDies, 2),
    Fault::always(Kind::Delay).lasting(Duration::from_millis(30)),
];

/// What befell the nodes.
#[derive(Debug, Default)]
pub(super) struct OfNodes {
    pub(super) killed: u32,
    pub(super) killed_while_starting: u32,
    pub(super) stopped: u32,
    /// Told to stop, and killed because they did not.
    pub(super) stuck: u32,
    pub(super) frozen: u32,
}

/// What befell the servers of the log and the vault node.
#[derive(Debug, Default)]
pub(super) struct OfServers {
    pub(super) restarted: u32,
    pub(super) frozen: u32,
    pub(super) leaders_lost: u32,
    pub(super) faults: u32,
    /// How often the faults struck, as far as the double that was told of them lived to say it.
    pub(super) strikes: u64,
    pub(super) vault_restarted: u32,
}

/// Kills, stops and freezes nodes until it is over; then all of them run.
pub(super) async fn of_nodes(world: &World, seed: u64, over: &AtomicBool) -> OfNodes {
    let mut dice = Dice::new(seed, 1_000_001);
    let mut done = OfNodes::default();
    while !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(200 + dice.below(900))).await;
        let node = &world.nodes[dice.place(NODES)];
        let another = &world.nodes[dice.place(NODES)];
        let away = Duration::from_millis(dice.below(1_500));
        match dice.below(9) {
            0..=3 => {
                block_in_place(|| node.kill());
                sleep(away).await;
                node.start();
                done.killed += 1;
            }
            4 => {
                block_in_place(|| [node, another].map(|node| node.kill()));
                sleep(away).await;
                node.start();
                if node.name() != another.name() {
                    another.start();
                }
                done.killed += if node.name() == another.name() { 1 } else { 2 };
            }
            5 | 6 => {
                let runs = node.addr().is_some();
                let ended = node.stop(STOPS_IN).await;
                if runs {
                    done.stopped += u32::from(ended.is_some());
                    done.stuck += u32::from(ended.is_none());
                }
                sleep(away).await;
                node.start();
            }
            7 => {
                node.freeze();
                // Longer than it keeps its leases: it wakes up and has lost them without knowing.
                sleep(LEASE + away).await;
                node.thaw();
                done.frozen += 1;
            }
            _ => {
                block_in_place(|| node.kill());
                node.start();
                sleep(Duration::from_millis(50 + dice.below(500))).await;
                done.killed_while_starting += u32::from(node.addr().is_none());
                block_in_place(|| node.kill());
                node.start();
                done.killed += 2;
            }
        }
        world.steer(dice.below(u64::MAX));
    }
    for node in &world.nodes {
        node.listening(PATIENCE).await;
    }
    world.steer(0);
    done
}

/// Kills the servers and the vault node, and has things go wrong on them, until it is over; then all is well.
pub(super) async fn of_servers(world: &World, seed: u64, over: &AtomicBool) -> OfServers {
    let mut dice = Dice::new(seed, 1_000_002);
    let mut done = OfServers::default();
    let double = &world.double;
    while !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(300 + dice.below(700))).await;
        let a_while = Duration::from_millis(dice.below(1_500));
        match dice.below(10) {
            0 | 1 => {
                block_in_place(|| double.kill());
                sleep(a_while).await;
                block_in_place(|| double.restart());
                done.restarted += 1;
            }
            2 => {
                block_in_place(|| double.freeze());
                sleep(a_while).await;
                block_in_place(|| double.thaw());
                done.frozen += 1;
            }
            3 => {
                let leader = block_in_place(|| double.stats()).leader.unwrap_or(0);
                block_in_place(|| double.kill_node(leader));
                sleep(a_while).await;
                block_in_place(|| double.revive_node(leader));
                done.leaders_lost += 1;
            }
            4..=7 => {
                let before = block_in_place(|| double.stats()).strikes;
                block_in_place(|| double.fault(FAULTS[dice.place(FAULTS.len())]));
                sleep(Duration::from_millis(400) + a_while).await;
                block_in_place(|| calm(world));
                done.faults += 1;
                done.strikes += block_in_place(|| double.stats()).strikes.saturating_sub(before);
            }
            8 => {
                block_in_place(|| world.vault.kill());
                sleep(a_while).await;
                world.vault.start();
                done.vault_restarted += 1;
            }
            _ => {}
        }
    }
    block_in_place(|| calm(world));
    world.vault.listening(PATIENCE).await;
    done
}

/// Takes every fault away, and has every node of the servers live.
fn calm(world: &World) {
    world.double.clear_all();
    for node in 0..world.double.ports().len() {
        world.double.revive_node(node);
    }
}
